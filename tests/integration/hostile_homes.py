"""Homes of hostile users, drawn by hypothesis: what is drawn (`Thing`) is small, and `leave` makes it large."""

import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple

import made_apps as made
from hypothesis import strategies as st
from made_users import untried

GIGABYTE = 1 << 30
MANY = 64  # times that a part of a file is repeated, or 30,000 times
STORE = "0123456789abcdfghijklmnpqrsvwxyz"

# Names that no honest user gives.
# fmt: off
NAMES = [
    b"\xff\xfe\xfd", b"a\nb", b"\x1b[2J\x1b]0;x\x07", "\u202egnp.exe".encode(), "\u2066\u2028\u0085".encode(),
    b"n" * 255, "\u6f22".encode() * 85, "e\u0301".encode() * 80, b" ", b"-rf", b"$(x)`'\"", b"%s%n{{1}}", b"~",
    b"\\040", b"a" + b".1" * 40 + b"!.AppImage", b"wechat", b"QQ", b"telegram", b"linux-" * 40, b"..\xe2\x80\xa8",
]
# What breaks what is read of a file.
TOKENS = [
    b"", b"\0", b"\n", b"\r\n\r\n", b"\xff\xfe", b'"', b"\\", b"(", b"[", b"{", b"}", b"1e999", b"-1", b"null", b"NaN",
    "\u202e".encode(), b"\x1b[31m", b"9" * 400, b'"\\ud800"', b"/../../..", b"https://web.telegram.org\x07/", b"%U",
    b"=", b"\xff" * 8, b"\x00\x00\x00\x80", b"\x7f" * 4, b"Infinity", b"true", b"[[[[", b"_crx_", b"file:///dev/zero",
]
# fmt: on
COUNTS = [struct.pack(form, number) for form in ("<H", "<I", "<Q") for number in (0, 1, 0x7FFF, 0xFFFF)]
COUNTS += [struct.pack("<I", 1 << 30), struct.pack("<Q", 1 << 62), b"\xff" * 4, b"\xff" * 8]


def texts(name):
    """Honest files of each kind, for an app of that name."""
    path = f"/nix/store/{STORE}-{name}-1.0"
    entry = f'("{name}" "1.0" "out" "/gnu/store/{STORE}-{name}-1.0" (propagated-inputs ()))'
    return {
        "metadata": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nlong text\n".encode(),
        "package.json": json.dumps({"name": name, "version": "1.0", "bin": {name: "x"}}).encode(),
        ".npmrc": b"prefix=~/a\nprefix = ${HOME}/.npm-global\n",
        "conda": json.dumps({"name": name, "version": "1.0", "files": [f"bin/{name}"] * 3}).encode(),
        "environments.txt": b"/home/mallory0/envs/a\n/home/mallory1/envs/b\n",
        "receipt": f'[tool]\nrequirements = [{{ name = "{name}" }}]\n'.encode(),
        "nix": json.dumps({"version": 3, "elements": {name: {"active": True, "storePaths": [path]}}}).encode(),
        "nix-env": f'[ {{ name = "{name}"; outPath = "{path}"; }} ]'.encode(),
        "guix": f"(manifest (version 4) (packages ({entry})))".encode(),
        "entry": made.entry(name, URL="https://web.telegram.org/a/") + b"Exec=env A=b waydroid app launch com.x\n",
        "unit": f"[Service]\nExecStart=-/usr/bin/env {name} --app-id={'a' * 32}\n".encode()
        + f"ExecStartPre=podman exec -it c {name}\n".encode(),
        "script": f"#!/bin/sh\n# distrobox_binary\n\texec '/usr/bin/{name}' \"$@\"\n".encode(),
        "deploy": b"origin\0commit\0appdata-version\0\0001.0\0",
        "vendor": b"[App]\nVendor=Tor Project\nName=Firefox\n",
        "elf": made.elf({".text": bytes(64)}),
        "go": made.go("github.com/cloudflare/cloudflared/cmd/cloudflared"),
        "image": made.image(name, files={"resources": b"", "usr": b""}),
        "asar": made.asar({"name": name}, {"native.bin": 7}),
        "windows": made.windows(),
        "zip": made.jar(),
        "pak": made.pak(),
        "icu": made.icu(),
        "nested": b'{"files": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    }


# Where what kind is read. {pip} and the like are names of the catalogue; {any} is a name of any bytes.
SITES = (".local/lib/python3.11", ".pyenv/versions/{any}/lib/python3.12", ".local/share/uv/tools/{pip}/lib/python3.11")
SITES += (".local/share/pipx/venvs/{any}/lib/python3.11",)
WEB_APPS = ".config/chromium/Default/Web Applications"
PLACES_OF = {
    "metadata": tuple(f"{site}/site-packages/{{pip}}-1.0.dist-info/METADATA" for site in SITES)
    + (".local/lib/python3.9/site-packages/{pip}-1.0.egg-info/PKG-INFO",),
    "receipt": (".local/share/uv/tools/{pip}/uv-receipt.toml",),
    ".npmrc": (".npmrc",),
    "package.json": tuple(
        f"{top}/lib/node_modules/{{npm}}/package.json" for top in (".local", ".nvm/versions/node/{any}")
    ),
    "conda": tuple(
        f"{top}/conda-meta/{{conda}}-1.0-0.json" for top in ("miniconda3", "miniconda3/envs/{any}", "envs/a")
    ),
    "environments.txt": (".conda/environments.txt",),
    "nix": (f".local/share/nix/root/nix/store/{STORE}-p/manifest.json",),
    "nix-env": (f".local/share/nix/root/nix/store/{STORE}-p/manifest.nix",),
    "guix": (".guix-extra-profiles/{any}/manifest",),
    "entry": tuple(f"{folder}/{{any}}.desktop" for folder in (".config/autostart", ".local/share/applications"))
    + ("Desktop/{desktop}", "{program}/{desktop}"),
    "unit": (".config/systemd/user/{any}.service",),
    "script": (".local/bin/{program}",),
    "elf": (".local/bin/{program}", ".local/share/waydroid/data/data/{any}/x", "{program}/{program}", "{any}")
    + (".linuxbrew/Cellar/{brew}/{any}/x",),
    "go": (".local/bin/cloudflared-linux-amd64", "bin/cloudflared"),
    "deploy": (".local/share/flatpak/app/{flatpak}/{any}/{any}/active", ".local/share/flatpak/overrides/{flatpak}")
    + (".local/share/flatpak/app/{flatpak}/x86_64/stable/active/deploy",),
    "pak": (f"{WEB_APPS}/Manifest Resources/_crx_{{any}}/x", f"{WEB_APPS}/_crx_{'a' * 32}/Icons/128.png")
    + ("{program}/resources.pak",),
    "image": ("Downloads/{program}.AppImage", "Downloads/{program}-1.0-x86_64.AppImage", "{any}/{program}.AppImage"),
    "asar": ("{program}/resources/app.asar",),
    "icu": ("{program}/icudtl.dat",),
    "zip": ("{program}/omni.ja",),
    "vendor": ("{program}/application.ini",),
    "windows": tuple(f".wine/drive_c/Program Files/{name}" for name in ("{windows}", "{any}.dll")),
    "nested": ("{any}/{any}/{any}",),
}
PLACES = [(place, kind) for kind, places in PLACES_OF.items() for place in places]
PLACES += [(trace, "nested") for trace in untried(path for path, _ in PLACES)]
KINDS = sorted(texts("x"))


class Change(NamedTuple):
    """Something else in a file: at a share of its length in thousandths, instead of `gone` bytes, `token` so often."""

    at: int
    gone: int
    token: bytes
    times: int


class Thing(NamedTuple):
    place: str
    names: Sequence[int]  # which of the catalogue's names and of NAMES stand in the place
    kind: str  # of content, or "link", "pipe", "socket", "deep", "directory"
    changes: Sequence[Change] = ()
    size: int = 0  # of a file that is sparse from its content's end on
    mode: int = 0o755
    target: str = ""
    shared: bool = False  # in /tmp, and not at home


CHANGES = st.builds(
    Change,
    st.integers(0, 1000),
    st.sampled_from([0, 0, 1, 4, 8, 1000, 1 << 20]),
    st.one_of(st.sampled_from(TOKENS), st.sampled_from(COUNTS), st.binary(max_size=8)),
    st.sampled_from([1, 1, 1, 1, MANY, 30_000]),
)
FILES = st.builds(
    lambda row, names, kind, changes, size, mode, shared: Thing(
        row[0], names, kind or row[1], changes, size, mode, "", shared
    ),
    st.sampled_from(PLACES),
    st.lists(st.integers(0, 999), min_size=4, max_size=4),
    st.one_of(st.just(""), st.just(""), st.just(""), st.sampled_from(KINDS)),
    st.lists(CHANGES, max_size=4),
    st.sampled_from([0, 0, 0, 0, 200_000, 1 << 20, (1 << 20) + 1, 80 << 20, GIGABYTE]),
    st.sampled_from([0o755, 0o755, 0o644, 0, 0o4777]),
    st.sampled_from([False, False, False, True]),
)
OTHERS = st.builds(
    lambda row, up, names, kind, target: Thing(
        (os.path.dirname(row[0]) or "x") if up else row[0], names, kind, target=target
    ),
    st.sampled_from(PLACES),
    st.booleans(),
    st.lists(st.integers(0, 999), min_size=4, max_size=4),
    st.sampled_from(["link", "link", "pipe", "socket", "deep", "directory"]),
    st.sampled_from(
        ["/etc", "/", ".", "..", "/proc/self/fd", f"/nix/store/{STORE}-p", "x-1-link", "n" * 4000, "\u202e\x1b[2J"]
    ),
)  # fmt: skip
HOMES = st.lists(st.one_of(FILES, FILES, FILES, OTHERS), min_size=3, max_size=25)


def catalogue_names(catalogue):
    """What stands for {pip} and the like, out of the plan's apps."""
    by_key = {}
    for entry in catalogue.values():
        keys = {"program": "processes", "desktop": "desktop_files", "windows": "windows"}
        for key, names in {**entry["packages"], **{key: entry.get(own, ()) for key, own in keys.items()}}.items():
            by_key.setdefault(key, set()).update(names)
    return {key: sorted(names) for key, names in by_key.items()}


def content(thing, name):
    text = texts(name)[thing.kind]
    for at, gone, token, times in thing.changes:
        place = len(text) * at // 1000
        text = text[:place] + token * times + text[place + gone :]
    return text[: 8 << 20]


def leave(home, shared, uid, things, named):
    """Make a home of what is drawn; what has no room beside the others is left out."""
    for thing in things:
        name, path = _place(thing, named)
        base = os.fsencode(shared / f"u{uid}" if thing.shared else home)
        with contextlib.suppress(OSError):  # a file where a directory would have to be; a name that is too long
            _make(thing, base + b"/" + path, name)
    for top in (home, shared / f"u{uid}"):
        _give(os.fsencode(top), uid)


def _place(thing, named):
    numbers = iter(list(thing.names) * 4)
    name, path = "qq", b""
    for part in thing.place.replace("{", "\0{").replace("}", "}\0").split("\0"):
        if part == "{any}":
            path += NAMES[next(numbers) % len(NAMES)]
        elif part.startswith("{"):
            names = named.get(part[1:-1]) or ["wechat"]
            name = names[thing.names[0] % len(names)]
            path += name.encode()
        else:
            path += part.encode()
    return name, path


def _make(thing, path, name):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        return
    makers = {
        "link": lambda: os.symlink(thing.target, path),
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: socket.socket(socket.AF_UNIX).bind(path),
        "deep": lambda: _deep(path),
        "directory": lambda: os.mkdir(path),
    }
    if thing.kind in makers:
        makers[thing.kind]()
        return
    with open(path, "wb") as stream:
        text = content(thing, name)
        stream.write(text)
        stream.truncate(max(thing.size, len(text)))
    os.chmod(path, thing.mode)


def _deep(path):
    here = os.open("/", os.O_PATH)
    try:
        os.mkdir(path)
        os.chdir(path)
        for _ in range(300):
            os.mkdir(b"d" * 60)
            os.chdir(b"d" * 60)
    finally:
        os.fchdir(here)
        os.close(here)


def _give(top, uid):
    """Make all of a tree a user's. By descriptors: its paths may be longer than a path may be."""
    if not os.path.lexists(top):
        return
    os.lchown(top, uid, uid)
    for _, directories, files, descriptor in os.fwalk(top):
        for name in (*directories, *files):
            seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(seen.st_mode) and seen.st_mode & 0o4000:
                os.chmod(name, 0o4755, dir_fd=descriptor)

"""Which program the name of a downloaded file speaks of: versions, systems and processors say nothing of that."""

import json
import struct
from typing import Any

import made_apps as fake
import pytest
from made_apps import Read
from made_apps import lay as put
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.portable import appimage_contents, asar, user_dirs
from proscribe.host.controls.apps.portable.appimage import is_image, stem
from proscribe.host.system import Host, Result, User
from squashfs_maker import Maker

NAMES = [
    ("Chat-1.2.3.AppImage", "chat"),
    ("Chat-1.2.3-ia32.AppImage", "chat"),
    ("ChatLinux-x86_64.AppImage", "chat"),
    ("chat-linux-gnu-musl-glibc", "chat"),
    ("chat-x86-x32-i386-i686-arm-armhf-armv7l-arm64-aarch64", "chat"),
    ("chat-64bit-32bit-bin-git-portable-setup-desktop-electron", "chat"),
    ("chat-latest-stable-alpha-release-nightly-canary-ptb-continuous-universal", "chat"),
    ("megaglest", "megaglest"),
    ("chat2", "chat2"),
    ("chat-ia64.AppImage", "chat-ia64"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_name_of_a_download_has_a_stem(name, expected):
    assert stem(name) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x7fELF\x02\x01\x01\0AI\x02", True),
        (b"\x7fELF\x02\x01\x01\0FI\x01", True),
        (b"\x7fELF\x02\x01\x01\0RI\x02", True),
        (b"\x7fELF\x02\x01\x01\0AI\x03", False),
        (b"\x7fELF\x02\x01\x01\0\0\0\0", False),
        (b"MZ\0\0\0\0\0\0AI\x02", False),
    ],
)
def test_first_bytes_mark_an_appimage(head, expected):
    assert is_image(head) is expected


WECHAT = frozenset({"wechat", "com.tencent.wechat"})
OTHER = "does not say that it is this app"


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (fake.image("wechat"), ""),
        (fake.image("WeChat", "com.tencent.WeChat"), ""),
        (fake.image("wechat", categories="Game;"), "its own desktop entry says that it is something else (Game)"),
        (fake.image("other"), f"known by its name alone: what is in it {OTHER}, so it is not moved"),
        (fake.image("other", "wechat", files={"wechat": b"text"}), OTHER),
        (fake.image("wechat", files={"second.desktop": fake.entry("x")}), "more than one desktop entry"),
        (fake.elf({}, b"AI\x02"), "it has no squashfs archive"),
        (b"text", "it is no program"),
    ],
)
def test_an_appimage_is_what_is_in_it(image, doubt):
    reason = appimage_contents.doubt(Read(image), WECHAT)
    assert doubt in reason and bool(reason) == bool(doubt)


DIRECTORY: Any = {"usr": {"bin": {"wechat": fake.elf(), "run": b"text"}}}
MANY = {f"a{number:02}": fake.elf() for number in range(50)}  # as a Qt or Electron app has at its root
THREE_TEXTS = dict.fromkeys(("WECHAT", "WEchat", "WeChat"), b"text")  # each takes a read of the host's disk


@pytest.mark.parametrize(
    ("more", "update", "files", "is_one"),
    [
        pytest.param({}, "", {}, False, id="only its desktop entry"),
        pytest.param({"Exec": "/opt/a/WeChat --x"}, "", {}, True, id="the command"),
        pytest.param({"StartupWMClass": "com.tencent.WeChat"}, "", {}, True, id="the window"),
        pytest.param({"Name": "wechat", "Icon": "wechat"}, "", {}, False, id="what anybody calls something"),
        pytest.param({}, "gh-releases-zsync|Tencent|WeChat|latest|x", {}, True, id="where it is updated from"),
        pytest.param({}, "zsync|http://x/wechat.zsync", {}, False, id="from an address that has the word in it"),
        pytest.param({}, "", {"wechat": fake.elf()}, True, id="a program"),
        pytest.param({}, "", {"wechat": "AppRun", "AppRun": fake.elf()}, True, id="a link to one"),
        pytest.param({}, "", {"wechat": "nowhere"}, False, id="a link to nothing"),
        pytest.param({}, "", {**MANY, "wechat": fake.elf()}, True, id="a program among many others"),
        pytest.param({}, "", {"wechat": fake.elf(), "usr": {}}, True, id="one beside a usr without a bin"),
        pytest.param({}, "", {**THREE_TEXTS, "Wechat": fake.elf()}, True, id="the fourth of that name"),
        pytest.param({}, "", {**THREE_TEXTS, "Wechat": b"text", "wEchat": fake.elf()}, False, id="the fifth"),
        pytest.param({}, "", {"wechat": {"wechat": fake.elf()}}, False, id="a directory"),
        pytest.param({}, "", DIRECTORY, True, id="a program where they are on a host"),
        pytest.param({}, "", {"resources": {"app.asar": fake.asar({"name": "wechat"})}}, True, id="its package.json"),
        pytest.param({}, "", {"resources": {"app.asar": fake.asar({"name": "other"})}}, False, id="another's"),
        pytest.param({}, "", {"resources": {"app.asar": b"wechat"}}, False, id="none"),
    ],
)
def test_appimage_names_its_app_in_two_places(more, update, files, is_one):
    """The name of a desktop entry is one; each of these is another, or none."""
    tree = {"wechat.desktop": fake.entry("other", **more), **files}
    image = fake.elf({".upd_info": update.encode() + b"\0"}, b"AI\x02") + Maker(tree).archive()
    reason = appimage_contents.doubt(Read(image), WECHAT)
    assert (reason == "") is is_one and (OTHER in reason) is not is_one


PACKAGE = {"productName": "Owl", "name": "owl", "desktopName": "owl.desktop", "version": "1"}
TREE: dict[str, Any] = {
    "a.node": {"size": 5, "unpacked": True},
    "packed": {"size": 6, "offset": "9"},
    "odd": {"size": 7, "unpacked": "yes"},
    "": {"size": 1, "unpacked": True},
    ".": {"size": 1, "unpacked": True},
    "..": {"files": {"x": {"size": 1, "unpacked": True}}},
    "b/c": {"size": 1, "unpacked": True},
    "d": {"files": {"e": {"files": {"f": {"size": "8", "unpacked": True}}}, "g": {"size": 2, "unpacked": True}}},
}


def archive(package: Any = PACKAGE, tree: dict[str, Any] = TREE, offset: int = 0, cut: int = 0) -> bytes:
    content = json.dumps(package).encode()
    entry = {"size": len(content) - cut, "offset": str(offset)}
    header = json.dumps({"files": {"package.json": entry, **tree}}).encode()
    padded = header.ljust(-(-len(header) // 4) * 4, b"\0")
    return struct.pack("<IIII", 4, len(padded) + 8, len(padded) + 4, len(header)) + padded + bytes(offset) + content


def deep(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"x": {"size": 1, "unpacked": True}}
    for _ in range(depth):
        tree = {"d": {"files": tree}}
    return tree


def test_files_beside_an_archive_have_paths_that_never_lead_out():
    """A path that led elsewhere would move a file that is not the app's."""
    read = asar.read(Read(archive()))
    assert read and read.unpacked == {"a.node": 5, "d/e/f": 8, "d/g": 2}
    for depth, count in ((asar.DEEPEST, 1), (asar.DEEPEST + 1, 0)):
        read = asar.read(Read(archive(tree=deep(depth))))
        assert read and len(read.unpacked) == count


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF" + bytes(100),
        archive(cut=1),
        archive(["owl"]),
        archive(tree={"a": {"unpacked": True}}),
        archive(tree={"a": 5}),
        archive(tree={"a": {"files": 5}}),
        archive().replace(b'"package.json"', b'"package.jsox"'),
        archive().replace(b'"files": {"package', b'"filex": {"package'),
    ],
)
def test_damaged_archive_is_read_as_none(content):
    assert asar.read(Read(content)) is None


def test_a_header_or_a_package_that_is_too_large(monkeypatch):
    content = archive()
    size = struct.unpack_from("<I", content, 12)[0]
    for most, is_read in ((size, True), (size - 1, False)):
        monkeypatch.setattr(asar, "LARGEST", most)
        assert (asar.read(Read(content)) is not None) is is_read
    monkeypatch.setattr(asar, "LARGEST", size)
    for most, is_read in ((len(json.dumps(PACKAGE)), True), (len(json.dumps(PACKAGE)) - 1, False)):
        monkeypatch.setattr(asar, "MANIFEST", most)
        assert (asar.read(Read(content)) is not None) is is_read


HOME = "/home/alice"
EMPTY: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {"processes": ["wechat"], "packages": {"apt": ["wechat"]}},
    "signal": {"processes": ["signal-desktop"]},
}
DIRS = 'XDG_DESKTOP_DIR="$HOME/桌面"\nXDG_DOWNLOAD_DIR="$HOME/下載"\n'


@pytest.fixture
def host(tmp_path):
    for place in ("home/alice", "root", "proc", "etc", "var/lib"):
        (tmp_path / place).mkdir(parents=True)
    accounts = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    (tmp_path / "etc/passwd").write_text(accounts)
    return Host(str(tmp_path), lambda argv, **options: Result(1, "", ""))


def section() -> dict[str, Any]:
    services = {id_: {"name": id_, **EMPTY, **values} for id_, values in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {}}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("$HOME/桌面", f"{HOME}/桌面"),
        ("$HOME/a//b/", f"{HOME}/a/b"),
        ('$HOME/a\\"b', f'{HOME}/a"b'),
        ("$HOME", ""),
        ("$HOME/./x", ""),
        ("/home/alicex/Desktop", ""),
        (f"{HOME}/{'x' * 1012}", f"{HOME}/{'x' * 1012}"),
        (f"{HOME}/{'x' * 1013}", ""),
        (r"$HOME/a\\b", rf"{HOME}/a\b"),
        (r"$HOME/\$a\\\`b", rf"{HOME}/$a\`b"),
        ("$HOME/a\0b", ""),
    ],
)
def test_only_a_folder_below_the_home_counts(value, path):
    text = f'# c\n  XDG_DESKTOP_DIR="{value}"\nXDG_FOO_DIR="$HOME/y"\n'
    assert user_dirs.parse(text, HOME) == ({"DESKTOP": path} if path else {})


def test_folder_of_downloads_never_moves_as_a_whole(host):
    put(host, HOME + user_dirs.FILE, DIRS)
    for name, content in fake.electron("signal-desktop").items():
        put(host, f"{HOME}/下載/{name}", content)
    (app,) = observe_apps(host, section()).portable_apps
    assert not app.doubt and app.path != f"{HOME}/下載" and f"{HOME}/下載" not in app.parts


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_file_of_folders_is_read_up_to_the_limit(host, more, read):
    text = DIRS + "#" * (64 * 1024 - len(DIRS.encode()) + more)
    put(host, HOME + user_dirs.FILE, text)
    assert bool(user_dirs.of_user(host, User("alice", 1000, 1000, HOME))) is read


def test_a_plans_words_for_a_refusal_reach_the_gates(host):
    from proscribe.host.controls.apps import install_block
    from proscribe.host.controls.apps.desired import Desired
    from proscribe.host.controls.apps.systems import dpkg

    put(host, "/var/lib/dpkg/status", b"")
    put(host, "/usr/bin/dpkg-query")
    own = {**section(), "settings": {"refusal_notice": "Not here.\n此處不得安裝。"}}
    parts = {
        part.path: part
        for _, part, _ in install_block.expected(host, {"contact": "it", "controls": {"apps": own}}, Desired(own))
    }
    assert parts[dpkg.CONTACT].desired(host).splitlines()[1:] == ["it", "Not here.", "此處不得安裝。"]

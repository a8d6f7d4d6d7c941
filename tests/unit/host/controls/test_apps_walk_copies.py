"""Copies of apps that no package system knows: what is taken for one, what for certain, and what never."""

from __future__ import annotations

import base64
import marshal
import os
import re
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_apps import lay as put
from proscribe.host.controls import apps
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.portable import appimage, evidence, names
from proscribe.host.controls.apps.portable import scan as portable
from proscribe.host.controls.apps.portable.desktop_entries import app_id
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.controls.apps.portable.scan_cache import MEMORY
from proscribe.host.system import Host, Result, User, file_scan

ELF = made.elf()
IMAGE = made.image("signal-desktop")
CLOUDFLARED = "github.com/cloudflare/cloudflared/cmd/cloudflared"

SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {
        "processes": ["wechat", "WeChatAppEx"],
        "paths": ["/opt/wechat/wechat", "/usr/bin/wechat"],
        "desktop_files": ["com.tencent.WeChat.desktop"],
        "windows": ["Tencent/WeChat/WeChat.exe"],
        "packages": {"apt": ["wechat"], "flatpak": ["com.tencent.WeChat"]},
    },
    "telegram": {"processes": ["Telegram", "telegram-desktop"]},
    "signal": {"processes": ["signal-desktop"]},
    "mega": {"processes": ["megasync"], "packages": {"apt": ["megasync"]}},
    "dropbox": {"processes": ["dropbox"], "paths": ["~/.dropbox-dist"]},
    "tunnels": {
        "markers": {
            "go": ["github.com/cloudflare/cloudflared", "github.com/jpillora/chisel"],
            "programs": ["cloudflared", "chisel"],
        }
    },
    "whatsapp": {"web_hosts": ["whatsapp.com", "chat.example.com/wa"], "web_allow": ["business.whatsapp.com"]},
}


def section(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
    services = {id_: {"name": id_, **empty, **given, **changes.get(id_, {})} for id_, given in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {}}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for place in ("home/alice", "proc", "etc", "var/lib"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\nbin:x:2:2::/bin:/bin/false\n")
    return Host(str(tmp_path), lambda argv, **options: Result(1, "", ""))


def search(host: Host, **region: Any) -> portable._Search:
    """A search of single paths on the host's own behalf."""
    services = section()["services"]
    of = portable.Region({}, ["/opt"], **region)
    return portable._Search(host, names.Names(services), of, (), {})


def test_what_a_package_system_owns_is_reported_and_stays_whatever_the_evidence(host: Host) -> None:
    """Else an environment of pipx's would be taken apart, of which another of its programs needs the rest."""
    for name in ("wechat", "libcef.so"):
        put(host, f"/opt/venv/wechat/{name}")
    for owned, kind, doubt in (("/opt/venv", "program", "a package system owns it, so it is not moved"),
                               ("/opt/ven", "tree", "")):  # fmt: skip
        one = search(host, owned=[owned])
        one._add("wechat", "program", "/opt/venv/wechat/wechat", evidence.Known("why", own=True))
        assert [(copy.kind, copy.doubt, bool(copy.parts)) for copy in one.found] == [(kind, doubt, False)]


ALICE = User("alice", 1000, 1000, "/home/alice")


@pytest.mark.parametrize("doubt", ["", "known by its name alone"])
def test_what_a_package_of_the_host_owns_stays_and_a_doubt_is_reported_instead(host: Host, doubt: str) -> None:
    put(host, "/usr/bin/dpkg-query", b"")
    put(host, "/opt/x/wechat")
    host._run = lambda argv, **options: Result(0, "some: x\n", "")
    one = search(host)
    one._add("wechat", "program", "/opt/x/wechat", evidence.Known("why", doubt))
    (copy,) = one.found
    assert copy.doubt == (doubt or "it belongs to the dpkg package some, so it is not moved")


@pytest.mark.parametrize("place", ["/home/alice", "/opt", "/tmp"])
def test_a_program_that_lies_in_a_home_or_a_place_of_many_moves_alone(host: Host, place: str) -> None:
    """What lies around it there is its user's, or anybody's."""
    for name in ("wechat", "libcef.so"):
        put(host, f"{place}/{name}")
    region = portable.Region({"/home/alice": ALICE}, ["/opt"])
    one = portable._Search(host, names.Names(section()["services"]), region, (), {})
    one._add("wechat", "program", f"{place}/wechat", evidence.Known("why", own=True))
    assert [(copy.kind, copy.path, list(copy.parts)) for copy in one.found] == [("program", f"{place}/wechat", [])]


@pytest.mark.parametrize(
    ("directory", "content", "sign", "counts"),
    [
        ("/home/alice/x", ELF, True, True),
        ("/opt/x", ELF, True, False),  # the host's own browser
        ("/home/alice/x", b"#!/bin/sh\n", True, False),
        ("/home/alice/x", ELF, False, False),
    ],
)
def test_a_copy_of_a_browser_counts_in_a_home_with_the_rest_of_one_around_it(
    host: Host, directory: str, content: bytes, sign: bool, counts: bool
) -> None:
    put(host, f"{directory}/firefox", content)
    if sign:
        put(host, f"{directory}/libcef.so")
    services = {"tor": {"packages": {}, "processes": [], "paths": [], "copies": ["firefox"]}}
    region = portable.Region({"/home/alice": ALICE}, ["/opt"])
    one = portable._Search(host, names.Names(services), region, (), {})
    one.directory(directory, ["_crx_abc", "firefox"])  # a web app is checked elsewhere
    assert [(copy.kind, copy.path) for copy in one.found] == ([("program", f"{directory}/firefox")] if counts else [])


@pytest.mark.parametrize("user", [None, ALICE])
def test_a_file_scan_hands_over_files_of_others_unless_it_runs_for_a_user(
    host: Host, monkeypatch: pytest.MonkeyPatch, user: User | None
) -> None:
    apart_by: list[bool] = []

    def scan(*_: Any, apart: bool) -> file_scan.Scanned:
        apart_by.append(apart)
        return file_scan.Scanned([], {}, [])

    monkeypatch.setattr(host, "scan", scan)
    services = section()["services"]
    portable.scan_files(host, services, names.Names(services), portable.Region({}, ["/opt"], user=user), (), {})
    assert apart_by == [user is None]


def test_the_finding_of_a_portable_app_has_all_its_details() -> None:
    of = PortableApp(["wechat"], "tree", "/opt/x\n", "we\nchat", None, "why", "doubt", "4.1", 0, [], "stays")
    detail = "why, version as its name says, doubt, stays"
    assert tuple(of.finding()) == ("file", r"we\x0achat", "tree", "4.1", "system", r"/opt/x\x0a", detail)
    for kind in ("web_app", "autostart", "launcher"):
        found = of._replace(kind=kind, owner=ALICE, version="", doubt="", stays="").finding()
        assert (found.kind, found.manager, found.scope, found.detail) == (kind, kind, "user:alice", "why")


@pytest.mark.parametrize("theirs", [[], ["/opt/shared"], ["/opt/other"]])
def test_what_is_scanned_on_behalf_of_others_is_not_scanned_as_the_hosts(host: Host, theirs: list[str]) -> None:
    put(host, "/opt/shared/wechat")
    one = search(host)
    one.named("wechat", "/opt/shared/wechat", theirs)
    assert [copy.path for copy in one.found] == ([] if theirs == ["/opt/shared"] else ["/opt/shared/wechat"])


@pytest.mark.parametrize("name", ["chisel", "signal-desktop"])
def test_an_image_under_a_programs_name_is_one_whatever_its_size(host: Host, name: str) -> None:
    """Under another name a small file is none: the program that unpacks an AppImage takes more."""
    image = made.image(name)
    assert len(image) < appimage.SMALLEST
    put(host, f"/home/alice/bin/{name}", image)
    assert [copy.kind for copy in observe_apps(host, section()).portable_apps] == ["appimage"]


def found(host: Host, **changes: Any) -> list[tuple[str, ...]]:
    portable_apps: list[PortableApp] = sorted(
        observe_apps(host, section(**changes)).portable_apps, key=lambda copy: copy.path
    )
    return [(" ".join(c.services), c.kind, c.path, "doubt" if c.doubt else "certain") for c in portable_apps]


HOME = "/home/alice"


@pytest.mark.parametrize(
    ("files", "copy"),
    [
        # AppImages, by what is in them
        ({f"{HOME}/Apps/WeChatLinux_x86_64.AppImage": made.image("wechat")}, ("wechat", "appimage", 0, "certain")),
        ({f"{HOME}/Signal-Desktop-7.1.0-x86_64.appimage": IMAGE}, ("signal", "appimage", 0, "certain")),
        ({f"{HOME}/x/telegram-desktop": made.image("telegram-desktop")}, ("telegram", "appimage", 0, "certain")),
        ({f"{HOME}/bin/signal": IMAGE + bytes(200_000)}, ("signal", "appimage", 0, "certain")),
        ({"/opt/Signal.AppImage": IMAGE}, ("signal", "appimage", 0, "certain")),
        # and by their name alone: another app, no archive, an archive that is cut short
        ({f"{HOME}/Signal.AppImage": made.image("pomodoro")}, ("signal", "appimage", 0, "doubt")),
        ({f"{HOME}/Signal.AppImage": made.elf({}, b"AI\x02")}, ("signal", "appimage", 0, "doubt")),
        ({f"{HOME}/Signal.AppImage": IMAGE[:-100]}, ("signal", "appimage", 0, "doubt")),
        # unpacked archives and vendors' trees
        (
            {f"{HOME}/x/Telegram/Telegram": ELF, f"{HOME}/x/Telegram/Updater": ELF},
            ("telegram", "tree", f"{HOME}/x/Telegram", "certain"),
        ),
        (
            {f"{HOME}/Downloads/Telegram": ELF, f"{HOME}/Downloads/Updater": ELF},
            ("telegram", "program", f"{HOME}/Downloads/Telegram", "certain"),
        ),
        (
            {f"{HOME}/signal-desktop-7.1/{name}": data for name, data in made.electron("signal-desktop").items()},
            ("signal", "tree", f"{HOME}/signal-desktop-7.1", "certain"),
        ),
        (
            {f"{HOME}/linux-unpacked/{n}": d for n, d in made.electron("signal-desktop", "signal-desktop").items()},
            ("signal", "tree", f"{HOME}/linux-unpacked", "certain"),
        ),
        ({"/opt/wechat/wechat": ELF}, ("wechat", "tree", "/opt/wechat", "certain")),
        (
            {f"{HOME}/wechat/WeChatAppEx": ELF, f"{HOME}/wechat/wechat": ELF},
            ("wechat", "tree", f"{HOME}/wechat", "certain"),
        ),
        (
            {f"{HOME}/.dropbox-dist/d/dropbox": ELF, f"{HOME}/.dropbox-dist/d/libdropbox.so": ELF},
            ("dropbox", "tree", f"{HOME}/.dropbox-dist/d", "certain"),
        ),
        # by a name or a path alone
        ({f"{HOME}/x/megasync": ELF}, ("mega", "program", 0, "doubt")),
        ({f"{HOME}/.dropbox-dist/other": ELF}, ("dropbox", "tree", f"{HOME}/.dropbox-dist", "doubt")),
        ({f"{HOME}/x/megasync": ELF, f"{HOME}/x/icudtl.dat": b""}, ("mega", "program", 0, "doubt")),
        (
            {f"{HOME}/wechat/com.tencent.WeChat.desktop": made.entry("wechat"), f"{HOME}/wechat/run": ELF},
            ("wechat", "tree", f"{HOME}/wechat", "doubt"),
        ),
        # Electron's shell under a name that its package.json does not know
        (
            {f"{HOME}/x/{name}": data for name, data in made.electron("megasync", "my-own-editor").items()},
            ("mega", "program", f"{HOME}/x/megasync", "doubt"),
        ),
        # Wine
        (
            {
                f"{HOME}/.wine/drive_c/Program Files (x86)/Tencent/WeChat/WeChat.exe": made.windows(),
                f"{HOME}/.wine/drive_c/Program Files (x86)/Tencent/WeChat/WeChatWin.dll": made.windows(),
            },
            ("wechat", "wine", 0, "certain"),
        ),
        ({f"{HOME}/.wine/drive_c/x/Tencent/WeChat/WeChat.exe": made.windows()}, ("wechat", "wine", 0, "doubt")),
        ({f"{HOME}/.wine/drive_c/x/WeChat.exe": made.windows()}, ("wechat", "wine", 0, "doubt")),
        # tools in one file, by their maker's mark
        ({f"{HOME}/.local/bin/cloudflared": made.go(CLOUDFLARED)}, ("tunnels", "program", 0, "certain")),
        ({f"{HOME}/.local/bin/cloudflared-linux-amd64": made.go(CLOUDFLARED)}, ("tunnels", "program", 0, "certain")),
        ({"/usr/local/bin/chisel": made.go("github.com/jpillora/chisel")}, ("tunnels", "program", 0, "certain")),
    ],
)
def test_what_is_a_copy(host, files, copy):
    for path, content in files.items():
        put(host, path, content)
    service, kind, place, sure = copy
    assert found(host) == [(service, kind, place or next(iter(files)), sure)]


@pytest.mark.parametrize(
    "files",
    [
        {f"{HOME}/megaglest-3.13.AppImage": IMAGE},  # not MEGA
        {f"{HOME}/signal-generator-1.0.AppImage": IMAGE},
        # an empty entry, a project of the app's name, words that other tools have as their names
        {f"{HOME}/wechat/com.tencent.WeChat.desktop": b"", f"{HOME}/wechat/run": ELF},
        {f"{HOME}/wechat/com.tencent.WeChat.desktop": made.entry("wechat"), f"{HOME}/wechat/main.c": b"int main;"},
        {f"{HOME}/.dropbox-dist/thesis.odt": b"PK"},
        {f"{HOME}/bin/chisel": ELF},
        {f"{HOME}/bin/chisel": made.go("github.com/canonical/chisel/cmd/chisel")},
        {f"{HOME}/bin/chisel": made.go("github.com/jpillora/chisel-and-hammer")},
        {f"{HOME}/x/telegram-desktop": b"\x7fELF" + bytes(100)},  # four letters are no program
        {f"{HOME}/weechat": ELF, f"{HOME}/x/weechat": ELF},  # not WeChat
        {f"{HOME}/Signal.AppImage": b"<html>not found</html>"},
        {f"{HOME}/x/telegram-desktop": b"text"},
        {f"{HOME}/x/telegram-desktop": b"#!/bin/sh\n"},  # a script of that name alone
        {f"{HOME}/WeChat.exe": b"MZ"},  # no Wine prefix: nothing runs it
        {f"{HOME}/Desktop/com.tencent.WeChat.desktop": b""},
        {f"{HOME}/.local/share/flatpak/app/x/wechat": ELF},  # flatpak's own
        {f"{HOME}/.config/Telegram/config": b"{}"},
        {"/var/lib/x/wechat": ELF},
        {"/usr/bin/wechat": ELF},  # the package's
    ],
)
def test_what_is_none(host, files):
    for path, content in files.items():
        put(host, path, content)
    assert found(host) == []


def test_a_file_that_cannot_run_is_no_program_and_an_appimage_always_is_one(host):
    put(host, f"{HOME}/x/megasync", ELF, 0o644)
    put(host, f"{HOME}/Signal.AppImage", IMAGE, 0o644)
    assert found(host) == [("signal", "appimage", f"{HOME}/Signal.AppImage", "certain")]


def test_links_and_odd_files_in_place_of_a_program_are_not_looked_into(host):
    os.makedirs(f"{host.root}{HOME}/a/wechat")
    os.symlink("/bin/true", f"{host.root}{HOME}/telegram-desktop")
    os.mkfifo(f"{host.root}{HOME}/Signal.AppImage")
    assert found(host) == []


def test_what_a_package_put_there_goes_with_the_package(host, monkeypatch):
    put(host, "/opt/wechat/wechat")
    put(host, f"{HOME}/wechat/wechat")
    put(host, "/var/lib/dpkg/status", b"")
    put(host, "/usr/bin/dpkg-query")
    put(host, "/var/lib/dpkg/info/wechat.list", b"/opt/wechat/wechat\n")

    def answer(argv, **options):
        return Result(0, "ii \twechat\twechat\t1.0\n", "") if "-W" in argv else Result(1, "", "")

    host._run = answer
    assert found(host) == [("wechat", "program", f"{HOME}/wechat/wechat", "doubt")]


def test_a_finding_says_who_which_version_and_how_it_is_known(host):
    put(host, f"{HOME}/a\n\x1b[1m/Signal-7.1.0.AppImage", IMAGE)
    (copy,) = observe_apps(host, section()).portable_apps
    assert copy.finding().as_dict() == {
        "kind": "file",
        "id": "Signal-7.1.0.AppImage",
        "manager": "appimage",
        "version": "7.1.0",
        "scope": "user:alice",
        "path": f"{HOME}/a\\x0a\\x1b[1m/Signal-7.1.0.AppImage",
        "detail": "an AppImage of that app, by what is in it, version as its name says",
    }


def states(host: Host, **changes: Any) -> dict[str, tuple[str, bool]]:
    verdicts = apps.observe(host, {"contact": "", "controls": {"apps": section(**changes)}})
    return {v.rule: (v.state, v.drifted) for v in verdicts if v.state != "compliant"}


def test_certain_copies_are_drift_and_doubtful_ones_are_only_told(host):
    put(host, f"{HOME}/Signal.AppImage", IMAGE)
    put(host, f"{HOME}/x/megasync")
    assert states(host) == {"apps/signal": ("noncompliant", True), "apps/mega": ("noncompliant", False)}


@pytest.mark.parametrize("narrowed", [{"users": ["alice"]}, {"paths": [f"{HOME}/Signal.AppImage"]}])
def test_a_waiver_for_a_user_or_a_path_covers_a_copy(host, narrowed):
    put(host, f"{HOME}/Signal.AppImage", IMAGE)
    waived = {"exceptions": [{"waiver": "w1", **narrowed}]}
    assert states(host, signal=waived) == {"apps/signal": ("waived", False)}
    observed = observe_apps(host, section(signal=waived))
    assert observed.enforced(["signal"], observed.portable_apps[0].finding()) == []


def test_a_home_that_cannot_be_read_leaves_its_rules_unknown(host, monkeypatch):
    def closed(name, flags, *rest, dir_fd=None):
        if name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(name, flags, *rest, dir_fd=dir_fd)

    os.makedirs(f"{host.root}{HOME}/closed")
    real = os.open
    monkeypatch.setattr(os, "open", closed)
    assert set(states(host).values()) == {("unknown", False)}


def test_observing_writes_nothing_and_enforcing_remembers_the_file_scan(host, monkeypatch):
    monkeypatch.setattr(file_scan, "SETTLED", -(10**10))
    monkeypatch.setattr(Host, "privileged", property(lambda self: True))
    put(host, f"{HOME}/x/y/megasync")
    plan = {"contact": "", "controls": {"apps": section()}}
    first = apps.observe(host, plan)
    assert not os.path.exists(host.root + MEMORY)
    apps.enforce(host, plan).afterwards()
    assert os.stat(host.root + MEMORY).st_mode & 0o777 == 0o600
    monkeypatch.setattr(file_scan._Scan, "_read", lambda *_: pytest.fail("read again"))
    assert apps.observe(host, plan) == first
    for action in apps.lift(host, plan).actions:
        action.apply()
    assert not os.path.exists(host.root + "/var/lib/proscribe")


@pytest.mark.parametrize(
    ("every", "full"),
    [(1, [True, True, True, True]), (2, [True, False, True, False]), (3, [True, False, False, True])],
)
def test_everything_is_read_again_in_every_so_many_runs(host, tmp_path_factory, monkeypatch, every, full):
    monkeypatch.setattr(file_scan, "SETTLED", -(10**10))
    put(host, f"{HOME}/x/y/megasync")
    desired = section()
    desired["settings"] = {**desired["settings"], "full_scan_every": every}
    read = tmp_path_factory.mktemp("read") / "homes"  # a file: another process scans a home
    real = file_scan._Scan._read

    def noted(self, place, path, depth):
        if path.startswith(HOME):
            with read.open("a") as stream:
                stream.write(f"{path}\n")
        return real(self, place, path, depth)

    monkeypatch.setattr(file_scan._Scan, "_read", noted)
    seen, full_scans = [], []
    for _ in full:
        read.write_text("")
        host.record_fields, host.state_savers = {}, []
        apps.observe(host, {"contact": "", "controls": {"apps": desired}})
        seen.append(bool(read.read_text()))
        full_scans.append(host.record_fields["full_scan"])
        host.state_savers[0](True)
    assert seen == full
    assert [scan["runs"] == 0 for scan in full_scans] == full
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", scan["at"]) for scan in full_scans)


def test_a_second_look_of_a_run_and_an_audit_do_not_count(host, monkeypatch):
    put(host, f"{HOME}/x/y/megasync")
    for begins, runs in ((True, 0), (False, 1), (False, 1), (True, 1), (False, 2)):
        host.record_fields, host.state_savers = {}, []
        apps.observe(host, {"contact": "", "controls": {"apps": section()}})
        assert host.record_fields["full_scan"]["runs"] == runs
        host.state_savers[0](begins)


def remembering(stored: object) -> bytes:
    return base64.b64encode(marshal.dumps(stored, 2))


BROKEN = [
    *(b"", b"[", b"\xff", b"A", remembering({"stamp": 1})[:-8], remembering([1]), remembering({"stamp": 1})),
    b'{"stamp": "of an earlier release"}',
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_memory_is_no_memory(host, content):
    put(host, f"{HOME}/x/megasync")
    before = found(host)
    put(host, MEMORY, content, 0o600)
    assert found(host) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("mode", "owner"), [(0o620, 0), (0o602, 0), (0o600, 65534)])
def test_a_memory_that_others_could_have_written_is_none(host, mode, owner):
    """It would hide an app by saying that its directory has nothing in it; and its form is only for friends."""
    put(host, f"{HOME}/x/megasync")
    plan = {"contact": "", "controls": {"apps": section()}}
    apps.observe(host, plan)
    host.state_savers[0](True)
    path = Path(host.root + MEMORY)
    stored = marshal.loads(base64.b64decode(path.read_bytes()))
    runs = []
    for given in ((0o600, 0), (mode, owner)):
        path.write_bytes(remembering({**stored, "runs": 3}))
        path.chmod(given[0])
        os.chown(path, given[1], given[1])
        host.record_fields = {}
        apps.observe(host, plan)
        runs.append(host.record_fields["full_scan"]["runs"])
    assert runs == [3, 0]


@pytest.mark.parametrize("name", ["walk.json", "walk-1000.json"])
def test_what_an_earlier_release_remembered_is_removed(host, name):
    folder = MEMORY.rpartition("/")[0]
    put(host, f"{folder}/{name}", b"{}", 0o600)
    apps.observe(host, {"contact": "", "controls": {"apps": section()}})
    host.state_savers[0](True)
    assert "walk" in (left := os.listdir(host.root + folder)) and name not in left


BROWSERS = {"mode": "report", "name": "", "packages": {}, "processes": ["dillo"], "paths": [], "copies": ["chrome"]}


@pytest.mark.parametrize(("mode", "state"), [("report", "not_applicable"), ("audit", "noncompliant")])
def test_browsers_that_no_policy_reaches(host, mode, state):
    put(host, f"{HOME}/bin/dillo")
    put(host, f"{HOME}/chrome-linux/chrome")
    put(host, f"{HOME}/chrome-linux/icudtl.dat", made.icu())
    put(host, f"{HOME}/x/icudtl.dat")
    put(host, f"{HOME}/x/chrome")  # nothing of a browser around it
    put(host, "/opt/google/chrome/chrome")
    put(host, "/opt/google/chrome/icudtl.dat")
    of = section()
    of["settings"]["unmanaged_browsers"] = {**BROWSERS, "mode": mode}
    (verdict,) = [
        v for v in apps.observe(host, {"contact": "", "controls": {"apps": of}}) if v.rule == "apps/unmanaged-browsers"
    ]
    assert (verdict.state, [f.path for f in verdict.findings], verdict.drifted) == (
        state,
        [f"{HOME}/bin/dillo", f"{HOME}/chrome-linux/chrome"],
        False,
    )


ENTRY = "[Desktop Entry]\nType=Application\nExec={}\n"
WHATSAPP = app_id("https://whatsapp.com/")


@pytest.mark.parametrize(
    ("place", "text", "expected"),
    [
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://web.whatsapp.com/"), "whatsapp"),
        (".local/share/applications/a.desktop", ENTRY.format(f"chrome --app-id={WHATSAPP}"), "whatsapp"),
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://notwhatsapp.com/"), ""),
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://business.whatsapp.com/x"), ""),
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://chat.example.com/wa/1"), "whatsapp"),
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://chat.example.com/war"), ""),
        (".local/share/applications/a.desktop", ENTRY.format("chrome --app=https://whatsapp.com@example.com/"), ""),
        (
            ".local/share/applications/a.desktop",
            ENTRY.format("sh -c 'firefox --class x \"https://WEB.WhatsApp.com.:443/\"'"),
            "whatsapp",
        ),
        ("Desktop/a.desktop", "[Desktop Entry]\nType=Link\nURL=https://whatsapp.com\n", "whatsapp"),
        (".local/share/applications/a.desktop", ENTRY.format("wechat"), ""),  # a launcher of what is not there
        (".config/autostart/a.desktop", ENTRY.format("/opt/wechat/wechat %U"), "wechat"),
        (".config/autostart/a.desktop", ENTRY.format("env A=b flatpak run --branch=x com.tencent.WeChat"), "wechat"),
        (".config/autostart/a.desktop", ENTRY.format('"/home/alice/my apps/Telegram" -autostart'), "telegram"),
        (".config/autostart/a.desktop", ENTRY.format("telegram-desktop") + "Hidden=true\n", ""),
        (".config/autostart/a.desktop", ENTRY.format("weechat"), ""),
        (".config/systemd/user/a.service", "[Service]\nExecStart=-/usr/bin/megasync --x\n", "mega"),
        (".config/systemd/user/a.service", "[Unit]\nExecStart=/usr/bin/megasync\n", ""),
    ],
)
def test_launchers(host, place, text, expected):
    put(host, f"{HOME}/{place}", text.encode(), 0o644)
    kind = "autostart" if "auto" in place or "systemd" in place else "web_app"
    assert found(host) == ([(expected, kind, f"{HOME}/{place}", "certain")] if expected else [])


def test_a_web_app_that_a_browser_installed(host):
    folder = f"{HOME}/.config/google-chrome/Default/{names.WEB_APPS}"
    put(host, f"{folder}/_crx_{WHATSAPP}/icon.png", b"\x89PNG\r\n\x1a\n")
    put(host, f"{folder}/_crx_{app_id('https://example.com/')}/icon.png", b"")
    assert found(host) == [("whatsapp", "web_app", f"{folder}/_crx_{WHATSAPP}", "certain")]


def test_what_no_name_stands_for_is_looked_for_all_the_same(host):
    """A policy may have nothing but a service in the web, or one that is known by its path."""
    folder = f"{HOME}/.config/google-chrome/Default/{names.WEB_APPS}"
    put(host, f"{folder}/_crx_{WHATSAPP}/icon.png", b"\x89PNG\r\n\x1a\n")
    put(host, "/opt/box/run")
    nothing: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
    services = {"wa": {**nothing, "web_hosts": ["whatsapp.com"]}, "box": {**nothing, "paths": ["/opt/box"]}}
    for alone, path in (("wa", f"{folder}/_crx_{WHATSAPP}"), ("box", "/opt/box")):
        of = {"mode": "enforce", "services": {alone: {"name": alone, **services[alone]}}, "settings": {}}
        assert [copy.path for copy in observe_apps(host, of).portable_apps] == [path]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("WeChatLinux_x86_64.AppImage", "wechat", True),
        ("QQ_3.2.15_241224_x86_64_01.AppImage", "qq", True),
        ("session-desktop-linux-x86_64-1.11.5.AppImage", "session-desktop", True),
        ("rocketchat-3.9.14-linux-x86_64.AppImage", "rocketchat", True),
        ("Icedrive_Portable_Linux.AppImage", "icedrive", True),
        ("Ferdium-6.7.7-ia32.AppImage", "ferdium", True),
        ("mega-mario-1.0.AppImage", "mega", False),
        ("signalizer.AppImage", "signal", False),
        ("tor-browser", "tor", False),
        ("qq2.AppImage", "qq", False),
    ],
)
def test_names_speak_of_the_same_program(one, other, same):
    assert (appimage.stem(one) == appimage.stem(other)) is same


def test_what_a_package_system_owns_is_reported_and_left_to_it(host):
    """The removal of an environment of pipx was refused, and the file scan took the programs out of it all the same."""
    place = f"{HOME}/.local/share/pipx/venvs/notifier/bin"
    put(host, f"{place}/megasync")
    put(host, f"{place}/chrome-sandbox")
    [copy] = observe_apps(host, section()).portable_apps
    assert (copy.path.startswith(place), copy.doubt) == (True, "a package system owns it, so it is not moved")


def test_a_doubt_about_a_program_is_reported_although_a_package_system_owns_it(host):
    """Else whoever reads it takes it for certain that this is the restricted app, and removes the package."""
    put(host, f"{HOME}/.local/share/pipx/venvs/notifier/bin/megasync")
    [copy] = observe_apps(host, section()).portable_apps
    assert copy.doubt == evidence.ALONE


PROGRAMS = f"{HOME}/.wine/drive_c/Program Files/Tencent/WeChat"
FOLDER = f"{HOME}/.config/google-chrome/Default/{names.WEB_APPS}/_crx_{WHATSAPP}"


@pytest.mark.parametrize(
    ("files", "moved"),
    [
        pytest.param(
            {f"{PROGRAMS}/WeChat.exe": made.windows(), f"{PROGRAMS}/WeChatWin.dll": made.windows()},
            [f"{PROGRAMS}/WeChat.exe"],
            id="a Windows program",
        ),
        pytest.param({f"{FOLDER}/icon.png": b"\x89PNG\r\n\x1a\n"}, [FOLDER], id="a web app's folder"),
        pytest.param(
            {f"{FOLDER}/icon.png": b"\x89PNG\r\n\x1a\n", f"{FOLDER}/notes.txt": b"mine"},
            [f"{FOLDER}/icon.png"],
            id="a web app's pictures, with something of the user's beside them",
        ),
        pytest.param(
            {f"{HOME}/Desktop/a.desktop": ENTRY.format("chrome --app=https://web.whatsapp.com/").encode()},
            [f"{HOME}/Desktop/a.desktop"],
            id="its launcher",
        ),
        pytest.param(
            {f"{HOME}/.config/autostart/a.desktop": ENTRY.format("/opt/wechat/wechat").encode()},
            [f"{HOME}/.config/autostart/a.desktop"],
            id="an autostart entry",
        ),
        pytest.param(
            {f"{HOME}/.config/systemd/user/a.service": b"[Service]\nExecStart=/usr/bin/megasync\n"},
            [f"{HOME}/.config/systemd/user/a.service"],
            id="a service of the user's",
        ),
        pytest.param({f"{HOME}/a.AppImage": made.image("wechat")}, [], id="a foreign name"),
        pytest.param({f"{HOME}/WeChat.AppImage": made.image("other")}, [], id="a name alone"),
        pytest.param({f"{HOME}/WeChat.AppImage": made.image("wechat")}, [f"{HOME}/WeChat.AppImage"], id="an AppImage"),
    ],
)
def test_each_kind_of_copy_is_moved_and_comes_back(host, files, moved):
    """What the table of installation routes calls removed is whole and out of its user's reach. All beside it stays."""
    for path, content in files.items():
        put(host, path, content, 0o644)
    plan = {"contact": "", "digest": "x", "controls": {"apps": section()}}
    changes = apps.enforce(host, plan)
    for action in changes.actions:
        action.apply()
    assert [path for path in moved if host.stat(path)] == []
    stay = [path for path in files if not any(f"{path}/".startswith(f"{gone}/") for gone in moved)]
    assert [host.read(path) for path in stay] == [files[path] for path in stay]
    for action in apps.lift(host, plan).actions:
        action.apply()
    assert {path: host.read(path) for path in files} == files


@pytest.mark.parametrize(
    ("outer", "path", "stays"),
    [
        pytest.param({}, "/opt/app/bin/x", False, id="it moves with the tree"),
        pytest.param({"doubt": "by its name"}, "/opt/app/bin/x", True, id="the tree is doubtful and stays"),
        pytest.param({"parts": ["/opt/app/lib"]}, "/opt/app/bin/x", True, id="another part of the tree moves"),
        pytest.param({"parts": ["/opt/app/bin"]}, "/opt/app/bin/x", False, id="its part moves"),
        pytest.param({"parts": ["/opt/app/bi"]}, "/opt/app/bin/x", True, id="a part with half of its name moves"),
        pytest.param({"kind": "web_app"}, "/opt/app/bin/x", True, id="no tree"),
        pytest.param({}, "/opt/app2/x", True, id="beside it"),
    ],
)
def test_only_what_moves_with_a_directory_is_reported_with_it(outer, path, stays):
    """Else a program that stays would be reported by nobody."""
    tree = PortableApp(["a"], "tree", "/opt/app", "app", None, "")._replace(**outer)
    inner = PortableApp(["b"], "program", path, "x", None, "")
    assert [copy.path for copy in portable._outermost([inner, tree])] == ["/opt/app", *([path] if stays else [])]
    assert tree.services == ["a"]


def test_where_programs_of_nobodys_package_are_looked_for():
    """A restricted app may lie unseen in each place that is left out.

    A package owns the files of each system home, and a file scan must not touch them.
    """
    assert set(portable.PLACES) == {
        *("/opt", "/usr/local", "/srv"), *("/tmp", "/var/tmp", "/dev/shm", "/media", "/run/media")
    }  # fmt: skip
    system = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
    for home in system:
        for path in (home, f"{home}/x"):
            assert not portable.is_home(User("x", 1000, 1000, path)), path
        assert portable.is_home(User("x", 1000, 1000, f"{home}2")), home


@pytest.mark.parametrize(
    ("uid", "home", "person"),
    [
        (0, "/root", True),
        (1, "/var/lib/daemon", False),
        (999, "/var/lib/svc", False),
        (999, "/home/svc", True),
        (1000, "/data/alice", True),
        (1001, "/data/bob", True),
    ],
)
def test_whose_home_is_a_persons(uid, home, person):
    assert portable.is_home(User("x", uid, uid, home)) is person


@pytest.mark.parametrize("path", ["/usr/local/bin/tool", "/opt/tool"])
@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_file_at_a_path_of_the_catalogues_is_a_program(host, path, mode):
    """Certain where only root can have put it: then it moves, whatever it is called, and nothing beside it."""
    put(host, path, mode=mode)
    put(host, f"{path}.txt", b"notes")
    known = "certain" if mode == 0o755 and os.getuid() == 0 else "doubt"
    Path(host.root).chmod(0o755)
    assert found(host, dropbox={"paths": [path]}) == [("dropbox", "program", path, known)]


@pytest.mark.parametrize(
    ("mode", "is_one"), [(0o755, True), (0o100, True), (0o010, True), (0o001, True), (0o644, False)]
)
def test_what_nobody_may_run_is_a_file_like_any_other(host, mode, is_one):
    """In a folder of programs an app's name counts, without a suffix, if somebody may run it."""
    put(host, f"{HOME}/bin/signal", IMAGE + bytes(200_000), mode)
    put(host, f"{HOME}/bin/cloudflared-linux-amd64", made.go(CLOUDFLARED), mode)
    assert len(found(host)) == (2 if is_one else 0)

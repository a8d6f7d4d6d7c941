"""Copies of apps that no package system knows: what is taken for one, what for certain, and what never."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from proscribe.controls import apps
from proscribe.controls.apps import appimage, copy_names
from proscribe.controls.apps.desktop import app_id
from proscribe.controls.apps.portable import Copy
from proscribe.controls.apps.sight import look
from proscribe.controls.apps.walk_memory import MEMORY
from proscribe.host import Host, Result, walking

ELF = b"\x7fELF" + bytes(100)
IMAGE = b"\x7fELF\x02\x01\x01\x00AI\x02" + bytes(100)
PROGRAM = "program"

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


def put(host: Host, path: str, content: bytes = ELF, mode: int = 0o755) -> None:
    place = Path(host.root + path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(mode)


def found(host: Host, **changes: Any) -> list[tuple[str, ...]]:
    copies: list[Copy] = sorted(look(host, section(**changes)).copies, key=lambda copy: copy.path)
    return [(" ".join(c.services), c.kind, c.path, "doubt" if c.doubt else "certain") for c in copies]


HOME = "/home/alice"


@pytest.mark.parametrize(
    ("files", "copy"),
    [
        # AppImages, by their content and their name
        ({f"{HOME}/Apps/WeChatLinux_x86_64.AppImage": IMAGE}, ("wechat", "appimage", 0, "certain")),
        ({f"{HOME}/Signal-Desktop-7.1.0-x86_64.appimage": IMAGE}, ("signal", "appimage", 0, "certain")),
        ({f"{HOME}/x/telegram-desktop": IMAGE}, ("telegram", "appimage", 0, "certain")),
        ({f"{HOME}/bin/signal": IMAGE + bytes(200_000)}, ("signal", "appimage", 0, "certain")),
        ({"/opt/Signal.AppImage": IMAGE}, ("signal", "appimage", 0, "certain")),
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
            {f"{HOME}/signal-desktop-7.1/signal-desktop": ELF, f"{HOME}/signal-desktop-7.1/icudtl.dat": b""},
            ("signal", "tree", f"{HOME}/signal-desktop-7.1", "certain"),
        ),
        ({"/opt/wechat/wechat": ELF}, ("wechat", "tree", "/opt/wechat", "certain")),
        (
            {f"{HOME}/wechat/WeChatAppEx": ELF, f"{HOME}/wechat/wechat": ELF},
            ("wechat", "tree", f"{HOME}/wechat", "certain"),
        ),
        ({f"{HOME}/.dropbox-dist/dropboxd": b"#!"}, ("dropbox", "tree", f"{HOME}/.dropbox-dist", "certain")),
        (
            {f"{HOME}/wechat/com.tencent.WeChat.desktop": b"", f"{HOME}/wechat/run": b"#!"},
            ("wechat", "tree", f"{HOME}/wechat", "certain"),
        ),
        # by the name alone
        ({f"{HOME}/x/megasync": ELF}, ("mega", "program", 0, "doubt")),
        # Wine
        (
            {f"{HOME}/.wine/drive_c/Program Files (x86)/Tencent/WeChat/WeChat.exe": b"MZ"},
            ("wechat", "wine", 0, "certain"),
        ),
        ({f"{HOME}/.wine/drive_c/x/WeChat.exe": b"MZ"}, ("wechat", "wine", 0, "doubt")),
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


def test_what_another_package_put_there_is_told_and_stays(host):
    put(host, "/opt/Signal.AppImage", IMAGE)
    put(host, "/usr/bin/dpkg-query")
    host._run = lambda argv, **options: Result(0, "images: /opt/Signal.AppImage\n", "")
    (copy,) = look(host, section()).copies
    assert copy.doubt == "it belongs to the dpkg package images, so it is not moved"


def test_a_finding_says_who_which_version_and_how_it_is_known(host):
    put(host, f"{HOME}/a\n\x1b[1m/Signal-7.1.0.AppImage", IMAGE)
    (copy,) = look(host, section()).copies
    assert copy.finding().as_dict() == {
        "kind": "file",
        "id": "Signal-7.1.0.AppImage",
        "manager": "appimage",
        "version": "7.1.0",
        "scope": "user:alice",
        "path": f"{HOME}/a\\x0a\\x1b[1m/Signal-7.1.0.AppImage",
        "detail": "an AppImage of that name",
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
    sight = look(host, section(signal=waived))
    assert sight.enforced(["signal"], sight.copies[0].finding()) == []


def test_a_home_that_cannot_be_read_leaves_its_rules_unknown(host, monkeypatch):
    def closed(name, flags, *rest, dir_fd=None):
        if name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(name, flags, *rest, dir_fd=dir_fd)

    os.makedirs(f"{host.root}{HOME}/closed")
    real = os.open
    monkeypatch.setattr(os, "open", closed)
    assert set(states(host).values()) == {("unknown", False)}


def test_observing_writes_nothing_and_enforcing_remembers_the_walk(host, monkeypatch):
    monkeypatch.setattr(walking, "SETTLED", -(10**10))
    monkeypatch.setattr(Host, "privileged", property(lambda self: True))
    put(host, f"{HOME}/x/y/megasync")
    plan = {"contact": "", "controls": {"apps": section()}}
    first = apps.observe(host, plan)
    assert not os.path.exists(host.root + MEMORY)
    apps.enforce(host, plan).afterwards()
    assert os.stat(host.root + MEMORY).st_mode & 0o777 == 0o600
    monkeypatch.setattr(walking._Walk, "_read", lambda *_: pytest.fail("read again"))
    assert apps.observe(host, plan) == first
    for action in apps.lift(host, plan).actions:
        action.apply()
    assert not os.path.exists(host.root + "/var/lib/proscribe")


@pytest.mark.parametrize(
    ("every", "full"),
    [(1, [True, True, True, True]), (2, [True, False, True, False]), (3, [True, False, False, True])],
)
def test_everything_is_read_again_in_every_so_many_runs(host, tmp_path_factory, monkeypatch, every, full):
    monkeypatch.setattr(walking, "SETTLED", -(10**10))
    put(host, f"{HOME}/x/y/megasync")
    wanted = section()
    wanted["settings"] = {**wanted["settings"], "full_scan_every": every}
    read = tmp_path_factory.mktemp("read") / "homes"  # a file: a home is looked at in another process
    real = walking._Walk._read

    def noted(self, place, path, depth):
        if path.startswith(HOME):
            with read.open("a") as stream:
                stream.write(f"{path}\n")
        return real(self, place, path, depth)

    monkeypatch.setattr(walking._Walk, "_read", noted)
    seen, told = [], []
    for _ in full:
        read.write_text("")
        host.told, host.keeps = {}, []
        apps.observe(host, {"contact": "", "controls": {"apps": wanted}})
        seen.append(bool(read.read_text()))
        told.append(host.told["full_scan"])
        host.keeps[0](True)
    assert seen == full
    assert [scan["runs"] == 0 for scan in told] == full
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", scan["at"]) for scan in told)


def test_a_second_look_of_a_run_and_an_audit_do_not_count(host, monkeypatch):
    put(host, f"{HOME}/x/y/megasync")
    for begins, runs in ((True, 0), (False, 1), (False, 1), (True, 1), (False, 2)):
        host.told, host.keeps = {}, []
        apps.observe(host, {"contact": "", "controls": {"apps": section()}})
        assert host.told["full_scan"]["runs"] == runs
        host.keeps[0](begins)


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b'{"stamp": 1}', b"\xff"])
def test_a_broken_memory_is_no_memory(host, content):
    put(host, f"{HOME}/x/megasync")
    before = found(host)
    put(host, MEMORY, content, 0o600)
    assert found(host) == before


BROWSERS = {"mode": "report", "name": "", "packages": {}, "processes": ["dillo"], "paths": [], "copies": ["chrome"]}


@pytest.mark.parametrize(("mode", "state"), [("report", "not_applicable"), ("audit", "noncompliant")])
def test_browsers_that_no_policy_reaches(host, mode, state):
    put(host, f"{HOME}/bin/dillo")
    put(host, f"{HOME}/chrome-linux/chrome")
    put(host, f"{HOME}/chrome-linux/icudtl.dat")
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
    folder = f"{HOME}/.config/google-chrome/Default/{copy_names.WEB_APPS}"
    put(host, f"{folder}/_crx_{WHATSAPP}/icon.png", b"")
    put(host, f"{folder}/_crx_{app_id('https://example.com/')}/icon.png", b"")
    assert found(host) == [("whatsapp", "web_app", f"{folder}/_crx_{WHATSAPP}", "certain")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("WeChatLinux_x86_64.AppImage", "wechat", True),
        ("QQ_3.2.15_241224_x86_64_01.AppImage", "qq", True),
        ("session-desktop-linux-x86_64-1.11.5.AppImage", "session-desktop", True),
        ("rocketchat-3.9.14-linux-x86_64.AppImage", "rocketchat", True),
        ("Icedrive_Portable_Linux.AppImage", "icedrive", True),
        ("mega-mario-1.0.AppImage", "mega", False),
        ("signalizer.AppImage", "signal", False),
        ("tor-browser", "tor", False),
        ("qq2.AppImage", "qq", False),
    ],
)
def test_names_speak_of_the_same_program(one, other, same):
    assert (appimage.stem(one) == appimage.stem(other)) is same

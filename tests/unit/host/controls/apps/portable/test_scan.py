"""What a scan of portable apps makes of odd directories: what hides nothing else, what lies beside a home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_apps import lay as put
from proscribe.host.controls.apps.portable import appimage, scan
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.portable.scan import PortableApp, PortableApps, Region, scan_files
from proscribe.host.system import Host, Result, User
from proscribe.model.finding import Finding

ALICE = User("alice", 1000, 1000, "/home/alice")
HOMES = {ALICE.home: ALICE}
CHISEL = "github.com/jpillora/chisel"
SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {
        "processes": ["wechat"],
        "paths": ["/opt/wechat/wechat", "~/.wechat"],
        "windows": ["Tencent/WeChat/WeChat.exe"],
        "desktop_files": ["wechat.desktop"],
    },
    "signal": {"processes": ["signal-desktop"]},
    "dropbox": {"processes": ["dropbox"], "paths": ["~/.dropbox-dist"]},
    "browsers": {"copies": ["falkon"]},
    "tunnels": {"markers": {"go": [CHISEL], "programs": ["chisel"]}},
}


def services(**more: Any) -> dict[str, dict[str, Any]]:
    empty: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
    return {id_: {"name": id_, **empty, **entry} for id_, entry in {**SERVICES, **more}.items()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path), lambda argv, **options: Result(1, "", ""))


def scanned(host: Host, region: Region, packages: Any = (), **more: Any) -> PortableApps:
    given = services(**more)
    return scan_files(host, given, Names(given, region.homes), region, packages, {})


def paths(found: PortableApps) -> list[tuple[str, str]]:
    return sorted((app.kind, app.path) for app in found.found)


def test_where_nothing_is_looked_for_nothing_is_scanned(host: Host) -> None:
    host.scan = None  # type: ignore[assignment]  # what calls it fails
    nothing = {"a": {"packages": {}, "processes": [], "paths": []}}
    found = scan_files(host, nothing, Names(nothing), Region(HOMES, ["/home"]), [], {})
    assert found == PortableApps([], [], [], {}, {})


@pytest.mark.parametrize("odd", ["pipe", "directory", "link", "web app"])
def test_what_is_no_file_hides_no_program_behind_it(host: Host, odd: str) -> None:
    """A user has made it; the names of a directory are gone through in their order."""
    put(host, "/home/alice/x/wechat")
    first = Path(f"{host.root}/home/alice/x/signal-desktop")
    make = {"pipe": os.mkfifo, "directory": os.mkdir, "link": lambda place: place.symlink_to("/bin/sh")}
    make.get(odd, lambda place: put(host, "/home/alice/x/_crx_abc"))(first)
    one = scan._Search(host, Names(services()), Region(HOMES, ["/home"]), (), {})
    one.directory("/home/alice/x", ["signal-desktop", "_crx_abc", "wechat", "gone"])
    assert [app.path for app in one.found] == ["/home/alice/x/wechat"] and one.unseen == []


def test_what_cannot_be_read_is_reported_and_hides_nothing_else(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        put(host, f"/home/alice/{name}/wechat")
    real = Host.list

    def listing(self: Host, path: str) -> list[str]:
        if path.endswith(("/a", "/b")):
            raise (scan.Unseen if path.endswith("/a") else scan.ControlError)(f"cannot read {path}")
        return real(self, path)

    monkeypatch.setattr(Host, "list", listing)
    found = scanned(host, Region(HOMES, ["/home/alice"], user=ALICE))
    assert paths(found) == [("program", "/home/alice/c/wechat")]
    assert sorted(found.unseen) == ["cannot read /home/alice/a", "cannot read /home/alice/b"]


def test_in_a_shared_directory_only_the_files_of_that_user_are_checked(host: Host) -> None:
    """Beside them may lie what somebody else has put there to have it moved."""
    put(host, "/tmp/wechat")
    put(host, "/tmp/signal-desktop")
    put(host, "/tmp/libffmpeg.so")
    found = scanned(host, Region({}, [], [("/tmp", ["wechat"])], ALICE))
    assert [(app.path, bool(app.doubt), app.owner) for app in found.found] == [("/tmp/wechat", True, ALICE)]


@pytest.mark.parametrize("kind", ["file", "directory", "empty", "pipe", "link", "none"])
def test_what_stands_at_a_path_below_a_home_is_a_file_or_a_directory_with_a_program(host: Host, kind: str) -> None:
    place = Path(f"{host.root}/home/alice/.wechat")
    place.parent.mkdir(parents=True)
    make = {
        "file": lambda: put(host, "/home/alice/.wechat"),
        "directory": lambda: put(host, "/home/alice/.wechat/run"),
        "empty": place.mkdir,
        "pipe": lambda: os.mkfifo(place),
        "link": lambda: place.symlink_to("/bin/sh"),
        "none": lambda: None,
    }
    make[kind]()
    found = scanned(host, Region(HOMES, ["/home/alice"], user=ALICE))
    expected = {"file": [("program", str(place))], "directory": [("tree", str(place))]}.get(kind, [])
    assert paths(found) == [(kind_, path.removeprefix(host.root)) for kind_, path in expected] and not found.unseen


# -- files that say what they are --------------------------------------------------------------------------------------


@pytest.mark.parametrize("service_of_tools", [True, False])
def test_a_small_file_with_the_mark_of_an_appimage_is_neither_that_nor_a_tool(
    host: Host, service_of_tools: bool
) -> None:
    """What unpacks an AppImage is larger, and so is every program that Go makes."""
    name = "chisel-linux-amd64" if service_of_tools else "signal"
    content = made.elf({".go.buildinfo": made.build_info(CHISEL)}, b"AI\x02")
    put(host, f"/home/alice/bin/{name}", content)
    region = Region(HOMES, ["/home/alice"], user=ALICE)
    assert paths(scanned(host, region)) == []
    put(host, f"/home/alice/bin/{name}", content.ljust(appimage.SMALLEST - 1))
    assert paths(scanned(host, region)) == []
    put(host, f"/home/alice/bin/{name}", content.ljust(appimage.SMALLEST))
    assert paths(scanned(host, region)) == [("appimage", f"/home/alice/bin/{name}")]


def test_each_service_of_a_file_is_reported_once_and_in_order() -> None:
    """Whichever was found first: else a report differs from run to run, or one finding is written over the other."""
    both = [PortableApp([service], "program", "/x/tool", "tool", None, "") for service in ("b", "c", "a", "b")]
    assert [app.services for app in scan._outermost(both)] == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("/home/alice/.wine/drive_c/a/tencent/wechat/WeChat.exe", made.windows(), "wine"),
        ("/home/alice/.wine/drive_c/WeChat.exe", b"MZ" + bytes(100), ""),
        ("/home/alice/.wine/drive_c/WeChat.exe", b"NZ" + made.windows()[2:], ""),
        ("/home/alice/.wine/drive_d/WeChat.exe", made.windows(), ""),
        ("/home/alice/drive_c/x/drive_c/WeChat.exe", made.windows(), "wine"),
    ],
)
def test_a_windows_program_counts_in_a_wine_prefix(host: Host, path: str, content: bytes, kind: str) -> None:
    put(host, path, content, 0o644)
    put(host, f"{path.rpartition('/')[0]}/a.dll", made.windows(), 0o644)
    (certain,) = [app.doubt == "" for app in scanned(host, Region(HOMES, ["/home"])).found] or [None]
    assert certain is ((path.count("/wechat/") == 1) if kind else None)


def test_a_version_stands_in_the_name_or_in_that_of_its_directory(host: Host) -> None:
    for path in ("Signal-7.1.AppImage", "signal-2.0/signal-3.1.AppImage", "signal-4.2/signal.AppImage"):
        put(host, f"/home/alice/{path}", made.image("signal-desktop"))
    found = scanned(host, Region(HOMES, ["/home"])).found
    assert sorted(app.version for app in found) == ["3.1", "4.2", "7.1"]
    assert {(app.name.lower()[:6], app.owner) for app in found} == {("signal", ALICE)}


def test_what_is_found_says_whose_it_is_and_how_it_is_known(host: Host) -> None:
    put(host, "/home/alice/x/wechat")
    (app,) = scanned(host, Region(HOMES, ["/home"])).found
    detail = "a program of that name, known by its name alone, so it is not moved"
    assert app.finding() == Finding("file", "wechat", "program", "", "user:alice", "/home/alice/x/wechat", detail)
    assert (app.uid, app.parts, app.stays) == (os.getuid(), (), "")

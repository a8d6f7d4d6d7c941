"""What an app's own words count for, where a path of the catalogue counts, and what odd files beside a program hide."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from proscribe.controls.apps.portable import evidence, program_parts
from proscribe.controls.apps.portable.names import Names
from proscribe.host import Host

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs files of root and of others")


def named(**services: Mapping[str, Any]) -> Names:
    empty: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
    return Names({id_: {**empty, **entry} for id_, entry in services.items()})


@NEEDS_ROOT
@pytest.mark.parametrize("place", ["opt/wechat", "opt"])
@pytest.mark.parametrize(("mode", "owner"), [(0o775, 0), (0o757, 0), (0o755, 1000)])
def test_a_directory_of_the_catalogue_counts_where_only_root_can_put_something(
    tmp_path: Path, place: str, mode: int, owner: int
) -> None:
    """Else anybody has root take a directory of that name, with whatever is in it, away from somebody."""
    tmp_path.chmod(0o755)
    made.put(tmp_path / "opt/wechat", {"notes": b"text"})
    host = Host(str(tmp_path))
    assert evidence.named_directory(host, "/opt/wechat") is None
    assert evidence.named(host, "/opt/wechat/notes", own=True) is None
    made.put(tmp_path / "opt/wechat", {"wechat": made.elf()})
    known = evidence.named_directory(host, "/opt/wechat")
    assert known == evidence.Known("the catalogue names this path, and root put it there", own=True)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == known
    assert evidence.named(host, "/opt/wechat/wechat", own=False) == known._replace(own=False)
    (tmp_path / place).chmod(mode)
    os.chown(tmp_path / place, owner, owner)
    known = evidence.named_directory(host, "/opt/wechat")
    assert known == evidence.Known("the catalogue names this path", evidence.PATH_ALONE)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == known
    assert not evidence.only_root(host, "/opt/nothing")


@pytest.mark.parametrize(("before", "found"), [(199, True), (200, False)])
def test_so_many_names_of_a_directory_are_looked_at_and_no_more(tmp_path: Path, before: int, found: bool) -> None:
    made.put(tmp_path / "x", {**{f"a{number:03}": b"" for number in range(before)}, "wechat": made.elf()})
    host = Host(str(tmp_path))
    assert bool(evidence.named_directory(host, "/x")) is found
    made.put(tmp_path / "x", {"a.desktop": made.entry("wechat")})
    (tmp_path / "x/a000").unlink()  # the entry is one of the names
    listed = host.list("/x")[::-1]
    assert bool(evidence.unpacked(host, "/x", "a.desktop", listed)) is found


@pytest.mark.parametrize("odd", ["libcef.so", "Updater", "libx.so"])
@pytest.mark.parametrize("kind", ["pipe", "directory", "link to nothing"])
def test_what_is_no_file_beside_a_program_is_no_sign_and_hides_nothing(tmp_path: Path, kind: str, odd: str) -> None:
    """A user can put a pipe there, which root could wait for, or whose error would hide the program."""
    made.put(tmp_path / "Telegram", {"Telegram": made.elf()})
    place = tmp_path / "Telegram" / odd
    {"pipe": os.mkfifo, "directory": os.mkdir, "link to nothing": lambda at: os.symlink("/none", at)}[kind](place)
    names = named(telegram={"processes": ["Telegram"]})
    host = Host(str(tmp_path))
    known = evidence.program(host, "/Telegram/Telegram", names, "telegram", ["Telegram", odd])
    assert known == evidence.Known("a program of that name", evidence.ALONE)
    assert evidence.sign(host, "/Telegram") == ""
    assert evidence.named(host, f"/Telegram/{odd}", own=True) is None


def test_the_first_sign_of_an_app_is_named(tmp_path: Path) -> None:
    host, names = Host(str(tmp_path)), named(telegram={"processes": ["Telegram", "telegram-cli"]})

    def known(folder: str, files: list[str], at_a_path: bool = False) -> evidence.Known | None:
        made.put(tmp_path / folder, {name: made.elf() for name in files})
        return evidence.program(host, f"/{folder}/Telegram", names, "telegram", files[::-1], at_a_path)

    both = known("x", ["Telegram", "Updater", "libffmpeg.so", "telegram-cli"])
    assert both == evidence.Known("a program of that name, beside Updater")
    assert evidence.sign(host, "/x") == "Updater"
    others = known("y", ["Telegram", "telegram-cli"])
    assert others == evidence.Known("a program of that name, beside telegram-cli")
    libraries = known("Telegram", ["Telegram", "liba.so.1", "libb.so"])
    assert libraries == evidence.Known("a program of that name, beside liba.so.1", own=True)
    assert known("z", ["Telegram", "liba.so.1"]) == evidence.Known("a program of that name", evidence.ALONE)
    at_a_path = known("z", ["Telegram", "liba.so.1"], at_a_path=True)
    assert at_a_path == evidence.Known("a program of that name, beside liba.so.1", own=True)


# -- what an app says of itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ini", "vendor"),
    [
        (b"[App]\nVendor=Tor Project\nName=Firefox\n", "Tor Project"),
        (b"[App]\r\nVendor=Tor Project \r\n", "Tor Project"),
        (b"[App]\nVendor=Mozilla\n", "Mozilla"),
        (b"[App]\nXVendor=Tor Project\n", ""),
        (b"[App]\nVendor=Caf\xe9\n", "Caf\ufffd"),
        (b"[App]\nVendor=" + "é".encode() * 40, "é" * 40),
        (b"#" * (16 * 1024 - 8) + b"\nVendor=x", ""),
        (b"#" * (16 * 1024 - 9) + b"\nVendor=x", "x"),
        (b"", ""),
    ],
)
def test_the_vendor_of_a_browser_says_whether_it_is_the_app(tmp_path: Path, ini: bytes, vendor: str) -> None:
    """Tor Browser's program is called firefox: without the vendor, Firefox would be moved in its place."""
    made.put(tmp_path / "x", {"firefox": made.elf(), "libxul.so": made.elf(), "application.ini": ini})
    host = Host(str(tmp_path))
    assert evidence.gecko(host, "/x") == vendor
    names = named(
        tor={"processes": ["firefox"], "markers": {"gecko": ["Tor Project"]}}, other={"processes": ["firefox"]}
    )
    beside = host.list("/x")
    known = evidence.program(host, "/x/firefox", names, "tor", beside)
    why = "a program of that name, beside libxul.so"
    if vendor == "Tor Project":
        assert known == evidence.Known(f"{why}, and its application.ini says so", own=True)
    else:
        assert known == evidence.Known(why, "its application.ini is of another vendor, so it is not moved")
    assert evidence.program(host, "/x/firefox", names, "other", beside) == evidence.Known(why)
    assert evidence.gecko(host, "/none") == ""


@pytest.mark.parametrize(
    ("package", "how"),
    [
        ({"name": "wechat"}, "certain"),
        ({"name": "x", "productName": "WeChat"}, "certain"),
        ({"name": "n" * 70, "productName": "y"}, "doubt"),
        ({}, "unsaid"),
    ],
)
def test_one_of_the_names_in_its_package_says_whether_it_is_the_app(
    tmp_path: Path, package: dict[str, str], how: str
) -> None:
    files = {"wechat": made.elf(), "libffmpeg.so": made.elf(), "resources/app.asar": made.asar(package)}
    made.put(tmp_path / "x", files)
    host, names = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]})
    why = "a program of that name, beside libffmpeg.so"
    expected = {
        "certain": evidence.Known(f"{why}, and its package.json says so", own=True),
        "doubt": evidence.Known(why, f"its package.json calls it {'n' * 60}, so it is not moved"),
        "unsaid": evidence.Known(why),
    }
    assert evidence.program(host, "/x/wechat", names, "wechat", host.list("/x")) == expected[how]
    without = [name for name in host.list("/x") if name != "resources"]
    assert evidence.program(host, "/x/wechat", names, "wechat", without) == evidence.Known(why)


def test_a_tool_is_known_by_one_of_its_services_packages(tmp_path: Path) -> None:
    made.put(tmp_path, {"x": made.go("github.com/b"), "y": made.go("github.com/" + "c" * 200), "z": b"text"})
    names = named(tunnels={"markers": {"go": ["github.com/a", "github.com/b", "github.com"], "programs": ["x"]}})
    host = Host(str(tmp_path))
    assert evidence.tool(host, "/x", names, "tunnels") == evidence.Known("a program built from github.com/b")
    long = evidence.tool(host, "/y", names, "tunnels")
    assert long and len(long.why) == len("a program built from ") + 120
    assert evidence.tool(host, "/z", names, "tunnels") is None
    known = evidence.program(host, "/x", names, "tunnels", [])
    assert known == evidence.tool(host, "/x", names, "tunnels"), "and needs nothing beside it"


def test_what_an_archive_lists_beside_it_is_the_apps_own_with_that_size(tmp_path: Path) -> None:
    """No other sign says of such a file that it is the app's and not its user's."""
    files = made.electron("wechat", "wechat")
    made.put(tmp_path / "wechat", files)
    host, names = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]})
    native = "/wechat/resources/app.asar.unpacked/native.bin"
    assert evidence.listed(host, "/wechat") == {native: 7} and evidence.listed(host, "/none") == {}
    assert evidence.moving(host, "/wechat", "/wechat/wechat", names, "wechat", os.getuid()) == ([], "", "")
    (tmp_path / native[1:]).write_bytes(b"eightB!!")
    parts, stays, nothing = evidence.moving(host, "/wechat", "/wechat/wechat", names, "wechat", os.getuid())
    assert (parts[0], native in parts, nothing) == ("/wechat/wechat", False, "")
    assert stays.endswith("own: resources/app.asar.unpacked/native.bin")


def test_a_folder_of_many_programs_never_moves_as_a_whole(tmp_path: Path) -> None:
    """What is put there later would go with it."""
    made.put(tmp_path / "opt", {"wechat": made.elf(), "liba.so": made.elf()})
    host, names, me = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]}), os.getuid()
    assert evidence.moving(host, "/opt", "/opt/wechat", names, "wechat", me) == (
        ["/opt/wechat", "/opt/liba.so"],
        "",
        "",
    )


def test_an_empty_directory_in_an_app_is_told_of_by_its_place(tmp_path: Path) -> None:
    host, names, me = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]}), os.getuid()
    made.put(tmp_path / "x", {"wechat": made.elf()})
    (tmp_path / "x/logs").mkdir()
    said = "stays, since it is not the program's own: logs"
    assert evidence.moving(host, "/x", "/x/wechat", names, "wechat", me) == (["/x/wechat"], said, "")


def test_of_a_browsers_folder_only_pictures_are_its_own_and_of_an_apps_none(tmp_path: Path) -> None:
    names, me = named(wechat={"processes": ["wechat"], "desktop_files": ["w.desktop"]}), os.getuid()
    app, browsers = (evidence.own(names, "wechat", me, {"/x": 1}, pictures) for pictures in (False, True))
    assert (app.programs, app.entries, app.uid, app.listed) == (["wechat"], ["w.desktop"], me, {"/x": 1})
    assert (browsers.programs, browsers.entries, browsers.uid, browsers.listed) == ((), (), me, {})
    assert (app.pictures, browsers.pictures, evidence.own(names, "wechat", me, {}).pictures) == (False, True, False)


def test_a_web_apps_folder_is_asked_again_once_it_has_moved(tmp_path: Path) -> None:
    host, names = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]})
    own = program_parts.Own((), (), os.getuid(), pictures=True)
    made.put(tmp_path / "app", {"i.png": b"\x89PNG\r\n\x1a\n"})
    assert evidence.unlike(host, "/app", "/home/a/_crx_x", "web_app", names, "wechat", own) == ""
    made.put(tmp_path / "app", {"thesis.odt": b"text"})
    assert "thesis.odt" in evidence.unlike(host, "/app", "/home/a/_crx_x", "web_app", names, "wechat", own)


def test_the_smallest_program_of_windows_and_its_last_byte(tmp_path: Path) -> None:
    """Both headers may share bytes; a program of 64 bytes runs there."""
    head = bytearray(b"MZ".ljust(60, b"\0") + struct.pack("<I", 40))
    head[40:44] = b"PE\0\0"
    made.put(tmp_path, {"x": bytes(head), "y": bytes(head[:63])})
    host = Host(str(tmp_path))
    assert evidence.is_windows(host, "/x") and not evidence.is_windows(host, "/y")

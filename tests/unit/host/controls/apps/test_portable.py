"""Details of what says what a program is: a launcher's arguments, a Go program without sections, odd archives."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_apps import Read
from proscribe.base import elf
from proscribe.host.controls.apps.portable import appimage_contents, evidence, program_parts, squashfs
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.system import Host, User

PACKAGE = "github.com/jpillora/chisel"
ALICE = User("alice", 1000, 1000, "/home/alice")


@pytest.mark.parametrize(("flags", "found"), [(6, True), (7, True), (5, False), (4, False)])
@pytest.mark.parametrize("shift", [0, 8])
def test_a_go_program_without_sections_names_its_package_in_its_writable_segment(
    flags: int, found: bool, shift: int
) -> None:
    """`strip` can take the table of sections away; Go lays this at a multiple of sixteen (debug/buildinfo)."""
    content = bytearray(made.elf({".text": b"", ".data": b"x" * 200}))
    struct.pack_into("<Q", content, 40, 0)  # where the sections' table is
    struct.pack_into("<HH", content, 60, 0, 0)
    struct.pack_into("<I", content, 64 + 4, flags)
    content[128 + shift :] = made.build_info(PACKAGE).ljust(len(content) - 128 - shift, b"\0")
    struct.pack_into("<QQ", content, 64 + 32, len(content), len(content))
    read = Read(bytes(content))
    binary = elf.read(read)
    assert binary and not binary.sections
    assert elf.go_package(read, binary) == (PACKAGE if found and not shift else "")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("StartupWMClass=a\n[Desktop Entry]\nName=b\n[Desktop Action x]\nName=c\n", {"Name": "b"}),
        ("[Desktop Entry] \n Name = b \nName=c\nnonsense\n", {"Name": "b"}),
        ("Name=a\n", {}),
        ("[Other]\nName=a\n[Desktop Entry]\n=b\n", {"": "b"}),
    ],
)
def test_only_the_own_group_of_a_desktop_entry_speaks_of_the_app(text: str, values: dict[str, str]) -> None:
    assert appimage_contents._values(text) == values


def test_a_directory_that_vanishes_while_it_is_read_is_not_the_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user took it away after its names were read."""
    made.put(tmp_path / "app", {"Telegram": made.elf()})
    host = Host(str(tmp_path))
    real = host.stat
    monkeypatch.setattr(host, "stat", lambda path: None if path == "/app" else real(path))
    layout = program_parts.Own(["Telegram"], [], real("/").st_uid).layout(host, "/app")  # type: ignore[union-attr]
    assert layout == (False, ["/app/Telegram"], [])


@pytest.mark.parametrize("name", ["chat", "tool"])
def test_nobody_hides_what_lies_around_a_program_among_many_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    entry: dict[str, Any] = {"packages": {}, "paths": [], "processes": ["chat", "chat-gui"]}
    names = Names({"chat": {**entry, "markers": {"programs": ["tool"]}}, "other": {**entry, "processes": ["other"]}})
    signs = {"chat", "chat-gui", "tool", "resources", "icudtl.dat", "AppRun"}
    made.put(tmp_path / "app", dict.fromkeys([*signs, "other", *(f"a{number}" for number in range(9))], b""))
    for most, more in ((0, 0), (3, 3)):
        monkeypatch.setattr(evidence, "MOST_AROUND", most)
        around = evidence.around(Host(str(tmp_path)), "/app", names, name)
        assert signs <= around <= {*os.listdir(tmp_path / "app")} and len(around - signs) <= more


def test_a_piece_of_an_archive_with_nothing_in_it_ends_it() -> None:
    """No archive has one; a made-up one of nothing else would be read on and on."""
    pieces = {0: (b"ab", 4), 4: (b"", 6), 6: (b"cd", 10)}
    requests: list[int] = []
    archive: Any = object.__new__(squashfs.Archive)
    archive._piece = lambda at: requests.append(at) or pieces[at]
    assert archive._bytes(0, 0, 2) == b"ab" and archive._bytes(0, 1, 1) == b"b"
    with pytest.raises(squashfs.Unreadable, match="cut short"):
        archive._bytes(0, 0, 3)
    assert requests == [0, 0, 0, 4]
    del pieces[4]
    pieces[0] = (b"ab", 6)
    assert archive._bytes(0, 1, 2) == b"bc", "over two pieces"


# -- package systems that few hosts have -------------------------------------------------------------------------------

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
from proscribe.host.controls.apps.portable import evidence
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.system import Host

PACKAGE = "github.com/jpillora/chisel"


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

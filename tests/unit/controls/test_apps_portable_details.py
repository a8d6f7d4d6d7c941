"""Details of what says what a program is: a launcher's arguments, a Go program without sections, odd archives."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps as made
import pytest
from made_apps import Read
from proscribe.controls.apps.portable import (
    appimage_contents,
    elf,
    program_parts,
    squashfs,
    user_dirs,
)
from proscribe.controls.apps.portable.container_launchers import Inside, launched
from proscribe.controls.apps.systems.on_demand import OnDemand
from proscribe.host import ControlError, Host, Unseen, User

PACKAGE = "github.com/jpillora/chisel"
ALICE = User("alice", 1000, 1000, "/home/alice")


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("distrobox enter box -- wechat", "wechat"),
        ("distrobox enter box wechat", ""),  # it takes these for its own arguments
        ("distrobox-enter -n box -- wechat", "wechat"),
        ("distrobox-enter box wechat", ""),
        ("podman exec box wechat", "wechat"),
        ("toolbox run wechat", "wechat"),
        ("toolbox run -c box wechat", "wechat"),
        ("podman exec box", ""),
        ("podman run box wechat", ""),
        ("other exec box wechat", ""),
    ],
)
def test_what_a_launcher_runs_in_a_container(command: str, program: str) -> None:
    words = command.split()
    assert launched(words) == (Inside(words[0], program) if program else None)


@pytest.mark.parametrize(("flags", "found"), [(6, True), (7, True), (5, False), (4, False)])
@pytest.mark.parametrize("shift", [0, 8])
def test_a_go_program_without_sections_tells_its_package_in_what_it_can_write(
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


def test_a_directory_that_goes_while_it_is_looked_at_is_not_the_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user took it away after its names were read."""
    made.put(tmp_path / "app", {"Telegram": made.elf()})
    host = Host(str(tmp_path))
    real = host.stat
    monkeypatch.setattr(host, "stat", lambda path: None if path == "/app" else real(path))
    layout = program_parts.Own(["Telegram"], [], real("/").st_uid).layout(host, "/app")  # type: ignore[union-attr]
    assert layout == (False, ["/app/Telegram"], [])


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


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('XDG_DESKTOP_DIR="$HOME/xy"', "/home/alice/xy"),
        ('  XDG_DESKTOP_DIR="$HOME/xy"  ', "/home/alice/xy"),
        ('XDG_DESKTOP_DIR="$HOME/xy', ""),  # a shell reads on, and takes no such directory
        ("XDG_DESKTOP_DIR=$HOME/xy", ""),
        ('XDG_DESKTOP_DIR="$HOME/"', ""),
        ('#XDG_DESKTOP_DIR="$HOME/xy"', ""),
    ],
)
def test_a_line_of_a_users_own_directories_is_one_as_a_whole(line: str, path: str) -> None:
    assert user_dirs.parse(line, "/home/alice") == ({"DESKTOP": path} if path else {})


# -- package systems that few hosts have -------------------------------------------------------------------------------


class Noted:
    """The part of a package system that is loaded on demand, which notes what it is asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def answer(*what: Any) -> Any:
            self.requests.append((name, *what))
            return name

        return answer


def test_what_is_asked_of_a_system_that_is_there_reaches_it_as_it_is(tmp_path: Path) -> None:
    inner = Noted()
    one = OnDemand("npm", "npm", lambda: inner, ["/opt/npm", "~/.npm"])
    host, packages = Host(str(tmp_path)), [SimpleNamespace()]
    ids = {"a"}
    assert one.query(host, ids) == ([], "") == one.query_of(host, ALICE, ids)
    assert one.owned_directories(host, None) == () == one.owned_directories(host, ALICE)
    assert one.programs(host, ids, [])(SimpleNamespace()) == ""  # type: ignore[arg-type]
    assert inner.requests == [], "nothing of it is loaded where it is not"
    (tmp_path / "opt/npm").mkdir(parents=True)
    (tmp_path / "home/alice/.npm").mkdir(parents=True)
    assert [one.there(host, who) for who in (None, ALICE, ALICE._replace(home="/home/bob"))] == [True, True, True]
    assert (one.query(host, ids), one.query_of(host, ALICE, ids)) == ("query", "query_of")
    assert one.owned_directories(host, ALICE) == "owned_directories"
    assert one.programs(host, ids, []) == "programs"
    assert one.removal(host, packages) == "removal"  # type: ignore[arg-type, comparison-overlap]
    assert inner.requests == [
        ("query", host, ids),
        ("query_of", host, ALICE, ids),
        ("owned_directories", host, ALICE),
        ("programs", host, ids, []),
        ("removal", host, packages),
    ]
    inner.requests.clear()
    assert one.query(host, set()) == ([], "") == one.query_of(host, ALICE, set())
    assert one.programs(host, set(), packages)(SimpleNamespace()) == ""  # type: ignore[arg-type]
    assert inner.requests == [], "nor where nothing is looked for"


def test_a_package_without_a_trace_of_its_system_has_programs_all_the_same(tmp_path: Path) -> None:
    """A user's own, for instance: then there is nothing of the host's."""
    inner = Noted()
    one = OnDemand("npm", "npm", lambda: inner, ["~/.npm"])
    host = Host(str(tmp_path))
    assert one.programs(host, {"a"}, ["a package"]) == "programs"  # type: ignore[list-item, comparison-overlap]
    assert not one.there(host, None), "a home is none of the host's"
    assert one.gated(host) is False and one.block_parts({"a"}, "contact") == ()


@pytest.mark.parametrize("error", [Unseen("a dead mount"), ControlError("a link")])
def test_a_trace_that_cannot_be_seen_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    host = Host(str(tmp_path))

    def refuse(path: str) -> None:
        raise error

    monkeypatch.setattr(host, "stat", refuse)
    assert OnDemand("npm", "npm", lambda: Noted(), ["/opt/npm"]).there(host, None)

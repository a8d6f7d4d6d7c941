"""What is read of a file and what is said of one: no byte too few, none too many, and nothing left open."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.system import ControlError, Host, Unseen, reading
from proscribe.host.system.budget import Budget
from proscribe.host.system.files import Files
from proscribe.host.system.processes import Processes
from proscribe.host.system.reading import FileReader
from proscribe.host.system.tools import Tools

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc/sub").mkdir(parents=True)
    (tmp_path / "etc/file").write_bytes(b"0123456789")
    (tmp_path / "etc/sub/file").write_bytes(b"below\xff")
    os.mkfifo(tmp_path / "etc/pipe")
    return Host(str(tmp_path))


@pytest.mark.parametrize("kind", [FileReader, Files, Tools, Processes, Host])
def test_each_part_of_the_door_opens_to_this_host_and_to_no_network(kind: type[FileReader]) -> None:
    one = kind()
    assert (one.root, one.enters_remote, one.budget) == ("/", False, None)


@pytest.mark.parametrize(("root", "real"), [("/", "/proc/7"), ("/made", "/made/proc/7"), ("/made/", "/made/proc/7")])
def test_a_path_of_the_host_is_below_its_root(root: str, real: str) -> None:
    assert FileReader(root)._real("/proc/7") == real


@pytest.mark.parametrize(("uid", "privileged"), [(0, True), (1, False), (1000, False)])
def test_only_root_is_privileged(host: Host, monkeypatch: pytest.MonkeyPatch, uid: int, privileged: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert host.privileged is privileged


# -- how much ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "read"), [(10, 10), (9, 12), (8, 10), (7, 8), (3, 4), (0, 4)])
def test_a_file_that_is_too_large_is_never_taken_for_its_beginning_nor_read_to_its_end(
    host: Host, monkeypatch: pytest.MonkeyPatch, limit: int, read: int
) -> None:
    """Its beginning may be harmless; its end may be a terabyte away."""
    monkeypatch.setattr(reading, "PIECE", 4)
    host.budget = Budget()
    if limit < 10:
        with pytest.raises(ControlError, match=f"^/etc/file is larger than {limit} bytes$"):
            host.read("/etc/file", limit)
    else:
        assert host.read("/etc/file", limit) == b"0123456789"
    assert host.budget.most["bytes read"] - host.budget.left["bytes read"] == min(read, 10)


@ROOT
@pytest.mark.parametrize(
    ("owner", "myself", "budget", "whole"),
    [
        (0, 0, False, True),
        (1000, 0, False, False),
        (1, 0, False, False),  # an account of the system's is no root either
        (0, 1000, False, True),  # an ordinary user reads root's files,
        (1000, 1000, False, True),  # and his own,
        (1001, 1000, False, False),  # and those of others in part
        (0, 0, True, False),  # on a user's behalf, whosever it is: a link of root's may lead anywhere
        (1000, 1000, True, False),
    ],
)
def test_a_large_file_is_only_read_where_no_user_made_it(
    host: Host, monkeypatch: pytest.MonkeyPatch, owner: int, myself: int, budget: bool, whole: bool
) -> None:
    os.chown(f"{host.root}/etc/file", owner, owner)
    monkeypatch.setattr(reading, "LARGEST", 8)
    monkeypatch.setattr(os, "geteuid", lambda: myself)
    host.budget = Budget() if budget else None
    if whole:
        assert host.read("/etc/file") == b"0123456789"
    else:
        with pytest.raises(Unseen, match="more than is read of a user's file"):
            host.read("/etc/file")


def test_what_the_host_was_asked_for_itself_is_no_answer_for_a_user(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be 64 MiB, and each user's part of an observation holds what it has read."""
    monkeypatch.setattr(reading, "LARGEST", 8)
    with host.still():
        assert host.read("/etc/file") == b"0123456789"
        host.budget = Budget()
        with pytest.raises(Unseen, match="larger than 8 bytes"):
            host.read("/etc/file")


@pytest.mark.parametrize(("size", "found"), [(0, b""), (4, b"0123"), (10, b"0123456789"), (11, b"0123456789")])
def test_the_head_of_a_file_is_as_long_as_asked_for_or_all_of_it(host: Host, size: int, found: bytes) -> None:
    assert host.head("/etc/file", size) == found


def test_no_more_is_searched_twice_than_a_match_is_long(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte would else cost two."""
    monkeypatch.setattr(reading, "SEARCHED", 1000)
    (Path(host.root) / "etc/file").write_bytes(b"x" * 2500)
    searched: list[int] = []

    def finditer(content: bytes) -> Iterator[re.Match[bytes]]:
        searched.append(len(content))
        return iter(())

    assert host.search("/etc/file", SimpleNamespace(finditer=finditer)) == []  # type: ignore[arg-type]
    assert searched == [1000, 1256, 756]
    searched.clear()
    host.search("/etc/file", SimpleNamespace(finditer=finditer), 10)  # type: ignore[arg-type]
    assert searched == [1000, 1010, 510]


# -- by which path -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("path", ["/etc/sub/file", "//etc//sub/file", "/etc///sub//file", "/etc/./sub/file"])
def test_a_path_may_be_written_in_several_ways(host: Host, path: str, still: bool) -> None:
    def ask() -> list[Any]:
        above = path.rpartition("/")[0]
        seen = [host.stat(place) for place in (path, f"{above}/", "/etc/", "/etc", "/")]
        return [host.read(path), host.list(f"{above}/"), [one.st_ino if one else 0 for one in seen]]

    real = [os.stat(host.root + place).st_ino for place in ("/etc/sub/file", "/etc/sub", "/etc", "/etc", "/")]
    if still:
        with host.still():
            assert ask() == [b"below\xff", ["file"], real]
    else:
        assert ask() == [b"below\xff", ["file"], real]


def test_a_directory_is_held_for_what_is_done_in_it(host: Host) -> None:
    with host.directory("/etc/sub") as held:
        (Path(host.root) / "etc/sub").rename(Path(host.root) / "etc/gone")
        assert os.stat("file", dir_fd=held).st_size == 6


@ROOT
@pytest.mark.parametrize("ask", [Host.read, Host.list, Host.stat])
def test_the_link_that_is_not_followed_is_named_by_its_whole_path(host: Host, ask: Any) -> None:
    (Path(host.root) / "etc/sub/link").symlink_to("..")
    os.lchown(Path(host.root) / "etc/sub/link", 1000, 1000)
    with pytest.raises(ControlError, match="^/etc/sub/link is a link that uid 1000 made: not followed$"):
        ask(host, "/etc/sub/link/sub/file")


def test_a_link_that_goes_away_before_it_is_read_is_unseen(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(directory: int, name: str, path: str) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    (Path(host.root) / "etc/link").symlink_to("file")
    monkeypatch.setattr(reading, "link_target", gone)
    with pytest.raises(Unseen, match="^/etc/link cannot be read: No such file or directory$"):
        host.target("/etc/link")
    monkeypatch.setattr(reading, "link_target", lambda directory, name, path: "")
    assert host.target("/etc/link") == "/etc/link", "by now it is no link"


# -- what stays open ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("still", [False, True])
def test_no_look_leaves_anything_open(host: Host, still: bool) -> None:
    """An observation of a host is thousands of these calls, and a process may have some hundred files open."""
    (Path(host.root) / "etc/loop").symlink_to("loop")

    def all_of_it() -> None:
        for path in ("/etc/file", "/etc/sub", "/etc/none", "/none/file", "/etc/file/x", "/etc/pipe", "/etc/loop/x"):
            for ask in (
                host.read, host.list, host.stat, host.target, lambda path: host.head(path, 4),
                lambda path: host.piece(path, 1, 4), lambda path: host.search(path, re.compile(b"[0-9]")),
            ):  # fmt: skip
                with contextlib.suppress(ControlError, Unseen):
                    ask(path)

    before = os.listdir("/proc/self/fd")
    if still:
        with host.still():
            all_of_it()
    else:
        all_of_it()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_an_extended_attribute_is_that_of_the_entry_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    try:
        os.setxattr(tmp_path / "file", "user.made", b"value")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    (tmp_path / "link").symlink_to("file")
    host = Host(str(tmp_path))
    assert host.attribute("/file", "user.made") == b"value"
    assert [host.attribute(path, "user.made") for path in ("/link", "/none", "/none/file")] == [None, None, None]
    assert host.attribute("/file", "user.other") is None

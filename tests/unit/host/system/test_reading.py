"""What is read of a file and what is said of one: no byte too few, none too many, and nothing left open."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, Unseen, reading
from proscribe.host.system.budget import Budget
from proscribe.host.system.reading import FileReader


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc/sub").mkdir(parents=True)
    (tmp_path / "etc/file").write_bytes(b"0123456789")
    (tmp_path / "etc/sub/file").write_bytes(b"below\xff")
    os.mkfifo(tmp_path / "etc/pipe")
    return Host(str(tmp_path))


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


# -- by which path -----------------------------------------------------------------------------------------------------


def test_a_directory_is_held_for_what_is_done_in_it(host: Host) -> None:
    with host.directory("/etc/sub") as held:
        (Path(host.root) / "etc/sub").rename(Path(host.root) / "etc/gone")
        assert os.stat("file", dir_fd=held).st_size == 6


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

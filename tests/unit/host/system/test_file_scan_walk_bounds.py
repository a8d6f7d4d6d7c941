"""How far a file scan goes, to the last entry and byte, and what remains of it if it ends early or is hindered."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import Host, file_scan
from proscribe.host.system.budget import Budget
from proscribe.host.system.file_scan import LIMITS, Limits, scan

from unit.host.system.test_file_scan import ROOT, hits, make, settle

WHY = "the file scan ended after"


def choose(directory: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith("wechat")]


def found_by(
    host: Host, known: Mapping[str, Any] | None = None, limits: Limits = LIMITS, roots: Sequence[str] = ("/home/a",)
) -> tuple[list[str], list[str]]:
    """What was found, and what was not scanned."""
    scanned = scan(host, roots, choose, known or {}, limits=limits)
    return hits(scanned), scanned.unseen


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)


# -- entries and time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "ends"), [(105.0, False), (105.5, True)])
def test_a_file_scan_ends_once_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: float, ends: bool
) -> None:
    host = make(tmp_path, "home/a/wechat")
    clock = iter([100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, now))
    found = ([], [f"{WHY} 5 s, in /home/a"]) if ends else (["/home/a/wechat"], [])
    assert found_by(host, limits=Limits(seconds=5)) == found


@pytest.mark.parametrize("of_a_user", [False, True])
def test_what_was_found_in_a_huge_directory_until_the_end_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_a_user: bool
) -> None:
    """Else who puts a million files beside a program hides it."""
    monkeypatch.setattr(file_scan, "PIECE", 2)
    host = make(tmp_path, *(f"home/a/wechat{number}" for number in range(9)))
    limits = LIMITS if of_a_user else Limits(entries=3)
    host.budget = Budget(entries=3) if of_a_user else None  # whose time begins when it is made
    found, unseen = found_by(host, limits=limits)
    assert len(found) == (2 if of_a_user else 4) and len(unseen) == 1
    for number in range(9):
        (tmp_path / f"home/a/wechat{number}").rename(tmp_path / f"home/a/{number}")
    host.budget = Budget(entries=3) if of_a_user else None
    scanned = scan(host, ["/home/a"], choose, {}, limits=limits)
    assert hits(scanned) == [] and len(scanned.unseen) == 1


def test_a_file_scan_that_runs_out_of_memory_reports_it_and_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_scan, "PIECE", 2)
    host = make(tmp_path, *(f"home/a/wechat{number}" for number in range(4)), "home/b/wechat")
    host.budget = Budget()
    pieces = iter([choose])

    def full(directory: str, found: Sequence[str]) -> Collection[str]:
        for one in pieces:
            return one(directory, found)
        raise MemoryError

    scanned = scan(host, ["/home/a", "/home/b"], full, {})
    assert (len(hits(scanned)), scanned.unseen) == (2, ["over budget: memory, in /home/a"])


# -- what is remembered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "remembered"), [(0, 2), (-1, 1)])
def test_so_much_is_remembered_of_one_users_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: None, room: int, remembered: int
) -> None:
    """His directories' names are as long as he likes, and all of them would be kept on the host."""
    host = make(tmp_path, "home/a/sub/wechat", "home/a/sub/file", "home/a/wechat1")
    outer = file_scan.NODE + len("/home/a") + len("sub") + len("wechat1")
    inner = file_scan.NODE + len("/home/a/sub") + len("wechat")
    monkeypatch.setattr(file_scan, "ROOM", outer + inner + room)
    host.budget = Budget()
    scanned = scan(host, ["/home/a"], choose, {})
    assert [*scanned.known] == ["/home/a", "/home/a/sub"][:remembered]
    assert hits(scanned) == ["/home/a/sub/wechat", "/home/a/wechat1"]
    host.budget = None
    assert len(scan(host, ["/home/a"], choose, {}).known) == 2, "the host's own are as large as root made them"


@pytest.mark.parametrize(("inode", "ctime", "again"), [(0, 0, False), (1, 0, True), (0, 1, True), (0, -1, True)])
def test_a_directory_is_read_again_if_either_number_differs(
    tmp_path: Path, old: None, inode: int, ctime: int, again: bool
) -> None:
    host = make(tmp_path, "home/a/wechat")
    seen = os.stat(tmp_path / "home/a")
    known = {"/home/a": (seen.st_ino + inode, seen.st_ctime_ns + ctime, [], ["wechat-before"])}
    assert found_by(host, known) == (["/home/a/wechat" if again else "/home/a/wechat-before"], [])


# -- mounts and hindrances ---------------------------------------------------------------------------------------------


@ROOT
def test_a_home_that_its_user_made_a_link_is_reported(tmp_path: Path) -> None:
    host = make(tmp_path, "srv/wechat", "home/b/wechat")
    (tmp_path / "home/a").symlink_to("../srv")
    os.lchown(tmp_path / "home/a", 1000, 1000)
    reasons = ["/home/a is a link that uid 1000 made: not followed"]
    assert found_by(host, roots=["/home/a", "/home/b"]) == (["/home/b/wechat"], reasons)


@pytest.mark.parametrize("place", ["_open_directory", "readlink", "scandir"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "Permission denied"),
        (errno.EIO, "Input/output error"),
        (errno.ESTALE, "Stale file handle"),
        (errno.ENOENT, ""),  # what went away meanwhile, or has become something else, is not there
        (errno.ENOTDIR, ""),
        (errno.ELOOP, ""),
    ],
)
def test_what_cannot_be_read_is_reported_whichever_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, number: int, reason: str
) -> None:
    """Nothing that was not scanned may count as clean."""
    host = make(tmp_path, "home/a/wechat")
    real = Host._open_directory

    def fail(*given: Any) -> int:
        if place == "_open_directory" and not given[1].startswith("/home"):
            return real(*given)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((Host, place) if place == "_open_directory" else (os, place)), fail)
    assert found_by(host) == ([], [f"/home/a cannot be read: {reason}"] if reason else [])


# -- what is somebody else's -------------------------------------------------------------------------------------------


@ROOT
def test_an_ordinary_user_who_looks_takes_roots_and_his_own_for_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make(tmp_path, *(f"srv/{uid}/wechat" for uid in (0, 1000, 1001)))
    for uid in (1000, 1001):
        os.chown(tmp_path / f"srv/{uid}", uid, uid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    scanned = scan(host, ["/srv"], choose, {}, apart=True)
    assert hits(scanned) == ["/srv/0/wechat", "/srv/1000/wechat"]
    assert scanned.others == {1001: [("/srv/1001", ())]}

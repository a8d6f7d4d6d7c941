"""How far a file scan goes, to the last entry and byte, and what remains of it if it ends early or is hindered."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import Host, Unseen, file_scan
from proscribe.host.system.budget import Budget
from proscribe.host.system.file_scan import LIMITS, Limits, scan
from proscribe.host.system.mounts import Mount, here, mount_of, mounts, not_entered

from unit.host.system.test_file_scan import ROOT, hits, make, settle

WHY = "the file scan ended after"


def choose(directory: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith("wechat")]


def mounted(root: Path, *lines: str) -> None:
    """The list of mounts, by lines of device, root, place, what is optional, type and source."""
    make(root, "proc/self/mountinfo")
    fields = [line.split(" ", 3) for line in lines]
    text = "".join(f"36 35 {device} {top} {place} rw {rest} rw\n" for device, top, place, rest in fields)
    (root / "proc/self/mountinfo").write_text(text)


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


@pytest.mark.parametrize(
    ("most", "found", "unseen"),
    [
        (2, ["/home/a/x/wechat", "/home/a/x/wechat/wechat"], []),
        (1, ["/home/a/x/wechat"], [f"{WHY} 1 files, in /home/a/x/wechat"]),
        (0, [], [f"{WHY} 0 files, in /home/a/x"]),
    ],
)
def test_a_directory_is_read_as_long_as_the_bound_is_not_passed(
    tmp_path: Path, most: int, found: list[str], unseen: list[str]
) -> None:
    host = make(tmp_path, "home/a/x/wechat/wechat")
    assert found_by(host, limits=Limits(entries=most)) == (found, unseen)


@pytest.mark.parametrize(("now", "ends"), [(105.0, False), (105.5, True)])
def test_a_file_scan_ends_once_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: float, ends: bool
) -> None:
    host = make(tmp_path, "home/a/wechat")
    clock = iter([100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, now))
    found = ([], [f"{WHY} 5 s, in /home/a"]) if ends else (["/home/a/wechat"], [])
    assert found_by(host, limits=Limits(seconds=5)) == found


def test_a_limit_that_ends_a_users_file_scan_ends_it_in_all_of_his_places(tmp_path: Path) -> None:
    """He has one bound, however many places he has; the host's own have one each."""
    host = make(tmp_path, "home/a/x/y/wechat", "opt/a/wechat")
    limits, roots = Limits(entries=1), ("/home/a", "/opt/a")
    reasons = [f"{WHY} 1 files, in /home/a/x/y"]
    assert found_by(host, limits=limits, roots=roots) == (["/opt/a/wechat"], reasons)
    host.budget = Budget()
    assert found_by(host, limits=limits, roots=roots) == ([], reasons)


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


@pytest.mark.parametrize("remember", [True, False])
def test_a_file_scan_that_is_not_to_remember_does_not(tmp_path: Path, old: None, remember: bool) -> None:
    host = make(tmp_path, "home/a/wechat")
    assert [*scan(host, ["/home/a"], choose, {}, remember=remember).known] == (["/home/a"] if remember else [])


@pytest.mark.parametrize(("later", "remembered"), [(0, False), (1, True)])
def test_what_changed_so_long_ago_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: int, remembered: bool
) -> None:
    """What changes again within the same tick of the clock has the same time, and would not be read again."""
    host = make(tmp_path, "home/a/wechat")
    changed = os.stat(tmp_path / "home/a").st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed + file_scan.SETTLED + later)
    assert bool(scan(host, ["/home/a"], choose, {}).known) is remembered


@pytest.mark.parametrize(("inode", "ctime", "again"), [(0, 0, False), (1, 0, True), (0, 1, True), (0, -1, True)])
def test_a_directory_is_read_again_if_either_number_differs(
    tmp_path: Path, old: None, inode: int, ctime: int, again: bool
) -> None:
    host = make(tmp_path, "home/a/wechat")
    seen = os.stat(tmp_path / "home/a")
    known = {"/home/a": (seen.st_ino + inode, seen.st_ctime_ns + ctime, [], ["wechat-before"])}
    assert found_by(host, known) == (["/home/a/wechat" if again else "/home/a/wechat-before"], [])


def test_what_is_remembered_is_compared_with_what_stands_there_and_never_with_where_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: None
) -> None:
    host = make(tmp_path, "home/a/x/wechat")
    known = scan(host, ["/home/a"], choose, {}).known
    follows: list[object] = []
    real = os.stat

    def watched(path: str, **options: object) -> os.stat_result:
        follows.append(options.get("follow_symlinks", True))
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", watched)
    scan(host, ["/home/a"], choose, known)
    assert follows == [False, False]


# -- mounts and hindrances ---------------------------------------------------------------------------------------------


def test_nobody_pays_for_the_list_of_mounts(tmp_path: Path) -> None:
    """It is as long as the host has mounts: a user of a large one would have nothing left."""
    mounted(tmp_path, "0:50 / /a - ext4 /dev/sda1", "0:51 / /b\\011c shared:1 master:2 - nfs4 server:/x")
    host = Host(str(tmp_path))
    host.budget = mine = Budget(size=0)
    disk, net = Mount("ext4", True), Mount("nfs4", False)
    assert mounts(host) == {"/a": disk, "/b\tc": net}
    assert host.budget is mine and mine.left == mine.most


@pytest.mark.parametrize(
    ("mount", "found", "unseen"),
    [
        ("8:1 / /home/a/disk - ext4 /dev/sdb1", ["/home/a/disk/wechat", "/home/a/wechat"], []),
        (
            "8:1 / /srv/disk - ext4 /dev/sdb1",
            ["/home/a/disk/wechat", "/home/a/wechat"],
            [],
        ),  # nobody asked for that disk
        ("0:50 / /home/a/disk - tmpfs tmpfs", ["/home/a/wechat"], []),
        ("0:50 / /home/a/disk - nfs4 s:/x", ["/home/a/wechat"], [not_entered("/home/a/disk", "nfs4")]),
        (
            "8:1 / /home/a/disk - fuseblk /dev/sdb1",
            ["/home/a/wechat"],
            [not_entered("/home/a/disk", "fuseblk")],
        ),
        ("0:50 / /home - nfs4 s:/x", [], [not_entered("/home/a", "nfs4")]),
    ],
)
def test_what_is_mounted_below_a_place_is_entered_or_told_once(
    tmp_path: Path, mount: str, found: list[str], unseen: list[str]
) -> None:
    host = make(tmp_path, "home/a/wechat", "home/a/disk/wechat", "srv/disk/wechat")
    mounted(tmp_path, mount)
    assert found_by(host) == (found, unseen)


@pytest.mark.parametrize("place", ["/home", "/home/a"])
@pytest.mark.parametrize("enters", [True, False])
def test_a_home_on_another_machine_is_only_entered_as_its_user(tmp_path: Path, enters: bool, place: str) -> None:
    host = make(tmp_path, "home/a/wechat")
    mounted(tmp_path, f"0:50 / {place} - nfs4 s:/x")
    host.enters_remote = enters
    assert found_by(host) == ((["/home/a/wechat"], []) if enters else ([], [not_entered("/home/a", "nfs4")]))


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


def test_the_number_of_further_unscanned_directories_is_reported(tmp_path: Path) -> None:
    host = make(tmp_path, "home/a/wechat")
    mounted(tmp_path, *(f"0:5{number} / /home/a/n{number} - nfs4 s:/x" for number in range(3)))
    for number in range(3):
        (tmp_path / f"home/a/n{number}").mkdir()
    found, [reason] = found_by(host)
    assert found == ["/home/a/wechat"] and reason.endswith(" which is not entered (and 2 more)")


def test_a_directory_is_let_go_whatever_number_it_has(tmp_path: Path) -> None:
    """Where a service has closed its input, the first file that is opened gets the number 0."""
    host = make(tmp_path, "opt/x/wechat")
    before = os.dup(0)
    os.close(0)
    try:
        assert found_by(host, roots=["/opt"]) == (["/opt/x/wechat"], [])
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    finally:
        os.dup2(before, 0)
        os.close(before)


# -- what is somebody else's -------------------------------------------------------------------------------------------


@ROOT
@pytest.mark.parametrize(
    ("mode", "shared"), [(0o1777, True), (0o1707, True), (0o1770, True), (0o1755, False), (0o1700, False)]
)
def test_a_place_is_shared_if_its_group_or_everybody_may_write_to_it(tmp_path: Path, mode: int, shared: bool) -> None:
    """In one that only root writes to, root has put what is there, whoever owns it."""
    host = make(tmp_path, "srv/wechat")
    os.chown(tmp_path / "srv/wechat", 1000, 1000)
    (tmp_path / "srv").chmod(mode)
    scanned = scan(host, ["/srv"], choose, {}, apart=True)
    others = {1000: [("/srv", ("wechat",))]}
    assert (hits(scanned), scanned.others) == (([], others) if shared else (["/srv/wechat"], {}))
    plain = scan(host, ["/srv"], choose, {})
    assert (hits(plain), plain.others) == (["/srv/wechat"], {}), "on somebody's behalf all is his"


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


def test_what_stands_at_a_name_is_seen_without_opening_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    directory = os.open(tmp_path, os.O_PATH)
    try:
        assert {name: here(directory, name) for name in ("link", "pipe")} == {
            name: os.lstat(tmp_path / name) for name in ("link", "pipe")
        }
        with pytest.raises(FileNotFoundError):
            here(directory, "none")
        assert len(os.listdir("/proc/self/fd")) == before + 1
    finally:
        os.close(directory)


def test_what_is_mounted_at_a_name_is_not_asked(tmp_path: Path) -> None:
    """Its own user's program may answer, or nobody ever."""
    top = os.open("/", os.O_PATH)
    try:
        assert here(top, "proc") is None
        assert mount_of(top).startswith(b"mnt_id:\t") and mount_of(top).strip()[8:].isdigit()
    finally:
        os.close(top)
    assert mount_of(top) == b"", "it is not open any more"


def test_a_spent_budget_ends_the_file_scan_with_the_reason(tmp_path: Path) -> None:
    host = make(tmp_path, "home/a/wechat", "home/b/wechat")

    def spent(directory: str, found: Sequence[str]) -> Collection[str]:
        raise Unseen("over budget: more than 15 s")

    host.budget = Budget()
    scanned = scan(host, ["/home/a", "/home/b"], spent, {})
    assert (scanned.hits, scanned.unseen) == ([], ["over budget: more than 15 s, in /home/a"])

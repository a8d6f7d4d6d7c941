"""The file scan below what others fill: limits, links, mounts, hostile names, and what the next scan can skip."""

import errno
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.system import Host, file_scan, forked_work
from proscribe.host.system.budget import ReadBudget
from proscribe.host.system.file_scan import ScanLimits, ScanResult, scan_directories
from proscribe.host.system.forked_work import run_apart
from proscribe.host.system.mounts import explain_not_entered
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
OURS = ["/tmp/r/wechat", "/tmp/wechat"]


def choose(directory: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(("wechat", "qq"))]


def make_files(root: Path, *paths: str) -> Host:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return Host(str(root))


def scan_home(host: Host, known: Any = None, roots: Sequence[str] = ("/home/a",), **options: Any) -> ScanResult:
    return scan_directories(host, roots, options.pop("choose", choose), known or {}, **options)


def list_hits(scanned: ScanResult) -> list[str]:
    return sorted(f"{directory}/{name}" for directory, names in scanned.hits for name in names)


@pytest.fixture
def settled(monkeypatch):
    """Let new files count as old enough to be remembered."""
    monkeypatch.setattr(file_scan, "SETTLED_NANOSECONDS", -(10**10))


@pytest.mark.parametrize("roots", [["/home", "/home/a", "/opt"], ["/home/a", "/home/ab", "/opt"]])
def test_root_within_another_is_scanned_once_and_a_longer_name_separately(tmp_path, roots):
    host = make_files(tmp_path, "home/a/wechat", "home/ab/wechat", "opt/wechat")
    assert list_hits(scan_home(host, roots=roots)) == ["/home/a/wechat", "/home/ab/wechat", "/opt/wechat"]


@pytest.mark.parametrize(
    ("mount", "found", "kind"),
    [
        ("0:50 / /home/a/net rw,nosuid shared:7 - fuse.sshfs me@server: rw", [], "fuse.sshfs"),
        ("8:1 /sub /home/a/net rw - ext4 /dev/sda1 rw", [], ""),  # a second view of something else
        ("0:50 / /home/a/net rw - tmpfs tmpfs rw", [], ""),
        ("8:1 / /home/a/net rw - ext4 /dev/sda1 rw", ["/home/a/net/wechat"], ""),
        ("0:50 / / rw - 9p share rw", ["/home/a/net/wechat"], ""),  # the whole host is on one
    ],
)
def test_mount_of_another_machine_or_a_user_is_left_out_and_reported(tmp_path, mount, found, kind):
    host = make_files(tmp_path, "home/a/net/wechat", "proc/self/mountinfo")
    (tmp_path / "proc/self/mountinfo").write_text(f"36 35 {mount}\n")
    scanned = scan_home(host)
    assert (list_hits(scanned), scanned.unseen) == (found, [explain_not_entered("/home/a/net", kind)] if kind else [])


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("most", [3, 2])
def test_hits_of_a_user_are_limited_and_those_of_the_host_are_not(tmp_path, monkeypatch, settled, remembered, most):
    host = make_files(tmp_path, "home/a/wechat", "home/a/x/wechat", "home/a/y/wechat")
    known = scan_home(host).remembered if remembered else {}
    monkeypatch.setattr(file_scan, "MAX_HITS", most)
    host.budget = ReadBudget()
    unseen = scan_home(host, known).unseen
    assert [reason.startswith("over budget: more than 2 files") for reason in unseen] == [True] * (most == 2)
    host.budget = None
    assert len(list_hits(scan_home(host, known))) == 3


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("kind", ["fuse.sshfs", "ext4"])
def test_root_behind_a_link_to_another_machine_is_not_entered(tmp_path, kind, end):
    """`/home/a` is root's link to where the homes are, however the root is written: a host's ends with a slash."""
    make_files(tmp_path, "srv/homes/a/wechat", "proc/self/mountinfo")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/a").symlink_to("../srv/homes/a")
    (tmp_path / "proc/self/mountinfo").write_text(f"36 35 0:50 / /srv/homes rw - {kind} server:/x rw\n")
    host = Host(f"{tmp_path}{end}")
    scanned = scan_home(host)
    reasons = [] if kind == "ext4" else [explain_not_entered("/home/a", kind)]
    assert (list_hits(scanned), scanned.unseen) == ([] if reasons else ["/home/a/wechat"], reasons)
    host.enters_remote = True  # as its user, who has asked for it
    assert list_hits(scan_home(host)) == ["/home/a/wechat"]


@pytest.fixture
def shared(tmp_path):
    """A host whose /tmp has a directory and a file of root's and of a user's."""
    host = make_files(tmp_path, "tmp/r/wechat", "tmp/a/wechat", "tmp/wechat", "tmp/qq")
    (tmp_path / "tmp").chmod(0o1777)
    for name in ("a", "a/wechat", "qq"):
        os.chown(tmp_path / "tmp" / name, 1000, 1000)
    return host


@ROOT
@pytest.mark.parametrize(
    ("name", "skipped", "unseen"),
    [
        ("m", (), ["/tmp/m is a mount point that has just been made"]),
        ("m", ("/tmp/m",), []),
        (".mount_WeChatabc", (), []),  # the archive of an AppImage that runs
    ],
)
def test_mount_that_is_newer_than_the_list_is_reported_and_not_scanned(
    tmp_path, shared, monkeypatch, name, skipped, unseen
):
    make_files(tmp_path, f"tmp/{name}/wechat")
    real = file_scan.find_entry_on_mount
    monkeypatch.setattr(
        file_scan, "find_entry_on_mount", lambda directory, of: None if of == name else real(directory, of)
    )
    scanned = scan_home(shared, roots=["/tmp"], excluded=skipped, separates_owned=True)
    assert (list_hits(scanned), scanned.unseen) == (OURS, unseen)


@ROOT
def test_entry_that_vanishes_hides_nothing_else_of_a_shared_place(shared, monkeypatch):
    real, gone = file_scan.find_entry_on_mount, make_refusal(FileNotFoundError(2, "No such file or directory"))
    monkeypatch.setattr(
        file_scan, "find_entry_on_mount", lambda directory, name: (gone if name == "a" else real)(directory, name)
    )
    scanned = scan_home(shared, roots=["/tmp"], separates_owned=True)
    assert (list_hits(scanned), scanned.foreign_entries, scanned.unseen) == (OURS, {1000: [("/tmp", ("qq",))]}, [])


@ROOT
@pytest.mark.parametrize(("most", "found"), [(2, 4), (1, 2)])
def test_owners_in_a_shared_place_are_checked_up_to_a_limit(shared, monkeypatch, most, found):
    monkeypatch.setattr(file_scan, "MAX_SHARED_ENTRIES", most)
    scanned = scan_home(shared, roots=["/tmp"], separates_owned=True)
    reason = "/tmp has more than 1 entries that others may have made (and 1 more)"  # of directories, and of names
    assert scanned.unseen == [reason] * (most == 1)
    assert sum(len(names) for _, names in scanned.hits) + sum(map(len, scanned.foreign_entries.values())) == found


@pytest.mark.parametrize(("depth", "unseen"), [(2, []), (1, ["/home/a/x/y is more than 1 directories down"])])
def test_directory_below_the_last_level_is_reported(tmp_path, depth, unseen):
    scanned = scan_home(make_files(tmp_path, "home/a/x/wechat", "home/a/x/y/wechat"), limits=ScanLimits(depth=depth))
    found = ["/home/a/x/wechat", *([] if unseen else ["/home/a/x/y/wechat"])]
    assert (list_hits(scanned), scanned.unseen) == (found, unseen)


@pytest.mark.parametrize(("now", "ends"), [(105.0, False), (105.5, True)])
def test_scan_ends_when_its_time_is_over(tmp_path, monkeypatch, now, ends):
    host, clock = make_files(tmp_path, "home/a/wechat"), iter([100.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, now))
    scanned = scan_home(host, limits=ScanLimits(seconds=5))
    assert list_hits(scanned) == ([] if ends else ["/home/a/wechat"])
    assert scanned.unseen == ["the file scan ended after 5 s, in /home/a"] * ends


@pytest.mark.parametrize("of_a_user", [False, True])
def test_hits_in_a_huge_directory_count_although_the_scan_ends(tmp_path, monkeypatch, of_a_user):
    """Else who puts a million files beside a program hides it."""
    monkeypatch.setattr(file_scan, "PIECE_ENTRIES", 2)
    host = make_files(tmp_path, *(f"home/a/wechat{number}" for number in range(9)))
    limits = {} if of_a_user else {"limits": ScanLimits(entries=3)}
    for hits in (2 if of_a_user else 4, 0):
        host.budget = ReadBudget(entries=3) if of_a_user else None  # whose time begins when it is made
        scanned = scan_home(host, **limits)
        assert (len(list_hits(scanned)), len(scanned.unseen)) == (hits, 1)
        for path in (tmp_path / "home/a").iterdir():
            path.rename(path.with_name(path.name.removeprefix("wechat")))


def test_scan_that_runs_out_of_memory_reports_it_and_its_hits(tmp_path, monkeypatch):
    def choose_once(directory, names):
        for choose_names in pieces:
            return choose_names(directory, names)
        raise MemoryError

    monkeypatch.setattr(file_scan, "PIECE_ENTRIES", 2)
    host = make_files(tmp_path, *(f"home/a/wechat{number}" for number in range(4)), "home/b/wechat")
    host.budget, pieces = ReadBudget(), iter([choose])
    scanned = scan_home(host, roots=["/home/a", "/home/b"], choose=choose_once)
    assert (len(list_hits(scanned)), scanned.unseen) == (2, ["over budget: memory, in /home/a"])


@pytest.mark.parametrize(("room", "remembered"), [(0, 2), (-1, 1)])
def test_directories_of_a_user_are_remembered_up_to_a_size(tmp_path, monkeypatch, settled, room, remembered):
    """The names of these directories are as long as the user likes, and all would be kept on the host."""
    host = make_files(tmp_path, "home/a/sub/wechat", "home/a/sub/file", "home/a/wechat1")
    size = 120 + len("/home/asubwechat1") + len("/home/a/subwechat")
    monkeypatch.setattr(file_scan, "MAX_USER_MEMORY_BYTES", size + room)
    host.budget = ReadBudget()
    scanned = scan_home(host)
    assert [*scanned.remembered] == ["/home/a", "/home/a/sub"][:remembered]
    assert list_hits(scanned) == ["/home/a/sub/wechat", "/home/a/wechat1"]
    host.budget = None
    assert len(scan_home(host).remembered) == 2, "the host's own are as large as root made them"


@pytest.mark.parametrize(("inode", "ctime"), [(0, 0), (1, 0), (0, 1), (0, -1)])
def test_directory_with_another_inode_or_ctime_is_read_again(tmp_path, settled, inode, ctime):
    host, seen = make_files(tmp_path, "home/a/wechat"), os.stat(tmp_path / "home/a")
    known = {"/home/a": (seen.st_ino + inode, seen.st_ctime_ns + ctime, [], ["wechat-before"])}
    assert list_hits(scan_home(host, known)) == ["/home/a/wechat" if inode or ctime else "/home/a/wechat-before"]
    assert scan_home(host, remember=False).remembered == {}


@ROOT
def test_home_that_its_user_made_a_link_is_reported(tmp_path):
    host = make_files(tmp_path, "srv/wechat", "home/b/wechat")
    (tmp_path / "home/a").symlink_to("../srv")
    os.lchown(tmp_path / "home/a", 1000, 1000)
    scanned = scan_home(host, roots=["/home/a", "/home/b"])
    assert list_hits(scanned) == ["/home/b/wechat"]
    assert scanned.unseen == ["/home/a is a link that uid 1000 made: not followed"]


@pytest.mark.parametrize("place", ["_open_directory_path", "readlink", "scandir"])
@pytest.mark.parametrize(
    ("number", "reason"),  # an entry that went away or has become something else is not there
    [(errno.EACCES, "Permission denied"), (errno.ENOENT, ""), (errno.ENOTDIR, ""), (errno.ELOOP, "")],
)
def test_directory_that_cannot_be_read_is_reported_whichever_call_fails(tmp_path, monkeypatch, place, number, reason):
    """Nothing that was not scanned may count as clean."""
    host, real = make_files(tmp_path, "home/a/wechat"), Host._open_directory_path

    def fail(*given):
        if place == "_open_directory_path" and not given[1].startswith("/home"):
            return real(*given)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Host if place == "_open_directory_path" else os, place, fail)
    scanned = scan_home(host)
    assert (list_hits(scanned), scanned.unseen) == ([], [f"/home/a cannot be read: {reason}"] if reason else [])


@ROOT
def test_scan_by_an_ordinary_user_takes_files_of_root_and_of_this_user(tmp_path, monkeypatch):
    host = make_files(tmp_path, *(f"srv/{uid}/wechat" for uid in (0, 1000, 1001)))
    for uid in (1000, 1001):
        os.chown(tmp_path / f"srv/{uid}", uid, uid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    scanned = scan_home(host, roots=["/srv"], separates_owned=True)
    assert list_hits(scanned) == ["/srv/0/wechat", "/srv/1000/wechat"]
    assert scanned.foreign_entries == {1001: [("/srv/1001", ())]}


def test_links_below_a_root_are_not_followed(tmp_path, settled):
    host = make_files(tmp_path, "outside/wechat", "home/a/x")
    (tmp_path / "home/a/link").symlink_to(tmp_path / "outside")
    (tmp_path / "home/a/loop").symlink_to(".")
    (tmp_path / "home/a/sub").mkdir()
    scanned, seen = scan_home(host), (tmp_path / "home/a").stat()
    assert (scanned.hits, scanned.remembered["/home/a"]) == ([], (seen.st_ino, seen.st_ctime_ns, ["sub"], []))


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("../../outside"), os.mkfifo])
def test_directory_that_is_exchanged_after_it_was_listed_is_not_entered(tmp_path, make):
    """A link may lead anywhere, /root too, and no scan waits at a pipe."""
    host = make_files(tmp_path, "outside/wechat", "home/a/x/wechat", "home/a/y/wechat")

    def exchange(directory, names):
        if directory == "/home/a":
            shutil.rmtree(tmp_path / "home/a/x")
            make(tmp_path / "home/a/x")
        return choose(directory, names)

    def work():
        scanned = scan_home(host, choose=exchange)
        return [list_hits(scanned), scanned.unseen]

    assert run_apart(work, forked_work.WorkLimits(seconds=20)) == [["/home/a/y/wechat"], []]


def test_names_of_any_bytes_are_scanned(tmp_path):
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[31m", b" ", b"~", "\u202egnp".encode()):
        os.makedirs(os.path.join(os.fsencode(tmp_path), b"home/a", name, b"wechat"))
    assert len(list_hits(scan_home(Host(str(tmp_path))))) == 6


CHANGES = {
    "a name more": lambda home: make_files(home, "y/z/wechat"),
    "a tree more": lambda home: make_files(home, "y/z/n/m/wechat"),
    "gone": lambda home: shutil.rmtree(home / "x"),
    "moved": lambda home: (home / "x").rename(home / "y/x"),
    "a link": lambda home: (shutil.rmtree(home / "x"), (home / "x").symlink_to("../../outside")),
    "dated back": lambda home: (make_files(home, "y/z/wechat"), os.utime(home / "y/z", ns=(1, 1))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_remembered_directory_is_seen(tmp_path, settled, change):
    host = make_files(tmp_path, "home/a/x/wechat", "home/a/y/z/f", "outside/wechat")
    os.utime(tmp_path / "home/a/y/z", ns=(1, 1))
    known = scan_home(host).remembered
    time.sleep(0.02)
    CHANGES[change](tmp_path / "home/a")
    assert list_hits(scan_home(host, known)) == list_hits(scan_home(host))


def test_next_scan_goes_on_where_a_limit_ended_one(tmp_path, settled):
    host = make_files(tmp_path, *(f"home/a/d{d}/f{f}" for d in range(20) for f in range(10)), "home/a/d9/wechat")
    known, rounds = {}, 0
    while (scanned := scan_home(host, known, limits=ScanLimits(entries=60))).unseen:
        known, rounds = scanned.remembered, rounds + 1
        assert scanned.unseen[0].startswith("the file scan ended after 60 files, in /home/a/d") and rounds < 10
    assert (rounds, list_hits(scanned)) == (3, ["/home/a/d9/wechat"])


@pytest.mark.parametrize(("most", "hits"), [(2, 2), (1, 1), (0, 0)])
def test_directory_is_read_as_long_as_the_limit_is_not_passed(tmp_path, most, hits):
    scanned = scan_home(make_files(tmp_path, "home/a/x/wechat/wechat"), limits=ScanLimits(entries=most))
    assert (len(list_hits(scanned)), len(scanned.unseen)) == (hits, most < 2)


def test_limit_of_a_user_is_one_for_all_places_and_of_the_host_one_each(tmp_path):
    host = make_files(tmp_path, "home/a/x/y/wechat", "opt/a/wechat")
    for budget, hits in ((None, ["/opt/a/wechat"]), (ReadBudget(), [])):
        host.budget = budget
        scanned = scan_home(host, roots=("/home/a", "/opt/a"), limits=ScanLimits(entries=1))
        assert list_hits(scanned) == hits and len(scanned.unseen) == 1
    assert ScanLimits(3_000_000, 120, 128) == file_scan.DEFAULT_LIMITS


@pytest.mark.parametrize("remembered", [False, True])
def test_remembered_directories_are_paid_for_too(tmp_path, settled, remembered):
    """A user who has a million directories spends this user's budget, and nobody else's."""
    host = make_files(tmp_path, "home/a/wechat", "home/a/x/wechat", "home/a/y/wechat")
    known = scan_home(host).remembered if remembered else {}
    host.budget = ReadBudget(entries=10)
    assert len(list_hits(scan_home(host, known))) == 3 and host.budget.remaining["files"] == (7 if remembered else 5)
    host.budget = ReadBudget(entries=1)
    assert scan_home(host, known).unseen == ["over budget: more than 1 files, in /home/a"]


@ROOT
@pytest.mark.parametrize(
    ("mode", "skipped", "ours", "others"),
    [
        *((mode, (), OURS, {1000: [("/tmp/a", ()), ("/tmp", ("qq",))]}) for mode in (0o1777, 0o775, 0o707)),
        (0o755, (), ["/tmp/qq", *OURS], {1000: [("/tmp/a", ())]}),  # only root can have put that file there
        (0o1777, ("/tmp/a",), OURS, {1000: [("/tmp", ("qq",))]}),
        (0o1777, ("/tmp/r",), ["/tmp/wechat"], {1000: [("/tmp/a", ()), ("/tmp", ("qq",))]}),
    ],
)
def test_entries_of_others_are_handed_over_to_be_scanned_on_their_behalf(tmp_path, shared, mode, skipped, ours, others):
    (tmp_path / "tmp").chmod(mode)
    scanned = scan_home(shared, roots=["/tmp"], excluded=skipped, separates_owned=True)
    assert (list_hits(scanned), scanned.foreign_entries, scanned.unseen) == (ours, others, [])
    assert "/tmp" not in scanned.remembered, "the owner of an entry may change without the directory"
    scanned = scan_home(shared, roots=["/tmp"])
    assert (list_hits(scanned), scanned.foreign_entries) == (["/tmp/a/wechat", "/tmp/qq", *OURS], {})


@pytest.mark.parametrize(
    ("place", "kind", "unseen"),
    [
        ("/tmp/.mount_QQaBcDeF", "fuse.QQ_3.2.15_x86_64.AppImage", 0),
        ("/tmp/.mount_QQaBcDeF", "nfs4", 1),  # which no user can mount
        ("/tmp/mount_QQaBcDeF", "fuse.sshfs", 1),
    ],
)
def test_archive_of_an_appimage_that_runs_is_not_reported(tmp_path, place, kind, unseen):
    host = make_files(tmp_path, place[1:].replace("\\040", " ") + "/wechat", "proc/self/mountinfo")
    (tmp_path / "proc/self/mountinfo").write_text(f"36 35 0:50 / {place} ro - {kind} {kind} ro,user_id=1000\n")
    scanned = scan_home(host, roots=["/tmp", "/home/a"])
    assert (list_hits(scanned), len(scanned.unseen)) == ([], unseen)


def test_scan_leaves_no_directory_open_not_even_number_0(tmp_path):
    """Where a service has closed its input, the first file that is opened gets the number 0."""
    host, input_ = make_files(tmp_path, "home/a/x/y/wechat"), os.dup(0)
    os.close(0)
    try:
        assert list_hits(scan_home(host)) == ["/home/a/x/y/wechat"]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    finally:
        os.dup2(input_, 0)
        os.close(input_)


@pytest.mark.parametrize(("later", "remembered"), [(0, False), (1, True)])
def test_directory_is_remembered_once_its_change_is_old_enough(tmp_path, monkeypatch, later, remembered):
    """A second change within the same tick of the clock has the same time, and would not be read."""
    host = make_files(tmp_path, "home/a/wechat")
    changed = os.stat(tmp_path / "home/a").st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed + 2_000_000_000 + later)
    assert bool(scan_home(host).remembered) is remembered


@pytest.mark.parametrize(("subvolume", "number"), [(7, 7 << 64), (0, None)])
def test_directory_of_a_subvolume_is_remembered_by_the_number_of_that_too(
    tmp_path, monkeypatch, settled, subvolume, number
):
    """Users of btrfs make subvolumes, in which directories have the same inodes as elsewhere."""

    def shift(real):
        def stat_shifted(*words, **options):
            seen = real(*words, **options)
            fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
            return SimpleNamespace(**{**fields, "st_dev": seen.st_dev + (seen.st_ino == inode)})

        return stat_shifted

    def find_subvolume(descriptor):
        assert real(descriptor).st_ino == inode
        requested.append(descriptor)
        return subvolume

    host, requested, real = make_files(tmp_path, "home/a/x/wechat"), [], os.fstat
    inode = os.stat(tmp_path / "home/a/x").st_ino
    monkeypatch.setattr(file_scan, "find_subvolume_id", find_subvolume)
    for name in ("stat", "fstat"):
        monkeypatch.setattr(os, name, shift(getattr(os, name)))
    known = scan_home(host).remembered
    assert known.get("/home/a/x", (None,))[0] == (None if number is None else number + inode) and len(requested) == 1
    again = {**known, "/home/a/x": (inode + (7 << 64), os.stat(tmp_path / "home/a/x").st_ctime_ns, [], ["wechat-kept"])}
    assert list_hits(scan_home(host, again)) == ["/home/a/x/wechat-kept" if subvolume else "/home/a/x/wechat"]

"""The file scan below what others fill: bounds, links, mounts, hostile names, and what the next scan can skip."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.host.system import Host, file_scan, forked
from proscribe.host.system.budget import Budget
from proscribe.host.system.file_scan import LIMITS, Limits, Scanned, scan
from proscribe.host.system.forked import run_apart
from proscribe.host.system.mounts import Mount, mounts, not_entered

NAMES = frozenset({"wechat"})


def choose(directory: str, names: Sequence[str]) -> frozenset[str]:
    return NAMES.intersection(names)


def go(root: Path, known=None, limits: Limits = LIMITS, roots: Sequence[str] = ("/home/a",), skipped=()) -> Scanned:
    return scan(Host(str(root)), roots, choose, known or {}, skipped, limits)


def make(root: Path, *paths: str) -> Host:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return Host(str(root))


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what was just made count as old enough to be remembered."""
    monkeypatch.setattr(file_scan, "SETTLED", -(10**10))


def hits(scanned: Scanned) -> list[str]:
    return sorted(f"{directory}/{name}" for directory, names in scanned.hits for name in names)


def test_names_are_found_at_any_depth_and_each_root_once(tmp_path):
    make(tmp_path, "home/a/wechat", "home/a/x/y/z/wechat", "home/a/weechat", "opt/wechat")
    scanned = go(tmp_path, roots=["/home/a", "/home/a/x", "/opt", "/srv"])
    assert hits(scanned) == ["/home/a/wechat", "/home/a/x/y/z/wechat", "/opt/wechat"]
    assert scanned.unseen == []


@pytest.mark.parametrize("roots", [["/home", "/home/a", "/opt"], ["/home/a", "/home/ab", "/opt"]])
def test_a_root_within_another_is_scanned_with_it_and_one_with_a_longer_name_separately(tmp_path, roots):
    make(tmp_path, "home/a/wechat", "home/ab/wechat", "opt/wechat")
    assert hits(go(tmp_path, roots=roots)) == ["/home/a/wechat", "/home/ab/wechat", "/opt/wechat"]


@pytest.mark.parametrize("collects", [True, False])
def test_a_file_scan_runs_without_garbage_collection_and_restores_its_setting(tmp_path, collects):
    """Garbage collection would take a tenth of the file scan of a large home."""
    make(tmp_path, "home/a/wechat")
    seen: list[bool] = []
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        scan(Host(str(tmp_path)), ["/home/a"], lambda directory, names: seen.append(gc.isenabled()) or (), {})
        assert (seen, gc.isenabled()) == ([False], collects)
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("becomes", ["link", "pipe"])
def test_what_is_no_directory_any_more_after_it_was_listed_is_not_entered(tmp_path, becomes):
    """Its user replaces it while root scans. A link may lead anywhere, /root too, and no scan waits at a pipe."""
    make(tmp_path, "outside/wechat", "home/a/x/wechat", "home/a/y/wechat")

    def exchanging(directory: str, names: Sequence[str]) -> frozenset[str]:
        if directory == "/home/a":
            shutil.rmtree(tmp_path / "home/a/x")
            {"link": lambda place: place.symlink_to(tmp_path / "outside"), "pipe": os.mkfifo}[becomes](
                tmp_path / "home/a/x"
            )
        return choose(directory, names)

    def work() -> list[list[str]]:
        scanned = scan(Host(str(tmp_path)), ["/home/a"], exchanging, {})
        return [hits(scanned), scanned.unseen]

    found = run_apart(work, forked.Limits(seconds=20)) if becomes == "pipe" else work()
    assert found == [["/home/a/y/wechat"], []]


def test_no_link_is_followed(tmp_path):
    make(tmp_path, "outside/wechat", "home/a/x")
    (tmp_path / "home/a/link").symlink_to(tmp_path / "outside")
    (tmp_path / "home/a/loop").symlink_to(".")
    assert hits(go(tmp_path)) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("36 35 0:50 / /home/a/net rw - nfs4 server:/export rw", []),
        ("36 35 0:50 / /home/a/net rw,nosuid shared:7 - fuse.sshfs me@server: rw", []),
        ("36 35 8:1 /sub /home/a/net rw - ext4 /dev/sda1 rw", []),  # a second view of something else
        ("36 35 8:1 / /home/a/net rw - ext4 /dev/sda1 rw", ["/home/a/net/wechat"]),
        ("36 35 8:1 / /home/a/n\\040t rw - ext4 /dev/sda1 rw", ["/home/a/net/wechat"]),
        ("36 35 0:50 / /home rw - autofs systemd-1 rw", []),
        ("36 35 0:50 / / rw - 9p share rw", ["/home/a/net/wechat"]),  # the whole host is on one
    ],
)
def test_what_another_machine_or_a_user_answers_for_is_left_out(tmp_path, line, found):
    make(tmp_path, "home/a/net/wechat", "proc/self/mountinfo")
    (tmp_path / "proc/self/mountinfo").write_text(line + "\n")
    assert hits(go(tmp_path)) == found


@pytest.mark.parametrize(
    ("place", "kind", "unseen"),
    [
        ("/tmp/.mount_QQaBcDeF", "fuse.QQ_3.2.15_x86_64.AppImage", 0),
        ("/tmp/.mount_QQaBcDeF", "fuse", 0),
        ("/tmp/.mount_my\\040app", "fuse.my\\040app.AppImage", 0),
        ("/tmp/.mount_QQaBcDeF", "nfs4", 1),  # which no user can mount
        ("/tmp/mount_QQaBcDeF", "fuse.sshfs", 1),
        ("/tmp/x/.mount_QQaBcDeF", "fuse.QQ.AppImage", 1),
        ("/home/a/.mount_QQaBcDeF", "fuse.QQ.AppImage", 1),
    ],
)
def test_the_archive_of_an_appimage_that_runs_is_no_gap(tmp_path, place, kind, unseen):
    """Every host has such a mount on which somebody has started an AppImage."""
    make(tmp_path, place[1:].replace("\\040", " ") + "/wechat", "proc/self/mountinfo")
    line = f"36 35 0:50 / {place} ro,nosuid,nodev - {kind} {kind} ro,user_id=1000,group_id=1000\n"
    (tmp_path / "proc/self/mountinfo").write_text(line)
    scanned = go(tmp_path, roots=["/tmp", "/home/a"])
    assert hits(scanned) == []
    assert len(scanned.unseen) == unseen


def test_mount_points_are_read_as_the_kernel_writes_them(tmp_path):
    make(tmp_path, "proc/self/mountinfo")
    (tmp_path / "proc/self/mountinfo").write_bytes(b"36 35 8:1 / /a\\040b\\134\xff rw - ext4 /dev/sda1 rw\nnonsense\n")
    assert list(mounts(Host(str(tmp_path)))) == ["/a b\\\udcff"]


def test_names_of_any_bytes_are_scanned(tmp_path):
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[31m", b" ", b"~", "\u202egnp".encode()):
        place = os.path.join(os.fsencode(tmp_path), b"home/a", name)
        os.makedirs(place)
        open(os.path.join(place, b"wechat"), "w").close()
    assert len(hits(go(tmp_path))) == 6


class TestMemory:
    def test_an_unchanged_directory_is_not_read_again(self, tmp_path, monkeypatch):
        settle(monkeypatch)
        make(tmp_path, "home/a/x/wechat", "home/a/y/z")
        first = go(tmp_path)
        monkeypatch.setattr(os, "scandir", lambda place: pytest.fail("read again"))
        again = go(tmp_path, first.known)
        assert (hits(again), again.known) == (hits(first), first.known)

    @pytest.mark.parametrize("change", ["new", "deep", "gone", "moved", "link", "dated back"])
    def test_any_change_is_seen(self, tmp_path, monkeypatch, change):
        settle(monkeypatch)
        make(tmp_path, "home/a/x/wechat", "home/a/y/z/f", "outside/wechat")
        first = go(tmp_path)
        time.sleep(0.02)
        home = tmp_path / "home/a"
        if change == "new":
            make(home, "y/z/wechat")
        elif change == "deep":
            make(home, "y/z/n/m/wechat")
        elif change == "gone":
            shutil.rmtree(home / "x")
        elif change == "moved":
            (home / "x").rename(home / "y/x")
        elif change == "link":
            shutil.rmtree(home / "x")
            (home / "x").symlink_to(tmp_path / "outside")
        else:
            before = os.stat(home / "y/z")
            make(home, "y/z/wechat")
            os.utime(home / "y/z", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert hits(go(tmp_path, first.known)) == hits(go(tmp_path))


class TestBounds:
    def test_too_many_files_are_reported_and_the_next_file_scan_continues(self, tmp_path, monkeypatch):
        settle(monkeypatch)
        make(tmp_path, *(f"home/a/d{d}/f{f}" for d in range(20) for f in range(10)), "home/a/d9/wechat")
        known: dict = {}
        rounds = 0
        while (scanned := go(tmp_path, known, Limits(entries=60))).unseen:
            known, rounds = scanned.known, rounds + 1
            assert scanned.unseen[0].startswith("the file scan ended after 60 files, in /home/a/d")
            assert rounds < 10
        assert (rounds, hits(scanned)) == (3, ["/home/a/d9/wechat"])

    @pytest.mark.slow
    def test_a_directory_of_more_files_than_are_taken_at_a_time(self, tmp_path):
        home = tmp_path / "home/a"
        home.mkdir(parents=True)
        for number in range(file_scan.PIECE + 5):
            os.mknod(home / str(number))
        make(home, "wechat")
        assert hits(go(tmp_path)) == ["/home/a/wechat"]


def test_what_vanishes_meanwhile_is_not_there(tmp_path, monkeypatch):
    make(tmp_path, "home/a/x/wechat", "home/a/y/wechat")
    real = os.scandir

    def vanish(place):
        if (tmp_path / "home/a/x").exists():
            (tmp_path / "home/a/x").rename(tmp_path / "gone")
        return real(place)

    monkeypatch.setattr(os, "scandir", vanish)
    scanned = go(tmp_path)
    assert (hits(scanned), scanned.unseen) == (["/home/a/y/wechat"], [])


def test_no_file_stays_open(tmp_path):
    make(tmp_path, "home/a/x/y/wechat", "home/a/z/wechat")
    before = os.listdir("/proc/self/fd")
    go(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_the_bounds_are_these():
    assert Limits(3_000_000, 120, 128) == LIMITS


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize(("entries", "spent"), [(10, 0), (1, 1)])
def test_what_is_remembered_is_paid_for_too(tmp_path, monkeypatch, remembered, entries, spent):
    """By directory, so that it is cheaper; a user who has a million of them spends his budget and nobody else's."""
    settle(monkeypatch)
    make(tmp_path, "home/a/wechat", "home/a/x/wechat", "home/a/y/wechat")
    known = go(tmp_path).known if remembered else {}
    assert not remembered or sorted(known) == ["/home/a", "/home/a/x", "/home/a/y"]
    host = Host(str(tmp_path))
    host.budget = Budget(entries=entries)
    scanned = scan(host, ["/home/a"], choose, known)
    if spent:
        assert scanned.unseen == [f"over budget: more than {entries} files, in /home/a"]
    else:
        assert (len(hits(scanned)), scanned.unseen) == (3, [])
        assert host.budget.left["files"] == entries - (3 if remembered else 5)


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("most", [3, 2])
def test_so_many_names_that_matter_are_taken_of_one_user(tmp_path, monkeypatch, remembered, most):
    settle(monkeypatch)
    make(tmp_path, "home/a/wechat", "home/a/x/wechat", "home/a/y/wechat")
    known = go(tmp_path).known if remembered else {}
    monkeypatch.setattr(file_scan, "MOST_HITS", most)
    host = Host(str(tmp_path))
    host.budget = Budget()
    scanned = scan(host, ["/home/a"], choose, known)
    why = "over budget: more than 2 files that are named like restricted apps, in /home/a"
    assert scanned.unseen == ([] if most == 3 else [why])
    assert len(hits(go(tmp_path, known=known))) == 3, "of the host's own there may be more"


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "ext4"])
def test_a_root_that_a_link_leads_to_another_machine_is_not_entered(tmp_path, kind, end):
    """`/home/a` is root's link to where the homes are, however the root is written: a host's ends with a slash."""
    make(tmp_path, "srv/homes/a/wechat", "proc/self/mountinfo")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/a").symlink_to("../srv/homes/a")
    (tmp_path / "proc/self/mountinfo").write_text(f"36 35 0:50 / /srv/homes rw - {kind} server:/x rw\n")
    host = Host(f"{tmp_path}{end}")
    scanned = scan(host, ["/home/a"], choose, {})
    reasons = [] if kind == "ext4" else [not_entered("/home/a", kind)]
    assert (hits(scanned), scanned.unseen) == ([] if reasons else ["/home/a/wechat"], reasons)
    host.enters_remote = True  # as its user, who has asked for it
    assert hits(scan(host, ["/home/a"], choose, {})) == ["/home/a/wechat"]


# -- what is not root's, in the host's own places ----------------------------------------------------------------------

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
EITHER = frozenset({"wechat", "qq"})


def shared(root: Path, mode: int = 0o1777) -> None:
    """/tmp with a directory and a file of root's and of alice's, each with a name that matters in it."""
    make(root, "tmp/r/wechat", "tmp/a/wechat", "tmp/wechat", "tmp/qq")
    (root / "tmp").chmod(mode)
    for name in ("a", "a/wechat", "qq"):
        os.chown(root / "tmp" / name, 1000, 1000)


def apart_of(root: Path, skipped: Sequence[str] = (), is_apart: bool = True) -> Scanned:
    def either(directory: str, names: Sequence[str]) -> frozenset[str]:
        return EITHER.intersection(names)

    return scan(Host(str(root)), ["/tmp"], either, {}, skipped, **({"apart": True} if is_apart else {}))


OURS = ["/tmp/r/wechat", "/tmp/wechat"]


@ROOT
@pytest.mark.parametrize(
    ("mode", "skipped", "ours", "others"),
    [
        (0o1777, (), OURS, {1000: [("/tmp/a", ()), ("/tmp", ("qq",))]}),
        (0o775, (), OURS, {1000: [("/tmp/a", ()), ("/tmp", ("qq",))]}),
        (0o755, (), ["/tmp/qq", *OURS], {1000: [("/tmp/a", ())]}),  # only root can have put that file there
        (0o1777, ("/tmp/a",), OURS, {1000: [("/tmp", ("qq",))]}),
        (0o1777, ("/tmp/r",), ["/tmp/wechat"], {1000: [("/tmp/a", ()), ("/tmp", ("qq",))]}),
    ],
)
def test_what_belongs_to_others_is_handed_over_to_be_scanned_on_their_behalf(tmp_path, mode, skipped, ours, others):
    shared(tmp_path, mode)
    scanned = apart_of(tmp_path, skipped)
    assert (hits(scanned), scanned.others, scanned.unseen) == (ours, others, [])
    assert "/tmp" not in scanned.known, "whose an entry is may change without the directory"
    scanned = apart_of(tmp_path, is_apart=False)
    assert (hits(scanned), scanned.others) == (["/tmp/a/wechat", "/tmp/qq", *OURS], {}), (
        "on somebody's behalf all is his"
    )


@ROOT
@pytest.mark.parametrize(
    ("name", "skipped", "unseen"),
    [
        ("m", (), ["/tmp/m is a mount point that has just been made"]),
        ("m", ("/tmp/m",), []),
        (".mount_WeChatabc", (), []),  # the archive of an AppImage that runs
    ],
)
def test_what_was_mounted_since_the_list_of_mounts_was_read_is_reported_and_not_scanned(
    tmp_path, monkeypatch, name, skipped, unseen
):
    shared(tmp_path)
    make(tmp_path, f"tmp/{name}/wechat")
    real = file_scan.here
    monkeypatch.setattr(file_scan, "here", lambda directory, of: None if of == name else real(directory, of))
    scanned = apart_of(tmp_path, skipped)
    assert (hits(scanned), scanned.unseen) == (OURS, unseen)


@ROOT
def test_what_goes_away_meanwhile_hides_nothing_of_a_shared_place(tmp_path, monkeypatch):
    shared(tmp_path)
    real = file_scan.here

    def here(directory: int, name: str) -> os.stat_result | None:
        if name == "a":
            raise FileNotFoundError(2, "No such file or directory")
        return real(directory, name)

    monkeypatch.setattr(file_scan, "here", here)
    scanned = apart_of(tmp_path)
    assert (hits(scanned), scanned.others, scanned.unseen) == (OURS, {1000: [("/tmp", ("qq",))]}, [])


@ROOT
@pytest.mark.parametrize(("most", "unseen"), [(2, []), (1, ["/tmp has more than 1 entries that others may have made"])])
def test_entries_of_a_shared_place_are_checked_for_their_owner_up_to_a_limit(tmp_path, monkeypatch, most, unseen):
    shared(tmp_path)
    monkeypatch.setattr(file_scan, "MOST_SHARED", most)
    scanned = apart_of(tmp_path)
    more = f"{unseen[0]} (and 1 more)" if unseen else ""  # of the directories, and of the names that matter
    assert scanned.unseen == ([more] if unseen else [])
    found = sum(len(names) for _, names in scanned.hits) + sum(map(len, scanned.others.values()))
    assert found == (4 if most == 2 else 2)


@pytest.mark.parametrize("line", ["-", "1 1 8:1 - / rw", "1 - 8:1 / /x rw - ext4 /dev/sda1 rw"])
def test_a_line_of_mounts_that_is_odd_hides_no_other(tmp_path, line):
    make(tmp_path, "proc/self/mountinfo")
    (tmp_path / "proc/self/mountinfo").write_text(f"{line}\n36 35 8:2 / /y rw - nfs4 s:/ rw\n")
    found = mounts(Host(str(tmp_path)))
    assert found.pop("/y") == Mount("nfs4", False)
    assert found == ({"/x": Mount("ext4", True)} if "ext4" in line else {})


def test_the_clock_is_read_only_now_and_then(tmp_path, monkeypatch):
    """A host has a hundred thousand directories."""
    make(tmp_path, *(f"home/a/{number}/x" for number in range(64)))
    readings: list[float] = []
    real = time.monotonic
    monkeypatch.setattr(file_scan.time, "monotonic", lambda: readings.append(1) or real())
    go(tmp_path)
    assert 64 // file_scan.OFTEN <= len(readings) <= 64 // file_scan.OFTEN + 3


@pytest.mark.parametrize(("depth", "unseen"), [(2, []), (1, ["/home/a/x/y is more than 1 directories down"])])
def test_the_last_level_is_read_and_the_next_one_told(tmp_path, depth, unseen):
    make(tmp_path, "home/a/x/wechat", "home/a/x/y/wechat")
    scanned = go(tmp_path, limits=Limits(depth=depth))
    found = ["/home/a/x/wechat", *([] if unseen else ["/home/a/x/y/wechat"])]
    assert (hits(scanned), scanned.unseen) == (found, unseen)

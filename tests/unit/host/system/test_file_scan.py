"""The file scan below what others fill: bounds, links, mounts, hostile names, and what the next scan can skip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.host.system import Host, file_scan
from proscribe.host.system.budget import Budget
from proscribe.host.system.file_scan import LIMITS, Limits, Scanned, scan
from proscribe.host.system.mounts import not_entered

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


@pytest.mark.parametrize("roots", [["/home", "/home/a", "/opt"], ["/home/a", "/home/ab", "/opt"]])
def test_a_root_within_another_is_scanned_with_it_and_one_with_a_longer_name_separately(tmp_path, roots):
    make(tmp_path, "home/a/wechat", "home/ab/wechat", "opt/wechat")
    assert hits(go(tmp_path, roots=roots)) == ["/home/a/wechat", "/home/ab/wechat", "/opt/wechat"]


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


@pytest.mark.parametrize(("depth", "unseen"), [(2, []), (1, ["/home/a/x/y is more than 1 directories down"])])
def test_the_last_level_is_read_and_the_next_one_told(tmp_path, depth, unseen):
    make(tmp_path, "home/a/x/wechat", "home/a/x/y/wechat")
    scanned = go(tmp_path, limits=Limits(depth=depth))
    found = ["/home/a/x/wechat", *([] if unseen else ["/home/a/x/y/wechat"])]
    assert (hits(scanned), scanned.unseen) == (found, unseen)

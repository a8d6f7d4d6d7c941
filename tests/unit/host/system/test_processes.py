"""Processes of a host with a made /proc: whose each is, since when it runs, and whether it sees what the host has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import ControlError, Ending, Host, Process, Unseen, processes
from proscribe.host.system.processes import RootNotRead

SEVEN = Process(7, "/opt/x")
GONE = Process(8, "/opt/x")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for directory in ("etc", "proc/7/ns", "proc/self/ns", "view/etc"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\n")
    (tmp_path / "etc/hosts").write_text("ours")
    (tmp_path / "proc/stat").write_text("cpu 1\nbtime 1700000000\nprocesses 5\n")
    return Host(str(tmp_path))


def stat(host: Host, text: str, pid: int = 7) -> None:
    place = Path(host.root) / "proc" / str(pid)
    place.mkdir(exist_ok=True)
    (place / "stat").write_text(text)


def link(host: Host, path: str, target: str) -> None:
    (Path(host.root) / path).symlink_to(target)


# -- what the kernel says of one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "boot", "since"),
    [
        (20, "btime 1700000000\n", 2.5),
        (19, "btime 1700000000\n", None),
        (40, "cpu 1\nbtime 1700000000\n", 2.5),
        (20, "cpu 1\n", None),
        (20, "btime 0\n", None),
        (20, "", None),
        (20, None, None),
    ],
)
def test_since_when_it_runs(host: Host, fields: int, boot: str | None, since: float | None) -> None:
    """A wrong time would be reported as evidence."""
    ticks = int(2.5 * os.sysconf("SC_CLK_TCK"))
    texts = ["S", "1", *["0"] * 17, str(ticks), *["9"] * 30][:fields]
    stat(host, f"7 (a) b ) {' '.join(texts)}\n")
    said = Path(host.root) / "proc/stat"
    said.unlink() if boot is None else said.write_text(boot)
    assert host.start_time(SEVEN) == (None if since is None else 1_700_000_000 + since)
    assert host.started(SEVEN) == ("" if since is None else "2023-11-14T22:13:22Z")
    assert (host.start_time(GONE), host.started(GONE)) == (None, "")


@pytest.mark.parametrize(
    ("chain", "more"),
    [({}, set()), ({0: 50, 50: 60, 60: 1}, {50, 60}), ({0: 50, 50: 60, 60: 50}, {50, 60}), ({0: 50, 50: 0}, {50})],
)
def test_all_that_this_run_descends_from(host: Host, chain: dict[int, int], more: set[int]) -> None:
    """To end one of them would end the run, and leave a host half corrected. 0 stands for this process."""
    for pid, parent in chain.items():
        stat(host, f"{pid} (x) S {parent} 1", pid or os.getpid())
    assert host.lineage() == {1, os.getpid(), *more}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\n", "alice"),
        ("Name:\tx Uid:\t0\nUid:\t1000\t0\t0\t0\n", "alice"),  # it calls itself so
        ("Uid:\t4321\t0\n", "4321"),
        ("Name:\tx\n", None),
        ("Uid:", None),
    ],
)
def test_whose_it_is(host: Host, status: str, name: str | None) -> None:
    (Path(host.root) / "proc/7/status").write_text(status)
    owner = host.owner(SEVEN)
    assert (owner.name if owner else None, host.owner(GONE)) == (name, None)
    assert host.user_of(SEVEN) == {"alice": 1000, "4321": 4321, None: 0}[name] and host.user_of(GONE) == 0


# -- what it sees ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "namespace", "home"),
    [
        ("/", "mnt:[1]", True),
        ("/", "mnt:[2]", False),
        ("/view", "mnt:[1]", False),
        ("/", "", False),
        ("", "mnt:[1]", False),
    ],
)
def test_which_process_has_the_files_of_this_one(host: Host, root: str, namespace: str, home: bool) -> None:
    """By two links that the kernel alone answers for: nobody's own file system is asked."""
    link(host, "proc/self/ns/mnt", "mnt:[1]")
    if root:
        link(host, "proc/7/root", root)
    if namespace:
        link(host, "proc/7/ns/mnt", namespace)
    host.asks_roots = False
    if home:
        assert host.shares_root(SEVEN) and host.sees(SEVEN, "/etc/hosts") and host.read_inside(SEVEN, "x") == b""
    else:
        for ask in (lambda: host.shares_root(SEVEN), lambda: host.read_inside(SEVEN, "x")):
            with pytest.raises(RootNotRead):
                ask()


@pytest.mark.parametrize("error", [Unseen("not done within 5 s"), ControlError("a link")])
@pytest.mark.parametrize(("privileged", "sees"), [(True, False), (False, None)])
def test_a_root_that_does_not_answer_is_not_the_hosts(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, privileged: bool, sees: bool | None
) -> None:
    """To root every honest one does."""
    link(host, "proc/7/root", f"{host.root}/view")

    def refuse(work: Any, limits: Any) -> None:
        assert limits.seconds == 5
        raise error

    monkeypatch.setattr(processes, "run_apart", refuse)
    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    assert host.sees(SEVEN, "/etc/hosts") is sees


@pytest.mark.parametrize(
    ("error", "message"),
    [(ProcessLookupError(3, "No such process"), ""), (OSError(24, "Too many open files"), "Too many open files")],
)
def test_what_cannot_be_ended_is_reported_with_its_program(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    def refuse(pid: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", refuse)
    if not message:
        host.end_program(Ending([SEVEN], lambda process: True))
        return
    with pytest.raises(ControlError) as wrong:
        host.end_program(Ending([SEVEN], lambda process: True))
    assert str(wrong.value) == f"cannot end process 7 (/opt/x): {message}"


def test_no_question_leaves_a_descriptor_open(host: Host) -> None:
    """The verifier of the watch asks them of every start, for months."""
    link(host, "proc/7/root", f"{host.root}/view")
    (Path(host.root) / "view/info").write_text("it")
    before = len(os.listdir("/proc/self/fd"))
    assert host.read_inside(SEVEN, "info") == b"it" and host.read_inside(SEVEN, "etc") == b""
    assert host.read_inside(SEVEN, "none") == b"" and host.sees(SEVEN, "/etc/hosts") is False
    assert not host.shares_root(SEVEN)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_process_may_have_any_name(host: Host) -> None:
    (Path(host.root) / "proc/7/stat").write_bytes(b"7 (\xff\xfe) S 3 1")
    assert (host.parent(SEVEN), host.state(SEVEN)) == (3, "S")


@pytest.mark.parametrize(("flags", "forked"), [("64", True), ("4194560", False), ("4194624", True), ("0", False)])
def test_which_was_forked_and_has_become_no_other_program(host: Host, flags: str, forked: bool) -> None:
    stat(host, f"7 (x) S 3 7 7 0 -1 {flags}")
    assert host.forked(SEVEN) is forked and not host.forked(GONE)
    stat(host, "7 (x) S 3 7 7 0 -1")
    assert not host.forked(SEVEN)

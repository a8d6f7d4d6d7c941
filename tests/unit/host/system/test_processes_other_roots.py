"""A process may have a root directory that a user made, who answers for it when he likes, or with what is not his."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.host.system import Host, Process, processes

SEVEN = Process(7, "/opt/x")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with one process, whose root is /view."""
    for directory in ("etc", "proc/7/ns", "proc/self/ns", "view/etc"):
        (tmp_path / directory).mkdir(parents=True)
    for path in ("etc/hosts", "view/etc/hosts", "view/info"):
        (tmp_path / path).write_text(path)
    (tmp_path / "proc/7/root").symlink_to(tmp_path / "view")
    return Host(str(tmp_path))


def test_a_read_through_the_root_of_a_process_may_take_5_seconds() -> None:
    """Each of a user's processes may have a root that never answers."""
    assert processes.ROOT_LIMITS.seconds == 5


def test_what_a_process_was_seen_to_have_counts_though_it_has_ended(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = os.stat(f"{host.root}/etc/hosts")
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: [ours.st_dev, ours.st_ino])
    (Path(host.root) / "proc/7/root").unlink()
    assert host.sees(SEVEN, "/etc/hosts") is True
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: None)
    assert host.sees(SEVEN, "/etc/hosts") is None, "it may have ended before"
    assert host.shares_root(SEVEN) is False and host.read_inside(SEVEN, "info") == b""


def test_of_what_a_user_put_there_so_much_is_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(host.root) / "view/info").write_bytes(b"x" * 70_000)
    assert len(host.read_inside(SEVEN, "info")) == 65_536 and host.read_inside(SEVEN, "info", limit=3) == b"xxx"
    (Path(host.root) / "view/link").symlink_to("info")
    os.mkfifo(Path(host.root) / "view/pipe")
    for name in ("etc", "link", "pipe", "none"):
        assert host.read_inside(SEVEN, name) == b""

    def broken(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", broken)
    assert host.read_inside(SEVEN, "info") == b""


@pytest.mark.parametrize(
    ("myself", "owner", "real", "uid"),
    [
        (0, 1000, 0, 1000),  # set-user-ID root: its user began it, and answers for what it sees
        (0, 0, 1000, 1000),  # it hides its memory, and so belongs to root there
        (0, 0, 0, 0),
        (1000, 0, 1000, 1000),  # the same, asked by an ordinary user
        (1000, 1000, 1002, 1002),  # his own are not told from those that run for another
        (1000, 1002, 1002, 1002),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_on_whose_behalf_a_process_is_asked(
    host: Host, monkeypatch: pytest.MonkeyPatch, myself: int, owner: int, real: int, uid: int
) -> None:
    """What a root directory costs is paid by the user who may have made it, and by nobody else."""
    (Path(host.root) / "proc/7/status").write_text(f"Name:\tx\nUid:\t{real}\t0\t0\t0\n")
    os.chown(f"{host.root}/proc/7", owner, owner)
    monkeypatch.setattr(os, "geteuid", lambda: myself)
    assert host.user_of(SEVEN) == uid

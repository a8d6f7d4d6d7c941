"""A process may have a root directory that a user made, who answers for it when he likes, or with what is not his."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.host.system import Host, Process, processes
from proscribe.host.system.processes import RootNotRead

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


def has_the_hosts_root(host: Host) -> None:
    root = Path(host.root) / "proc/7/root"
    root.unlink()
    root.symlink_to(host.root)


def test_a_read_through_the_root_of_a_process_may_take_5_seconds() -> None:
    """Each of a user's processes may have a root that never answers."""
    assert processes.ROOT_LIMITS.seconds == 5


@pytest.mark.parametrize(("device", "number", "same"), [(0, 0, True), (1, 0, False), (0, 1, False), (1, 1, False)])
def test_a_file_is_the_hosts_by_device_and_number(
    host: Host, monkeypatch: pytest.MonkeyPatch, device: int, number: int, same: bool
) -> None:
    """A file system of a user's own may give its /etc/hosts the number that the host's has."""
    ours = os.stat(f"{host.root}/etc/hosts")
    its = SimpleNamespace(st_dev=ours.st_dev + device, st_ino=ours.st_ino + number)
    monkeypatch.setattr(processes, "Files", lambda root: SimpleNamespace(stat=lambda path: its))
    assert host.sees(SEVEN, "/etc/hosts") is same


@pytest.mark.parametrize("path", ["/etc/none", "/none/none"])
def test_nobody_can_tell_of_a_file_that_the_host_has_not(host: Host, path: str) -> None:
    """It is no other file than the host's, and none that it shares; not even where the root is the host's own."""
    assert host.sees(SEVEN, path) is None
    has_the_hosts_root(host)
    assert host.sees(SEVEN, path) is None


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


@pytest.mark.parametrize(("of_its", "same"), [(b"mnt_id:\t1\n", True), (b"mnt_id:\t2\n", False)])
def test_the_hosts_root_below_another_mount_is_another_root(
    host: Host, monkeypatch: pytest.MonkeyPatch, of_its: bytes, same: bool
) -> None:
    """There other files may be mounted over its own, as `unshare -m` lets anybody do."""
    has_the_hosts_root(host)
    mounts = iter([of_its, b"mnt_id:\t1\n"])
    monkeypatch.setattr(processes, "mount_of", lambda descriptor: next(mounts))
    host.asks_roots = False
    if same:
        assert host.sees(SEVEN, "/etc/hosts") is True
    else:
        with pytest.raises(RootNotRead):
            host.sees(SEVEN, "/etc/hosts")


def test_the_root_of_a_process_is_only_held_and_never_opened(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open it asks whoever has mounted it (FUSE), and he may let this process wait for ever."""
    opened: list[tuple[str, int]] = []
    real = os.open

    def watched(path: str, flags: int, *rest: int, **options: int) -> int:
        opened.append((path, flags))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", watched)
    assert host._same_root(f"{host.root}/proc/7/root") is False
    assert host.read_inside(SEVEN, "info") == b"view/info"
    roots = [flags for path, flags in opened if path.endswith("/proc/7/root")]
    assert len(roots) == 2 and all(flags & os.O_PATH for flags in roots)


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


def test_no_observation_of_a_process_leaves_anything_open(host: Host) -> None:
    """A host has thousands of them, and a process may have some hundred files open."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        for name in ("info", "none", "etc"):
            host.read_inside(SEVEN, name)
        host.sees(SEVEN, "/etc/hosts")
        host.shares_root(SEVEN)
    has_the_hosts_root(host)
    host.sees(SEVEN, "/etc/hosts")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_calls_itself_by_bytes_that_are_no_text_is_a_process_like_others(host: Host) -> None:
    """The name of a program is its user's word, and stands before all that counts."""
    (Path(host.root) / "proc/7/stat").write_bytes(b"7 (\xff\xfe) S 3 1\n")
    assert host.parent(SEVEN) == 3


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

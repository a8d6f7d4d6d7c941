"""Processes of a host with a made /proc: their users, their start times, and the files that they see."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Ending, Host, Process, Unseen, User, processes
from proscribe.host.system.processes import RootNotRead

SEVEN = Process(7, "/opt/x")
GONE = Process(8, "/opt/x")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def host(tmp_path):
    for directory in ("etc", "home", "proc/7/ns", "proc/self/ns", "view/etc"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("alice:x:1000:1001::/home/alice:/bin/sh\n")
    for path in ("etc/hosts", "view/etc/hosts", "view/info"):
        (tmp_path / path).write_text(path)
    (tmp_path / "proc/stat").write_text("cpu 1\nbtime 1700000000\nprocesses 5\n")
    return Host(str(tmp_path))


@pytest.fixture
def contained(host):
    """The same host, where process 7 has another root."""
    link(host, "proc/7/root", f"{host.root}/view")
    return host


def write_stat(host: Host, text: str, pid: int = 7) -> None:
    place = Path(host.root) / "proc" / str(pid)
    place.mkdir(exist_ok=True)
    (place / "stat").write_text(text)


def link(host: Host, path: str, target: str) -> None:
    (Path(host.root) / path).symlink_to(target)


@pytest.mark.parametrize(
    ("fields", "boot", "since"),
    [
        (19, "btime 1700000000\n", None),
        (40, "cpu 1\nbtime 1700000000\n", 2.5),
        (20, "cpu 1\n", None),
        (20, "btime 0\n", None),
        (20, "", None),
        (20, None, None),
    ],
)
def test_start_time_is_known_or_none(host, fields, boot, since):
    """A wrong time would be reported as evidence."""
    ticks = int(2.5 * os.sysconf("SC_CLK_TCK"))
    texts = ["S", "1", *["0"] * 17, str(ticks), *["9"] * 30][:fields]
    write_stat(host, f"7 (a) b ) {' '.join(texts)}\n")
    place = Path(host.root) / "proc/stat"
    place.unlink() if boot is None else place.write_text(boot)
    assert host.start_time(SEVEN) == (None if since is None else 1_700_000_000 + since)
    assert host.started(SEVEN) == ("" if since is None else "2023-11-14T22:13:22Z")
    assert (host.start_time(GONE), host.started(GONE)) == (None, "")


@pytest.mark.parametrize(
    ("chain", "more"),
    [({}, set()), ({0: 50, 50: 60, 60: 1}, {50, 60}), ({0: 50, 50: 60, 60: 50}, {50, 60}), ({0: 50, 50: 0}, {50})],
)
def test_lineage_has_all_ancestors_of_this_run(host, chain, more):
    """To end one of them would end the run, and leave a host half corrected. 0 stands for this process."""
    for pid, parent in chain.items():
        write_stat(host, f"{pid} (x) S {parent} 1", pid or os.getpid())
    assert host.lineage() == {1, os.getpid(), *more}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("Name:\tx Uid:\t0\nUid:\t1000\t0\t0\t0\n", "alice"),  # it calls itself so
        ("Uid:\t4321\t0\n", "4321"),
        ("Name:\tx\n", None),
        ("Uid:", None),
    ],
)
def test_owner_is_the_real_user_of_the_status(host, status, name):
    (Path(host.root) / "proc/7/status").write_text(status)
    owner = host.owner(SEVEN)
    assert (owner.name if owner else None, host.owner(GONE)) == (name, None)
    assert host.user_of(SEVEN) == {"alice": 1000, "4321": 4321, None: 0}[name] and host.user_of(GONE) == 0


@pytest.mark.parametrize(
    ("root", "namespace", "shares"),
    [("/", "mnt:[1]", True), ("/", "mnt:[2]", False), ("/view", "mnt:[1]", False), ("/", "", False)],
)
def test_process_shares_files_by_its_root_and_its_mount_namespace(host, root, namespace, shares):
    """By two links that the kernel alone answers for: nobody's own file system is asked."""
    link(host, "proc/self/ns/mnt", "mnt:[1]")
    link(host, "proc/7/root", root)
    if namespace:
        link(host, "proc/7/ns/mnt", namespace)
    host.asks_roots = False
    if shares:
        assert host.shares_root(SEVEN) and host.sees(SEVEN, "/etc/hosts") and host.read_inside(SEVEN, "x") == b""
    else:
        for ask in (lambda: host.shares_root(SEVEN), lambda: host.read_inside(SEVEN, "x")):
            with pytest.raises(RootNotRead):
                ask()


@pytest.mark.parametrize("error", [Unseen("not done within 5 s"), ControlError("a link")])
@pytest.mark.parametrize(("privileged", "sees"), [(True, False), (False, None)])
def test_root_that_does_not_answer_is_not_the_hosts(contained, monkeypatch, error, privileged, sees):
    """To root every honest one does. Each of a user's processes may have a root that never answers."""

    def refuse(work, limits):
        assert limits.seconds == 5
        raise error

    monkeypatch.setattr(processes, "run_apart", refuse)
    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    assert contained.sees(SEVEN, "/etc/hosts") is sees


@pytest.mark.parametrize(
    ("error", "message"),
    [(ProcessLookupError(3, "No such process"), ""), (OSError(24, "Too many open files"), "Too many open files")],
)
def test_process_that_cannot_be_ended_is_reported_with_its_program(host, monkeypatch, error, message):
    def refuse(pid):
        raise error

    monkeypatch.setattr(os, "pidfd_open", refuse)
    ending = Ending([SEVEN], lambda process: True)
    if not message:
        host.end_program(ending)
        return
    with pytest.raises(ControlError, match=rf"^cannot end process 7 \(/opt/x\): {message}$"):
        host.end_program(ending)


def test_questions_leave_no_descriptor_open(contained):
    """The verifier of the watch asks them of every start, for months."""
    before = len(os.listdir("/proc/self/fd"))
    assert contained.read_inside(SEVEN, "info") == b"view/info" and contained.read_inside(SEVEN, "etc") == b""
    assert contained.read_inside(SEVEN, "none") == b"" and contained.sees(SEVEN, "/etc/hosts") is False
    assert not contained.shares_root(SEVEN)
    assert len(os.listdir("/proc/self/fd")) == before


def test_process_may_have_any_name(host):
    (Path(host.root) / "proc/7/stat").write_bytes(b"7 (\xff\xfe) S 3 1")
    assert (host.parent(SEVEN), host.state(SEVEN)) == (3, "S")


@pytest.mark.parametrize(("flags", "forked"), [("4194624", True), ("4194560", False), ("0", False)])
def test_forked_process_that_became_no_other_program_has_a_flag(host, flags, forked):
    write_stat(host, f"7 (x) S 3 7 7 0 -1 {flags}")
    assert host.forked(SEVEN) is forked and not host.forked(GONE)
    write_stat(host, "7 (x) S 3 7 7 0 -1")
    assert not host.forked(SEVEN)


def test_files_that_a_process_was_seen_to_have_count_though_it_has_ended(contained, monkeypatch):
    ours = os.stat(f"{contained.root}/etc/hosts")
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: [ours.st_dev, ours.st_ino])
    (Path(contained.root) / "proc/7/root").unlink()
    assert contained.sees(SEVEN, "/etc/hosts") is True
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: None)
    assert contained.sees(SEVEN, "/etc/hosts") is None, "it may have ended before"
    assert contained.shares_root(SEVEN) is False and contained.read_inside(SEVEN, "info") == b""


def test_read_inside_a_process_is_limited_and_follows_no_link(contained, monkeypatch):
    view = Path(contained.root) / "view"
    (view / "info").write_bytes(b"x" * 70_000)
    (view / "link").symlink_to("info")
    os.mkfifo(view / "pipe")
    assert len(contained.read_inside(SEVEN, "info")) == 65_536
    assert contained.read_inside(SEVEN, "info", limit=3) == b"xxx"
    assert [contained.read_inside(SEVEN, name) for name in ("etc", "link", "pipe", "none")] == [b""] * 4

    def read(descriptor, size):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", read)
    assert contained.read_inside(SEVEN, "info") == b""


@pytest.mark.parametrize(
    ("asker", "owner", "real", "uid"),
    [
        (0, 1000, 0, 1000),  # set-user-ID root: its user began it, and answers for what it sees
        (0, 0, 1000, 1000),  # it hides its memory, and so belongs to root there
        (0, 0, 0, 0),
        (1000, 0, 1000, 1000),  # the same, asked by an ordinary user
        (1000, 1000, 1002, 1002),  # this user's own are not told from those that run for another
    ],
)
@ROOT
def test_process_is_asked_on_behalf_of_the_user_who_may_have_made_its_root(host, monkeypatch, asker, owner, real, uid):
    """The cost of a root directory is paid by that user, and by nobody else."""
    (Path(host.root) / "proc/7/status").write_text(f"Name:\tx\nUid:\t{real}\t0\t0\t0\n")
    os.chown(f"{host.root}/proc/7", owner, owner)
    monkeypatch.setattr(os, "geteuid", lambda: asker)
    assert host.user_of(SEVEN) == uid


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("bob", User("bob", 1002, 1003, "/home/bob")),
        ("carol", User("carol", 65534, 65534, "/home/carol")),  # unknown to the host: nobody
        ("root", User("root", 65534, 65534, "/home/root")),  # and root has its own
    ],
)
def test_home_with_a_mount_on_it_belongs_to_the_user_of_its_name(host, monkeypatch, name, user):
    """Its owner is not asked: another machine or a user's program would answer, and might say that root does."""
    passwd = "root:x:0:0::/root:/bin/sh\nbob:x:1002:1003::/srv/bob:/bin/sh\n"
    (Path(host.root) / "etc/passwd").write_text(passwd)
    (Path(host.root) / "home" / name).mkdir()
    monkeypatch.setattr(processes, "here", lambda directory, of: None)
    assert host.users()[2:] == [user]


def test_accounts_are_asked_for_once(host):
    alice = User("alice", 1000, 1001, "/home/alice")
    assert host.users() == [alice]
    (Path(host.root) / "etc/passwd").write_text("")
    assert host.users() == [alice]


def test_name_service_of_this_machine_answers(monkeypatch):
    """The name service knows more accounts than /etc/passwd has, and single ones that it does not list."""

    def entry(name, uid):
        return pwd.struct_passwd((name, "x", uid, uid + 1, "", f"/srv/{name}", "/bin/sh"))

    def missing(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwall", lambda: [entry("listed", 7001)])
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry("single", uid) if uid == 7002 else missing(uid))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry(name, 7002) if name == "single" else missing(name))
    host = processes.Processes()
    assert host.users()[0] == host.account(7001) == User("listed", 7001, 7002, "/srv/listed")
    assert host.account(7002) == User("single", 7002, 7003, "/srv/single")
    assert host.account(7009) == User("7009", 7009, 7009, "/nonexistent")
    assert (host.user_id("single"), host.user_id("listed")) == (7002, None)

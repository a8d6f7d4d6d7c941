"""Processes of a host, and their end."""

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_hosts import make_directories, make_host
from patience import LONGEST
from proscribe.host.system import (
    ControlError,
    Host,
    ObservationError,
    Process,
    TerminationTarget,
    User,
    process_termination,
    processes,
)
from proscribe.host.system.processes import ProcessRootUnread
from refusals import make_refusal

SEVEN = Process(7, "/opt/x")
GONE = Process(8, "/opt/x")
ALICE = User("alice", 1000, 1001, "/home/alice")  # neither number is taken for the other
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def host(tmp_path):
    make_directories(tmp_path, "home", "proc/7/ns", "proc/self/ns")
    files = {path: path for path in ("etc/hosts", "view/etc/hosts", "view/info")}
    files |= {"etc/passwd": "alice:x:1000:1001::/home/alice:/bin/sh\n"}
    return make_host(tmp_path, {**files, "proc/stat": "cpu 1\nbtime 1700000000\nprocesses 5\n"})


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
        (40, "cpu 1\nbtime 1700000000\n", 2.5),
        (19, "btime 1700000000\n", None),
        *((20, boot, None) for boot in ("cpu 1\n", "btime 0\n", None)),
    ],
)
def test_start_time_is_known_or_none(host, fields, boot, since):
    """A wrong time would be reported as evidence."""
    texts = ["S", "1", *["0"] * 17, str(int(2.5 * os.sysconf("SC_CLK_TCK"))), *["9"] * 30][:fields]
    write_stat(host, f"7 (a) b ) {' '.join(texts)}\n")
    place = Path(host.root) / "proc/stat"
    place.unlink() if boot is None else place.write_text(boot)
    assert host.read_start_time(SEVEN) == (None if since is None else 1_700_000_000 + since)
    assert host.format_start_time(SEVEN) == ("" if since is None else "2023-11-14T22:13:22Z")
    assert (host.read_start_time(GONE), host.format_start_time(GONE)) == (None, "")


@pytest.mark.parametrize(
    ("chain", "more"),
    [({}, set()), ({0: 50, 50: 60, 60: 1}, {50, 60}), ({0: 50, 50: 60, 60: 50}, {50, 60}), ({0: 50, 50: 0}, {50})],
)
def test_lineage_has_all_ancestors_of_this_run(host, chain, more):
    """To end one of them would end the run, and leave a host half corrected. 0 stands for this process."""
    for pid, parent in chain.items():
        write_stat(host, f"{pid} (x) S {parent} 1", pid or os.getpid())
    assert host.list_ancestor_pids() == {1, os.getpid(), *more}


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
    owner = host.find_process_owner(SEVEN)
    assert (owner.name if owner else None, host.find_process_owner(GONE)) == (name, None)
    assert host.find_process_uid(SEVEN) == {"alice": 1000, "4321": 4321, None: 0}[name]
    assert host.find_process_uid(GONE) == 0


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
    host.reads_process_roots = False
    if shares:
        assert host.has_host_root(SEVEN)
        assert host.can_see_host_file(SEVEN, "/etc/hosts")
        assert host.read_file_in_root(SEVEN, "x") == b""
    else:
        for ask in (lambda: host.has_host_root(SEVEN), lambda: host.read_file_in_root(SEVEN, "x")):
            with pytest.raises(ProcessRootUnread):
                ask()


@pytest.mark.parametrize("error", [ObservationError("not done within 5 s"), ControlError("a link")])
@pytest.mark.parametrize(("privileged", "sees"), [(True, False), (False, None)])
def test_root_that_does_not_answer_is_not_the_hosts(contained, monkeypatch, error, privileged, sees):
    """To root every honest one does. Each of a user's processes may have a root that never answers."""

    def refuse(work, limits):
        assert limits.seconds == 5
        raise error

    monkeypatch.setattr(processes, "run_apart", refuse)
    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is sees


@pytest.mark.parametrize(
    ("error", "message"),
    [(ProcessLookupError(3, "No such process"), ""), (OSError(24, "Too many open files"), "Too many open files")],
)
def test_process_that_cannot_be_ended_is_reported_with_its_program(host, monkeypatch, error, message):
    monkeypatch.setattr(os, "pidfd_open", make_refusal(error))
    reported = pytest.raises(ControlError, match=rf"^cannot end process 7 \(/opt/x\): {message}$")
    with reported if message else contextlib.nullcontext():
        host.end_program(TerminationTarget([SEVEN], lambda process: True))


def test_questions_about_another_root_are_answered_by_its_files(contained):
    assert contained.read_file_in_root(SEVEN, "info") == b"view/info"
    assert contained.read_file_in_root(SEVEN, "etc") == b""
    assert contained.read_file_in_root(SEVEN, "none") == b""
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is False
    assert not contained.has_host_root(SEVEN)


@pytest.mark.parametrize(("stat", "parent"), [(b"7 (\xff\xfe) S 3 1", 3), (b"7 (a) S 9 ) S 3", 3), (b"7 (x) S", 0)])
def test_process_may_have_any_name_and_a_parent(host, stat, parent):
    (Path(host.root) / "proc/7/stat").write_bytes(stat)
    expected = (parent, 0, "S" if stat else "")
    assert (host.read_parent_pid(SEVEN), host.read_parent_pid(GONE), host.read_process_state(SEVEN)) == expected


@pytest.mark.parametrize(("flags", "forked"), [("4194624", True), ("4194560", False), ("0", False)])
def test_forked_process_that_became_no_other_program_has_a_flag(host, flags, forked):
    write_stat(host, f"7 (x) S 3 7 7 0 -1 {flags}")
    assert host.is_forked(SEVEN) is forked and not host.is_forked(GONE)
    write_stat(host, "7 (x) S 3 7 7 0 -1")
    assert not host.is_forked(SEVEN)


def test_files_that_a_process_was_seen_to_have_count_though_it_has_ended(contained, monkeypatch):
    ours = os.stat(f"{contained.root}/etc/hosts")
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: [ours.st_dev, ours.st_ino])
    (Path(contained.root) / "proc/7/root").unlink()
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is True
    monkeypatch.setattr(processes, "run_apart", lambda work, limits: None)
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is None, "it may have ended before"
    assert contained.has_host_root(SEVEN) is False and contained.read_file_in_root(SEVEN, "info") == b""


def test_read_inside_a_process_is_limited_and_follows_no_link(contained, monkeypatch):
    view = Path(contained.root) / "view"
    (view / "info").write_bytes(b"x" * 70_000)
    (view / "link").symlink_to("info")
    os.mkfifo(view / "pipe")
    assert len(contained.read_file_in_root(SEVEN, "info")) == 65_536
    assert contained.read_file_in_root(SEVEN, "info", limit=3) == b"xxx"
    assert [contained.read_file_in_root(SEVEN, name) for name in ("etc", "link", "pipe", "none")] == [b""] * 4

    monkeypatch.setattr(os, "read", make_refusal(OSError(5, "Input/output error")))
    assert contained.read_file_in_root(SEVEN, "info") == b""


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
    assert host.find_process_uid(SEVEN) == uid


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
    monkeypatch.setattr(processes, "find_entry_on_mount", lambda directory, of: None)
    assert host.list_users()[2:] == [user]


def test_name_service_of_this_machine_answers(monkeypatch):
    """The name service knows more accounts than /etc/passwd has, and single ones that it does not list."""

    def entry(name, uid):
        return pwd.struct_passwd((name, "x", uid, uid + 1, "", f"/srv/{name}", "/bin/sh"))

    single = entry("single", 7002)
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry("listed", 7001)])
    monkeypatch.setattr(pwd, "getpwuid", {7002: single}.__getitem__)
    monkeypatch.setattr(pwd, "getpwnam", {"single": single}.__getitem__)
    host, listed = Host(), User("listed", 7001, 7002, "/srv/listed")
    assert host.list_users()[0] == host.find_account(7001) == listed
    assert host.find_account(7002) == User("single", 7002, 7003, "/srv/single")
    assert host.find_account(7009) == User("7009", 7009, 7009, "/nonexistent")
    assert (host.find_user_id("single"), host.find_user_id("listed")) == (7002, None)


@pytest.mark.parametrize(("view", "sees"), [("same", True), ("copy", False), ("none", False), ("link", False)])
def test_process_sees_the_file_of_the_host_by_a_name_of_it_alone(contained, view, sees):
    place = Path(contained.root) / "view/etc/hosts"
    place.unlink()
    if view == "same":
        os.link(f"{contained.root}/etc/hosts", place)
    elif view == "copy":
        place.write_text("etc/hosts")
    elif view == "link":  # a user's, which nobody follows
        place.symlink_to(f"{contained.root}/etc/hosts")
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is sees
    assert contained.can_see_host_file(SEVEN, "/etc/none") is None, "the host itself has no such file"


@pytest.mark.parametrize(("mount", "same"), [(b"mnt_id:\t1\n", True), (b"mnt_id:\t2\n", False)])
def test_root_of_the_host_below_another_mount_is_another_root(host, monkeypatch, mount, same):
    """There other files may be mounted over its own, as `unshare -m` lets anybody do."""
    link(host, "proc/7/root", host.root)
    mounts = iter([mount, b"mnt_id:\t1\n"])
    monkeypatch.setattr(processes, "read_mount_id", lambda descriptor: next(mounts))
    host.reads_process_roots = False
    with contextlib.nullcontext() if same else pytest.raises(ProcessRootUnread):
        assert host.can_see_host_file(SEVEN, "/etc/hosts") is True


def test_root_of_a_process_is_only_held_and_never_opened(contained, monkeypatch):
    """To open it asks whoever has mounted it (FUSE), and that user may let this process wait for ever."""
    opened, real = [], os.open

    def watch_open(path, flags, *rest, **options):
        opened.append((path, flags))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", watch_open)
    assert contained._is_host_root(f"{contained.root}/proc/7/root") is False
    assert contained.read_file_in_root(SEVEN, "info") == b"view/info"
    roots = [flags for path, flags in opened if path.endswith("/proc/7/root")]
    assert len(roots) == 2 and all(flags & os.O_PATH for flags in roots)


def test_kernel_distinguishes_a_fork_from_a_start():
    child = os.fork()
    if not child:
        time.sleep(600)
    started = subprocess.Popen(["sleep", "600"])
    try:
        assert Host().is_forked(Process(child, "")) and not Host().is_forked(Process(started.pid, ""))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        started.kill()
        started.wait()


def make_accounts(root: Path, passwd: str | None, homes: Mapping[str, int] = {}) -> Host:
    """Make a host with a list of accounts, and directories below /home by their owner's number."""
    for directory in ("etc", "home"):
        (root / directory).mkdir()
    if passwd is not None:
        (root / "etc/passwd").write_text(passwd)
    for home, uid in homes.items():
        (root / "home" / home).mkdir(parents=True)
        os.chown(root / "home" / home, uid, uid)
    return Host(str(root))


@pytest.mark.parametrize(
    ("passwd", "users"),
    [
        (None, []),
        ("alice:x:1000:1001::/home/./alice//:/bin/sh\n", [ALICE]),
        ("a:x:1:2::/home/a:/bin/sh\nb:x:3:4::/home/a:/bin/sh\n", [User("a", 1, 2, "/home/a")]),
        ("broken:x:1\nalice:x:1000:1001::/home/alice:/bin/sh:more\nalice:x:1000:1001::/home/alice:/bin/sh", [ALICE]),
        *((f"a:x:1:2::{home}:/bin/sh\n", []) for home in ("", "/", "/.", "/nonexistent", "/dev/null", "home/a", ".")),
    ],
)
def test_accounts_have_homes_in_which_somebody_may_keep_something(tmp_path, passwd, users):
    """A home that is missing here is never scanned. A root that is no home, but is listed, would be scanned whole."""
    assert make_accounts(tmp_path, passwd).list_users() == users


@ROOT
@pytest.mark.parametrize(
    ("homes", "users"),
    [
        ({"alice": 5001}, []),  # whoever owns a home that the list has
        ({"old": 1000}, [ALICE._replace(home="/home/old")]),
        ({"carol": 5001, "carol/x": 5002}, [User("5001", 5001, 5001, "/home/carol")]),
        ({"work": 0, "work/dave": 5002}, [User("5002", 5002, 5002, "/home/work/dave")]),
        ({"work": 0, "work/empty": 0, "work/empty/eve": 5003}, []),  # /home/<domain>/<name>, and no deeper
    ],
)
def test_directory_below_home_is_the_home_of_its_owner(tmp_path, homes, users):
    """A directory service lists nobody, so a home that no list names would otherwise never be scanned."""
    host = make_accounts(tmp_path, "alice:x:1000:1001::/home/alice:/bin/sh\n", homes)
    (tmp_path / "home/file").touch()
    (tmp_path / "home/link").symlink_to("/")
    for name in ("file", "link"):
        os.lchown(tmp_path / "home" / name, 5009, 5009)
    assert host.list_users() == [ALICE, *users]


@pytest.mark.parametrize(("device", "number", "same"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_file_and_root_are_the_hosts_by_device_and_number(contained, monkeypatch, device, number, same):
    """A file system of a user's own may give its files the numbers that the host's have."""
    ours, root, real = os.stat(f"{contained.root}/etc/hosts"), os.stat(contained.root), os.stat
    its = SimpleNamespace(st_dev=ours.st_dev + device, st_ino=ours.st_ino + number)
    monkeypatch.setattr(processes, "Files", lambda root: SimpleNamespace(find_entry=lambda path: its))
    assert contained.can_see_host_file(SEVEN, "/etc/hosts") is same
    numbers = SimpleNamespace(st_dev=root.st_dev + device, st_ino=root.st_ino + number)
    monkeypatch.setattr(os, "stat", lambda path, **_: numbers if str(path).endswith("7/root") else real(path))
    assert contained.has_host_root(SEVEN) is same


EIGHT = Process(8, "/opt/y")
TERM, KILL, STOP = signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP


class Machine:
    """A host on which each process ends after so many signals, its clock, and the signals with the time of each."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, ends_after: dict[Process, int]) -> None:
        for process in ends_after:
            (root / f"proc/{process.pid}").mkdir(parents=True)
            (root / f"proc/{process.pid}/exe").symlink_to(f"{process.exe} (deleted)")
        self.root, self.host, self.ends_after = root, Host(str(root)), {p.pid: n for p, n in ends_after.items()}
        self.done, self.refusal = [], None
        self.now, self.held = 0.0, {}
        machine = self

        class Poll:
            pid = 0

            def register(self, descriptor: int, events: int) -> None:
                self.pid = machine.held[descriptor]

            def poll(self, milliseconds: float) -> bool:
                return machine.has_ended(self.pid)

        def hold(pid: int) -> int:
            descriptor = os.open(root, os.O_RDONLY)
            self.held[descriptor] = pid
            return descriptor

        def send(descriptor: int, number: int) -> None:
            self.done.append((self.held[descriptor], number, round(self.now)))
            if self.refusal:
                raise self.refusal

        def sleep(seconds: float) -> None:
            self.now += seconds

        monkeypatch.setattr(os, "pidfd_open", hold)
        monkeypatch.setattr(signal, "pidfd_send_signal", send)
        monkeypatch.setattr(process_termination.select, "poll", Poll)
        monkeypatch.setattr(process_termination, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=sleep))

    def has_ended(self, pid: int) -> bool:
        return sum(number == pid for number, _, _ in self.done) >= self.ends_after[pid]

    def end(
        self, still: Callable[[Process], bool] = lambda process: process in (SEVEN, EIGHT), grace: float = 5
    ) -> None:
        programs = [TerminationTarget([process], still) for process in (SEVEN, EIGHT) if process.pid in self.ends_after]
        self.host.end_program(programs[0], programs, tuple, grace)


def test_programs_of_a_user_are_ended_side_by_side(tmp_path, monkeypatch):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 2, EIGHT: 3})
    machine.end()  # 8 outlives KILL, and is the other program's
    assert machine.done == [(7, TERM, 0), (8, TERM, 0), (7, KILL, 5), (8, KILL, 5)] and round(machine.now) == 10
    (tmp_path / "proc/8/status").write_text("SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n")
    machine.ends_after[8] = 9
    with pytest.raises(ControlError, match=r"^process 8 \(/opt/y\) does not end, not even by KILL$"):
        machine.host.end_program(TerminationTarget([EIGHT], lambda process: True), (), tuple, 5)
    assert round(machine.now) == 10 and len(machine.done) == 4


@pytest.mark.parametrize("program", ["/opt/editor", None])
def test_process_that_is_another_by_now_or_has_ended_gets_no_signal(tmp_path, monkeypatch, program):
    """Its number may be another program's by now: an editor's, with unsaved work."""
    machine, checked = Machine(tmp_path, monkeypatch, {SEVEN: 1}), []
    (tmp_path / "proc/7/exe").unlink()
    if program:
        (tmp_path / "proc/7/exe").symlink_to(program)
    machine.end(lambda process: checked.append(process) or process == SEVEN)
    assert machine.done == [] and checked == ([Process(7, "/opt/editor")] if program else [])


@pytest.mark.parametrize(("number", "message"), [(3, ""), (1, r"^cannot end process 7 \(/opt/x\): Operation not perm")])
def test_refused_signal_is_reported_unless_the_process_has_ended(tmp_path, monkeypatch, number, message):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 1})
    machine.refusal = OSError(number, os.strerror(number))
    with pytest.raises(ControlError, match=message) if message else contextlib.nullcontext():
        machine.end()
    assert machine.done == [(7, TERM, 0)]


@pytest.mark.parametrize(
    ("ends_after", "grace", "done"),
    [
        (1, 5, [(7, TERM, 0)]),  # five seconds in which its user's work can be saved
        (2, 5, [(7, TERM, 0), (7, KILL, 5)]),
        (2, 2, [(7, TERM, 0), (7, KILL, 2)]),
        (3, 5, [(7, TERM, 0), (7, KILL, 5)]),  # it hangs in the kernel and still runs, so the ban does not hold
    ],
)
def test_program_is_asked_to_end_and_killed_if_it_stays(tmp_path, monkeypatch, ends_after, grace, done):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: ends_after})
    outlives = pytest.raises(ControlError, match=r"^process 7 \(/opt/x\) does not end, not even by KILL$")
    with outlives if ends_after == 3 else contextlib.nullcontext():
        machine.end(grace=grace)
    assert (
        machine.done == done and (ends_after < 3 or round(machine.now) == 10) and (ends_after > 1 or machine.now == 0)
    )


def test_forked_processes_are_stopped_before_any_of_them_is_killed(tmp_path, monkeypatch):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 1, EIGHT: 2})
    program = TerminationTarget([SEVEN], lambda process: True)
    machine.host.end_program(program, [program], lambda: [(EIGHT, program)], 5)
    assert machine.done == [(7, TERM, 0), (8, STOP, 0), (8, KILL, 0)]


@pytest.mark.parametrize(("deaf", "number"), [("", TERM), ("trap '' TERM; ", KILL)])
def test_real_program_is_listed_with_its_user_and_ended(deaf, number):
    code = f"{deaf}echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(["sh", "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        host, seen = Host(), Process(process.pid, os.readlink(f"/proc/{process.pid}/exe"))
        assert seen in host.list_processes()[0] and host.find_process_owner(seen).uid == os.getuid()
        assert host.format_start_time(seen).startswith("20") and host.has_host_root(seen)
        assert {1, os.getpid(), os.getppid()} <= host.list_ancestor_pids()
        host.end_program(TerminationTarget([seen], lambda found: found == seen), grace=0.2 if deaf else 5)
        assert process.wait(LONGEST) == -number

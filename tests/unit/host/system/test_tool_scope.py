"""The scope of a user's tool: nothing of the tool is left after it, and its number is not mistaken."""

import io
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import proscribe
import pytest
from patience import BUSY, LONGEST, until
from proscribe.host.system import (
    ControlError,
    Host,
    Process,
    TerminationTarget,
    ToolResult,
    User,
    run_tool,
    tool_scope,
    tool_termination,
    transient_user,
)
from proscribe.host.system.tool_scope import start_in_scope
from proscribe.host.watch.launch_verifier import LaunchVerifier
from refusals import make_refusal

LAST = Path("/proc/sys/kernel/ns_last_pid")  # the next process has the number after it (proc_sys_kernel(5))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: runs a tool as somebody else")
NUMBERS = pytest.mark.skipif(os.geteuid() != 0 or not LAST.exists(), reason="needs root: chooses numbers")
NOBODY = User("nobody", 65534, 65534, "/nonexistent")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
TRIES = 20  # another test may start something at the same moment
# Leaves the tool's session and its parents, and holds a fifo open as long as it lives. Then the tool goes on.
ESCAPE = """\
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reading, writing = os.pipe()
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.open(sys.argv[1], os.O_WRONLY)
    os.write(writing, b"x")
    os.closerange(0, 3)
    time.sleep(600)
os.read(reading, 1)
"""
ENDS = {"ends": "print('done')\nsys.exit(3)", "hangs": "time.sleep(600)", "is killed": "os.kill(os.getpid(), 9)"}
STARTED: dict[int, subprocess.Popen[bytes]] = {}


class Fifo:
    """A fifo that a user's processes may hold open."""

    def __init__(self, place: Path) -> None:
        self.path = place / "alive"
        os.mkfifo(self.path)
        self.path.chmod(0o622)
        self.reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def has_holder(self) -> bool:
        """Return whether a process has the fifo open. One that had it open must have had it by now."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))


@pytest.fixture
def fifo():
    place = Path(tempfile.mkdtemp())  # pytest's own directories are closed to others
    place.chmod(0o711)
    made = Fifo(place)
    yield made
    os.close(made.reading)
    shutil.rmtree(place)


def python(code: str, *arguments: str) -> list[str]:
    return [PYTHON, "-I", "-S", "-c", code, *arguments]


@pytest.mark.parametrize("end", ["ends", "is killed", pytest.param("hangs", marks=pytest.mark.slow)])
@pytest.mark.parametrize("has_namespaces", [True, False])
def test_process_that_left_the_session_of_a_users_tool_ends_with_it(monkeypatch, fifo, has_namespaces, end):
    if not has_namespaces:  # as in a container without the right to make one
        monkeypatch.setattr(tool_scope, "make_namespace", lambda libc: None)
    argv = python(ESCAPE + ENDS[end], str(fifo.path))
    if end == "hangs":
        with pytest.raises(ControlError, match="did not end within 2 s"):
            run_tool(argv, user=NOBODY, timeout=2)
    else:
        expected = ToolResult(3, "done\n", "") if end == "ends" else ToolResult(-9, "", "")
        assert run_tool(argv, user=NOBODY, timeout=LONGEST) == expected
    assert not fifo.has_holder()


def test_process_of_a_users_tool_ends_although_the_run_is_killed(fifo):
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\nfrom proscribe.host.system import User, run_tool\n"
        "run_tool(sys.argv[2:], user=User('nobody', 65534, 65534, '/nonexistent'))"
    )
    place = str(Path(proscribe.__file__).parents[1])
    argv = python(ESCAPE + "open(sys.argv[1], 'w').write('x')\ntime.sleep(600)", str(fifo.path))
    run = subprocess.Popen([sys.executable, "-I", "-c", code, place, *argv])
    until(lambda: select.select([fifo.reading], [], [], 0)[0] and os.read(fifo.reading, 1) == b"x")
    run.kill()
    run.wait()
    until(lambda: not fifo.has_holder(), BUSY)


SEEN = """\
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Sig"))
names = sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}"))
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    terminal = error.strerror
print(json.dumps([os.getsid(0) == os.getpid(), status["SigIgn"], status["SigBlk"], names, terminal,
    os.path.realpath("/proc/self/fd/0"), os.stat("/proc/self/fd/1").st_mode, os.stat("/proc/self/fd/2").st_mode]))
"""


def test_users_tool_has_no_terminal_and_no_open_file_of_root():
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)
    ignored = (signal.SIGHUP, signal.SIGQUIT)  # as nohup and a shell's background leave them
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        seen = json.loads(run_tool(python(SEEN), user=NOBODY).out)
    finally:
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
        os.close(inherited)
    assert seen[0] is True and seen[3:6] == [["0", "1", "2"], "No such device or address", "/dev/null"]
    assert int(seen[1], 16) == 0x1001000, "SIGPIPE and SIGXFSZ, which Python ignores"
    assert int(seen[2], 16) == 0 and all(map(stat.S_ISFIFO, seen[6:]))


@pytest.fixture
def unit(monkeypatch):
    """A service of systemd's, and the calls by which it was made and is ended."""
    calls, clock = [], iter(range(1, 9))
    monkeypatch.setattr(tool_scope, "is_systemd_in_charge", lambda: True)
    monkeypatch.setattr(tool_scope.ToolProcess, "__init__", lambda self, *words: calls.append(words))
    times = {"monotonic_ns": lambda: 5, "monotonic": lambda: 2.0 * next(clock), "sleep": calls.append}
    monkeypatch.setattr(tool_scope, "time", SimpleNamespace(**times))
    for name in ("kill_process", "end_session"):
        monkeypatch.setattr(tool_scope, name, lambda *words: calls.append(words))
    alice, environment = User("alice", 1000, 1001, "/home/alice"), {"PATH": "/usr/bin", "LC_ALL": "C"}
    unit = start_in_scope(
        ["snap", "a $HOME"], environment, alice, has_input=True, timeout=9.7, find_tool="/usr/bin/{}".format
    )
    unit.pid = 10
    return unit, calls


def test_users_tool_is_a_service_where_systemd_runs(unit):
    (call,), name = unit[1], f"proscribe-tool-{os.getpid()}-5.service"
    words = [
        *("/usr/bin/systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--slice=system.slice", f"--unit={name}"),
        *("--description=Proscribe: a tool of user 1000", "--uid=1000", "--gid=1001", "--property=KillSignal=SIGKILL"),
        *("--property=RuntimeMaxSec=14", "--property=WorkingDirectory=/", "--", "/usr/bin/env", "-i", "PATH=/usr/bin"),
        *("LC_ALL=C", "HOME=/home/alice", "USER=alice", "LOGNAME=alice", "snap", "a $$HOME"),
    ]
    assert call == ("/usr/bin/systemd-run", words, {"PATH": "/usr/bin", "LC_ALL": "C.UTF-8"}, True)


@pytest.mark.parametrize("ends", [True, False])
def test_all_processes_of_a_service_are_ended(unit, monkeypatch, ends):
    def open_groups(path, **options):
        if path.split("/")[2] not in groups:
            raise FileNotFoundError
        return io.StringIO(groups[path.split("/")[2]])

    (service, calls), rounds = unit, []
    groups = {"7": f"0::/system.slice/{service.name}\n", "8": f"0::/system.slice/{service.name}.d\n", "9": "0::/\n"}
    groups |= {"11": f"1:name=systemd:/system.slice/{service.name}/sub\n0::/\n"}
    calls.clear()
    monkeypatch.setattr(tool_scope, "open", open_groups, raising=False)
    names = ["7", "8", "9", "11", "12", "self"]
    monkeypatch.setattr(
        os, "listdir", lambda place: rounds.append(place) or names[: 9 if len(rounds) < 2 or not ends else 0]
    )
    assert service.end_scope() is ends
    ended = [(7, service._has_process, True), (11, service._has_process, True)]
    assert calls == ([*ended, 0.005, (10,)] if ends else [*ended, 0.005, *ended, 0.005, *ended])


def test_users_tool_has_a_keeper_where_systemd_or_its_tool_is_missing(monkeypatch):
    calls = []
    monkeypatch.setattr(tool_scope, "NamespacedTool", lambda *words: calls.append(words))
    for find in (make_refusal(FileNotFoundError), str):
        monkeypatch.setattr(tool_scope, "is_systemd_in_charge", lambda find=find: find is not str)
        start_in_scope(["x"], {"A": "b"}, NOBODY, has_input=False, timeout=9, find_tool=find)
    environment = {"A": "b", "HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody"}
    assert calls == [(["x"], environment, NOBODY, False)] * 2


@pytest.fixture
def innocent():
    """Start a process under a number, if that is free: the leader of a session, as a login is."""
    started = []

    def start(number):
        for _ in range(TRIES):
            LAST.write_text(str(number - 1))
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, start_new_session=True))
            if started[-1].pid == number:
                break
        STARTED[started[-1].pid] = started[-1]
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_unharmed(pid: int) -> bool:
    """Return whether a process still answers: it does not once a signal is on its way."""
    process = STARTED[pid]
    assert process.stdin and process.stdout
    os.write(process.stdin.fileno(), b"x")
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    return bool(poll.poll(20_000)) and os.read(process.stdout.fileno(), 1) == b"x"


def end_process(argv: Sequence[str] = ("cat",)) -> tuple[Process, str, object]:
    """Return a process that has ended, the time of its start some ticks ago, and the notes of a watch about it."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    seen, started = (
        Process(child.pid, os.readlink(f"/proc/{child.pid}/exe")),
        tool_termination.read_start_ticks(child.pid),
    )
    noted = LaunchVerifier(Host)._read_state(seen)
    time.sleep(3 / os.sysconf("SC_CLK_TCK"))
    child.kill()
    child.communicate()
    return seen, started, noted


@pytest.fixture
def given_away(innocent):
    """End a process and give its number to an innocent one. Another program may take the number first."""

    def end_once(argv=("cat",)):
        for _ in range(TRIES):
            ended = end_process(argv)
            if innocent(ended[0].pid) == ended[0].pid:
                return ended
        raise AssertionError("no number could be given away")

    return end_once


@NUMBERS
@pytest.mark.parametrize("end", ["exit 0", "(sleep 600 >&- 2>&- &) ; exit 0", "kill -9 $$"])
def test_number_of_a_users_tool_is_free_only_after_all_of_it_has_ended(monkeypatch, innocent, end):
    def attacked(scope):
        numbers.append(innocent(scope.pid))
        return real(scope)

    numbers, real = [], tool_scope.NamespacedTool.end_scope
    monkeypatch.setattr(tool_scope, "is_systemd_in_charge", lambda: False)
    monkeypatch.setattr(tool_scope.NamespacedTool, "end_scope", attacked)
    run_tool(["sh", "-c", end], user=NOBODY)
    assert len(numbers) == 1 and is_unharmed(numbers[0])


@NUMBERS
def test_descendant_of_a_users_tool_is_ended_and_not_a_process_with_its_number(given_away):
    seen, started, _ = given_away()
    tool_termination.kill_process(seen.pid, tool_termination.read_start_ticks, started)
    assert is_unharmed(seen.pid)
    tool_termination.kill_process(
        seen.pid, tool_termination.read_start_ticks, tool_termination.read_start_ticks(seen.pid)
    )
    os.waitid(os.P_PID, seen.pid, os.WEXITED | os.WNOWAIT)  # the same process is ended


@NUMBERS
def test_enforcing_run_ends_no_other_program(given_away):
    seen, _, _ = given_away(["sleep", "600"])
    Host().end_program(TerminationTarget([seen], lambda process: process == seen))
    assert is_unharmed(seen.pid)


@NUMBERS
def test_watch_does_not_end_the_same_program_that_was_started_since(given_away):
    """Another user may have started it, with a waiver."""
    seen, _, noted = given_away()
    watch = LaunchVerifier(Host)
    assert not watch._begin_termination([seen], {seen.pid: noted}) and is_unharmed(seen.pid)
    assert watch._begin_termination([seen], {seen.pid: watch._read_state(seen)})
    until(lambda: watch.endings.process_due(time.monotonic()) == [] and not watch.endings)


@NUMBERS
def test_process_with_the_number_of_a_transient_users_process_is_not_ended(given_away, monkeypatch):
    seen, _, _ = given_away()
    listed = [[seen.pid], []]
    monkeypatch.setattr(transient_user, "_list_user_processes", lambda uid: listed.pop(0))
    transient_user.end_user_processes(65000)
    assert is_unharmed(seen.pid)

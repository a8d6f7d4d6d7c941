"""The number of a process that has ended, given to another one: no signal of root's reaches that."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from proscribe.host.system import Ending, Host, Process, User, run_tool, tool_ending, tool_scope
from proscribe.host.watch.verifying import Verifying

LAST = Path("/proc/sys/kernel/ns_last_pid")  # the next process has the number after it (proc_sys_kernel(5))
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not LAST.exists(), reason="needs root: chooses numbers")
ANSWERS = 20_000  # milliseconds
TRIES = 20  # another test may start something at the same moment
NOBODY = User("nobody", 65534, 65534, "/nonexistent")
Innocent = Callable[[int], int]
GivenAway = Callable[..., tuple[Process, str, object]]


STARTED: dict[int, subprocess.Popen[bytes]] = {}


@pytest.fixture
def innocent() -> Iterator[Innocent]:
    """What starts a process under a number, if that is free: the leader of a session, as a login is."""
    started: list[subprocess.Popen[bytes]] = []

    def start(number: int) -> int:
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


def unharmed(pid: int) -> bool:
    """Whether a process still answers: it does not once a signal is on its way."""
    process = STARTED[pid]
    assert process.stdin and process.stdout
    os.write(process.stdin.fileno(), b"x")
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    return bool(poll.poll(ANSWERS)) and os.read(process.stdout.fileno(), 1) == b"x"


def gone(argv: Sequence[str] = ("cat",)) -> tuple[Process, str, object]:
    """A process that has ended, when it had started, some ticks ago, and what a watch had noted of it."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    seen, started = Process(child.pid, os.readlink(f"/proc/{child.pid}/exe")), tool_ending.since(child.pid)
    noted = Verifying(Host)._state(seen)
    time.sleep(3 / os.sysconf("SC_CLK_TCK"))
    child.kill()
    child.communicate()
    return seen, started, noted


@pytest.fixture
def given_away(innocent: Innocent) -> GivenAway:
    """As `gone`, of a process whose number an innocent one has by now. Another program may have taken the number."""

    def once(argv: Sequence[str] = ("cat",)) -> tuple[Process, str, object]:
        for _ in range(TRIES):
            ended = gone(argv)
            if innocent(ended[0].pid) == ended[0].pid:
                return ended
        raise AssertionError("no number could be given away")

    return once


@pytest.mark.parametrize("end", ["exit 0", "(sleep 600 >&- 2>&- &) ; exit 0", "kill -9 $$"])
def test_the_number_of_a_users_tool_is_nobodys_until_all_of_it_has_ended(
    monkeypatch: pytest.MonkeyPatch, innocent: Innocent, end: str
) -> None:
    numbers: list[int] = []
    real = tool_scope.NamespacedTool.end_scope

    def attacked(scope: tool_scope.NamespacedTool) -> bool:
        numbers.append(innocent(scope.pid))
        return real(scope)

    monkeypatch.setattr(tool_scope, "is_systemd_here", lambda: False)
    monkeypatch.setattr(tool_scope.NamespacedTool, "end_scope", attacked)
    run_tool(["sh", "-c", end], user=NOBODY)
    assert len(numbers) == 1 and unharmed(numbers[0])


def test_what_descends_from_a_users_tool_is_ended_and_not_what_has_its_number_by_now(given_away: GivenAway) -> None:
    seen, started, _ = given_away()
    tool_ending.kill(seen.pid, tool_ending.since, started)
    assert unharmed(seen.pid)
    tool_ending.kill(seen.pid, tool_ending.since, tool_ending.since(seen.pid))
    os.waitid(os.P_PID, seen.pid, os.WEXITED | os.WNOWAIT)  # what is still the same is ended


def test_an_enforcing_run_ends_no_other_program(given_away: GivenAway) -> None:
    seen, _, _ = given_away(["sleep", "600"])
    Host().end_program(Ending([seen], lambda process: process == seen))
    assert unharmed(seen.pid)


def test_a_watch_ends_not_even_the_same_program_where_it_was_started_since(given_away: GivenAway) -> None:
    """It may be another user's, whom a waiver permits it."""
    seen, _, noted = given_away()
    watch = Verifying(Host)
    assert not watch._begin([seen], {seen.pid: noted}) and unharmed(seen.pid)
    assert watch._begin([seen], {seen.pid: watch._state(seen)})

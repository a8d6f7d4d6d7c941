"""The end of programs: all of one user's together, so that those who do not listen, hang or fork hold up nobody."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from .types import ControlError, Ending, Process, joined

if TYPE_CHECKING:
    from typing import Protocol

    class Processes(Protocol):
        """What ending a program asks of a host (processes.py)."""

        def process(self, pid: int) -> Process | None: ...

        def of_process(self, pid: int, name: str) -> str: ...


AHEAD = 1.0  # seconds that the first process of a program has before the others: it mostly takes them along
KILL_PATIENCE = 5.0  # seconds after KILL; then the process waits for something in the kernel
FORKS_PATIENCE = 5.0  # seconds in which programs that fork all the time are stopped
PAUSE = 0.02  # seconds between two checks
PENDING_KILL = 1 << (signal.SIGKILL - 1)  # in a set of signals (proc_pid_status(5))


def end_programs(
    host: Processes,
    program: Ending,
    of_user: Sequence[Ending],
    again: Callable[[], Iterable[tuple[Process, Ending]]],
    grace: float,
) -> None:
    """End a program: TERM, and KILL after `grace` seconds. Raises ControlError if a process survives.

    `of_user` are all programs of its user, which end with it: a user with many takes no more time than another one.
    `again` lists what runs of them by now. What was forked meanwhile is stopped first, and ended as a whole.
    """
    if all(map(has_ended, program.processes)):
        return
    ending = _Ending(host)
    first = [(process, one) for one in of_user for process in one.processes[:1]]
    others = [(process, one) for one in of_user for process in one.processes[1:]]
    ahead = ending.send(first, signal.SIGTERM)
    if others:
        ending.wait(ahead, min(AHEAD, grace))
    ending.kill(ending.wait([*ahead, *ending.send(others, signal.SIGTERM)], grace))
    ending.end_forks(again)
    paths = {process.exe for process in program.processes}
    if failed := [why for process, why in ending.failed.values() if process.exe in paths]:
        raise ControlError(joined(failed))


def has_ended(process: Process) -> bool:
    """Whether a process has ended, with all of its threads."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError as error:
        return error.errno == errno.ESRCH
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    finally:
        os.close(descriptor)


class _Ending:
    """The end of some processes, and why it failed."""

    def __init__(self, host: Processes) -> None:
        self.host = host
        self.failed: dict[int, tuple[Process, str]] = {}

    def send(self, processes: Iterable[tuple[Process, Ending]], number: int) -> list[tuple[Process, Ending]]:
        """Send a signal to those that are still to be ended, and return them."""
        return [(process, program) for process, program in processes if self._send(process, program.still, number)]

    def _send(self, process: Process, still: Callable[[Process], bool], number: int) -> bool:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        except OSError as error:
            self._fail(process, error)
            return False
        try:
            now = self.host.process(process.pid)
            if now is None or not still(now):
                return False
            if self._is_killed(process):
                self._outlives(process)
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        except ProcessLookupError:  # it ended by itself
            return False
        except OSError as error:
            self._fail(process, error)
            return False
        finally:
            os.close(descriptor)

    def _fail(self, process: Process, error: OSError) -> None:
        why = f"cannot end process {process.pid} ({process.exe}): {error.strerror}"
        self.failed[process.pid] = process, why

    def _outlives(self, process: Process) -> None:
        why = f"process {process.pid} ({process.exe}) does not end, not even by KILL"
        self.failed[process.pid] = process, why

    def _is_killed(self, process: Process) -> bool:
        """Whether KILL was sent to a process before: another one ends nothing, so nobody waits for it again."""
        lines = self.host.of_process(process.pid, "status").splitlines()
        pending = [line.split()[1] for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
        return any(int(signals, 16) & PENDING_KILL for signals in pending)

    def wait(self, processes: Sequence[tuple[Process, Ending]], seconds: float) -> list[tuple[Process, Ending]]:
        """Wait until all have ended; those that have not."""
        end = time.monotonic() + seconds
        left = [pair for pair in processes if not has_ended(pair[0])]
        while left and time.monotonic() < end:
            time.sleep(PAUSE)
            left = [pair for pair in left if not has_ended(pair[0])]
        return left

    def end_forks(self, again: Callable[[], Iterable[tuple[Process, Ending]]]) -> None:
        """End what was forked meanwhile. One that is stopped forks no more, so KILL comes when all are."""
        end = time.monotonic() + FORKS_PATIENCE
        stopped: dict[int, tuple[Process, Ending]] = {}
        while True:
            new = [pair for pair in again() if pair[0].pid not in stopped and pair[0].pid not in self.failed]
            sent = self.send(new, signal.SIGSTOP)
            stopped.update((pair[0].pid, pair) for pair in sent)
            if not sent or time.monotonic() > end:
                break
        self.kill(stopped.values())

    def kill(self, processes: Iterable[tuple[Process, Ending]]) -> None:
        """Send KILL to some processes, and note those that survive it."""
        for process, _ in self.wait(self.send(processes, signal.SIGKILL), KILL_PATIENCE):
            self._outlives(process)

"""Termination of programs.

All programs of a user end together, so a user with many or hanging programs delays nobody.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from .types import ControlError, Process, TerminationTarget, summarise_reasons

if TYPE_CHECKING:
    from typing import Protocol

    class ProcessReader(Protocol):
        """Interface of a host that ending a program needs (processes.py)."""

        def find_process(self, pid: int) -> Process | None: ...

        def read_process_file(self, pid: int, name: str) -> str: ...


# delay between TERM to the first process of a program and to the others, which usually end with the first
HEAD_START_SECONDS = 1.0
KILL_TIMEOUT_SECONDS = 5.0  # how long to wait after KILL; a process that still runs then is blocked in the kernel
FORKS_TIMEOUT_SECONDS = 5.0  # how long to stop programs that fork again and again
POLL_INTERVAL_SECONDS = 0.02
PENDING_KILL = 1 << (signal.SIGKILL - 1)  # bit of KILL in the signal sets of /proc/PID/status (proc_pid_status(5))


def end_programs(
    host: ProcessReader,
    program: TerminationTarget,
    user_programs: Sequence[TerminationTarget],
    list_running: Callable[[], Iterable[tuple[Process, TerminationTarget]]],
    grace: float,
) -> None:
    """End a program: send TERM, and KILL after `grace` seconds. Raises ControlError if a process survives.

    `user_programs` are all programs of the same user that are to be ended. They end in the same call, so many programs
    take no more time than a single program. `list_running` returns the processes of these programs that run now.
    Processes that were forked meanwhile are stopped first, and then killed together.
    """
    if all(map(has_ended, program.processes)):
        return
    termination = _Termination(host)
    first_processes = [
        (process, user_program) for user_program in user_programs for process in user_program.processes[:1]
    ]
    other_processes = [
        (process, user_program) for user_program in user_programs for process in user_program.processes[1:]
    ]
    pending = termination.send_signal(first_processes, signal.SIGTERM)
    if other_processes:
        termination.wait_for_end(pending, min(HEAD_START_SECONDS, grace))
    termination.kill_processes(
        termination.wait_for_end([*pending, *termination.send_signal(other_processes, signal.SIGTERM)], grace)
    )
    termination.end_forks(list_running)
    # Failures of the user's other programs are no error here: the call for such a program reports them.
    paths = {process.exe for process in program.processes}
    if failed := [reason for process, reason in termination.failures.values() if process.exe in paths]:
        raise ControlError(summarise_reasons(failed))


def has_ended(process: Process) -> bool:
    """Return whether a process and all of its threads have ended."""
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


class _Termination:
    """Termination of processes.

    `failures` has the processes that did not end, with the reason, by process id.
    """

    def __init__(self, host: ProcessReader) -> None:
        self.host = host
        self.failures: dict[int, tuple[Process, str]] = {}

    def send_signal(
        self, processes: Iterable[tuple[Process, TerminationTarget]], signal_number: int
    ) -> list[tuple[Process, TerminationTarget]]:
        """Send a signal to those processes that still run and are still targets. Return these processes."""
        return [
            (process, program)
            for process, program in processes
            if self._send_to_process(process, program.is_target, signal_number)
        ]

    def _send_to_process(self, process: Process, is_target: Callable[[Process], bool], signal_number: int) -> bool:
        """Send a signal to a process. Return whether it was sent; an error is noted in `failures`.

        The open descriptor makes sure that the signal reaches the process that was checked.
        """
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        except OSError as error:
            self._note_failure(process, error)
            return False
        try:
            running = self.host.find_process(process.pid)
            if running is None or not is_target(running):
                return False
            if self._has_pending_kill(process):
                self._note_survivor(process)
                return False
            signal.pidfd_send_signal(descriptor, signal_number)
            return True
        except ProcessLookupError:  # the process has ended meanwhile
            return False
        except OSError as error:
            self._note_failure(process, error)
            return False
        finally:
            os.close(descriptor)

    def _note_failure(self, process: Process, error: OSError) -> None:
        reason = f"cannot end process {process.pid} ({process.exe}): {error.strerror}"
        self.failures[process.pid] = process, reason

    def _note_survivor(self, process: Process) -> None:
        reason = f"process {process.pid} ({process.exe}) does not end, not even by KILL"
        self.failures[process.pid] = process, reason

    def _has_pending_kill(self, process: Process) -> bool:
        """Return whether KILL was sent to a process before and is still pending.

        A second KILL would have no effect, so waiting again is useless.
        """
        lines = self.host.read_process_file(process.pid, "status").splitlines()
        pending = [line.split()[1] for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
        return any(int(signals, 16) & PENDING_KILL for signals in pending)

    def wait_for_end(
        self, processes: Sequence[tuple[Process, TerminationTarget]], seconds: float
    ) -> list[tuple[Process, TerminationTarget]]:
        """Wait at most `seconds` until all processes have ended. Return the processes that have not ended."""
        deadline = time.monotonic() + seconds
        running = [entry for entry in processes if not has_ended(entry[0])]
        while running and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL_SECONDS)
            running = [entry for entry in running if not has_ended(entry[0])]
        return running

    def end_forks(self, list_running: Callable[[], Iterable[tuple[Process, TerminationTarget]]]) -> None:
        """End the processes that the programs forked meanwhile.

        All are stopped first, because a stopped process cannot fork. Then all are killed.
        """
        deadline = time.monotonic() + FORKS_TIMEOUT_SECONDS
        stopped: dict[int, tuple[Process, TerminationTarget]] = {}
        while True:
            new_processes = [
                entry for entry in list_running() if entry[0].pid not in stopped and entry[0].pid not in self.failures
            ]
            sent = self.send_signal(new_processes, signal.SIGSTOP)
            stopped.update((entry[0].pid, entry) for entry in sent)
            if not sent or time.monotonic() > deadline:
                break
        self.kill_processes(stopped.values())

    def kill_processes(self, processes: Iterable[tuple[Process, TerminationTarget]]) -> None:
        """Send KILL to some processes, and note the processes that survive it."""
        for process, _ in self.wait_for_end(self.send_signal(processes, signal.SIGKILL), KILL_TIMEOUT_SECONDS):
            self._note_survivor(process)

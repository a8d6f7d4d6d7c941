"""Termination of several processes together: TERM, and KILL after 0.3 seconds.

A program that ignores TERM does not delay the termination of the others.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import Callable

from ...base.named_tuple import NamedTuple
from ..system import Process

GRACE_SECONDS = 0.3  # between TERM and KILL; it is short, so that a program is ended within one second of its start
KILL_TIMEOUT_SECONDS = (
    5.0  # wait after KILL; a process that lives longer hangs in the kernel, for example on a broken device
)


class EndingProcess(NamedTuple):
    """Process that was sent a signal.

    The open descriptor makes sure that no other process with the same id receives the next signal.
    """

    descriptor: int
    kill_at: float  # time (time.monotonic) of the next step: KILL or, after KILL, giving up
    is_killed: bool
    name: str  # of the process, for messages


class ProcessTerminations:
    """Processes that were sent TERM or KILL and have not ended yet."""

    def __init__(self) -> None:
        self._ending: list[EndingProcess] = []

    def __bool__(self) -> bool:
        return bool(self._ending)

    def begin_termination(self, process: Process, is_target: Callable[[], bool]) -> bool:
        """Send TERM to a process. Return whether TERM was sent.

        `is_target` is called once the descriptor is open, and must confirm that the process is still the one to end.
        Otherwise the process id might belong to another process by now.
        """
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return False
        try:
            if is_target():
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                name = f"process {process.pid} ({process.exe})"
                self._ending.append(EndingProcess(descriptor, time.monotonic() + GRACE_SECONDS, False, name))
                return True
        except OSError:  # the process has ended by itself
            pass
        os.close(descriptor)
        return False

    def get_due_time(self) -> float | None:
        """Return the time when `process_due` must be called next; None if no process is being ended.

        The time is that of time.monotonic.
        """
        return min((process.kill_at for process in self._ending), default=None)

    def process_due(self, now: float) -> list[str]:
        """Send KILL to processes whose time after TERM is over. Return the names of processes that survive KILL."""
        remaining, survivors = [], []
        for process in self._ending:
            if _has_ended(process.descriptor):
                os.close(process.descriptor)
            elif process.kill_at > now:
                remaining.append(process)
            elif process.is_killed:
                survivors.append(process.name)
                os.close(process.descriptor)
            else:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(process.descriptor, signal.SIGKILL)
                remaining.append(process._replace(is_killed=True, kill_at=now + KILL_TIMEOUT_SECONDS))
        self._ending = remaining
        return survivors


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

"""Termination of programs in parallel: TERM, 0.3 seconds, KILL. A program that ignores TERM delays no other."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import Callable

from ...base.named_tuple import NamedTuple
from ..system import Process

GRACE_SECONDS = 0.3  # between TERM and KILL; including all earlier steps, a program is ended within one second
KILL_TIMEOUT_SECONDS = (
    5.0  # after KILL; a longer time means a fault of the kernel, or of the thing that the process waits for
)


class EndingProcess(NamedTuple):
    """Process that was sent a signal, held by a descriptor: no other process can receive the next signal."""

    descriptor: int
    kill_at: float
    is_killed: bool
    name: str


class ProcessTerminations:
    """All processes that are being ended."""

    def __init__(self) -> None:
        self._ending: list[EndingProcess] = []

    def __bool__(self) -> bool:
        return bool(self._ending)

    def begin_termination(self, process: Process, is_target: Callable[[], bool]) -> bool:
        """Send TERM to a process. Return whether TERM was sent.

        `is_target` must confirm the process once the descriptor holds it.
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
        """Return the time of the next task (time.monotonic); None for never."""
        return min((process.kill_at for process in self._ending), default=None)

    def process_due(self, now: float) -> list[str]:
        """Do the tasks that are due. Return the names of processes that do not end, not even by KILL."""
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

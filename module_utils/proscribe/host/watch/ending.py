"""Programs are ended side by side: TERM, a third of a second, KILL. Whoever does not listen holds up nobody else."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import Callable

from ...base.tuples import NamedTuple
from ..system import Process

GRACE_SECONDS = 0.3  # seconds between TERM and KILL; with all that comes before it, a program is ended within one
KILL_TIMEOUT_SECONDS = (
    5.0  # seconds after KILL; then something is wrong with the kernel, or with what the process waits for
)


class EndingProcess(NamedTuple):
    """A process that was sent a signal, held by a descriptor: nothing else can get it."""

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
        """Send TERM to a process, if it still is what it was once it is held; whether it was sent."""
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
        except OSError:  # it has ended by itself
            pass
        os.close(descriptor)
        return False

    def get_due_time(self) -> float | None:
        """When something is to be done (time.monotonic); None for never."""
        return min((process.kill_at for process in self._ending), default=None)

    def process_due(self, now: float) -> list[str]:
        """Do what is due, and return those that do not end, not even by KILL."""
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

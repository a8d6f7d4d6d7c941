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

GRACE = 0.3  # seconds between TERM and KILL; with all that comes before it, a program is ended within one
SURVIVES = 5.0  # seconds after KILL; then something is wrong with the kernel, or with what the process waits for


class Dying(NamedTuple):
    """A process that was sent a signal, held by a descriptor: nothing else can get it."""

    descriptor: int
    kill_at: float
    killed: bool
    name: str


class Endings:
    """All processes that are being ended."""

    def __init__(self) -> None:
        self._dying: list[Dying] = []

    def __bool__(self) -> bool:
        return bool(self._dying)

    def begin(self, process: Process, still: Callable[[], bool]) -> bool:
        """Send TERM to a process, if it still is what it was once it is held; whether it was sent."""
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError:
            return False
        try:
            if still():
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                name = f"process {process.pid} ({process.exe})"
                self._dying.append(Dying(descriptor, time.monotonic() + GRACE, False, name))
                return True
        except OSError:  # it has ended by itself
            pass
        os.close(descriptor)
        return False

    def due(self) -> float | None:
        """When something is to be done (time.monotonic); None for never."""
        return min((one.kill_at for one in self._dying), default=None)

    def proceed(self, now: float) -> list[str]:
        """Do what is due, and return those that do not end, not even by KILL."""
        left, survivors = [], []
        for one in self._dying:
            if _ended(one.descriptor):
                os.close(one.descriptor)
            elif one.kill_at > now:
                left.append(one)
            elif one.killed:
                survivors.append(one.name)
                os.close(one.descriptor)
            else:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(one.descriptor, signal.SIGKILL)
                left.append(one._replace(killed=True, kill_at=now + SURVIVES))
        self._dying = left
        return survivors


def _ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

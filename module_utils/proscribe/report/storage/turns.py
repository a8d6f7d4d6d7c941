"""Processes that write the same file take turns."""

from __future__ import annotations

import fcntl
import time

PAUSE = 0.05  # seconds until it is tried again


def locked(descriptor: int, patience: float) -> bool:
    """Lock a file for this process alone, which lets go where it ends or closes it. Returns whether that was so within
    that many seconds.
    """
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(PAUSE)

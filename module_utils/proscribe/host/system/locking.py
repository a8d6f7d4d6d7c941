"""A lock on a file that root alone can open, so that nobody else can hold it: several processes of ours change one file
(a run, the timer's observation, the daemon), one after another.
"""

from __future__ import annotations

import fcntl
import os
import time

from .reading import FileReader
from .types import ControlError

PATIENCE = 5.0  # seconds to wait for a lock


def deadline() -> float:
    """Until when a lock is waited for (time.monotonic)."""
    return time.monotonic() + PATIENCE


def locked(files: FileReader, path: str, descriptor: int, end: float) -> bool:
    """Whether the open file is locked, and still the one at its path: another process may have put a new one there.
    Raises ControlError where another process holds it until `end` (a `deadline`), and Unseen.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise ControlError(f"another process has held {path} for {PATIENCE:g} s") from None
            time.sleep(0.01)
            continue
        now = files.stat(path)
        return now is not None and os.path.samestat(os.fstat(descriptor), now)

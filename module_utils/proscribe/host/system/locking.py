"""A lock on a file that root alone can open, so that nobody else can hold it: several processes of ours change one file
(a run, the timer's observation, the daemon), one after another.
"""

from __future__ import annotations

import fcntl
import os
import time

from .reading import FileReader
from .types import ControlError

LOCK_TIMEOUT_SECONDS = 5.0  # seconds to wait for a lock


def make_deadline() -> float:
    """Until when a lock is waited for (time.monotonic)."""
    return time.monotonic() + LOCK_TIMEOUT_SECONDS


def lock_file(files: FileReader, path: str, descriptor: int, deadline: float) -> bool:
    """Whether the open file is locked, and still the one at its path: another process may have put a new one there.
    Raises ControlError where another process holds it until `deadline` (a `make_deadline`), and Unseen.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ControlError(f"another process has held {path} for {LOCK_TIMEOUT_SECONDS:g} s") from None
            time.sleep(0.01)
            continue
        status = files.find_entry(path)
        return status is not None and os.path.samestat(os.fstat(descriptor), status)

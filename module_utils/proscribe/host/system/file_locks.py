"""Lock on a file that only root can open, so that no user can hold the lock.

Several processes of Proscribe change such a file in turn: a run, the timer's observation, the daemon.
"""

from __future__ import annotations

import fcntl
import os
import time

from .file_reader import FileReader
from .types import ControlError

LOCK_TIMEOUT_SECONDS = 5.0  # seconds to wait for a lock


def make_deadline() -> float:
    """Return the end of the wait for a lock (time.monotonic)."""
    return time.monotonic() + LOCK_TIMEOUT_SECONDS


def lock_file(files: FileReader, path: str, descriptor: int, deadline: float) -> bool:
    """Lock an open file, and return whether it is still the file at its path.

    Another process may have put a new file there. Raises ControlError if another process holds the lock until
    `deadline` (`make_deadline`), and ObservationError.
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

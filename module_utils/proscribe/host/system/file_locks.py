"""Lock on a file that several processes of Proscribe change: a run, the timer's observation, the daemon.

Only root can open such a file, so no user can hold its lock.
"""

from __future__ import annotations

import fcntl
import os
import time

from .file_reader import FileReader
from .types import ControlError

LOCK_TIMEOUT_SECONDS = 5.0


def make_deadline() -> float:
    """Return the time (time.monotonic) after which `lock_file` stops waiting for a lock."""
    return time.monotonic() + LOCK_TIMEOUT_SECONDS


def lock_file(files: FileReader, path: str, descriptor: int, deadline: float) -> bool:
    """Lock an open file. Return False if another file is at `path` by now: the caller must open that file.

    `deadline` comes from `make_deadline`. Raises ControlError if another process holds the lock until then. Raises
    ObservationError.
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

"""What the observation of one user may cost: entries of directories, bytes of files, seconds.

A user controls the content of his home, and its amount. While a budget is open (`FileReader.budget`), all that the
interface to the operating system reads is paid from it. Once it is spent, nothing more is read on that user's behalf:
what was found until then counts, the rest is unseen, with the reason. Nobody pays for anybody else.

These limits are soft: they end an observation in an orderly way. system/forked.py has the hard ones, for what cannot be
ended so.
"""

from __future__ import annotations

import time

from .types import ObservationError

MAX_USER_FILE_BYTES = 1024 * 1024  # bytes that are read of any one file of a user's
MAX_ENTRIES = 3_000_000  # names in directories
MAX_BYTES = 256 * 1024 * 1024  # bytes of files, together
MAX_SECONDS = 15.0


class ReadBudget:
    """What is left for one user."""

    def __init__(self, entries: int = MAX_ENTRIES, size: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> None:
        self.limits = {"files": entries, "bytes read": size}
        self.remaining = dict(self.limits)
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds

    def consume_amount(self, resource: str, count: int) -> None:
        """Pay for something: "files" (and directories), "bytes read". Raises Unseen when it is spent."""
        self.remaining[resource] -= count
        if self.remaining[resource] < 0:
            raise ObservationError(f"over budget: more than {self.limits[resource]:,} {resource}")
        self.check_deadline()

    def check_deadline(self) -> None:
        """Raises Unseen when the time is spent."""
        if time.monotonic() > self.deadline:
            raise ObservationError(f"over budget: more than {self.seconds:g} s")

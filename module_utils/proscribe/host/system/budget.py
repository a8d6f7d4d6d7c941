"""Limits for the observation of a user: number of directory entries, bytes of files, seconds.

A user controls the content of his home directory, and its amount. While `FileReader.budget` is set, all reads are
charged to that user's budget. When the budget is spent, nothing more is read for that user. Earlier results count. The
rest is reported as unseen, with the reason. Each user has a separate budget.

These limits are soft: they end an observation in an orderly manner. system/forked_work.py has the hard limits, for work
that may hang.
"""

from __future__ import annotations

import time

from .types import ObservationError

MAX_USER_FILE_BYTES = 1024 * 1024  # most bytes that are read of a single file of a user
MAX_ENTRIES = 3_000_000  # most directory entries that are read for a user
MAX_BYTES = 256 * 1024 * 1024  # most bytes that are read of all files of a user
MAX_SECONDS = 15.0


class ReadBudget:
    """Remaining directory entries, bytes and time that Proscribe may read on behalf of a user."""

    def __init__(self, entries: int = MAX_ENTRIES, size: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> None:
        self.limits = {"files": entries, "bytes read": size}
        self.remaining = dict(self.limits)
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds

    def consume_amount(self, resource: str, count: int) -> None:
        """Subtract `count` from the budget of `resource`: "files" (directories count too) or "bytes read".

        Raises ObservationError when the budget or its time is spent.
        """
        self.remaining[resource] -= count
        if self.remaining[resource] < 0:
            raise ObservationError(f"over budget: more than {self.limits[resource]:,} {resource}")
        self.check_deadline()

    def check_deadline(self) -> None:
        """Raise ObservationError if the time of the budget is over."""
        if time.monotonic() > self.deadline:
            raise ObservationError(f"over budget: more than {self.seconds:g} s")

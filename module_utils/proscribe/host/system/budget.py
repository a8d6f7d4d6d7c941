"""Limits of the observation of a user: entries of directories, bytes of files, seconds.

A user controls the content of his home, and its amount. While a budget is open (`FileReader.budget`), all reads count
against it. Once it is spent, no more is read on that user's behalf. Earlier results count, and the rest is unseen, with
the reason. No user's data counts against another user's budget.

These limits are soft: they end an observation in an orderly way. system/forked_work.py has the hard limits, for work
that cannot be ended so.
"""

from __future__ import annotations

import time

from .types import ObservationError

MAX_USER_FILE_BYTES = 1024 * 1024  # bytes that are read of any file of a user
MAX_ENTRIES = 3_000_000  # entries of directories
MAX_BYTES = 256 * 1024 * 1024  # bytes of all files together
MAX_SECONDS = 15.0


class ReadBudget:
    """Remaining budget of a user."""

    def __init__(self, entries: int = MAX_ENTRIES, size: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> None:
        self.limits = {"files": entries, "bytes read": size}
        self.remaining = dict(self.limits)
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds

    def consume_amount(self, resource: str, count: int) -> None:
        """Charge the budget for "files" (directories too) or "bytes read".

        Raises ObservationError when the budget is spent.
        """
        self.remaining[resource] -= count
        if self.remaining[resource] < 0:
            raise ObservationError(f"over budget: more than {self.limits[resource]:,} {resource}")
        self.check_deadline()

    def check_deadline(self) -> None:
        """Raise ObservationError when the time is spent."""
        if time.monotonic() > self.deadline:
            raise ObservationError(f"over budget: more than {self.seconds:g} s")

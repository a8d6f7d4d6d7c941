"""What the observation of one user may cost: entries of directories, bytes of files, seconds.

A user controls the content of his home, and its amount. While a budget is open (`FileReader.budget`), all that the
interface to the operating system reads is paid from it. Once it is spent, nothing more is read on that user's behalf:
what was found until then counts, the rest is unseen, with the reason. Nobody pays for anybody else.

These limits are soft: they end an observation in an orderly way. system/forked.py has the hard ones, for what cannot be
ended so.
"""

from __future__ import annotations

import time

from .types import Unseen

LARGEST = 1024 * 1024  # bytes that are read of any one file of a user's
ENTRIES = 3_000_000  # names in directories
SIZE = 256 * 1024 * 1024  # bytes of files, together
SECONDS = 15.0


class Budget:
    """What is left for one user."""

    def __init__(self, entries: int = ENTRIES, size: int = SIZE, seconds: float = SECONDS) -> None:
        self.most = {"files": entries, "bytes read": size}
        self.left = dict(self.most)
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def take(self, what: str, count: int) -> None:
        """Pay for something: "files" (and directories), "bytes read". Raises Unseen when it is spent."""
        self.left[what] -= count
        if self.left[what] < 0:
            raise Unseen(f"over budget: more than {self.most[what]:,} {what}")
        self.hold()

    def hold(self) -> None:
        """Raises Unseen when the time is spent."""
        if time.monotonic() > self.end:
            raise Unseen(f"over budget: more than {self.seconds:g} s")

"""The programs that were ended, on their way into the journal: the first of a kind at once, then one line a minute.

A loop that starts a thousand programs costs a line a minute with their number. Users are notified in the same measure.
"""

from __future__ import annotations

import contextlib
from typing import Callable

from ..system import ControlError

EVERY = 60.0  # seconds
MOST = 200  # kinds that are counted by themselves: users give their programs any names
MOST_OF_USER = 20  # of these: who starts many kinds leaves the journal to others
OTHERS = "(others)"


class Attempts:
    """Counts by rule, program and user. `write` takes these three and a number, and may raise ControlError."""

    def __init__(self, write: Callable[[str, str, str, int], None]) -> None:
        self._write = write
        self._counts: dict[tuple[str, str, str], int] = {}
        self._next: dict[tuple[str, str, str], float] = {}

    def note(self, rule: str, program: str, user: str, now: float) -> bool:
        """Count an attempt; whether it is the first one of its kind in this minute."""
        key = (rule, program, user)
        own = sum(whose == user for _, _, whose in self._next)
        if key not in self._next and own >= MOST_OF_USER:
            key = (rule, OTHERS, user)
        if key not in self._next and len(self._next) >= MOST:
            key = (rule, OTHERS, user) if len(self._next) < 2 * MOST else (rule, OTHERS, OTHERS)
        first = now >= self._next.get(key, now)
        self._counts[key] = self._counts.get(key, 0) + 1
        if first:
            self._flush(key, now)
        return first

    def due(self) -> float | None:
        """When there is something to write (time.monotonic); None for never."""
        return min((self._next[key] for key in self._counts), default=None)

    def proceed(self, now: float, all_of_it: bool = False) -> None:
        """Write what is due."""
        for key in list(self._counts):
            if all_of_it or self._next[key] <= now:
                self._flush(key, now)
        self._next = {key: at for key, at in self._next.items() if at > now or key in self._counts}

    def _flush(self, key: tuple[str, str, str], now: float) -> None:
        self._next[key] = now + EVERY
        with contextlib.suppress(ControlError):  # it counts until it can be written
            self._write(*key, self._counts[key])
            del self._counts[key]

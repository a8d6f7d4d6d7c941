"""Journal lines about programs that the watcher ended: the first of a kind immediately, then one line a minute.

A loop that starts a thousand programs costs one line a minute, with their number. Users are notified at the same rate.
"""

from __future__ import annotations

import contextlib
from typing import Callable

from ..system import ControlError

WRITE_INTERVAL_SECONDS = 60.0
# kinds (rule, program, user) that are counted separately; limited because users can give programs any names
MAX_KINDS = 200
# kinds of one user that are counted separately, so that each user leaves room in the journal for others
MAX_USER_KINDS = 20
OTHER_PROGRAMS = "(others)"


class AttemptCounter:
    """Counter of attempts to start restricted programs, by rule, program and user.

    `write` writes a line of the journal. It is called with rule, program, user and number, and may raise ControlError.
    """

    def __init__(self, write: Callable[[str, str, str, int], None]) -> None:
        self._write = write
        # by kind (rule, program, user): attempts that are not written yet
        self._counts: dict[tuple[str, str, str], int] = {}
        # by kind: time (time.monotonic) from which the next line may be written
        self._next_times: dict[tuple[str, str, str], float] = {}

    def count_attempt(self, rule: str, program: str, user: str, now: float) -> bool:
        """Count an attempt at the time `now` (time.monotonic).

        Returns whether it is the first of its kind within a minute. A first attempt is written immediately, later ones
        by `write_due_counts`. If a user has too many kinds, all further programs of a rule are counted together
        (OTHER_PROGRAMS). If there are still too many kinds, further users are counted together too.
        """
        key = (rule, program, user)
        user_kinds = sum(key_user == user for _, _, key_user in self._next_times)
        if key not in self._next_times and user_kinds >= MAX_USER_KINDS:
            key = (rule, OTHER_PROGRAMS, user)
        if key not in self._next_times and len(self._next_times) >= MAX_KINDS:
            key = (
                (rule, OTHER_PROGRAMS, user)
                if len(self._next_times) < 2 * MAX_KINDS
                else (rule, OTHER_PROGRAMS, OTHER_PROGRAMS)
            )
        is_first = now >= self._next_times.get(key, now)
        self._counts[key] = self._counts.get(key, 0) + 1
        if is_first:
            self._write_count(key, now)
        return is_first

    def get_due_time(self) -> float | None:
        """Return the time (time.monotonic) at which a count has to be written next; None if there is none."""
        return min((self._next_times[key] for key in self._counts), default=None)

    def write_due_counts(self, now: float, writes_all: bool = False) -> None:
        """Write the counts whose minute is over at the time `now`; all counts if `writes_all`."""
        for key in list(self._counts):
            if writes_all or self._next_times[key] <= now:
                self._write_count(key, now)
        self._next_times = {
            key: due_time for key, due_time in self._next_times.items() if due_time > now or key in self._counts
        }

    def _write_count(self, key: tuple[str, str, str], now: float) -> None:
        """Write the count of one kind at the time `now`.

        If the journal cannot be written, the count stays and is written later.
        """
        self._next_times[key] = now + WRITE_INTERVAL_SECONDS
        with contextlib.suppress(ControlError):  # the count is then deleted only after a later, successful write
            self._write(*key, self._counts[key])
            del self._counts[key]

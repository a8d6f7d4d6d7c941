"""Queues of starts that wait for verification, and the budget of verification.

A user who floods the daemon waits in a queue of his own. Too many starts are removed from the longest queue. Pure,
except that starts of ended processes are dropped.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....model.types.watch import VerifierVerdicts

MAX_USER_STARTS = 128
MAX_STARTS = 512  # starts without room are found in /proc later
# Until the next verification of a process that does not run its final program yet.
RETRY_DELAYS_SECONDS = (0.1, 0.2, 0.4)
MAX_BATCH = 32  # starts of one request to the verifier


class VerificationBudget:
    """Budget of processor time for verification: a bucket that fills slowly, and that use empties."""

    PROCESSOR_SHARE = 0.0125  # of a processor
    MAX_SECONDS = 0.3
    MAX_DEBT_SECONDS = -0.008  # so that the debt is paid after two thirds of a second

    def __init__(self, now: float) -> None:
        self.seconds_left = self.MAX_SECONDS
        self.filled_at = now
        self.seconds_per_start = 0.01  # recent average of a start

    def fill_budget(self, now: float) -> None:
        self.seconds_left = min(
            self.MAX_SECONDS, self.seconds_left + max(0.0, now - self.filled_at) * self.PROCESSOR_SHARE
        )
        self.filled_at = now

    def consume_time(self, seconds: float, starts: int = 0) -> None:
        self.seconds_left = max(self.MAX_DEBT_SECONDS, self.seconds_left - max(0.0, seconds))
        if starts:
            self.seconds_per_start += (max(0.0005, seconds / starts) - self.seconds_per_start) / 4

    def count_affordable(self) -> int:
        """Return the number of starts that can be verified now."""
        return 0 if self.seconds_left < 0 else min(MAX_BATCH, 1 + int(self.seconds_left / self.seconds_per_start))

    def compute_wait(self) -> float:
        """Return the seconds until a start can be verified."""
        return max(0.0, -self.seconds_left / self.PROCESSOR_SHARE)


class ProgramStart:
    """Process that may have become a restricted program."""

    __slots__ = ("due", "key", "path", "pid", "tries", "user")

    def __init__(self, pid: int, path: str, key: tuple[Any, ...], user: int, due: float) -> None:
        self.pid, self.path, self.key, self.user, self.due = pid, path, key, user, due
        self.tries = 0


class StartQueue:
    """Queues of starts by user. Users are served in turn; the user served last comes last."""

    def __init__(self) -> None:
        self.starts_by_user: dict[int, dict[int, ProgramStart]] = {}

    def add_start(self, start: ProgramStart) -> bool:
        """Add a start. Return False if this start or another has no room."""
        user_starts = self.starts_by_user.get(start.user, {})
        has_room = True
        if start.pid not in user_starts:
            if len(user_starts) >= MAX_USER_STARTS:
                return False
            if sum(map(len, self.starts_by_user.values())) >= MAX_STARTS:
                busiest = max(self.starts_by_user, key=lambda user: len(self.starts_by_user[user]))
                if len(self.starts_by_user[busiest]) <= len(user_starts):
                    return False
                self._remove_start(busiest, next(reversed(self.starts_by_user[busiest])))
                has_room = False
        self.starts_by_user.setdefault(start.user, {})[start.pid] = start
        return has_room

    def return_start(self, start: ProgramStart, verdicts: VerifierVerdicts, now: float) -> bool:
        """Add a start again that could not be verified. Return False if this start or another has no room."""
        if (seconds := verdicts.get("later", {}).get(start.pid)) is not None:
            start.due = now + seconds
        elif start.pid in verdicts.get("again", ()) and start.tries < len(RETRY_DELAYS_SECONDS):
            start.due = now + RETRY_DELAYS_SECONDS[start.tries]
            start.tries += 1
        else:
            return True
        return self.add_start(start)

    def take_due_starts(self, limit: int, now: float) -> list[ProgramStart]:
        """Take at most `limit` due starts, from each user in turn. Starts of ended processes are dropped."""
        starts: list[ProgramStart] = []
        queues = [(user, self._list_due_starts(user, now)) for user in self.starts_by_user]
        while queues and len(starts) < limit:
            remaining = []
            for user, queue in queues:
                start = next(queue, None) if len(starts) < limit else None
                if start is not None:
                    starts.append(start)
                    self._remove_start(user, start.pid)
                    if user in self.starts_by_user:
                        self.starts_by_user[user] = self.starts_by_user.pop(user)
                    remaining.append((user, queue))
            queues = remaining
        return starts

    def _list_due_starts(self, user: int, now: float) -> Iterator[ProgramStart]:
        for start in [start for start in self.starts_by_user[user].values() if start.due <= now]:
            if os.path.lexists(f"/proc/{start.pid}"):
                yield start
            else:
                self._remove_start(user, start.pid)

    def _remove_start(self, user: int, pid: int) -> None:
        del self.starts_by_user[user][pid]
        if not self.starts_by_user[user]:
            del self.starts_by_user[user]

    def get_due_time(self) -> float | None:
        """Return the time when the first start is due; None without starts."""
        return min(
            (start.due for user_starts in self.starts_by_user.values() for start in user_starts.values()), default=None
        )

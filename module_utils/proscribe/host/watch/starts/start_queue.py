"""Queues of program starts that wait for verification, and the budget of verification.

Each user has a queue, so a user who floods the daemon delays only his own starts. If there are too many starts, some
are removed from the longest queue. The only input is from /proc: starts of processes that have ended are dropped.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....model.types.watch import VerifierVerdicts

MAX_USER_STARTS = 128
MAX_STARTS = 512  # most starts in all queues together; a scan of /proc finds the others later
# Waits before the second, third and fourth verification of a process that does not run its final program yet.
RETRY_DELAYS_SECONDS = (0.1, 0.2, 0.4)
MAX_BATCH = 32  # most starts in one request to the verifier


class VerificationBudget:
    """Budget of processor time for verification. It fills slowly up to MAX_SECONDS, and verification uses it up."""

    PROCESSOR_SHARE = 0.0125  # part of one processor's time
    MAX_SECONDS = 0.3
    # Verification may cost more than is left. The debt is limited, and with the share above it is paid off after two
    # thirds of a second.
    MAX_DEBT_SECONDS = -0.008

    def __init__(self, now: float) -> None:
        self.seconds_left = self.MAX_SECONDS
        self.filled_at = now
        self.seconds_per_start = 0.01  # recent average of the processor time for one start

    def fill_budget(self, now: float) -> None:
        """Add the share of processor time since the last call."""
        self.seconds_left = min(
            self.MAX_SECONDS, self.seconds_left + max(0.0, now - self.filled_at) * self.PROCESSOR_SHARE
        )
        self.filled_at = now

    def consume_time(self, seconds: float, starts: int = 0) -> None:
        """Subtract used processor time. `starts` is the number of starts that were verified in this time."""
        self.seconds_left = max(self.MAX_DEBT_SECONDS, self.seconds_left - max(0.0, seconds))
        if starts:
            # moving average: the new measurement counts a quarter
            self.seconds_per_start += (max(0.0005, seconds / starts) - self.seconds_per_start) / 4

    def count_affordable(self) -> int:
        """Return the number of starts that the budget permits to verify now."""
        return 0 if self.seconds_left < 0 else min(MAX_BATCH, 1 + int(self.seconds_left / self.seconds_per_start))

    def compute_wait(self) -> float:
        """Return the seconds until the budget permits to verify a start."""
        return max(0.0, -self.seconds_left / self.PROCESSOR_SHARE)


class ProgramStart:
    """Start of a program that may be restricted, by the process `pid` of the user with the id `user`.

    `path` is the path of the program. `key` identifies the program in the cache (program_cache.py). `due` is the time
    (time.monotonic) from which the start is verified, and `tries` counts the repeated verifications.
    """

    __slots__ = ("due", "key", "path", "pid", "tries", "user")

    def __init__(self, pid: int, path: str, key: tuple[Any, ...], user: int, due: float) -> None:
        self.pid, self.path, self.key, self.user, self.due = pid, path, key, user, due
        self.tries = 0


class StartQueue:
    """Queues of program starts, one for each user. Users take turns: the user who was served last comes last."""

    def __init__(self) -> None:
        self.starts_by_user: dict[int, dict[int, ProgramStart]] = {}

    def add_start(self, start: ProgramStart) -> bool:
        """Add a start to its user's queue. Return False if a start was lost: this one, or one of another user.

        A start is lost if its user's queue is full. If all queues together are full, the newest start of the user with
        the longest queue is removed. If no queue is longer than that of the start's user, the new start is lost
        instead.
        """
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
        """Add a start again if the verdicts say that it could not be verified. Return False if a start was lost.

        `verdicts` are the verifier's answer. A start that was verified, or was tried too often, is not added; then the
        result is True.
        """
        if (seconds := verdicts.get("later", {}).get(start.pid)) is not None:
            start.due = now + seconds
        elif start.pid in verdicts.get("again", ()) and start.tries < len(RETRY_DELAYS_SECONDS):
            start.due = now + RETRY_DELAYS_SECONDS[start.tries]
            start.tries += 1
        else:
            return True
        return self.add_start(start)

    def take_due_starts(self, limit: int, now: float) -> list[ProgramStart]:
        """Remove and return at most `limit` due starts, in turn from each user. Drop starts of ended processes."""
        starts: list[ProgramStart] = []
        queues = [(user, self._list_due_starts(user, now)) for user in self.starts_by_user]
        while queues and len(starts) < limit:
            remaining = []
            for user, queue in queues:
                start = next(queue, None) if len(starts) < limit else None
                if start is not None:
                    starts.append(start)
                    self._remove_start(user, start.pid)
                    if user in self.starts_by_user:  # move this user behind all others
                        self.starts_by_user[user] = self.starts_by_user.pop(user)
                    remaining.append((user, queue))
            queues = remaining
        return starts

    def _list_due_starts(self, user: int, now: float) -> Iterator[ProgramStart]:
        """Yield the due starts of a user whose processes still run. Remove the starts of ended processes."""
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

"""Starts that wait to be verified, and what verifying them may cost. Whoever floods waits in a queue of his own, and
what is too much is taken from the longest one. Pure, but that what has ended is dropped.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....model.types.watch import VerifierVerdicts

MOST_OF_USER = 128  # starts
MOST = 512  # what has no room is found in /proc later
AGAIN = (0.1, 0.2, 0.4)  # seconds until a process that is not yet what it will be is verified again
MOST_AT_ONCE = 32  # that the verifier gets


class Budget:
    """Processor time that verifying may take: a bucket that fills slowly, and is emptied by what was used."""

    SHARE = 0.0125  # of a processor
    MOST = 0.3  # seconds
    DEBT = -0.008  # so that nobody waits longer than two thirds of a second for it to fill

    def __init__(self, now: float) -> None:
        self.left = self.MOST
        self.at = now
        self.each = 0.01  # seconds that a start took, lately

    def fill(self, now: float) -> None:
        self.left = min(self.MOST, self.left + max(0.0, now - self.at) * self.SHARE)
        self.at = now

    def spend(self, seconds: float, starts: int = 0) -> None:
        self.left = max(self.DEBT, self.left - max(0.0, seconds))
        if starts:
            self.each += (max(0.0005, seconds / starts) - self.each) / 4

    def starts(self) -> int:
        """How many starts can be verified now."""
        return 0 if self.left < 0 else min(MOST_AT_ONCE, 1 + int(self.left / self.each))

    def wait(self) -> float:
        """Seconds until one can be."""
        return max(0.0, -self.left / self.SHARE)


class Start:
    """A process that may have become a restricted program."""

    __slots__ = ("due", "key", "path", "pid", "tries", "user")

    def __init__(self, pid: int, path: str, key: tuple[Any, ...], user: int, due: float) -> None:
        self.pid, self.path, self.key, self.user, self.due = pid, path, key, user, due
        self.tries = 0


class Waiting:
    """Starts to be verified, by user: each is served in turn, who was served last comes last."""

    def __init__(self) -> None:
        self.of: dict[int, dict[int, Start]] = {}

    def add(self, start: Start) -> bool:
        """Take a start; False where that or another one has no room."""
        own = self.of.get(start.user, {})
        room = True
        if start.pid not in own:
            if len(own) >= MOST_OF_USER:
                return False
            if sum(map(len, self.of.values())) >= MOST:
                busiest = max(self.of, key=lambda one: len(self.of[one]))
                if len(self.of[busiest]) <= len(own):
                    return False
                self._drop(busiest, next(reversed(self.of[busiest])))
                room = False
        self.of.setdefault(start.user, {})[start.pid] = start
        return room

    def put_back(self, start: Start, said: VerifierVerdicts, now: float) -> bool:
        """Take a start again that could not be verified; False where that or another one has no room."""
        if (seconds := said.get("later", {}).get(start.pid)) is not None:
            start.due = now + seconds
        elif start.pid in said.get("again", ()) and start.tries < len(AGAIN):
            start.due = now + AGAIN[start.tries]
            start.tries += 1
        else:
            return True
        return self.add(start)

    def next(self, most: int, now: float) -> list[Start]:
        """At most so many that are due, one of each user after the other; those that have ended are dropped."""
        found: list[Start] = []
        queues = [(user, self._due_of(user, now)) for user in self.of]
        while queues and len(found) < most:
            left = []
            for user, queue in queues:
                start = next(queue, None) if len(found) < most else None
                if start is not None:
                    found.append(start)
                    self._drop(user, start.pid)
                    if user in self.of:
                        self.of[user] = self.of.pop(user)
                    left.append((user, queue))
            queues = left
        return found

    def _due_of(self, user: int, now: float) -> Iterator[Start]:
        for start in [start for start in self.of[user].values() if start.due <= now]:
            if os.path.lexists(f"/proc/{start.pid}"):
                yield start
            else:
                self._drop(user, start.pid)

    def _drop(self, user: int, pid: int) -> None:
        del self.of[user][pid]
        if not self.of[user]:
            del self.of[user]

    def due(self) -> float | None:
        """When the first one is due; None for none."""
        return min((start.due for own in self.of.values() for start in own.values()), default=None)

"""What is remembered of programs that were started: whether their paths matter, and which are innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prefilter import Prefilter

MOST_PATHS = 2048  # of which it is remembered whether they matter
MOST_INNOCENT = 2048  # programs that were verified
INNOCENT_FOR = 30.0  # seconds that a verdict counts: a waiver may end
INNOCENT_BY_PATH_FOR = 5.0  # where only the path is known, under which another file may be put


class Programs:
    """It is forgotten with the prefilter that it follows from."""

    def __init__(self) -> None:
        self.matter: dict[str, bool] = {}
        self.innocent: dict[tuple[Any, ...], float] = {}

    def matters(self, path: str, prefilter: Prefilter | None) -> bool:
        """Whether a program of this path may be restricted."""
        matters = self.matter.get(path)
        if matters is None:
            # What is started before anybody has said what is restricted is found by the first scan.
            matters = prefilter is not None and prefilter.may_be(path)
            if len(self.matter) >= MOST_PATHS:
                self.matter.clear()
            self.matter[path] = matters
        return matters

    def is_innocent(self, key: tuple[Any, ...], now: float) -> bool:
        """Whether a program was verified lately."""
        until = self.innocent.get(key)
        return until is not None and until > now

    def note_innocent(self, keys: Iterable[Iterable[int | str]], now: float) -> None:
        """Remember programs that were verified."""
        if len(self.innocent) >= MOST_INNOCENT:
            self.innocent.clear()
        for key in map(tuple, keys):
            self.innocent[key] = now + (INNOCENT_FOR if isinstance(key[0], int) else INNOCENT_BY_PATH_FOR)

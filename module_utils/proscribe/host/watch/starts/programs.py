"""What is remembered of programs that were started: whether their paths matter, and which are innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....base.program_places import MEMORY_PREFIX, is_starter_name, is_system_place
from .marks import may_be_restricted
from .prefilter import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prefilter import Prefilter

MOST_PATHS = 2048  # of which it is remembered whether they matter
MOST_INNOCENT = 2048  # programs that were verified
MOST_UNMARKED = 2048  # files without a mark
INNOCENT_FOR = 30.0  # seconds that a verdict counts: a waiver may end
INNOCENT_BY_PATH_FOR = 5.0  # where only the path is known, under which another file may be put
INNOCENT_PROCESS_FOR = 600.0  # where one process is known, which runs what has no path
# How a path matters: not at all, as it is, by the content of the file, or not since it says nothing of the program.
PASSES, MATTERS, CONTENT, HIDDEN = range(4)


class Programs:
    """It is forgotten with the prefilter that it follows from."""

    def __init__(self) -> None:
        self.matter: dict[str, int] = {}
        self.innocent: dict[tuple[Any, ...], float] = {}
        self.unmarked: set[tuple[int, ...]] = set()

    def matters(self, shown: str, prefilter: Prefilter | None) -> int:
        """How the path of a program matters, as the kernel shows it."""
        matters = self.matter.get(shown)
        if matters is None:
            # What is started before anybody has said what is restricted is found by the first scan.
            matters = PASSES if prefilter is None else _judged(shown, prefilter)
            if len(self.matter) >= MOST_PATHS:
                self.matter.clear()
            self.matter[shown] = matters
        return matters

    def is_unmarked(self, file: tuple[int, ...], descriptor: int, prefilter: Prefilter) -> bool:
        """Whether an open file has no mark in it: read once."""
        if file in self.unmarked:
            return True
        if may_be_restricted(descriptor, prefilter):
            return False
        if len(self.unmarked) >= MOST_UNMARKED:
            self.unmarked.clear()
        self.unmarked.add(file)
        return True

    def is_innocent(self, key: tuple[Any, ...], now: float) -> bool:
        """Whether a program was verified lately."""
        until = self.innocent.get(key)
        return until is not None and until > now

    def note_innocent(self, keys: Iterable[Iterable[int | str]], now: float) -> None:
        """Remember programs that were verified."""
        if len(self.innocent) >= MOST_INNOCENT:
            self.innocent.clear()
        for key in map(tuple, keys):
            if seconds := _seconds(key):
                self.innocent[key] = now + seconds


def key_of(shown: str, pid: int, matters: int, running: bool) -> tuple[Any, ...]:
    """By what a program is remembered of which no file is known: by its path, and where this says nothing by its
    process, which may start another one. So at its start nothing is remembered of that.
    """
    if matters != HIDDEN:
        return (shown,)
    return (shown, pid) if running else ("", pid)


def _seconds(key: tuple[Any, ...]) -> float:
    if isinstance(key[0], int):
        return INNOCENT_FOR
    if len(key) > 2:
        return INNOCENT_PROCESS_FOR if key[0] else 0.0
    return INNOCENT_BY_PATH_FOR


def _judged(shown: str, prefilter: Prefilter) -> int:
    if not prefilter.restricts:
        return PASSES
    path = plain(shown)
    in_system = is_system_place(path)
    if shown.startswith(MEMORY_PREFIX) or is_starter_name(path.rpartition("/")[2]) or (path != shown and not in_system):
        return HIDDEN
    if prefilter.may_be(path):
        return MATTERS
    return CONTENT if prefilter.modules and not in_system else PASSES

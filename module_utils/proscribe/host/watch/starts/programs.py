"""What is remembered of programs that were started: whether their paths matter, and which are innocent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....base.program_places import MEMORY_PREFIX, is_starter_name, is_system_place
from .marks import may_be_restricted
from .prefilter import strip_deleted_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prefilter import Prefilter

MAX_PATHS = 2048  # of which it is remembered whether they matter
MAX_INNOCENT = 2048  # programs that were verified
MAX_UNMARKED = 2048  # files without a mark
INNOCENT_SECONDS = 30.0  # seconds that a verdict counts: a waiver may end
INNOCENT_PATH_SECONDS = 5.0  # where only the path is known, under which another file may be put
INNOCENT_PROCESS_SECONDS = 600.0  # where one process is known, which runs what has no path
# How a path matters: not at all, as it is, by the content of the file, or not since it says nothing of the program.
PASSES, MATTERS, CONTENT, HIDDEN = range(4)


class ProgramCache:
    """It is forgotten with the prefilter that it follows from."""

    def __init__(self) -> None:
        self.relevance_by_path: dict[str, int] = {}
        self.innocent_until: dict[tuple[Any, ...], float] = {}
        self.unmarked_files: set[tuple[int, ...]] = set()

    def judge_path(self, shown_path: str, prefilter: Prefilter | None) -> int:
        """How the path of a program matters, as the kernel shows it."""
        relevance = self.relevance_by_path.get(shown_path)
        if relevance is None:
            # What is started before anybody has said what is restricted is found by the first scan.
            relevance = PASSES if prefilter is None else _judge_path(shown_path, prefilter)
            if len(self.relevance_by_path) >= MAX_PATHS:
                self.relevance_by_path.clear()
            self.relevance_by_path[shown_path] = relevance
        return relevance

    def is_unmarked(self, file: tuple[int, ...], descriptor: int, prefilter: Prefilter) -> bool:
        """Whether an open file has no mark in it: read once."""
        if file in self.unmarked_files:
            return True
        if may_be_restricted(descriptor, prefilter):
            return False
        if len(self.unmarked_files) >= MAX_UNMARKED:
            self.unmarked_files.clear()
        self.unmarked_files.add(file)
        return True

    def is_innocent(self, key: tuple[Any, ...], now: float) -> bool:
        """Whether a program was verified lately."""
        until = self.innocent_until.get(key)
        return until is not None and until > now

    def note_innocent(self, keys: Iterable[Iterable[int | str]], now: float) -> None:
        """Remember programs that were verified."""
        if len(self.innocent_until) >= MAX_INNOCENT:
            self.innocent_until.clear()
        for key in map(tuple, keys):
            if seconds := _get_innocent_seconds(key):
                self.innocent_until[key] = now + seconds


def make_program_key(shown_path: str, pid: int, relevance: int, is_running: bool) -> tuple[Any, ...]:
    """By what a program is remembered of which no file is known: by its path, and where this says nothing by its
    process, which may start another one. So at its start nothing is remembered of that.
    """
    if relevance != HIDDEN:
        return (shown_path,)
    return (shown_path, pid) if is_running else ("", pid)


def _get_innocent_seconds(key: tuple[Any, ...]) -> float:
    if isinstance(key[0], int):
        return INNOCENT_SECONDS
    if len(key) > 2:
        return INNOCENT_PROCESS_SECONDS if key[0] else 0.0
    return INNOCENT_PATH_SECONDS


def _judge_path(shown_path: str, prefilter: Prefilter) -> int:
    if not prefilter.has_restrictions:
        return PASSES
    path = strip_deleted_mark(shown_path)
    is_in_system = is_system_place(path)
    if (
        shown_path.startswith(MEMORY_PREFIX)
        or is_starter_name(path.rpartition("/")[2])
        or (path != shown_path and not is_in_system)
    ):
        return HIDDEN
    if prefilter.may_be_restricted(path):
        return MATTERS
    return CONTENT if prefilter.modules and not is_in_system else PASSES

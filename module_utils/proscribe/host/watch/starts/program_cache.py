"""Cache of started programs: the relevance of their paths, and the innocent programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....base.program_paths import MEMORY_PREFIX, is_starter_name, is_system_place
from .content_check import may_be_restricted
from .prefilter import strip_deleted_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prefilter import Prefilter

MAX_PATHS = 2048  # paths whose relevance is cached
MAX_INNOCENT = 2048  # verified programs
MAX_UNMARKED = 2048  # files without a mark
INNOCENT_SECONDS = 30.0  # validity of a verdict: a waiver may end
INNOCENT_PATH_SECONDS = 5.0  # if only the path is known: another file may replace the verified one
INNOCENT_PROCESS_SECONDS = 600.0  # if only the process is known: its program has no path
# Relevance of a path: none, by the path itself, by the content of the file, or unknown because the path does not
# identify the program.
PASSES, MATTERS, CONTENT, HIDDEN = range(4)


class ProgramCache:
    """Cache of verdicts on programs, valid for one prefilter only."""

    def __init__(self) -> None:
        self.relevance_by_path: dict[str, int] = {}
        self.innocent_until: dict[tuple[Any, ...], float] = {}
        self.unmarked_files: set[tuple[int, ...]] = set()

    def judge_path(self, shown_path: str, prefilter: Prefilter | None) -> int:
        """Return the relevance of a program's path, as the kernel shows the path."""
        relevance = self.relevance_by_path.get(shown_path)
        if relevance is None:
            # The first scan finds programs that were started before the prefilter was known.
            relevance = PASSES if prefilter is None else _judge_path(shown_path, prefilter)
            if len(self.relevance_by_path) >= MAX_PATHS:
                self.relevance_by_path.clear()
            self.relevance_by_path[shown_path] = relevance
        return relevance

    def is_unmarked(self, file: tuple[int, ...], descriptor: int, prefilter: Prefilter) -> bool:
        """Return whether an open file contains no mark. A file without a mark is read once."""
        if file in self.unmarked_files:
            return True
        if may_be_restricted(descriptor, prefilter):
            return False
        if len(self.unmarked_files) >= MAX_UNMARKED:
            self.unmarked_files.clear()
        self.unmarked_files.add(file)
        return True

    def is_innocent(self, key: tuple[Any, ...], now: float) -> bool:
        """Return whether a program was verified recently."""
        until = self.innocent_until.get(key)
        return until is not None and until > now

    def note_innocent(self, keys: Iterable[Iterable[int | str]], now: float) -> None:
        """Remember verified programs."""
        if len(self.innocent_until) >= MAX_INNOCENT:
            self.innocent_until.clear()
        for key in map(tuple, keys):
            if seconds := _get_innocent_seconds(key):
                self.innocent_until[key] = now + seconds


def make_program_key(shown_path: str, pid: int, relevance: int, is_running: bool) -> tuple[Any, ...]:
    """Return the cache key of a program without a known file.

    The key has the path, or the process if the path does not identify the program. Such a process may start another
    program, so no verdict on it is remembered at a start.
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

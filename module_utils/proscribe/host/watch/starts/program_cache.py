"""Cache of started programs: the relevance of their paths, and the programs that are not restricted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....base.program_paths import MEMORY_PREFIX, is_starter_name, is_system_place
from .content_check import may_be_restricted
from .prefilter import strip_deleted_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .prefilter import Prefilter

MAX_PATHS = 2048  # most paths whose relevance is cached
MAX_INNOCENT = 2048  # most keys of programs that are not restricted
MAX_UNMARKED = 2048  # most files without a mark of a restricted program
INNOCENT_SECONDS = 30.0  # validity of the verdict "not restricted"; it is short because a waiver may end
INNOCENT_PATH_SECONDS = 5.0  # validity if only the path is known: another file may replace the verified file
# validity if only the process is known, because the path does not identify its program
INNOCENT_PROCESS_SECONDS = 600.0
# Relevance of a program's path. PASSES: not restricted. MATTERS: may be restricted, by its path. CONTENT: the file's
# content decides. HIDDEN: the path does not identify the program.
PASSES, MATTERS, CONTENT, HIDDEN = range(4)


class ProgramCache:
    """Cache of verdicts on programs, valid for one prefilter only."""

    def __init__(self) -> None:
        self.relevance_by_path: dict[str, int] = {}
        # key of a program (make_program_key, or the file's identity, each with the user id) -> end of its verdict
        self.innocent_until: dict[tuple[Any, ...], float] = {}
        # (device, inode, time of change) of files without a mark of a restricted program
        self.unmarked_files: set[tuple[int, ...]] = set()

    def judge_path(self, shown_path: str, prefilter: Prefilter | None) -> int:
        """Return the relevance of a program's path (PASSES, MATTERS, CONTENT or HIDDEN).

        `shown_path` is the path as the kernel shows it. Without a prefilter, the result is PASSES for a new path.
        """
        relevance = self.relevance_by_path.get(shown_path)
        if relevance is None:
            # Without a prefilter every program passes; the first scan of /proc finds programs that still run.
            relevance = PASSES if prefilter is None else _judge_path(shown_path, prefilter)
            if len(self.relevance_by_path) >= MAX_PATHS:
                self.relevance_by_path.clear()
            self.relevance_by_path[shown_path] = relevance
        return relevance

    def is_unmarked(self, file: tuple[int, ...], descriptor: int, prefilter: Prefilter) -> bool:
        """Return whether an open file has no mark of a restricted program.

        `file` identifies the file (device, inode, time of change). A file without a mark is read only once.
        """
        if file in self.unmarked_files:
            return True
        if may_be_restricted(descriptor, prefilter):
            return False
        if len(self.unmarked_files) >= MAX_UNMARKED:
            self.unmarked_files.clear()
        self.unmarked_files.add(file)
        return True

    def is_innocent(self, key: tuple[Any, ...], now: float) -> bool:
        """Return whether the program with this key was verified recently and was not restricted."""
        until = self.innocent_until.get(key)
        return until is not None and until > now

    def note_innocent(self, keys: Iterable[Iterable[int | str]], now: float) -> None:
        """Remember the keys of programs that were verified and are not restricted."""
        if len(self.innocent_until) >= MAX_INNOCENT:
            self.innocent_until.clear()
        for key in map(tuple, keys):
            if seconds := _get_innocent_seconds(key):
                self.innocent_until[key] = now + seconds


def make_program_key(shown_path: str, pid: int, relevance: int, is_running: bool) -> tuple[Any, ...]:
    """Return the cache key of a program whose file is not known, without the user id.

    The key contains the path, or also the process id if the path does not identify the program. Such a process may
    execute another program later. So if the process has only just started (`is_running` False), the key has "" in place
    of the path: its verdict is not remembered.
    """
    if relevance != HIDDEN:
        return (shown_path,)
    return (shown_path, pid) if is_running else ("", pid)


def _get_innocent_seconds(key: tuple[Any, ...]) -> float:
    """Return for how many seconds the verdict "not restricted" is valid for a cache key; 0 for not at all.

    A key begins with a file's device number, with a path, or with a path and a process id. It ends with the user id.
    """
    if isinstance(key[0], int):
        return INNOCENT_SECONDS
    if len(key) > 2:
        return INNOCENT_PROCESS_SECONDS if key[0] else 0.0
    return INNOCENT_PATH_SECONDS


def _judge_path(shown_path: str, prefilter: Prefilter) -> int:
    """Return the relevance of a path by the prefilter, without the cache.

    Some paths do not identify their program (HIDDEN): files in memory, starters of other programs, and deleted files
    outside of system directories.
    """
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

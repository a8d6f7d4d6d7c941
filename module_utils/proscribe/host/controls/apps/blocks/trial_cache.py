"""Cache of the trials of install blocks. A result counts until something that the trial depended on changes.

A trial tests that an install block refuses a restricted package (parts.BlockTrial). It costs as much as the rest of an
observation. So a successful result is cached, with all files that the trial read, ran or would have noticed. For each
file the cache has the inode, the size and the time of its last change. No program can set that time back. For programs
it also has the mount options of their file system. If a value differs, the trial runs again. It also runs with every
full scan (proscribe_full_scan_every).

An audit writes no cache. An enforcing run and the host's watch save the cache, for root alone. A cache that other users
could have written is not used.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping, Sequence

from ....system import Host
from ..memory_store import MEMORY_DIRECTORY, UNREADABLE_ERRORS, format_memory, read_memory, write_memory

if TYPE_CHECKING:
    # Pairs of a path and the result of `_make_stamp` for it at the time of the trial (None: the path was missing).
    PathStamps = Sequence[tuple[str, tuple[int, ...] | None]]

TRIED_PATH = MEMORY_DIRECTORY + "/tried"
TRIED_VERSION = 1
# Within this time after a change, a second change may get the same time. File systems record times by clock ticks of
# the kernel, of at most 10 ms. So a result is not cached while a change is that recent.
SETTLED_NANOSECONDS = 10**8
TRIAL_PACKAGE_NAME = "proscribe-trial"  # name of the trial package, for which a block logs no refusal
# All programs of a host depend on these files.
COMMON_PATHS = ("/etc/ld.so.preload", "/etc/ld.so.cache")
PROGRAM_DIRECTORIES = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class TrialCache:
    """Results of the trials of an observation.

    With `is_fresh`, results of earlier observations are ignored.
    """

    def __init__(self, host: Host, is_fresh: bool) -> None:
        self.host = host
        self.earlier_trials: Mapping[str, PathStamps] = {} if is_fresh else _read_trials(host)
        self.current_trials: dict[str, PathStamps] = {}

    def run_cached_trial(
        self, name: str, list_dependencies: Callable[[Host], Iterable[str]], run_trial: Callable[[Host], str]
    ) -> str:
        """Run a trial unless its cached result still counts. Raises the errors of `run_trial`.

        Return how a restricted package can still be installed, or "" if the block refuses it. Only the result "" is
        cached. `name` is the key in the cache. `list_dependencies` returns the paths on which the result depends.
        """
        earlier_stamps = self.earlier_trials.get(name)
        if earlier_stamps and all(self._make_stamp(path) == stamp for path, stamp in earlier_stamps):
            self.current_trials[name] = earlier_stamps
            return ""
        if not self.host.privileged:
            return run_trial(self.host)  # an ordinary user saves nothing and cannot see everything
        stamps = [(path, self._make_stamp(path)) for path in dict.fromkeys(list_dependencies(self.host))]
        settled_before = time.time_ns() - SETTLED_NANOSECONDS
        open_detail = run_trial(self.host)
        if not open_detail and all(stamp is None or stamp[-1] < settled_before for _, stamp in stamps):
            self.current_trials[name] = stamps
        return open_detail

    def _make_stamp(self, path: str) -> tuple[int, ...] | None:
        """Return numbers that change whenever the file or directory at a path changes.

        Return None if it is missing. The last number is the time of the last change (ctime) in nanoseconds.
        """
        status = self.host.find_entry(path)
        if status is None:
            return None
        options = 0
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            with contextlib.suppress(OSError):  # the program is gone
                options = os.statvfs(path).f_flag
        return status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_size, options, status.st_ctime_ns

    def save_trials(self) -> None:
        """Save the results of this observation, or delete the file if there are none.

        Raises ControlError.
        """
        if self.current_trials:
            write_memory(self.host, TRIED_PATH, format_memory({"version": TRIED_VERSION, "tried": self.current_trials}))
        elif self.host.find_entry(TRIED_PATH):
            self.host.delete_file(TRIED_PATH)


@contextlib.contextmanager
def open_memory_file(content: bytes) -> Iterator[str]:
    """Yield the path of a trial package that exists in memory only, with this content."""
    descriptor = os.memfd_create(TRIAL_PACKAGE_NAME)
    try:
        os.write(descriptor, content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read_trials(host: Host) -> Mapping[str, PathStamps]:
    """Return the saved trials by name.

    Return {} if the file is missing, damaged or not trusted.
    """
    try:
        stored = read_memory(host, TRIED_PATH)
        if isinstance(stored, dict) and stored.get("version") == TRIED_VERSION:
            return dict(stored["tried"])
    except UNREADABLE_ERRORS:
        pass
    return {}


def follow_path_links(host: Host, paths: Iterable[str]) -> Iterator[str]:
    """Yield each path and, if it is a link, each step to its target."""
    return (step for path in paths for step in host.follow_links(path))


def list_program_paths(host: Host, names: Iterable[str]) -> Iterator[str]:
    """Yield all paths that decide which programs run under these names.

    In PROGRAM_DIRECTORIES, the first program of a name runs. So the paths before it count too: a new file there would
    run instead.
    """
    yield from COMMON_PATHS
    for name in names:
        for folder in PROGRAM_DIRECTORIES:
            yield from host.follow_links(f"{folder}/{name}")
            if host.find_entry(f"{folder}/{name}"):
                break


def list_directory_entries(host: Host, folders: Iterable[str]) -> Iterator[str]:
    """Yield directories and their entries, with each step to the target of a link."""
    for folder in folders:
        yield folder
        yield from follow_path_links(host, (f"{folder}/{name}" for name in host.list_directory(folder)))

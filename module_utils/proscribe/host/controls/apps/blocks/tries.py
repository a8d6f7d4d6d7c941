"""What was tried of the install blocks, remembered for as long as nothing that the answer depended on has changed.

A try costs as much as all else of an observation. So only what is in effect is remembered, with all files that the try
read, ran or would have taken notice of. Of each these are remembered: the time of its change, which no program can set
back, its place and its size. Of programs it is also how their file system is mounted. If one of them differs, it is
tried again. It is also tried whenever everything else is read (proscribe_full_scan_every). As everywhere, observing
writes nothing: an enforcing run and a host's own observation save it, for root alone, and what others could have
written is not used.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping, Sequence

from ....system import Host
from ..memory_files import MEMORY_DIRECTORY, UNREADABLE_ERRORS, format_memory, read_memory, write_memory

if TYPE_CHECKING:
    # Of each path that an answer depended on, what it then was.
    PathStamps = Sequence[tuple[str, tuple[int, ...] | None]]

TRIED_PATH = MEMORY_DIRECTORY + "/tried"
TRIED_VERSION = 1
# Nanoseconds after a change in which another one may get the same time. The system's own files are on file systems with
# times as exact as the kernel's clock ticks, which is 10 ms at most.
SETTLED_NANOSECONDS = 10**8
TRIAL_PACKAGE_NAME = "proscribe-trial"  # the name of what is made to be refused: no block logs it
# What all programs of a host depend on.
COMMON_PATHS = ("/etc/ld.so.preload", "/etc/ld.so.cache")
PROGRAM_DIRECTORIES = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class TrialCache:
    """The tries of one observation. `fresh`: nothing is believed that was remembered."""

    def __init__(self, host: Host, is_fresh: bool) -> None:
        self.host = host
        self.earlier_trials: Mapping[str, PathStamps] = {} if is_fresh else _read_trials(host)
        self.current_trials: dict[str, PathStamps] = {}

    def run_cached_trial(
        self, name: str, list_dependencies: Callable[[Host], Iterable[str]], run_trial: Callable[[Host], str]
    ) -> str:
        """What a try says is open; "" for nothing. Raises what the trial raises."""
        earlier_stamps = self.earlier_trials.get(name)
        if earlier_stamps and all(self._make_stamp(path) == stamp for path, stamp in earlier_stamps):
            self.current_trials[name] = earlier_stamps
            return ""
        if not self.host.privileged:
            return run_trial(self.host)  # nothing is saved, and not all can be seen
        stamps = [(path, self._make_stamp(path)) for path in dict.fromkeys(list_dependencies(self.host))]
        settled_before = time.time_ns() - SETTLED_NANOSECONDS
        open_detail = run_trial(self.host)
        if not open_detail and all(stamp is None or stamp[-1] < settled_before for _, stamp in stamps):
            self.current_trials[name] = stamps
        return open_detail

    def _make_stamp(self, path: str) -> tuple[int, ...] | None:
        status = self.host.find_entry(path)
        if status is None:
            return None
        options = 0
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            with contextlib.suppress(OSError):  # it has gone
                options = os.statvfs(path).f_flag
        return status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_size, options, status.st_ctime_ns

    def save_trials(self) -> None:
        """Save what is known now. Raises ControlError."""
        if self.current_trials:
            write_memory(self.host, TRIED_PATH, format_memory({"version": TRIED_VERSION, "tried": self.current_trials}))
        elif self.host.find_entry(TRIED_PATH):
            self.host.delete_file(TRIED_PATH)


@contextlib.contextmanager
def open_memory_file(content: bytes) -> Iterator[str]:
    """The path of a made package that is on no disk."""
    descriptor = os.memfd_create(TRIAL_PACKAGE_NAME)
    try:
        os.write(descriptor, content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read_trials(host: Host) -> Mapping[str, PathStamps]:
    try:
        stored = read_memory(host, TRIED_PATH)
        if isinstance(stored, dict) and stored.get("version") == TRIED_VERSION:
            return dict(stored["tried"])
    except UNREADABLE_ERRORS:
        pass
    return {}


def follow_path_links(host: Host, paths: Iterable[str]) -> Iterator[str]:
    """Some paths, and where the links at them lead, each step of the way."""
    return (step for path in paths for step in host.follow_links(path))


def list_program_paths(host: Host, names: Iterable[str]) -> Iterator[str]:
    """All that decides what is run by these names."""
    yield from COMMON_PATHS
    for name in names:
        for folder in PROGRAM_DIRECTORIES:
            yield from host.follow_links(f"{folder}/{name}")
            if host.find_entry(f"{folder}/{name}"):
                break


def list_directory_entries(host: Host, folders: Iterable[str]) -> Iterator[str]:
    """Some directories, and what is in them."""
    for folder in folders:
        yield folder
        yield from follow_path_links(host, (f"{folder}/{name}" for name in host.list_directory(folder)))

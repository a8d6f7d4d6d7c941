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
from ..memory_files import FOLDER, UNREADABLE, dumped, load, replace

if TYPE_CHECKING:
    # Of each path that an answer depended on, what it then was.
    Stamps = Sequence[tuple[str, tuple[int, ...] | None]]

TRIED = FOLDER + "/tried"
VERSION = 1
# Nanoseconds after a change in which another one may get the same time. The system's own files are on file systems with
# times as exact as the kernel's clock ticks, which is 10 ms at most.
SETTLED = 10**8
TRIAL = "proscribe-trial"  # the name of what is made to be refused: no block logs it
# What all programs of a host depend on.
COMMON = ("/etc/ld.so.preload", "/etc/ld.so.cache")
PROGRAMS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Tries:
    """The tries of one observation. `fresh`: nothing is believed that was remembered."""

    def __init__(self, host: Host, fresh: bool) -> None:
        self.host = host
        self.earlier: Mapping[str, Stamps] = {} if fresh else _earlier(host)
        self.known: dict[str, Stamps] = {}

    def answer(self, name: str, depends: Callable[[Host], Iterable[str]], trial: Callable[[Host], str]) -> str:
        """What a try says is open; "" for nothing. Raises what the trial raises."""
        known = self.earlier.get(name)
        if known and all(self._stamp(path) == stamp for path, stamp in known):
            self.known[name] = known
            return ""
        if not self.host.privileged:
            return trial(self.host)  # nothing is saved, and not all can be seen
        stamps = [(path, self._stamp(path)) for path in dict.fromkeys(depends(self.host))]
        settled = time.time_ns() - SETTLED
        found = trial(self.host)
        if not found and all(stamp is None or stamp[-1] < settled for _, stamp in stamps):
            self.known[name] = stamps
        return found

    def _stamp(self, path: str) -> tuple[int, ...] | None:
        seen = self.host.find_entry(path)
        if seen is None:
            return None
        options = 0
        if stat.S_ISREG(seen.st_mode) and seen.st_mode & 0o111:
            with contextlib.suppress(OSError):  # it has gone
                options = os.statvfs(path).f_flag
        return seen.st_dev, seen.st_ino, seen.st_mode, seen.st_uid, seen.st_size, options, seen.st_ctime_ns

    def keep(self) -> None:
        """Save what is known now. Raises ControlError."""
        if self.known:
            replace(self.host, TRIED, dumped({"version": VERSION, "tried": self.known}))
        elif self.host.find_entry(TRIED):
            self.host.delete_file(TRIED)


@contextlib.contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """The path of a made package that is on no disk."""
    descriptor = os.memfd_create(TRIAL)
    try:
        os.write(descriptor, content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _earlier(host: Host) -> Mapping[str, Stamps]:
    try:
        stored = load(host, TRIED)
        if isinstance(stored, dict) and stored.get("version") == VERSION:
            return dict(stored["tried"])
    except UNREADABLE:
        pass
    return {}


def with_targets(host: Host, paths: Iterable[str]) -> Iterator[str]:
    """Some paths, and where the links at them lead, each step of the way."""
    return (step for path in paths for step in host.follow_links(path))


def tools(host: Host, names: Iterable[str]) -> Iterator[str]:
    """All that decides what is run by these names."""
    yield from COMMON
    for name in names:
        for folder in PROGRAMS:
            yield from host.follow_links(f"{folder}/{name}")
            if host.find_entry(f"{folder}/{name}"):
                break


def with_entries(host: Host, folders: Iterable[str]) -> Iterator[str]:
    """Some directories, and what is in them."""
    for folder in folders:
        yield folder
        yield from with_targets(host, (f"{folder}/{name}" for name in host.list_directory(folder)))

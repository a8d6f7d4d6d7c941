"""A walk over directories that others fill: bounded, never through a link, and read anew only where they changed.

What is remembered of a directory is its inode and the time of its last change (ctime), which the kernel sets at every
change of its entries and which no user can set back; and then the names in it that matter. A directory whose two
numbers are the same has the same entries. Of the files in it that says nothing, so these are looked at each time.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import re
import time
from typing import Any, Callable, Collection, Mapping, Sequence

from ..tuples import NamedTuple
from .files import Files
from .words import ControlError

# File systems whose answers come from another machine or from a user's own program: they may never come.
REMOTE = re.compile(r"fuse.*|nfs\d?|cifs|smb\d?|smbfs|9p|afs|autofs|ceph|coda|gfs2|glusterfs|gpfs|lustre|ncpfs|ocfs2")
FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK
PIECE = 20_000  # entries taken at a time: a directory may have millions
OFTEN = 16  # directories after which the clock is looked at
SETTLED = 2 * 10**9  # nanoseconds: what changed later may change again without another time, as clocks tick

# What is remembered of a directory: inode, ctime in nanoseconds, its directories, and the names that matter.
Known = Sequence[Any]


class Limits(NamedTuple):
    """How far a walk goes. What it remembers costs nothing of it, so the next one gets further."""

    entries: int = 3_000_000
    seconds: float = 120
    depth: int = 128  # levels, each an open file


LIMITS = Limits()


class Walked(NamedTuple):
    """What a walk found."""

    hits: list[tuple[str, Sequence[str]]]  # a directory, and the names in it that matter
    known: dict[str, Known]  # for the next walk, by the path of the directory
    unseen: list[str]  # what was not looked at, in words


class Mount(NamedTuple):
    """A place where a file system is mounted."""

    type: str
    whole: bool  # a disk of its own from its root on, and no second view of something


def mounts(host: Files) -> dict[str, Mount]:
    """By mount point, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    found: dict[str, Mount] = {}
    for line in os.fsdecode(host.read("/proc/self/mountinfo") or b"").split("\n"):
        fields = line.split(" ")
        if "-" in fields[6:]:
            kind, source = fields[fields.index("-", 6) + 1 :][:2]
            place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
            found[place] = Mount(kind, fields[3] == "/" and source.startswith("/dev/"))
    return found


def walk(
    host: Files,
    roots: Sequence[str],
    choose: Callable[[str, Sequence[str]], Collection[str]],
    known: Mapping[str, Known],
    skipped: Collection[str] = (),
    limits: Limits = LIMITS,
    remember: bool = True,
) -> Walked:
    """Walk below some directories; `choose` takes a directory's path and the names in it and says which matter.

    `known` is what an earlier walk remembered, with the same `choose`. `skipped` are directories that are left out. A
    mount point below a root is left out too, unless it is a whole disk. Only with `remember` there is something to
    remember of what was read: it takes a tenth of the time.
    """
    table = mounts(host)
    disks = [place for place, mount in table.items() if mount.whole and _within(place, roots)]
    one = _Walk(choose, known, {*table, *skipped}, limits, remember)
    collecting = gc.isenabled()
    gc.disable()  # nothing of a walk is in a circle, and to look for one time and again takes a tenth of its time
    try:
        for root in sorted({*roots, *disks}):
            if root in disks or not _within(root, [other for other in roots if other != root]):
                one.root(host, root, table)
    finally:
        if collecting:
            gc.enable()
    return Walked(one.hits, one.keep, one.told())


def _within(path: str, roots: Sequence[str]) -> bool:
    return any(path.startswith(root.rstrip("/") + "/") for root in roots)


def _remote(path: str, table: Mapping[str, Mount]) -> bool:
    """Whether a path is on a file system of another machine, or of a user's program; "/" itself never counts."""
    while path and path not in table:
        path = path.rpartition("/")[0]
    return bool(path) and REMOTE.fullmatch(table[path].type) is not None


class _Place:
    """A directory on the way down, opened when something below it has to be read."""

    __slots__ = ("above", "descriptor", "name")

    def __init__(self, above: _Place | None, name: str, descriptor: int = -1) -> None:
        self.above = above
        self.name = name
        self.descriptor = descriptor

    def open(self) -> int:
        if self.descriptor < 0 and self.above is not None:
            self.descriptor = os.open(self.name, FLAGS, dir_fd=self.above.open())
        return self.descriptor


class _Walk:
    def __init__(
        self,
        choose: Callable[[str, Sequence[str]], Collection[str]],
        known: Mapping[str, Known],
        closed: Collection[str],
        limits: Limits,
        remember: bool,
    ) -> None:
        self.choose = choose
        self.known = known
        self.closed = closed
        self.limits = limits
        self.remember = remember
        self.hits: list[tuple[str, Sequence[str]]] = []
        self.keep: dict[str, Known] = {}
        self.entries = self.read = 0
        self.end = time.monotonic() + limits.seconds
        self.settled = time.time_ns() - SETTLED
        self.cut = ""  # why no more directories are read below this root
        self.refused: list[str] = []

    def told(self) -> list[str]:
        more = f" (and {len(self.refused) - 1} more)" if len(self.refused) > 1 else ""
        return [self.refused[0] + more] if self.refused else []

    def root(self, host: Files, path: str, table: Mapping[str, Mount]) -> None:
        if _remote(path, table):
            return
        self.cut, self.entries = "", 0  # whoever fills his own home hides nothing in those of others
        try:
            start = host._open_directory(path)
        except FileNotFoundError:
            return
        except ControlError as error:
            self.refused.append(str(error))
            return
        except OSError as error:
            self._refuse(path, error)
            return
        try:
            real = os.readlink(f"/proc/self/fd/{start}")[len(host.root.rstrip("/")) :]
            if real == path or not _remote(real, table):
                descriptor = os.open(".", FLAGS, dir_fd=start)
                self.top, self.prefix = start, len(path) + 1
                self._visit(_Place(None, path, descriptor), path, 0)
        except OSError as error:
            self._refuse(path, error)
        finally:
            os.close(start)

    def _refuse(self, path: str, error: OSError) -> None:
        # What went away meanwhile, or became a link, is not there.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self.refused.append(f"{path} cannot be read: {error.strerror}")

    def _visit(self, place: _Place, path: str, depth: int) -> None:
        try:
            node = (self._unchanged(path) if path in self.known else None) or self._read(place, path, depth)
            if node is None:
                return
            if node[3]:
                self.hits.append((path, node[3]))
            if node[2]:
                below, closed, depth = path + "/", self.closed, depth + 1
                for name in node[2]:
                    child = below + name
                    if child not in closed:
                        self._visit(_Place(place, name), child, depth)
        finally:
            if place.descriptor >= 0:
                os.close(place.descriptor)

    def _unchanged(self, path: str) -> Known | None:
        node = self.known[path]
        try:
            # By its path: a link that somebody put on the way leads to another inode, or to this very directory.
            seen = os.stat(path[self.prefix :] or ".", dir_fd=self.top, follow_symlinks=False)
        except OSError:
            return None
        if seen.st_ino != node[0] or seen.st_ctime_ns != node[1]:
            return None
        self.keep[path] = node
        return node

    def _read(self, place: _Place, path: str, depth: int) -> Known | None:
        if self.cut or (self.entries > self.limits.entries or not self.read % OFTEN) and self._too_far(path):
            return None
        self.read += 1
        if depth > self.limits.depth:
            self.refused.append(f"{path} is more than {self.limits.depth} directories down")
            return None
        directories: list[str] = []
        matter: list[str] = []
        try:
            descriptor = place.open()
            seen = os.fstat(descriptor) if self.remember else None
            with os.scandir(descriptor) as entries:
                while piece := list(itertools.islice(entries, PIECE)):
                    self.entries += len(piece)
                    directories += [entry.name for entry in piece if entry.is_dir(follow_symlinks=False)]
                    if chosen := self.choose(path, [entry.name for entry in piece]):
                        matter += sorted(chosen)
                    if len(piece) < PIECE:
                        break
                    if self._too_far(path):
                        self.hits.append((path, matter))
                        return None
        except OSError as error:
            self._refuse(path, error)
            return None
        if seen is None:
            return (0, 0, directories, matter)
        node = (seen.st_ino, seen.st_ctime_ns, directories, matter)
        if seen.st_ctime_ns < self.settled:
            self.keep[path] = node
        return node

    def _too_far(self, path: str) -> bool:
        if self.entries > self.limits.entries:
            self.cut = f"{self.limits.entries} files"
        elif time.monotonic() > self.end:
            self.cut = f"{self.limits.seconds:g} s"
        else:
            return False
        self.refused.append(f"the search for copies ended after {self.cut}, in {path}")
        return True

"""A scan of directories that others fill: bounded, never through a link, and read anew only where they changed.

What is remembered of a directory is its inode, the time of its last change (ctime), and the names in it that matter.
The kernel sets that time at every change of its entries, and no user can set it back. A directory whose two numbers are
the same has the same entries. Of the files in it that says nothing, so these are checked each time. On btrfs every user
makes subvolumes, whose inodes have the same numbers. So a directory in one has the number of its subvolume, too.

A scan of the host's own places enters what is root's alone. What belongs to somebody else there is handed over
to be scanned on his behalf (`Scanned.others`): his directories, and in directories that others may write to also his
files.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import stat
import time
from typing import TYPE_CHECKING, Callable, Collection, Mapping, Sequence

from ...base.tuples import NamedTuple
from .files import Files
from .mounts import Mount, here, is_image, mounts, not_entered, remote, subvolume_of
from .types import ControlError, Unseen, joined

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
SHARED = stat.S_IWGRP | stat.S_IWOTH
PIECE = 20_000  # entries taken at a time: a directory may have millions
OFTEN = 16  # directories after which the clock is read
MOST_SHARED = 100_000  # entries of a directory that others may write to, of which each one's owner is checked
MOST_HITS = 10_000  # names that matter, on a user's behalf
ROOM = 8 * 1024 * 1024  # bytes of what is remembered of one user's directories
NODE = 60  # bytes of it beside names
SETTLED = 2 * 10**9  # nanoseconds: what changed later may change again without another time, as clocks tick

if TYPE_CHECKING:  # a host that had to make an alias would load `typing` for it
    # What is remembered of a directory: inode, ctime in nanoseconds, its directories, and the names that matter.
    Known = tuple[int, int, Sequence[str], Sequence[str]]


class Limits(NamedTuple):
    """The limits of a scan. What it remembers costs nothing of it, so the next one gets further."""

    entries: int = 3_000_000
    seconds: float = 120
    depth: int = 128  # levels, each an open file


LIMITS = Limits()


class Scanned(NamedTuple):
    """The result of a scan."""

    hits: list[tuple[str, Sequence[str]]]  # a directory, and the names in it that matter
    known: dict[str, Known]  # for the next scan, by the path of the directory
    unseen: list[str]  # what was not scanned, in words
    # What is somebody else's, by the number of its owner: a directory and the names of files in it that matter; no
    # names mean all that is in it.
    others: Mapping[int, list[tuple[str, Sequence[str]]]] = {}


def scan(
    host: Files,
    roots: Sequence[str],
    choose: Callable[[str, Sequence[str]], Collection[str]],
    known: Mapping[str, Known],
    skipped: Collection[str] = (),
    limits: Limits = LIMITS,
    remember: bool = True,
    apart: bool = False,
) -> Scanned:
    """Scan below some directories; `choose` takes a directory's path and the names in it and says which matter.

    `known` is what an earlier scan remembered, with the same `choose`. `skipped` are directories that are left out. A
    mount point below a root is left out too, unless it is a whole disk. Only with `remember` there is something to
    remember of what was read: it takes a tenth of the time. `apart`: what is not root's is handed over to its owner.
    """
    table = mounts(host)
    disks = [place for place, mount in table.items() if mount.whole and _within(place, roots)]
    one = _Scan(host, choose, known, {*skipped}, table, limits, remember, apart)
    collecting = gc.isenabled()
    gc.disable()  # nothing of a scan is in a cycle, and the search for cycles takes a tenth of its time
    try:
        for root in sorted({*roots, *disks}):
            if root in disks or not _within(root, roots):
                one.root(root)
    finally:
        if collecting:
            gc.enable()
    return Scanned(one.hits, one.keep, one.reasons(), one.others)


def _within(path: str, roots: Sequence[str]) -> bool:
    return any(path.startswith(f"{root}/") for root in roots)


class _Place:
    """A directory of the current path, opened when something below it has to be read."""

    __slots__ = ("above", "descriptor", "name")

    def __init__(self, above: _Place | None, name: str, descriptor: int = -1) -> None:
        self.above = above
        self.name = name
        self.descriptor = descriptor

    def open(self) -> int:
        if self.descriptor < 0 and self.above is not None:
            self.descriptor = os.open(self.name, FLAGS, dir_fd=self.above.open())
        return self.descriptor


class _Scan:
    def __init__(
        self,
        host: Files,
        choose: Callable[[str, Sequence[str]], Collection[str]],
        known: Mapping[str, Known],
        skipped: set[str],
        table: Mapping[str, Mount],
        limits: Limits,
        remember: bool,
        apart: bool,
    ) -> None:
        self.host = host
        self.budget = host.budget
        self.choose = choose
        self.known = known
        self.table = table
        self.closed = {*table, *skipped}
        self.limits = limits
        self.remember = remember
        self.apart = apart
        self.trusted = (0, os.geteuid())
        self.hits: list[tuple[str, Sequence[str]]] = []
        self.others: dict[int, list[tuple[str, Sequence[str]]]] = {}
        self.matter = 0  # how many names
        self.room = ROOM  # bytes, for a user; the host's own places are as large as root made them
        self.keep: dict[str, Known] = {}
        self.subvolumes: dict[int, int] = {}  # by device
        self.entries = self.read = 0
        self.end = time.monotonic() + limits.seconds
        self.settled = time.time_ns() - SETTLED
        self.cut = ""  # why no more directories are read below this root
        self.refused: list[str] = []

    def reasons(self) -> list[str]:
        return [joined(self.refused)] if self.refused else []

    def root(self, path: str) -> None:
        host, table = self.host, self.table
        if not host.enters_remote and (type_ := remote(path, table)):
            self.refused.append(not_entered(path, type_))
            return
        if self.budget is None:
            self.cut, self.entries = "", 0  # what fills one place hides nothing in the others
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
            # A process that has become a user may not ask where it stands (PR_SET_DUMPABLE in prctl(2)).
            at = "" if host.enters_remote else os.readlink(f"/proc/self/fd/{start}")
            real = at[len(host.root.rstrip("/")) :]
            if type_ := remote(real, table):
                self.refused.append(not_entered(path, type_))
            else:
                descriptor = os.open(".", FLAGS, dir_fd=start)
                self.top, self.prefix, self.device = start, len(path) + 1, os.fstat(descriptor).st_dev
                self._visit(_Place(None, path, descriptor), path, 0)
        except OSError as error:
            self._refuse(path, error)
        except Unseen as spent:
            self.cut = str(spent)
            self.refused.append(f"{spent}, in {path}")
        except MemoryError:
            self.cut = "over budget: memory"
            self.refused.append(f"{self.cut}, in {path}")
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
                    elif type_ := self._gap(child):
                        self.refused.append(not_entered(child, type_))
        finally:
            if place.descriptor >= 0:
                os.close(place.descriptor)

    def _gap(self, path: str) -> str:
        """The type of the file system of a closed directory, if it is one that is not entered and may have anything."""
        if path not in self.table or self.table[path].whole:
            return ""
        type_ = remote(path, self.table)
        return "" if type_.startswith("fuse") and is_image(path) else type_

    def _unchanged(self, path: str) -> Known | None:
        node = self.known[path]
        try:
            # By its path: a link that somebody put into the path leads to another inode, or to this very directory.
            seen = os.stat(path[self.prefix :] or ".", dir_fd=self.top, follow_symlinks=False)
            number = self._number(seen, path[self.prefix :], self.top)
        except OSError:
            return None
        if number != node[0] or seen.st_ctime_ns != node[1]:
            return None
        self._pay(1, len(node[3]))
        self._remember(path, node)
        return node

    def _number(self, seen: os.stat_result, path: str, top: int) -> int:
        """Return the number that no other directory below this root has; 0 where there is none. Raises OSError."""
        if seen.st_dev == self.device:
            return seen.st_ino
        if seen.st_dev not in self.subvolumes:
            descriptor = os.open(path, FLAGS, dir_fd=top)
            self.subvolumes[seen.st_dev] = subvolume_of(descriptor)
            os.close(descriptor)
        subvolume = self.subvolumes[seen.st_dev]
        return subvolume and subvolume << 64 | seen.st_ino

    def _pay(self, files: int, matter: int) -> None:
        """Raises Unseen when a user's budget is spent."""
        if self.budget is not None:
            self.budget.take("files", files)
            self.matter += matter
            if self.matter > MOST_HITS:
                raise Unseen(f"over budget: more than {MOST_HITS:,} files that are named like restricted apps")

    def _remember(self, path: str, node: Known) -> None:
        """Remember the content of a directory, as far as there is room; the rest is read again."""
        if self.budget is not None:
            self.room -= NODE + len(path) + sum(map(len, node[2])) + sum(map(len, node[3]))
            if self.room < 0:
                return
        self.keep[path] = node

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
            seen = os.fstat(descriptor)
            if self.apart and seen.st_uid not in self.trusted:
                self.others.setdefault(seen.st_uid, []).append((path, ()))
                return None
            with os.scandir(descriptor) as entries:
                while piece := list(itertools.islice(entries, PIECE)):
                    self.entries += len(piece)
                    chosen = self.choose(path, [entry.name for entry in piece])
                    self._pay(len(piece), len(chosen))
                    directories += [entry.name for entry in piece if entry.is_dir(follow_symlinks=False)]
                    if chosen:
                        matter += sorted(chosen)
                    if len(piece) < PIECE:
                        break
                    if self._too_far(path):
                        self.hits.append((path, matter))
                        return None
        except OSError as error:
            self._refuse(path, error)
            return None
        except (Unseen, MemoryError):
            if matter:
                self.hits.append((path, matter))
            raise
        if self.apart and seen.st_mode & SHARED:
            return (0, 0, *self._shared_out(descriptor, path, directories, matter))
        node = (self._number(seen, ".", descriptor), seen.st_ctime_ns, directories, matter)
        if self.remember and node[0] and seen.st_ctime_ns < self.settled:
            self._remember(path, node)
        return node

    def _shared_out(
        self, directory: int, path: str, directories: Sequence[str], matter: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        """What is root's in a directory that others may write to; all else is handed over to its owner."""
        ours: tuple[list[str], list[str]] = ([], [])
        for kind, names in enumerate((directories, matter)):
            if len(names) > MOST_SHARED:
                self.refused.append(f"{path} has more than {MOST_SHARED:,} entries that others may have made")
            for name in names[:MOST_SHARED]:
                try:
                    seen = here(directory, name)
                except OSError:  # it went away meanwhile
                    continue
                child = f"{path}/{name}"
                if seen is None or seen.st_uid in self.trusted:
                    if seen is not None or child in self.closed:
                        ours[kind].append(name)
                    elif not is_image(child):
                        self.refused.append(f"{child} is a mount point that has just been made")
                elif kind:
                    self.others.setdefault(seen.st_uid, []).append((path, (name,)))
                elif child not in self.closed:
                    self.others.setdefault(seen.st_uid, []).append((child, ()))
        return ours

    def _too_far(self, path: str) -> bool:
        if self.entries > self.limits.entries:
            self.cut = f"{self.limits.entries} files"
        elif time.monotonic() > self.end:
            self.cut = f"{self.limits.seconds:g} s"
        else:
            return False
        self.refused.append(f"the file scan ended after {self.cut}, in {path}")
        return True

"""Scan of directories that others fill: bounded, never through a link, and read again only after a change.

The scan remembers the inode of a directory, the time of its last change (ctime), and its relevant names. The kernel
sets that time at every change of the entries, and no user can set it back. So a directory with the same two numbers has
the same entries. The numbers do not cover the files in the directory, so the files are checked each time. On btrfs
every user can make subvolumes, whose inodes have the same numbers. So a directory in a subvolume also has the number of
its subvolume.

A scan of the host's own places enters only directories of root. Entries of other users there are handed over, to be
scanned on their behalf (`ScanResult.foreign_entries`). These are the directories of a user. In directories that others
may write to, they are also the user's files.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import stat
import time
from typing import TYPE_CHECKING, Callable, Collection, Mapping, Sequence

from ...base.named_tuple import NamedTuple
from .files import Files
from .mounts import (
    Mount,
    explain_not_entered,
    find_entry_on_mount,
    find_remote_type,
    find_subvolume_id,
    is_appimage_mount,
    read_mounts,
)
from .types import ControlError, ObservationError, summarise_reasons

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
SHARED_MODE = stat.S_IWGRP | stat.S_IWOTH
PIECE_ENTRIES = 20_000  # entries read at a time: a directory may have millions
CLOCK_INTERVAL = 16  # directories between two reads of the clock
MAX_SHARED_ENTRIES = 100_000  # entries whose owners are checked, in a directory that others may write to
MAX_HITS = 10_000  # relevant names, on a user's behalf
MAX_USER_MEMORY_BYTES = 8 * 1024 * 1024  # bytes that are remembered of a user's directories
NODE_BYTES = 60  # bytes for each remembered directory beside its names
# Nanoseconds: a later change may be followed by another with the same time, as clocks tick.
SETTLED_NANOSECONDS = 2 * 10**9

if TYPE_CHECKING:  # an alias at run time would need `typing`
    # Remembered data of a directory: inode, ctime in nanoseconds, its directories, and the relevant names.
    RememberedDirectory = tuple[int, int, Sequence[str], Sequence[str]]


class ScanLimits(NamedTuple):
    """Limits of a scan. Remembered directories cost no entries, so the next scan gets further."""

    entries: int = 3_000_000
    seconds: float = 120
    depth: int = 128  # levels of directories, each an open file


DEFAULT_LIMITS = ScanLimits()


class ScanResult(NamedTuple):
    """Result of a scan."""

    hits: list[tuple[str, Sequence[str]]]  # a directory, and the relevant names in it
    remembered: dict[str, RememberedDirectory]  # for the next scan, by the path of the directory
    unseen: list[str]  # reasons why places were not scanned
    # Entries of other users by the number of the owner: a directory, and the relevant names of files in it. No names
    # mean the whole directory.
    foreign_entries: Mapping[int, list[tuple[str, Sequence[str]]]] = {}


def scan_directories(
    host: Files,
    roots: Sequence[str],
    choose_names: Callable[[str, Sequence[str]], Collection[str]],
    remembered: Mapping[str, RememberedDirectory],
    excluded: Collection[str] = (),
    limits: ScanLimits = DEFAULT_LIMITS,
    remember: bool = True,
    separates_owned: bool = False,
) -> ScanResult:
    """Scan below some directories.

    `choose_names` takes the path of a directory and the names in it, and returns the relevant names. `remembered` is
    the memory of an earlier scan with the same `choose_names`. `excluded` are directories that are left out. A mount
    point below a root is left out too, unless it is a whole disk. Without `remember` the result has nothing to
    remember; remembering takes a tenth of the time. With `separates_owned`, entries of other users are handed over to
    their owners.
    """
    mount_table = read_mounts(host)
    disks = [
        mount_path for mount_path, mount in mount_table.items() if mount.is_whole_disk and _is_within(mount_path, roots)
    ]
    file_scan = _FileScan(host, choose_names, remembered, {*excluded}, mount_table, limits, remember, separates_owned)
    collecting = gc.isenabled()
    gc.disable()  # a scan makes no reference cycles, and the search for them takes a tenth of its time
    try:
        for root in sorted({*roots, *disks}):
            if root in disks or not _is_within(root, roots):
                file_scan.scan_root(root)
    finally:
        if collecting:
            gc.enable()
    return ScanResult(file_scan.hits, file_scan.scanned, file_scan.list_reasons(), file_scan.foreign_entries)


def _is_within(path: str, roots: Sequence[str]) -> bool:
    return any(path.startswith(f"{root}/") for root in roots)


class _LazyDirectory:
    """Directory of the current path, opened when something below it has to be read."""

    __slots__ = ("parent", "descriptor", "name")

    def __init__(self, parent: _LazyDirectory | None, name: str, descriptor: int = -1) -> None:
        self.parent = parent
        self.name = name
        self.descriptor = descriptor

    def open_descriptor(self) -> int:
        if self.descriptor < 0 and self.parent is not None:
            self.descriptor = os.open(self.name, DIRECTORY_FLAGS, dir_fd=self.parent.open_descriptor())
        return self.descriptor


class _FileScan:
    def __init__(
        self,
        host: Files,
        choose_names: Callable[[str, Sequence[str]], Collection[str]],
        remembered: Mapping[str, RememberedDirectory],
        excluded: set[str],
        mount_table: Mapping[str, Mount],
        limits: ScanLimits,
        remember: bool,
        separates_owned: bool,
    ) -> None:
        self.host = host
        self.budget = host.budget
        self.choose_names = choose_names
        self.remembered = remembered
        self.mount_table = mount_table
        self.closed_paths = {*mount_table, *excluded}
        self.limits = limits
        self.remember = remember
        self.separates_owned = separates_owned
        self.trusted_uids = (0, os.geteuid())
        self.hits: list[tuple[str, Sequence[str]]] = []
        self.foreign_entries: dict[int, list[tuple[str, Sequence[str]]]] = {}
        self.hit_count = 0  # number of relevant names
        self.remaining_memory = MAX_USER_MEMORY_BYTES  # bytes left for a user; the host's own places have no such limit
        self.scanned: dict[str, RememberedDirectory] = {}
        self.subvolumes: dict[int, int] = {}  # by device
        self.entry_count = self.directories_read = 0
        self.deadline = time.monotonic() + limits.seconds
        self.settled_before = time.time_ns() - SETTLED_NANOSECONDS
        self.stop_reason = ""  # the reason why no more directories are read below this root
        self.unseen: list[str] = []

    def list_reasons(self) -> list[str]:
        return [summarise_reasons(self.unseen)] if self.unseen else []

    def scan_root(self, path: str) -> None:
        host, mount_table = self.host, self.mount_table
        if not host.enters_remote and (type_ := find_remote_type(path, mount_table)):
            self.unseen.append(explain_not_entered(path, type_))
            return
        if self.budget is None:
            self.stop_reason, self.entry_count = "", 0  # a full place hides nothing in the others
        try:
            start = host._open_directory_path(path)
        except FileNotFoundError:
            return
        except ControlError as error:
            self.unseen.append(str(error))
            return
        except OSError as error:
            self._note_unreadable(path, error)
            return
        try:
            # A process that has changed its user may not read this link (PR_SET_DUMPABLE in prctl(2)).
            opened_path = "" if host.enters_remote else os.readlink(f"/proc/self/fd/{start}")
            host_path = opened_path[len(host.root.rstrip("/")) :]
            if type_ := find_remote_type(host_path, mount_table):
                self.unseen.append(explain_not_entered(path, type_))
            else:
                descriptor = os.open(".", DIRECTORY_FLAGS, dir_fd=start)
                self.root_descriptor, self.prefix_length, self.device = (
                    start,
                    len(path) + 1,
                    os.fstat(descriptor).st_dev,
                )
                self._visit(_LazyDirectory(None, path, descriptor), path, 0)
        except OSError as error:
            self._note_unreadable(path, error)
        except ObservationError as budget_error:
            self.stop_reason = str(budget_error)
            self.unseen.append(f"{budget_error}, in {path}")
        except MemoryError:
            self.stop_reason = "over budget: memory"
            self.unseen.append(f"{self.stop_reason}, in {path}")
        finally:
            os.close(start)

    def _note_unreadable(self, path: str, error: OSError) -> None:
        # An entry that was removed meanwhile, or became a link, counts as missing.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self.unseen.append(f"{path} cannot be read: {error.strerror}")

    def _visit(self, directory: _LazyDirectory, path: str, depth: int) -> None:
        try:
            node = (self._read_unchanged(path) if path in self.remembered else None) or self._read_directory(
                directory, path, depth
            )
            if node is None:
                return
            if node[3]:
                self.hits.append((path, node[3]))
            if node[2]:
                prefix, closed_paths, depth = path + "/", self.closed_paths, depth + 1
                for name in node[2]:
                    child = prefix + name
                    if child not in closed_paths:
                        self._visit(_LazyDirectory(directory, name), child, depth)
                    elif type_ := self._find_closed_type(child):
                        self.unseen.append(explain_not_entered(child, type_))
        finally:
            if directory.descriptor >= 0:
                os.close(directory.descriptor)

    def _find_closed_type(self, path: str) -> str:
        """Return the file system's type of a closed directory that may hide files and is not entered; else ""."""
        if path not in self.mount_table or self.mount_table[path].is_whole_disk:
            return ""
        type_ = find_remote_type(path, self.mount_table)
        return "" if type_.startswith("fuse") and is_appimage_mount(path) else type_

    def _read_unchanged(self, path: str) -> RememberedDirectory | None:
        node = self.remembered[path]
        try:
            # By its path: a link in the path leads to another inode, or to this very directory.
            status = os.stat(path[self.prefix_length :] or ".", dir_fd=self.root_descriptor, follow_symlinks=False)
            node_number = self._make_node_number(status, path[self.prefix_length :], self.root_descriptor)
        except OSError:
            return None
        if node_number != node[0] or status.st_ctime_ns != node[1]:
            return None
        self._consume_budget(1, len(node[3]))
        self._remember_directory(path, node)
        return node

    def _make_node_number(self, status: os.stat_result, path: str, base_descriptor: int) -> int:
        """Return the number that no other directory below this root has; 0 without such a number. Raises OSError."""
        if status.st_dev == self.device:
            return status.st_ino
        if status.st_dev not in self.subvolumes:
            descriptor = os.open(path, DIRECTORY_FLAGS, dir_fd=base_descriptor)
            self.subvolumes[status.st_dev] = find_subvolume_id(descriptor)
            os.close(descriptor)
        subvolume = self.subvolumes[status.st_dev]
        return subvolume and subvolume << 64 | status.st_ino

    def _consume_budget(self, files: int, names: int) -> None:
        """Charge the user's budget. Raises ObservationError when it is spent."""
        if self.budget is not None:
            self.budget.consume_amount("files", files)
            self.hit_count += names
            if self.hit_count > MAX_HITS:
                raise ObservationError(f"over budget: more than {MAX_HITS:,} files that are named like restricted apps")

    def _remember_directory(self, path: str, node: RememberedDirectory) -> None:
        """Remember the content of a directory if there is room. Otherwise the next scan reads it again."""
        if self.budget is not None:
            self.remaining_memory -= NODE_BYTES + len(path) + sum(map(len, node[2])) + sum(map(len, node[3]))
            if self.remaining_memory < 0:
                return
        self.scanned[path] = node

    def _read_directory(self, directory: _LazyDirectory, path: str, depth: int) -> RememberedDirectory | None:
        if (
            self.stop_reason
            or (self.entry_count > self.limits.entries or not self.directories_read % CLOCK_INTERVAL)
            and self._is_over_limit(path)
        ):
            return None
        self.directories_read += 1
        if depth > self.limits.depth:
            self.unseen.append(f"{path} is more than {self.limits.depth} directories down")
            return None
        directories: list[str] = []
        matching_names: list[str] = []
        try:
            descriptor = directory.open_descriptor()
            status = os.fstat(descriptor)
            if self.separates_owned and status.st_uid not in self.trusted_uids:
                self.foreign_entries.setdefault(status.st_uid, []).append((path, ()))
                return None
            with os.scandir(descriptor) as entries:
                while piece := list(itertools.islice(entries, PIECE_ENTRIES)):
                    self.entry_count += len(piece)
                    chosen = self.choose_names(path, [entry.name for entry in piece])
                    self._consume_budget(len(piece), len(chosen))
                    directories += [entry.name for entry in piece if entry.is_dir(follow_symlinks=False)]
                    if chosen:
                        matching_names += sorted(chosen)
                    if len(piece) < PIECE_ENTRIES:
                        break
                    if self._is_over_limit(path):
                        self.hits.append((path, matching_names))
                        return None
        except OSError as error:
            self._note_unreadable(path, error)
            return None
        except (ObservationError, MemoryError):
            if matching_names:
                self.hits.append((path, matching_names))
            raise
        if self.separates_owned and status.st_mode & SHARED_MODE:
            return (0, 0, *self._separate_owned(descriptor, path, directories, matching_names))
        node = (self._make_node_number(status, ".", descriptor), status.st_ctime_ns, directories, matching_names)
        if self.remember and node[0] and status.st_ctime_ns < self.settled_before:
            self._remember_directory(path, node)
        return node

    def _separate_owned(
        self, directory: int, path: str, directories: Sequence[str], matching_names: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        """Return root's entries of a directory that others may write to, and hand over the others to their owners."""
        trusted_names: tuple[list[str], list[str]] = ([], [])
        for index, names in enumerate((directories, matching_names)):
            if len(names) > MAX_SHARED_ENTRIES:
                self.unseen.append(f"{path} has more than {MAX_SHARED_ENTRIES:,} entries that others may have made")
            for name in names[:MAX_SHARED_ENTRIES]:
                try:
                    status = find_entry_on_mount(directory, name)
                except OSError:  # the entry was removed meanwhile
                    continue
                child = f"{path}/{name}"
                if status is None or status.st_uid in self.trusted_uids:
                    if status is not None or child in self.closed_paths:
                        trusted_names[index].append(name)
                    elif not is_appimage_mount(child):
                        self.unseen.append(f"{child} is a mount point that has just been made")
                elif index:
                    self.foreign_entries.setdefault(status.st_uid, []).append((path, (name,)))
                elif child not in self.closed_paths:
                    self.foreign_entries.setdefault(status.st_uid, []).append((child, ()))
        return trusted_names

    def _is_over_limit(self, path: str) -> bool:
        if self.entry_count > self.limits.entries:
            self.stop_reason = f"{self.limits.entries} files"
        elif time.monotonic() > self.deadline:
            self.stop_reason = f"{self.limits.seconds:g} s"
        else:
            return False
        self.unseen.append(f"the file scan ended after {self.stop_reason}, in {path}")
        return True

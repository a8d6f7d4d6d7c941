"""Scan for relevant names in directories that users fill: with limits, without following links.

For each directory, the scan remembers the inode, the time of its last change (ctime), and its relevant names. The
kernel sets that time at every change of the entries, and no user can set it back. So a directory with the same inode
and time has the same entries, and is not read again. Changes inside the files do not change the directory, so the files
are checked each time. On btrfs every user can make subvolumes, whose inodes have the same numbers. So a directory in a
subvolume is remembered with the number of the subvolume too.

A scan of the host's shared directories enters only directories of root. Other users' entries there are returned in
`ScanResult.foreign_entries`, and are scanned later on behalf of their owners. Such an entry is a directory of a user.
In a directory that others may write to, it may also be a file of a user.
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
CLOCK_INTERVAL = 16  # number of directories that are read between two checks of the time
# most entries of a directory whose owners are checked, if others may write to the directory
MAX_SHARED_ENTRIES = 100_000
MAX_HITS = 10_000  # most files with relevant names in the scan of a user
MAX_USER_MEMORY_BYTES = 8 * 1024 * 1024  # most bytes that are remembered of a user's directories
NODE_BYTES = 60  # estimated bytes of a remembered directory without its names
# A directory is remembered only if its last change is older than this. Two quick changes can have the same time.
SETTLED_NANOSECONDS = 2 * 10**9

if TYPE_CHECKING:  # an alias at run time would need `typing`
    # Remembered data of a directory: inode, ctime in nanoseconds, names of its subdirectories, relevant names in it.
    RememberedDirectory = tuple[int, int, Sequence[str], Sequence[str]]


class ScanLimits(NamedTuple):
    """Limits of a scan. Unchanged remembered directories cost no entries, so the next scan gets further."""

    entries: int = 3_000_000
    seconds: float = 120
    depth: int = 128  # levels of directories, each an open file


DEFAULT_LIMITS = ScanLimits()


class ScanResult(NamedTuple):
    """Result of a scan: relevant names, memory for the next scan, places that were not scanned."""

    hits: list[tuple[str, Sequence[str]]]  # a directory, and the relevant names in it
    remembered: dict[str, RememberedDirectory]  # for the next scan; key: path of the directory
    unseen: list[str]  # reasons why directories were not scanned
    # Entries of other users; key: uid of the owner; value: pairs of a directory and the relevant files in it. An empty
    # sequence of files means the whole directory.
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
    """Search the directories `roots`, and all directories below, for files with relevant names.

    `choose_names` takes the path of a directory and the names in it, and returns the relevant names. `remembered` is
    the memory of an earlier scan with the same `choose_names`. `excluded` directories are not scanned. A mount point
    below a root is not scanned either, unless a whole disk is mounted there. If `remember` is false, the result has no
    memory for the next scan; remembering takes a tenth of the time. With `separates_owned`, entries of other users are
    not scanned but returned in `foreign_entries`.
    """
    mount_table = read_mounts(host)
    # mount points of whole disks below a root: each is scanned as a further root
    disks = [
        mount_path for mount_path, mount in mount_table.items() if mount.is_whole_disk and _is_within(mount_path, roots)
    ]
    file_scan = _FileScan(host, choose_names, remembered, {*excluded}, mount_table, limits, remember, separates_owned)
    collecting = gc.isenabled()
    gc.disable()  # a scan makes no reference cycles; the garbage collector would take a tenth of the time
    try:
        # a root below another root is scanned together with that root
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
    """Directory on the current path of the scan.

    It is opened only when it, or a directory below, has to be read. Until then, `descriptor` is -1. A root of the scan
    has no `parent`.
    """

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
    """State and results of a scan; `scan_directories` explains the parameters."""

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
        self.closed_paths = {*mount_table, *excluded}  # directories that the scan does not enter from above
        self.limits = limits
        self.remember = remember
        self.separates_owned = separates_owned
        self.trusted_uids = (0, os.geteuid())  # with `separates_owned`: owners whose entries are scanned
        self.hits: list[tuple[str, Sequence[str]]] = []  # a directory, and the relevant names in it
        # see ScanResult; filled only with `separates_owned`
        self.foreign_entries: dict[int, list[tuple[str, Sequence[str]]]] = {}
        self.hit_count = 0  # number of relevant names that were found for a user
        # Bytes of the user's directories that may still be kept for the next scan. The host's shared directories have
        # no such limit.
        self.remaining_memory = MAX_USER_MEMORY_BYTES
        self.scanned: dict[str, RememberedDirectory] = {}  # what the next scan gets as `remembered`
        self.subvolumes: dict[int, int] = {}  # subvolume number by device number
        self.entry_count = self.directories_read = 0
        self.deadline = time.monotonic() + limits.seconds
        # a directory that has changed after this time is not remembered
        self.settled_before = time.time_ns() - SETTLED_NANOSECONDS
        self.stop_reason = ""  # why no more directories are read below this root; "" while reading
        self.unseen: list[str] = []  # why directories were not read, one message each

    def list_reasons(self) -> list[str]:
        return [summarise_reasons(self.unseen)] if self.unseen else []

    def scan_root(self, path: str) -> None:
        """Scan a root and all directories below.

        Errors do not end the whole scan: they are added to `unseen`.
        """
        host, mount_table = self.host, self.mount_table
        if not host.enters_remote and (type_ := find_remote_type(path, mount_table)):
            self.unseen.append(explain_not_entered(path, type_))
            return
        if self.budget is None:
            # a root that reaches the limit must not prevent the scan of the other roots
            self.stop_reason, self.entry_count = "", 0
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
            # The path may have led over links of root into another file system, so the opened path is checked too.
            # With `enters_remote`, this process has changed its user, and may not read this link (PR_SET_DUMPABLE in
            # prctl(2)).
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
        """Scan a directory, from the memory if it is unchanged, and then its subdirectories."""
        try:
            # a RememberedDirectory: index 2 has the names of subdirectories, index 3 the relevant names
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
                    elif type_ := self._find_skipped_mount_type(child):
                        self.unseen.append(explain_not_entered(child, type_))
        finally:
            if directory.descriptor >= 0:
                os.close(directory.descriptor)

    def _find_skipped_mount_type(self, path: str) -> str:
        """Return the type of the network or FUSE file system mounted at a path, where the scan may miss files.

        Returns "" if it misses none: no mount, a local file system, or a mounted AppImage. A whole disk gives ""
        too, because it is scanned as a root.
        """
        if path not in self.mount_table or self.mount_table[path].is_whole_disk:
            return ""
        type_ = find_remote_type(path, self.mount_table)
        return "" if type_.startswith("fuse") and is_appimage_mount(path) else type_

    def _read_unchanged(self, path: str) -> RememberedDirectory | None:
        """Return the remembered data of a directory that has not changed; None if it must be read again."""
        node = self.remembered[path]
        try:
            # Checked by path, which is safe: a link in the path would lead to another inode, or to this same directory.
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
        """Return a number that identifies a directory below this root; 0 if there is none. Raises OSError.

        The number is the inode. On another device, it is made of the btrfs subvolume and the inode.
        """
        if status.st_dev == self.device:
            return status.st_ino
        if status.st_dev not in self.subvolumes:
            descriptor = os.open(path, DIRECTORY_FLAGS, dir_fd=base_descriptor)
            self.subvolumes[status.st_dev] = find_subvolume_id(descriptor)
            os.close(descriptor)
        subvolume = self.subvolumes[status.st_dev]
        return subvolume and subvolume << 64 | status.st_ino

    def _consume_budget(self, files: int, names: int) -> None:
        """Charge directory entries (`files`) and relevant names to the user's budget.

        Raises ObservationError when the budget is spent. Does nothing without a budget.
        """
        if self.budget is not None:
            self.budget.consume_amount("files", files)
            self.hit_count += names
            if self.hit_count > MAX_HITS:
                raise ObservationError(f"over budget: more than {MAX_HITS:,} files that are named like restricted apps")

    def _remember_directory(self, path: str, node: RememberedDirectory) -> None:
        """Remember the content of a directory if the user's memory limit allows.

        Otherwise the next scan reads it again.
        """
        if self.budget is not None:
            self.remaining_memory -= NODE_BYTES + len(path) + sum(map(len, node[2])) + sum(map(len, node[3]))
            if self.remaining_memory < 0:
                return
        self.scanned[path] = node

    def _read_directory(self, directory: _LazyDirectory, path: str, depth: int) -> RememberedDirectory | None:
        """Read a directory, and return its subdirectories and relevant names in the form that is remembered.

        Returns None if the directory is not read completely: over a limit, unreadable, or owned by another user.
        """
        # The limits are checked only at each CLOCK_INTERVAL-th directory, or after too many entries.
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
            # Not remembered, hence without inode and time: the owners of the entries are checked each time.
            return (0, 0, *self._separate_owned(descriptor, path, directories, matching_names))
        node = (self._make_node_number(status, ".", descriptor), status.st_ctime_ns, directories, matching_names)
        # a directory without a number (0) could not be recognised by the next scan
        if self.remember and node[0] and status.st_ctime_ns < self.settled_before:
            self._remember_directory(path, node)
        return node

    def _separate_owned(
        self, directory: int, path: str, directories: Sequence[str], matching_names: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        """Return root's subdirectories and relevant files, in a directory that others may write to.

        `directory` is the open directory at `path`. The entries of other users are added to `foreign_entries`.
        """
        trusted_names: tuple[list[str], list[str]] = ([], [])
        # index 0: subdirectories; index 1: relevant files
        for index, names in enumerate((directories, matching_names)):
            if len(names) > MAX_SHARED_ENTRIES:
                self.unseen.append(f"{path} has more than {MAX_SHARED_ENTRIES:,} entries that others may have made")
            for name in names[:MAX_SHARED_ENTRIES]:
                try:
                    status = find_entry_on_mount(directory, name)
                except OSError:  # the file or directory was removed meanwhile
                    continue
                child = f"{path}/{name}"
                # None means that another file system is mounted there. The scan does not enter a mount that it knows.
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
        """Return whether the scan has too many entries or takes too long, and note the reason if so."""
        if self.entry_count > self.limits.entries:
            self.stop_reason = f"{self.limits.entries} files"
        elif time.monotonic() > self.deadline:
            self.stop_reason = f"{self.limits.seconds:g} s"
        else:
            return False
        self.unseen.append(f"the file scan ended after {self.stop_reason}, in {path}")
        return True

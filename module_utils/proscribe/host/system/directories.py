"""Functions to hash, measure, copy and remove files and whole directories. No link is ever followed.

Only code that moves files needs this module, so an audit never imports it. Every function takes the open descriptor of
the parent directory, and the name of an entry in that directory. So a user who changes the path meanwhile has no
effect.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import Callable, Iterator

from ...base.named_tuple import NamedTuple
from .file_attributes import ignore_unsupported, read_attributes, set_attributes
from .types import ControlError

MAX_DEPTH = 200  # most levels of directories: each level needs open file descriptors
# Most bytes of data that are read or copied, about one minute of work. Holes (unwritten blocks) do not count.
MAX_DATA_BYTES = 4 * 1024**3
_PIECE_BYTES = 1024 * 1024
_ZEROS = bytes(_PIECE_BYTES)
_BLOCK_BYTES = 4096  # a shorter run of zeros is treated as data
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class ContentSum(NamedTuple):
    """Checksum of a file or a directory. Equal checksums mean equal names, kinds and contents."""

    sha256: str  # for a single file: the usual SHA-256 of its content, unless the file has more than 1 GiB of zeros
    files: int  # number of regular files
    size: int  # bytes in these files, holes (unwritten blocks) included
    shared: int  # number of these files that also have a hard link outside the directory


class DiskUsage(NamedTuple):
    """Disk space that a file or a directory uses, and the number of its entries."""

    size: int  # bytes
    entries: int


class ReadAllowance:
    """Counter of the bytes of data that may still be read.

    The counter is needed because a process that has a file open can make the file grow during the read.
    """

    def __init__(self, size: int = MAX_DATA_BYTES) -> None:
        self.size = self.remaining = size
        self.zeros_remaining = 1024**3  # bytes of zeros that may still be hashed one by one; see `_hash_zeros`

    def consume_bytes(self, size: int) -> None:
        """Subtract `size` from the bytes that may still be read. Raises ControlError if too few are left."""
        self.remaining -= size
        if self.remaining < 0:
            raise ControlError(f"it has more than {self.size // 1024**2} MiB of data")


def open_entry(directory: int, name: str) -> int:
    """Open a regular file or a directory for reading, and return the descriptor.

    Raises OSError. Raises ControlError for any other kind of entry, such as a link or a device.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ControlError(f"{name} is neither a file nor a directory")
    return os.open(name, _DIRECTORY_FLAGS if stat.S_ISDIR(status.st_mode) else _FILE_FLAGS, dir_fd=directory)


def measure_disk_usage(directory: int, name: str, limit: int = 1_000_000) -> DiskUsage:
    """Return the disk space of a file or a directory, from the file status alone.

    A file with several hard links counts once. Raises OSError. Raises ControlError for more than `limit` entries.
    """
    disk = entries = 0
    counted: set[tuple[int, int]] = set()
    for _, _, _, status in list_contents(directory, name):
        entries += 1
        if entries > limit:
            raise ControlError(f"it has more than {limit} files")
        if (status.st_dev, status.st_ino) not in counted:
            counted.add((status.st_dev, status.st_ino))
            disk += status.st_blocks * 512  # st_blocks counts units of 512 bytes whatever the block size (stat(2))
    return DiskUsage(disk, entries)


def sum_content(directory: int, name: str, allowance: ReadAllowance | None = None) -> ContentSum:
    """Return the checksum of a file or a directory, with the number and size of its files.

    Raises OSError. Raises ControlError if another file system is mounted in the directory, or if there is too much
    data.
    """
    allowance = allowance or ReadAllowance()
    # by (inode, device): the number of all hard links of a file, and of its links in the directory
    total_links: dict[tuple[int, int], int] = {}
    found_links: dict[tuple[int, int], int] = {}
    digest = hashlib.sha256()
    files = size = 0
    file_sum = ""
    top_status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    for path, parent, entry_name, status in list_contents(directory, name):
        if (
            stat.S_ISDIR(status.st_mode) and status.st_dev != top_status.st_dev
        ):  # only directories are checked: on an overlay file system, a file may have another device number
            raise ControlError(f"another file system is mounted at {path} in it")
        content = ""
        if stat.S_ISREG(status.st_mode):
            content = file_sum = _hash_file(parent, entry_name, allowance)
            files, size = files + 1, size + status.st_size
            if status.st_nlink > 1:
                total_links[status.st_ino, status.st_dev] = status.st_nlink
                found_links[status.st_ino, status.st_dev] = found_links.get((status.st_ino, status.st_dev), 0) + 1
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(entry_name, dir_fd=parent)
        fields = (path, f"{stat.S_IFMT(status.st_mode):o}", content)
        digest.update(b"\0".join(os.fsencode(field) for field in fields) + b"\0\n")
    shared = sum(count != found_links[inode] for inode, count in total_links.items())
    if stat.S_ISREG(top_status.st_mode):
        return ContentSum(file_sum, files, size, shared)
    return ContentSum(digest.hexdigest(), files, size, shared)


def list_contents(directory: int, name: str) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Yield an entry and all entries below it, each directory before its content.

    Yields tuples of path, descriptor, name and status. The path is relative to the first entry, which has the path "".
    The descriptor is that of the open parent directory, which contains the name.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    yield "", directory, name, status
    if stat.S_ISDIR(status.st_mode):
        yield from _list_below(directory, name, "", 1)


def _list_below(directory: int, name: str, path: str, depth: int) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Yield the entries below a directory as `list_contents` does.

    Raises ControlError below MAX_DEPTH levels.
    """
    if depth > MAX_DEPTH:
        raise ControlError(f"its directories are more than {MAX_DEPTH} deep")
    descriptor = os.open(name, _DIRECTORY_FLAGS, dir_fd=directory)
    try:
        for entry_name in sorted(os.listdir(descriptor)):
            entry_path = f"{path}/{entry_name}" if path else entry_name
            status = os.stat(entry_name, dir_fd=descriptor, follow_symlinks=False)
            yield entry_path, descriptor, entry_name, status
            if stat.S_ISDIR(status.st_mode):
                yield from _list_below(descriptor, entry_name, entry_path, depth + 1)
    finally:
        os.close(descriptor)


def copy_entry(
    directory: int, name: str, target: int, target_name: str, allowance: ReadAllowance | None = None
) -> None:
    """Copy a file or a directory with all its attributes, and sync the copy to the disk.

    `target` is the open descriptor of a directory that only root can enter. Raises OSError, for example if the disk is
    full. Raises ControlError if another file system is mounted in the directory, or if there is too much data.
    """
    top_status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    _copy_entry(
        directory,
        name,
        target,
        target_name,
        _CopyContext(top_status.st_dev, target, allowance or ReadAllowance()),
        target_name,
        0,
    )


class _CopyContext:
    """State of a copy operation.

    `device` is the file system of the source. `root` is the open target directory of the whole operation.
    `copied_paths` has the path of each copy below `root`, by the (device, inode) of its original.
    """

    def __init__(self, device: int, root: int, allowance: ReadAllowance) -> None:
        self.device, self.root, self.allowance = device, root, allowance
        self.copied_paths: dict[tuple[int, int], str] = {}


def _copy_entry(
    directory: int, name: str, target: int, target_name: str, context: _CopyContext, path: str, depth: int
) -> None:
    """Copy an entry and all entries below it.

    The entry `name` of the open directory `directory` is copied to `target_name` in the open directory `target`. `path`
    is the path of the copy below the target directory of the whole operation. `depth` is the number of directories
    above the entry. A further hard link to a copied file becomes a hard link in the copy.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) and status.st_dev != context.device:
        raise ControlError(f"another file system is mounted at {path} in it")
    if depth > MAX_DEPTH:
        raise ControlError(f"its directories are more than {MAX_DEPTH} deep")
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(target_name, 0o700, dir_fd=target)
        source_directory, target_directory = (
            os.open(name, _DIRECTORY_FLAGS, dir_fd=directory),
            os.open(target_name, _DIRECTORY_FLAGS, dir_fd=target),
        )
        try:
            for entry_name in sorted(os.listdir(source_directory)):
                _copy_entry(
                    source_directory,
                    entry_name,
                    target_directory,
                    entry_name,
                    context,
                    f"{path}/{entry_name}",
                    depth + 1,
                )
            set_attributes(target_directory, read_attributes(source_directory))
            os.fsync(target_directory)
        finally:
            os.close(source_directory)
            os.close(target_directory)
        return
    inode = (status.st_dev, status.st_ino)
    if inode in context.copied_paths:
        os.link(
            context.copied_paths[inode], target_name, src_dir_fd=context.root, dst_dir_fd=target, follow_symlinks=False
        )
        return
    context.copied_paths[inode] = path
    if stat.S_ISREG(status.st_mode):
        _copy_file(directory, name, target, target_name, context.allowance)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=directory), target_name, dir_fd=target)
    else:
        os.mknod(target_name, status.st_mode, status.st_rdev, dir_fd=target)
    with ignore_unsupported():
        os.chown(target_name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    os.utime(target_name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(directory: int, name: str, target: int, target_name: str, allowance: ReadAllowance) -> None:
    """Copy a regular file with its attributes.

    Blocks of zeros become holes, so the copy needs no disk space for them.
    """
    source_file = os.open(name, _FILE_FLAGS, dir_fd=directory)
    try:
        target_file = os.open(target_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=target)
        try:
            size = os.fstat(source_file).st_size
            os.ftruncate(target_file, size)  # parts that are not written below stay holes, as in the original
            for offset, piece in _read_data(source_file, size, allowance):
                while piece:
                    written = os.pwrite(target_file, piece, offset)
                    offset, piece = offset + written, piece[written:]
            set_attributes(target_file, read_attributes(source_file))
            os.fsync(target_file)
        finally:
            os.close(target_file)
    finally:
        os.close(source_file)


def remove_entry(directory: int, name: str) -> None:
    """Remove a file, or a directory with all its content.

    Raises OSError, and ControlError for a mount below it. The entry must be in a directory that only root can enter. A
    missing entry is no error. Entries on another file system are never removed.
    """
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        _remove_entry(directory, name, status.st_dev)


def _remove_entry(directory: int, name: str, device: int, top: int = -1, depth: int = 0) -> None:
    """Remove an entry with all its content.

    `device` is the file system of the first entry. `top` is the descriptor of the first directory; -1 means that this
    entry is the first. A directory below MAX_DEPTH levels is moved into `top`, and removed from there.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    if status.st_dev != device:
        raise ControlError(f"another file system is mounted at {name} in it")
    if depth > MAX_DEPTH:
        os.rename(name, f"deep-{os.urandom(8).hex()}", src_dir_fd=directory, dst_dir_fd=top)
        return
    descriptor = os.open(name, _DIRECTORY_FLAGS, dir_fd=directory)
    try:
        # The first directory is read again until it is empty: deep directories are moved into it meanwhile.
        while names := os.listdir(descriptor):
            for entry_name in names:
                _remove_entry(descriptor, entry_name, device, descriptor if top < 0 else top, depth + 1)
            if top >= 0:
                break
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=directory)


def _hash_file(directory: int, name: str, allowance: ReadAllowance) -> str:
    """Return the SHA-256 of a file.

    Hashing a long run of zeros takes too long. After 1 GiB of zeros, only the length of each run is hashed. A hole and
    written zeros give the same hash, because a copy may have one in place of the other.
    """
    digest = hashlib.sha256()
    descriptor = os.open(name, _FILE_FLAGS, dir_fd=directory)
    try:
        size = os.fstat(descriptor).st_size
        end = 0
        for offset, piece in _read_data(descriptor, size, allowance):
            _hash_zeros(digest.update, offset - end, allowance)
            digest.update(piece)
            end = offset + len(piece)
        _hash_zeros(digest.update, size - end, allowance)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _hash_zeros(update: Callable[[bytes], None], count: int, allowance: ReadAllowance) -> None:
    """Hash `count` bytes of zeros.

    `update` adds bytes to the hash. If more zeros than the allowance permits would be hashed, only a text with their
    number is hashed.
    """
    if count > allowance.zeros_remaining:
        update(b"%d zeros" % count)
        return
    allowance.zeros_remaining -= count
    while count:
        update(_ZEROS[:count])
        count -= min(count, _PIECE_BYTES)


def _read_data(descriptor: int, size: int, allowance: ReadAllowance) -> Iterator[tuple[int, bytes]]:
    """Yield pairs (offset, piece) of the first `size` bytes of a file, without the blocks of zeros.

    Holes are not read. Raises ControlError if more data than the allowance is read.
    """
    offset = 0
    while offset < size:
        try:
            # the next data of the file, extended to whole blocks
            start = max(offset, os.lseek(descriptor, offset, os.SEEK_DATA) // _BLOCK_BYTES * _BLOCK_BYTES)
            end = -(-os.lseek(descriptor, start, os.SEEK_HOLE) // _BLOCK_BYTES) * _BLOCK_BYTES
        except OSError as error:
            if error.errno == errno.ENXIO:  # the rest of the file is a hole (lseek(2))
                return
            raise
        offset = start
        if end <= start:  # the data ends exactly at the start of this block
            end = start + _BLOCK_BYTES
        piece = os.pread(descriptor, min(_PIECE_BYTES, end - offset, size - offset), offset)
        if not piece:  # the file was truncated meanwhile
            return
        allowance.consume_bytes(len(piece))
        # most pieces have no block of zeros, and need not be split into blocks
        if _ZEROS[:_BLOCK_BYTES] not in piece and piece != _ZEROS[: len(piece)]:
            yield offset, piece
        else:
            for block_start in range(0, len(piece), _BLOCK_BYTES):
                block = piece[block_start : block_start + _BLOCK_BYTES]
                if block != _ZEROS[: len(block)]:
                    yield offset + block_start, block
        offset += len(piece)

"""Files and whole directories by descriptors: distinguished, summed up, copied, removed. No link is ever followed.

Only what moves things needs this, so an audit never imports it. Every function takes the descriptor of the directory
that has the entry, and its name there: what users do to the path meanwhile changes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import Callable, Iterator

from ...base.tuples import NamedTuple
from .file_attributes import ignore_unsupported, read_attributes, set_attributes
from .types import ControlError

MAX_DEPTH = 200  # levels of directories; each holds descriptors open
# Bytes of data that one thing may have on a disk to be copied or read whole: a minute's work. Holes are no data.
MAX_DATA_BYTES = 4 * 1024**3
_PIECE_BYTES = 1024 * 1024
_ZEROS = bytes(_PIECE_BYTES)
_BLOCK_BYTES = 4096  # the smallest hole that counts as one
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class ContentSum(NamedTuple):
    """The sum of a file or a directory: equal sums, equal names, kinds and contents."""

    sha256: str  # of one file the plain one, unless it has more than 1 GiB of holes
    files: int  # regular ones
    size: int  # bytes in them, with their holes
    shared: int  # of them, those that have names outside the directory as well (hard links)


class DiskUsage(NamedTuple):
    """What a file or a directory takes on a disk."""

    size: int  # bytes
    entries: int


class ReadAllowance:
    """How many bytes of data may still be read: whoever holds a file open can make it grow while it is read."""

    def __init__(self, size: int = MAX_DATA_BYTES) -> None:
        self.size = self.remaining = size
        self.zeros_remaining = 1024**3  # bytes of holes that are still hashed as what they read as

    def consume_bytes(self, size: int) -> None:
        """Raises ControlError once there is no more."""
        self.remaining -= size
        if self.remaining < 0:
            raise ControlError(f"it has more than {self.size // 1024**2} MiB of data")


def open_entry(directory: int, name: str) -> int:
    """The descriptor of a regular file or a directory. Raises OSError, and ControlError for anything else."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ControlError(f"{name} is neither a file nor a directory")
    return os.open(name, _DIRECTORY_FLAGS if stat.S_ISDIR(status.st_mode) else _FILE_FLAGS, dir_fd=directory)


def measure_disk_usage(directory: int, name: str, limit: int = 1_000_000) -> DiskUsage:
    """What a file or a directory takes, without reading it. Raises OSError, and ControlError for more entries."""
    disk = entries = 0
    counted: set[tuple[int, int]] = set()
    for _, _, _, status in list_contents(directory, name):
        entries += 1
        if entries > limit:
            raise ControlError(f"it has more than {limit} files")
        if (status.st_dev, status.st_ino) not in counted:
            counted.add((status.st_dev, status.st_ino))
            disk += status.st_blocks * 512  # whatever the block size (stat(2))
    return DiskUsage(disk, entries)


def sum_content(directory: int, name: str, allowance: ReadAllowance | None = None) -> ContentSum:
    """Read a file or a directory. Raises OSError, and ControlError where another file system is mounted in it, or for
    more data than is allowed.
    """
    allowance = allowance or ReadAllowance()
    links: dict[tuple[int, int], int] = {}
    missing: dict[tuple[int, int], int] = {}
    digest = hashlib.sha256()
    files = size = 0
    file_sum = ""
    top_status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    for path, parent, entry_name, status in list_contents(directory, name):
        if (
            stat.S_ISDIR(status.st_mode) and status.st_dev != top_status.st_dev
        ):  # a file of an overlay may have another device
            raise ControlError(f"another file system is mounted at {path} in it")
        content = ""
        if stat.S_ISREG(status.st_mode):
            content = file_sum = _hash_file(parent, entry_name, allowance)
            files, size = files + 1, size + status.st_size
            if status.st_nlink > 1:
                links[status.st_ino, status.st_dev] = status.st_nlink
                missing[status.st_ino, status.st_dev] = missing.get((status.st_ino, status.st_dev), 0) + 1
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(entry_name, dir_fd=parent)
        fields = (path, f"{stat.S_IFMT(status.st_mode):o}", content)
        digest.update(b"\0".join(os.fsencode(field) for field in fields) + b"\0\n")
    shared = sum(count != missing[inode] for inode, count in links.items())
    if stat.S_ISREG(top_status.st_mode):
        return ContentSum(file_sum, files, size, shared)
    return ContentSum(digest.hexdigest(), files, size, shared)


def list_contents(directory: int, name: str) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Everything in a directory, each directory before its content: the path below the top ("" is the top), the
    descriptor of the directory and the name in it, and the entry itself.
    """
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    yield "", directory, name, status
    if stat.S_ISDIR(status.st_mode):
        yield from _list_below(directory, name, "", 1)


def _list_below(directory: int, name: str, path: str, depth: int) -> Iterator[tuple[str, int, str, os.stat_result]]:
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
    """Copy a file or a directory, synced, with everything that it has. `target` is a directory that only root can
    enter.

    Raises OSError (a full disk), and ControlError where another file system is mounted in it, or for more data than is
    allowed.
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
    """One copying: the file system it stays on, where it goes, what is left to it, and files by their inode."""

    def __init__(self, device: int, root: int, allowance: ReadAllowance) -> None:
        self.device, self.root, self.allowance = device, root, allowance
        self.copied_paths: dict[tuple[int, int], str] = {}


def _copy_entry(
    directory: int, name: str, target: int, target_name: str, context: _CopyContext, path: str, depth: int
) -> None:
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
    source_file = os.open(name, _FILE_FLAGS, dir_fd=directory)
    try:
        target_file = os.open(target_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=target)
        try:
            size = os.fstat(source_file).st_size
            os.ftruncate(target_file, size)  # what is not written into it is a hole, as in the original
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
    """Remove a file or a directory, where only root can reach it, however deep it is; nothing happens if it is gone.
    Never leaves its file system. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        _remove_entry(directory, name, status.st_dev)


def _remove_entry(directory: int, name: str, device: int, top: int = -1, depth: int = 0) -> None:
    """Remove an entry. What is too deep below the directory `top` moves into it first; -1: this one is the top."""
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
        while names := os.listdir(descriptor):
            for entry_name in names:
                _remove_entry(descriptor, entry_name, device, descriptor if top < 0 else top, depth + 1)
            if top >= 0:
                break
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=directory)


def _hash_file(directory: int, name: str, allowance: ReadAllowance) -> str:
    """The SHA-256 of a file. Where there is nothing but zeros for longer than anybody would wait, only how many there
    are counts. That goes by the content: a copy may have zeros where the original has a hole.
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
    if count > allowance.zeros_remaining:
        update(b"%d zeros" % count)
        return
    allowance.zeros_remaining -= count
    while count:
        update(_ZEROS[:count])
        count -= min(count, _PIECE_BYTES)


def _read_data(descriptor: int, size: int, allowance: ReadAllowance) -> Iterator[tuple[int, bytes]]:
    """What a file has in its first `size` bytes: pieces, each with where it begins, without the blocks that are nothing
    but zeros. Holes are not read. Raises ControlError.
    """
    offset = 0
    while offset < size:
        try:
            start = max(offset, os.lseek(descriptor, offset, os.SEEK_DATA) // _BLOCK_BYTES * _BLOCK_BYTES)
            end = -(-os.lseek(descriptor, start, os.SEEK_HOLE) // _BLOCK_BYTES) * _BLOCK_BYTES
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end (lseek(2))
                return
            raise
        offset = start
        if end <= start:  # the hole begins where the block does
            end = start + _BLOCK_BYTES
        piece = os.pread(descriptor, min(_PIECE_BYTES, end - offset, size - offset), offset)
        if not piece:  # it was cut short meanwhile
            return
        allowance.consume_bytes(len(piece))
        if _ZEROS[:_BLOCK_BYTES] not in piece and piece != _ZEROS[: len(piece)]:
            yield offset, piece
        else:
            for block_start in range(0, len(piece), _BLOCK_BYTES):
                block = piece[block_start : block_start + _BLOCK_BYTES]
                if block != _ZEROS[: len(block)]:
                    yield offset + block_start, block
        offset += len(piece)

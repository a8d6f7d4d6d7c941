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
from .file_attributes import attributes, give_attributes, tolerant
from .types import ControlError

DEEPEST = 200  # levels of directories; each holds descriptors open
# Bytes of data that one thing may have on a disk to be copied or read whole: a minute's work. Holes are no data.
LARGEST = 4 * 1024**3
_PIECE = 1024 * 1024
_ZEROS = bytes(_PIECE)
_BLOCK = 4096  # the smallest hole that counts as one
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Sum(NamedTuple):
    """The sum of a file or a directory: equal sums, equal names, kinds and contents."""

    sha256: str  # of one file the plain one, unless it has more than 1 GiB of holes
    files: int  # regular ones
    size: int  # bytes in them, with their holes
    shared: int  # of them, those that have names outside the directory as well (hard links)


class Extent(NamedTuple):
    """What a file or a directory takes on a disk."""

    disk: int  # bytes
    entries: int


class Allowance:
    """How many bytes of data may still be read: whoever holds a file open can make it grow while it is read."""

    def __init__(self, size: int = LARGEST) -> None:
        self.size = self.left = size
        self.zeros = 1024**3  # bytes of holes that are still hashed as what they read as

    def take(self, size: int) -> None:
        """Raises ControlError once there is no more."""
        self.left -= size
        if self.left < 0:
            raise ControlError(f"it has more than {self.size // 1024**2} MiB of data")


def open_entry(directory: int, name: str) -> int:
    """The descriptor of a regular file or a directory. Raises OSError, and ControlError for anything else."""
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
        raise ControlError(f"{name} is neither a file nor a directory")
    return os.open(name, _DIRECTORY if stat.S_ISDIR(seen.st_mode) else _FILE, dir_fd=directory)


def extent(directory: int, name: str, most: int = 1_000_000) -> Extent:
    """What a file or a directory takes, without reading it. Raises OSError, and ControlError for more entries."""
    disk = entries = 0
    counted: set[tuple[int, int]] = set()
    for _, _, _, seen in contents(directory, name):
        entries += 1
        if entries > most:
            raise ControlError(f"it has more than {most} files")
        if (seen.st_dev, seen.st_ino) not in counted:
            counted.add((seen.st_dev, seen.st_ino))
            disk += seen.st_blocks * 512  # whatever the block size (stat(2))
    return Extent(disk, entries)


def sum_up(directory: int, name: str, allowance: Allowance | None = None) -> Sum:
    """Read a file or a directory. Raises OSError, and ControlError where another file system is mounted in it, or for
    more data than is allowed.
    """
    allowance = allowance or Allowance()
    links: dict[tuple[int, int], int] = {}
    missing: dict[tuple[int, int], int] = {}
    digest = hashlib.sha256()
    files = size = 0
    own = ""
    top = os.stat(name, dir_fd=directory, follow_symlinks=False)
    for path, place, base, seen in contents(directory, name):
        if stat.S_ISDIR(seen.st_mode) and seen.st_dev != top.st_dev:  # a file of an overlay may have another device
            raise ControlError(f"another file system is mounted at {path} in it")
        said = ""
        if stat.S_ISREG(seen.st_mode):
            said = own = _sha256(place, base, allowance)
            files, size = files + 1, size + seen.st_size
            if seen.st_nlink > 1:
                links[seen.st_ino, seen.st_dev] = seen.st_nlink
                missing[seen.st_ino, seen.st_dev] = missing.get((seen.st_ino, seen.st_dev), 0) + 1
        elif stat.S_ISLNK(seen.st_mode):
            said = os.readlink(base, dir_fd=place)
        fields = (path, f"{stat.S_IFMT(seen.st_mode):o}", said)
        digest.update(b"\0".join(os.fsencode(field) for field in fields) + b"\0\n")
    shared = sum(count != missing[inode] for inode, count in links.items())
    if stat.S_ISREG(top.st_mode):
        return Sum(own, files, size, shared)
    return Sum(digest.hexdigest(), files, size, shared)


def contents(directory: int, name: str) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Everything in a directory, each directory before its content: the path below the top ("" is the top), the
    descriptor of the directory and the name in it, and the entry itself.
    """
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    yield "", directory, name, seen
    if stat.S_ISDIR(seen.st_mode):
        yield from _inside(directory, name, "", 1)


def _inside(directory: int, name: str, path: str, depth: int) -> Iterator[tuple[str, int, str, os.stat_result]]:
    if depth > DEEPEST:
        raise ControlError(f"its directories are more than {DEEPEST} deep")
    descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        for base in sorted(os.listdir(descriptor)):
            below = f"{path}/{base}" if path else base
            seen = os.stat(base, dir_fd=descriptor, follow_symlinks=False)
            yield below, descriptor, base, seen
            if stat.S_ISDIR(seen.st_mode):
                yield from _inside(descriptor, base, below, depth + 1)
    finally:
        os.close(descriptor)


def copy(directory: int, name: str, target: int, new: str, allowance: Allowance | None = None) -> None:
    """Copy a file or a directory, synced, with everything that it has. `target` is a directory that only root can
    enter.

    Raises OSError (a full disk), and ControlError where another file system is mounted in it, or for more data than is
    allowed.
    """
    top = os.stat(name, dir_fd=directory, follow_symlinks=False)
    _copy(directory, name, target, new, _Copying(top.st_dev, target, allowance or Allowance()), new, 0)


class _Copying:
    """One copying: the file system it stays on, where it goes, what is left to it, and files by their inode."""

    def __init__(self, device: int, root: int, allowance: Allowance) -> None:
        self.device, self.root, self.allowance = device, root, allowance
        self.copied: dict[tuple[int, int], str] = {}


def _copy(directory: int, name: str, target: int, new: str, one: _Copying, path: str, depth: int) -> None:
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(seen.st_mode) and seen.st_dev != one.device:
        raise ControlError(f"another file system is mounted at {path} in it")
    if depth > DEEPEST:
        raise ControlError(f"its directories are more than {DEEPEST} deep")
    if stat.S_ISDIR(seen.st_mode):
        os.mkdir(new, 0o700, dir_fd=target)
        source, made = os.open(name, _DIRECTORY, dir_fd=directory), os.open(new, _DIRECTORY, dir_fd=target)
        try:
            for base in sorted(os.listdir(source)):
                _copy(source, base, made, base, one, f"{path}/{base}", depth + 1)
            give_attributes(made, attributes(source))
            os.fsync(made)
        finally:
            os.close(source)
            os.close(made)
        return
    inode = (seen.st_dev, seen.st_ino)
    if inode in one.copied:
        os.link(one.copied[inode], new, src_dir_fd=one.root, dst_dir_fd=target, follow_symlinks=False)
        return
    one.copied[inode] = path
    if stat.S_ISREG(seen.st_mode):
        _copy_file(directory, name, target, new, one.allowance)
        return
    if stat.S_ISLNK(seen.st_mode):
        os.symlink(os.readlink(name, dir_fd=directory), new, dir_fd=target)
    else:
        os.mknod(new, seen.st_mode, seen.st_rdev, dir_fd=target)
    with tolerant():
        os.chown(new, seen.st_uid, seen.st_gid, dir_fd=target, follow_symlinks=False)
    os.utime(new, ns=(seen.st_atime_ns, seen.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(directory: int, name: str, target: int, new: str, allowance: Allowance) -> None:
    source = os.open(name, _FILE, dir_fd=directory)
    try:
        made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=target)
        try:
            size = os.fstat(source).st_size
            os.ftruncate(made, size)  # what is not written into it is a hole, as in the original
            for at, piece in _data(source, size, allowance):
                while piece:
                    written = os.pwrite(made, piece, at)
                    at, piece = at + written, piece[written:]
            give_attributes(made, attributes(source))
            os.fsync(made)
        finally:
            os.close(made)
    finally:
        os.close(source)


def remove(directory: int, name: str) -> None:
    """Remove a file or a directory, where only root can reach it, however deep it is; nothing happens if it is gone.
    Never leaves its file system. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
        _remove(directory, name, seen.st_dev)


def _remove(directory: int, name: str, device: int, top: int = -1, depth: int = 0) -> None:
    """Remove an entry. What is too deep below the directory `top` moves into it first; -1: this one is the top."""
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    if seen.st_dev != device:
        raise ControlError(f"another file system is mounted at {name} in it")
    if depth > DEEPEST:
        os.rename(name, f"deep-{os.urandom(8).hex()}", src_dir_fd=directory, dst_dir_fd=top)
        return
    descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        while names := os.listdir(descriptor):
            for base in names:
                _remove(descriptor, base, device, descriptor if top < 0 else top, depth + 1)
            if top >= 0:
                break
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=directory)


def _sha256(directory: int, name: str, allowance: Allowance) -> str:
    """The SHA-256 of a file. Where there is nothing but zeros for longer than anybody would wait, only how many there
    are counts. That goes by the content: a copy may have zeros where the original has a hole.
    """
    digest = hashlib.sha256()
    descriptor = os.open(name, _FILE, dir_fd=directory)
    try:
        size = os.fstat(descriptor).st_size
        end = 0
        for at, piece in _data(descriptor, size, allowance):
            _zeros(digest.update, at - end, allowance)
            digest.update(piece)
            end = at + len(piece)
        _zeros(digest.update, size - end, allowance)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _zeros(update: Callable[[bytes], None], count: int, allowance: Allowance) -> None:
    if count > allowance.zeros:
        update(b"%d zeros" % count)
        return
    allowance.zeros -= count
    while count:
        update(_ZEROS[:count])
        count -= min(count, _PIECE)


def _data(descriptor: int, size: int, allowance: Allowance) -> Iterator[tuple[int, bytes]]:
    """What a file has in its first `size` bytes: pieces, each with where it begins, without the blocks that are nothing
    but zeros. Holes are not read. Raises ControlError.
    """
    at = 0
    while at < size:
        try:
            start = max(at, os.lseek(descriptor, at, os.SEEK_DATA) // _BLOCK * _BLOCK)
            end = -(-os.lseek(descriptor, start, os.SEEK_HOLE) // _BLOCK) * _BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end (lseek(2))
                return
            raise
        at = start
        if end <= start:  # the hole begins where the block does
            end = start + _BLOCK
        piece = os.pread(descriptor, min(_PIECE, end - at, size - at), at)
        if not piece:  # it was cut short meanwhile
            return
        allowance.take(len(piece))
        if _ZEROS[:_BLOCK] not in piece and piece != _ZEROS[: len(piece)]:
            yield at, piece
        else:
            for begin in range(0, len(piece), _BLOCK):
                block = piece[begin : begin + _BLOCK]
                if block != _ZEROS[: len(block)]:
                    yield at + begin, block
        at += len(piece)

"""Files and whole trees by directory descriptors: told apart, summed up, copied, taken away. No link is ever followed.

Only what moves things needs this, so an audit never imports it. Every function takes the descriptor of the directory
that something stands in, and its name there: what users do to the path meanwhile changes nothing.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import stat
from typing import Iterator

from ..tuples import NamedTuple
from .words import ControlError

DEEPEST = 200  # levels of directories; each holds descriptors open
_PIECE = 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# What a file system that has no owners, modes or extended attributes answers (vfat).
_NO_SUCH_THING = (errno.ENOTSUP, errno.EPERM, errno.ENODATA)


class Attributes(NamedTuple):
    """What a file has beside its content."""

    mode: int  # as in st_mode, with the kind of file
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    xattrs: dict[str, str]  # values in base64


class Sum(NamedTuple):
    """A file or a tree in short: equal sums, equal names, kinds and contents."""

    sha256: str
    files: int  # regular ones
    size: int  # bytes in them
    shared: int  # of them, those that have names outside the tree as well (hard links)


def open_entry(directory: int, name: str) -> int:
    """The descriptor of a regular file or a directory. Raises OSError, and ControlError for anything else."""
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
        raise ControlError(f"{name} is neither a file nor a directory")
    return os.open(name, _DIRECTORY if stat.S_ISDIR(seen.st_mode) else _FILE, dir_fd=directory)


def attributes(descriptor: int) -> Attributes:
    seen = os.fstat(descriptor)
    xattrs: dict[str, str] = {}
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(descriptor):
            with contextlib.suppress(OSError):  # gone meanwhile
                xattrs[name] = base64.b64encode(os.getxattr(descriptor, name)).decode()
    return Attributes(seen.st_mode, seen.st_uid, seen.st_gid, seen.st_atime_ns, seen.st_mtime_ns, xattrs)


def give_attributes(descriptor: int, wanted: Attributes) -> None:
    """Owner first, since a change of it takes set-user-id bits and capabilities away; times last."""
    with _tolerant():
        os.chown(descriptor, wanted.uid, wanted.gid)
    with _tolerant():
        os.chmod(descriptor, stat.S_IMODE(wanted.mode))
    for name, value in wanted.xattrs.items():
        with _tolerant():
            os.setxattr(descriptor, name, base64.b64decode(value))
    os.utime(descriptor, ns=(wanted.atime_ns, wanted.mtime_ns))


def sum_up(directory: int, name: str) -> Sum:
    """Read a file or a tree. Raises OSError, and ControlError where another file system is mounted in it."""
    links: dict[tuple[int, int], int] = {}
    missing: dict[tuple[int, int], int] = {}
    digest = hashlib.sha256()
    files = size = 0
    top = os.stat(name, dir_fd=directory, follow_symlinks=False)
    for path, place, base, seen in walk(directory, name):
        if stat.S_ISDIR(seen.st_mode) and seen.st_dev != top.st_dev:  # a file of an overlay may have another device
            raise ControlError(f"another file system is mounted at {path} in it")
        said = ""
        if stat.S_ISREG(seen.st_mode):
            said = _sha256(place, base)
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
        return Sum(_sha256(directory, name), files, size, shared)
    return Sum(digest.hexdigest(), files, size, shared)


def walk(directory: int, name: str) -> Iterator[tuple[str, int, str, os.stat_result]]:
    """Everything of a tree, each directory before what is in it: the path below the tree's top ("" is the top), the
    descriptor of the directory and the name in it, and what stands there.
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


def copy(directory: int, name: str, target: int, new: str) -> None:
    """Copy a file or a tree, synced, with everything that it has. `target` is a directory that only root can enter.

    Raises OSError (a full disk), and ControlError where another file system is mounted in it.
    """
    top = os.stat(name, dir_fd=directory, follow_symlinks=False)
    _copy(directory, name, target, new, top.st_dev, target, new, {}, 0)


def _copy(
    directory: int,
    name: str,
    target: int,
    new: str,
    device: int,
    root: int,
    path: str,
    copied: dict[tuple[int, int], str],
    depth: int,
) -> None:
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(seen.st_mode) and seen.st_dev != device:
        raise ControlError(f"another file system is mounted at {path} in it")
    if depth > DEEPEST:
        raise ControlError(f"its directories are more than {DEEPEST} deep")
    if stat.S_ISDIR(seen.st_mode):
        os.mkdir(new, 0o700, dir_fd=target)
        source, made = os.open(name, _DIRECTORY, dir_fd=directory), os.open(new, _DIRECTORY, dir_fd=target)
        try:
            for base in sorted(os.listdir(source)):
                _copy(source, base, made, base, device, root, f"{path}/{base}", copied, depth + 1)
            give_attributes(made, attributes(source))
            os.fsync(made)
        finally:
            os.close(source)
            os.close(made)
        return
    inode = (seen.st_dev, seen.st_ino)
    if inode in copied:
        os.link(copied[inode], new, src_dir_fd=root, dst_dir_fd=target, follow_symlinks=False)
        return
    copied[inode] = path
    if stat.S_ISREG(seen.st_mode):
        _copy_file(directory, name, target, new)
        return
    if stat.S_ISLNK(seen.st_mode):
        os.symlink(os.readlink(name, dir_fd=directory), new, dir_fd=target)
    else:
        os.mknod(new, seen.st_mode, seen.st_rdev, dir_fd=target)
    with _tolerant():
        os.chown(new, seen.st_uid, seen.st_gid, dir_fd=target, follow_symlinks=False)
    os.utime(new, ns=(seen.st_atime_ns, seen.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(directory: int, name: str, target: int, new: str) -> None:
    source = os.open(name, _FILE, dir_fd=directory)
    try:
        made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=target)
        try:
            while piece := os.read(source, _PIECE):
                while piece:
                    piece = piece[os.write(made, piece) :]
            give_attributes(made, attributes(source))
            os.fsync(made)
        finally:
            os.close(made)
    finally:
        os.close(source)


def remove(directory: int, name: str) -> None:
    """Take a file or a tree away, where only root can reach it; nothing happens if it is gone. Never leaves its file
    system. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
        _remove(directory, name, seen.st_dev)


def _remove(directory: int, name: str, device: int) -> None:
    seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    if seen.st_dev != device:
        raise ControlError(f"another file system is mounted at {name} in it")
    descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        for base in os.listdir(descriptor):
            _remove(descriptor, base, device)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=directory)


def _sha256(directory: int, name: str) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(name, _FILE, dir_fd=directory), "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SUCH_THING:
            raise

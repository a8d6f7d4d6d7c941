"""Writes an export's directory: whole or not at all, and never over a file that is not an earlier export's.

The files are written beside it, and the two directories change places. So whoever serves the directory serves the
earlier export or the new one, and nothing between them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..files import naming
from . import manifest
from .declaration import NotExportable

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make a directory of these files alone. One of them is the manifest; the directory may be absent, empty, or hold
    an earlier export. Raises NotExportable for one with anything else in it, and OSError.
    """
    for name in files:
        manifest.checked(name)
    directory = Path(os.path.abspath(directory))
    directory.parent.mkdir(parents=True, exist_ok=True)
    _ours(directory)
    beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    left: Collection[str] = files
    try:
        _fill(beside, files)
        earlier = _ours(directory)  # anew: somebody may have put something there
        if earlier is None:
            os.rename(beside, directory)  # over nothing, or an empty directory
        else:
            _exchange(beside, directory)
            left = earlier
        _sync(directory.parent)
    finally:
        with contextlib.suppress(OSError):  # what somebody has put there just now stays
            _remove(beside, left)


def _fill(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path), open(path, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), FILE_MODE)
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, DIRECTORY_MODE)
        _sync(Path(folder))


def _ours(directory: Path) -> frozenset[str] | None:
    """The files of the earlier export in a directory; None where there is none, and nothing else. Raises NotExportable
    where something is in the place of a directory, or in it, that no export has put there.
    """
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            raise NotExportable(f"{directory} is no directory (links are not followed): name another one")
    except FileNotFoundError:
        return None
    if not os.listdir(directory):
        return None
    named = earlier(directory)
    if named is None:
        raise NotExportable(
            f"{directory} is not empty, and no earlier export: it has no {manifest.NAME} of one. Name another directory"
        )
    found = frozenset(_files(directory))
    if foreign := sorted(found - named.files.keys() - {manifest.NAME, manifest.SIGNATURE}):
        raise NotExportable(
            f"{directory} has a file that the earlier export does not name: {ascii(foreign[0])}. Move it away, since an"
            " export replaces the whole directory"
        )
    return found


def _files(directory: Path) -> Iterator[str]:
    """All that is in a directory and is no directory, by relative name; links are named and not followed."""
    for folder, folders, names in os.walk(directory, onerror=_raise):
        links = [one for one in folders if os.path.islink(os.path.join(folder, one))]
        for name in (*names, *links):
            yield os.path.relpath(os.path.join(folder, name), directory)


def _raise(error: OSError) -> None:
    raise error


def earlier(directory: Path) -> manifest.Earlier | None:
    """What the manifest of the export in a directory says; None where there is none of ours."""
    content = content_of(directory / manifest.NAME)
    return None if content is None else manifest.read(content)


def content_of(path: Path, largest: int = manifest.LARGEST) -> bytes | None:
    """A file of an export; None for what is no file, or too large for one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as stream:
        content = stream.read(largest + 1)
    return content if len(content) <= largest else None


def _exchange(one: Path, other: Path) -> None:
    """Two directories change places, at once where the kernel and the file system can."""
    with contextlib.suppress(AttributeError, OSError):
        if ctypes.CDLL(None).renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
            return
    between = Path(tempfile.mkdtemp(prefix=f".{other.name}-", dir=other.parent))
    os.rename(other, between)
    try:
        os.rename(one, other)
    except BaseException:
        os.rename(between, other)
        raise
    os.rename(between, one)


def _remove(directory: Path, names: Collection[str]) -> None:
    """Delete a directory with these files: the new one that was not finished, or the earlier export."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / name)
    for folder, _, _ in os.walk(directory, topdown=False):
        os.rmdir(folder)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Writing of files and directories on the controller: completely or not at all.

New content is written beside its place, synchronised to the disk, and then gets its name in one step. Each error names
the file. This includes errors of a full disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
# Errors of a kernel, a file system or a system call filter that cannot exchange two paths.
UNSUPPORTED_ERRORS = (errno.ENOSYS, errno.EINVAL, errno.EPERM)


@contextlib.contextmanager
def name_file_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the file's path to an OSError of the `with` body that names no file.

    The system names a file that cannot be opened, but not a file that cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


class NamedFile(io.FileIO):
    """An open file for writing whose errors name the file.

    If several files are open at once, `name_file_in_errors` around the code could not tell which file failed.
    """

    def __init__(self, descriptor: int, path: str | os.PathLike[str]) -> None:
        super().__init__(descriptor, "w")
        self._path = os.fspath(path)

    def write(self, data: Any) -> int:
        """Write as many bytes as there is room for, and return their number.

        Raises OSError.
        """
        with name_file_in_errors(self._path):
            return super().write(data)


def open_named_file(descriptor: int, path: str | os.PathLike[str]) -> TextIO:
    """Return a UTF-8 text file for an open descriptor.

    Errors of a write name `path`.
    """
    return io.TextIOWrapper(io.BufferedWriter(NamedFile(descriptor, path)), encoding="utf-8")


@contextlib.contextmanager
def replace_file(path: Path, mode: int) -> Iterator[TextIO]:
    """Open a UTF-8 text file that replaces `path` only if the `with` body ends without an error.

    Raises OSError.
    """
    with _place_file(path, mode, os.rename) as stream:
        yield stream


def write_file(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Write a file in one step.

    An existing file, or a link at its path, is replaced. Raises OSError.
    """
    with _place_file(path, mode, os.rename) as stream:
        stream.buffer.write(content)


def create_file(path: Path, content: bytes) -> None:
    """Write a new file in one step.

    Raises FileExistsError if the file exists already, and OSError.
    """
    with _place_file(path, FILE_MODE, os.link) as stream:  # unlike a rename, a link never replaces a file
        stream.buffer.write(content)


@contextlib.contextmanager
def _place_file(path: Path, mode: int, place: Callable[[str, Path], None]) -> Iterator[TextIO]:
    """Open a temporary file beside `path`, which gets the name `path` after the `with` body.

    `place(temporary name, path)` gives the name: a rename replaces an existing file, a link does not. The temporary
    file is deleted if the body raises an error.
    """
    try:
        descriptor, temporary_name = tempfile.mkstemp(prefix=f".{path.name}.", suffix="~", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with open_named_file(descriptor, path) as stream:
            yield stream
            stream.flush()
            with name_file_in_errors(path):
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
        place(temporary_name, path)
        sync_directory(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary_name)


def sync_directory(directory: Path) -> None:
    """Synchronise a directory to the disk, so that renamed and new files survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with name_file_in_errors(directory):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fill_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write new files below a directory, and synchronise each file and directory to the disk.

    `files` has the contents by relative path. All accounts can read the files and directories. Raises OSError.
    """
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with name_file_in_errors(path), open(path, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), FILE_MODE)
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, DIRECTORY_MODE)
        sync_directory(Path(folder))


def place_directory(new_directory: Path, target: Path) -> None:
    """Give a new directory the path `target`.

    An existing `target` has the path `new_directory` afterwards, so that the caller can examine and delete it. Raises
    OSError.
    """
    if os.path.lexists(target):
        exchange_directories(new_directory, target)
    else:
        os.rename(new_directory, target)
    sync_directory(target.parent)


def exchange_directories(first_directory: Path, second_directory: Path) -> None:
    """Exchange two directories.

    One step does that with renameat2(2). A system without it needs three renames. Raises OSError.
    """
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    first_name, second_name = os.fsencode(first_directory), os.fsencode(second_directory)
    if exchange and exchange(AT_FDCWD, first_name, AT_FDCWD, second_name, RENAME_EXCHANGE) == 0:
        return
    if exchange and (error_number := ctypes.get_errno()) not in UNSUPPORTED_ERRORS:
        raise OSError(error_number, os.strerror(error_number), str(second_directory))
    temporary_directory = Path(tempfile.mkdtemp(prefix=f".{second_directory.name}-", dir=second_directory.parent))
    os.rename(second_directory, temporary_directory)
    try:
        os.rename(first_directory, second_directory)
    except BaseException:
        os.rename(temporary_directory, second_directory)
        raise
    os.rename(temporary_directory, first_directory)


def add_files(staging_directory: Path, directory: Path) -> None:
    """Move the files of a staging directory into a directory, completely or not at all.

    If `directory` does not exist, one rename creates it. Otherwise the files are added one by one. If a file cannot be
    added, the files that were added before are removed again. Existing files are never replaced. Raises OSError.
    """
    if not directory.is_dir():
        os.rename(staging_directory, directory)
        return
    added_paths: list[Path] = []
    try:
        for path in sorted(staging_directory.rglob("*")):
            target = directory / path.relative_to(staging_directory)
            if path.is_file():
                os.link(path, target)  # unlike a rename, a link never replaces a file
            elif target.is_dir() and not target.is_symlink():
                continue
            else:
                target.mkdir()
            added_paths.append(target)
    except BaseException:
        for target in reversed(added_paths):
            with contextlib.suppress(OSError):  # a directory with files that another program added must stay
                target.rmdir() if target.is_dir() else target.unlink()
        raise

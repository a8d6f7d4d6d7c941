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

from ..files import name_file_in_errors
from . import manifest
from .declaration import ExportError

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def write_export(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make a directory of these files alone. One of them is the manifest; the directory may be absent, empty, or hold
    an earlier export. Raises ExportError for one with anything else in it, and OSError.
    """
    for name in files:
        manifest.check_file_name(name)
    directory = Path(os.path.abspath(directory))
    directory.parent.mkdir(parents=True, exist_ok=True)
    _list_earlier_files(directory)
    new_directory = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    remaining_names: Collection[str] = files
    try:
        _fill_directory(new_directory, files)
        earlier_names = _list_earlier_files(directory)  # anew: somebody may have put something there
        if earlier_names is None:
            os.rename(new_directory, directory)  # over nothing, or an empty directory
        else:
            _switch_directories(new_directory, directory)
            remaining_names = earlier_names
        _sync_directory(directory.parent)
    finally:
        with contextlib.suppress(OSError):  # what somebody has put there just now stays
            _remove_export(new_directory, remaining_names)


def _fill_directory(directory: Path, files: Mapping[str, bytes]) -> None:
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
        _sync_directory(Path(folder))


def _list_earlier_files(directory: Path) -> frozenset[str] | None:
    """The files of the earlier export in a directory; None where there is none, and nothing else. Raises ExportError
    where something is in the place of a directory, or in it, that no export has put there.
    """
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            raise ExportError(f"{directory} is no directory (links are not followed): name another one")
    except FileNotFoundError:
        return None
    if not os.listdir(directory):
        return None
    earlier_export = read_earlier_export(directory)
    if earlier_export is None:
        raise ExportError(
            f"{directory} is not empty, and no earlier export: it has no {manifest.MANIFEST_NAME} of one. Name another directory"
        )
    file_names = frozenset(_iterate_files(directory))
    if foreign_names := sorted(
        file_names - earlier_export.files.keys() - {manifest.MANIFEST_NAME, manifest.SIGNATURE_NAME}
    ):
        raise ExportError(
            f"{directory} has a file that the earlier export does not name: {ascii(foreign_names[0])}. Move it away, since an"
            " export replaces the whole directory"
        )
    return file_names


def _iterate_files(directory: Path) -> Iterator[str]:
    """All that is in a directory and is no directory, by relative name; links are named and not followed."""
    for folder, folders, names in os.walk(directory, onerror=_raise_error):
        links = [folder_name for folder_name in folders if os.path.islink(os.path.join(folder, folder_name))]
        for name in (*names, *links):
            yield os.path.relpath(os.path.join(folder, name), directory)


def _raise_error(error: OSError) -> None:
    raise error


def read_earlier_export(directory: Path) -> manifest.EarlierExport | None:
    """What the manifest of the export in a directory says; None where there is none of ours."""
    content = read_export_file(directory / manifest.MANIFEST_NAME)
    return None if content is None else manifest.parse_manifest(content)


def read_export_file(path: Path, max_bytes: int = manifest.MAX_MANIFEST_BYTES) -> bytes | None:
    """A file of an export; None for what is no file, or too large for one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as stream:
        content = stream.read(max_bytes + 1)
    return content if len(content) <= max_bytes else None


def _switch_directories(first_directory: Path, second_directory: Path) -> None:
    """Two directories change places, at once where the kernel and the file system can."""
    with contextlib.suppress(AttributeError, OSError):
        if (
            ctypes.CDLL(None).renameat2(
                AT_FDCWD, os.fsencode(first_directory), AT_FDCWD, os.fsencode(second_directory), RENAME_EXCHANGE
            )
            == 0
        ):
            return
    temporary_directory = Path(tempfile.mkdtemp(prefix=f".{second_directory.name}-", dir=second_directory.parent))
    os.rename(second_directory, temporary_directory)
    try:
        os.rename(first_directory, second_directory)
    except BaseException:
        os.rename(temporary_directory, second_directory)
        raise
    os.rename(temporary_directory, first_directory)


def _remove_export(directory: Path, names: Collection[str]) -> None:
    """Delete a directory with these files: the new one that was not finished, or the earlier export."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / name)
    for folder, _, _ in os.walk(directory, topdown=False):
        os.rmdir(folder)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

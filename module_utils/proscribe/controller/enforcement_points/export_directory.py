"""Writing of an export's directory: completely or not at all, and never over files that no export has written.

The files are written beside the directory, and then both directories are swapped. So a server of the directory serves
the earlier or the new export, and nothing in between.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..files import fill_directory, place_directory
from . import manifest
from .format_declaration import ExportError


def write_export(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory with exactly these files, including the manifest. Raises ExportError, OSError.

    The directory may be missing, empty, or an earlier export. ExportError is raised for any other content.
    """
    for name in files:
        manifest.check_file_name(name)
    directory = Path(os.path.abspath(directory))
    directory.parent.mkdir(parents=True, exist_ok=True)
    _list_earlier_files(directory)
    new_directory = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    remaining_names: Collection[str] = files  # in `new_directory`, which has the earlier export after the swap
    try:
        fill_directory(new_directory, files)
        earlier_names = _list_earlier_files(directory)  # list again, because another program may have added files
        place_directory(new_directory, directory)
        remaining_names = earlier_names
    finally:
        with contextlib.suppress(OSError):  # files added by others in the meantime stay
            _remove_export(new_directory, remaining_names)


def _list_earlier_files(directory: Path) -> frozenset[str]:
    """Return the files of the earlier export in a directory; none if the directory is missing or empty.

    Raises ExportError for a file or link in place of a directory, and for files that no export has written.
    """
    try:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            raise ExportError(f"{directory} is no directory (links are not followed): name another one")
    except FileNotFoundError:
        return frozenset()
    if not os.listdir(directory):
        return frozenset()
    earlier_export = read_earlier_export(directory)
    if earlier_export is None:
        raise ExportError(
            f"{directory} is not empty, and no earlier export: it has no {manifest.MANIFEST_NAME} of one. Name "
            f"another directory"
        )
    file_names = frozenset(_iterate_files(directory))
    if foreign_names := sorted(
        file_names - earlier_export.files.keys() - {manifest.MANIFEST_NAME, manifest.SIGNATURE_NAME}
    ):
        raise ExportError(
            f"{directory} has a file that the earlier export does not name: {ascii(foreign_names[0])}. Move it away, "
            f"since an"
            " export replaces the whole directory"
        )
    return file_names


def _iterate_files(directory: Path) -> Iterator[str]:
    """Yield the files and links in a directory by relative name. Links are not followed."""
    for folder, folders, names in os.walk(directory, onerror=_raise_error):
        links = [folder_name for folder_name in folders if os.path.islink(os.path.join(folder, folder_name))]
        for name in (*names, *links):
            yield os.path.relpath(os.path.join(folder, name), directory)


def _raise_error(error: OSError) -> None:
    raise error


def read_earlier_export(directory: Path) -> manifest.EarlierExport | None:
    """Return the data in the manifest of an export's directory; None without a valid manifest."""
    content = read_export_file(directory / manifest.MANIFEST_NAME)
    return None if content is None else manifest.parse_manifest(content)


def read_export_file(path: Path, max_bytes: int = manifest.MAX_MANIFEST_BYTES) -> bytes | None:
    """Return the content of an export's file; None if it is no plain file, or too large."""
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


def _remove_export(directory: Path, names: Collection[str]) -> None:
    """Delete a directory that has only these files: the unfinished new export, or the replaced earlier export."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / name)
    for folder, _, _ in os.walk(directory, topdown=False):
        os.rmdir(folder)

"""Installation of the collection into a collections path, as `ansible-galaxy collection install` would do it.

The directory is built beside its target and replaces the target in one step. An existing directory is only replaced if
it is a collection of this name without changes: files that a user added or changed there would be lost.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....wire import installation
from ...compile.reading.plain_file import read_plain_file
from ...policy_errors import PolicyError
from ...report.text.wording import clean_text
from .. import CommandError
from .archive import FILES_NAME, MANIFEST_NAME
from .full_names import CollectionNames

DIRECTORY_OPTION = "--directory"
MAX_LISTING_BYTES = 16 << 20
CACHE_DIRECTORY = "__pycache__"  # Python creates it again
AT_FDCWD, EXCHANGE_FLAG = -100, 2  # arguments of renameat2(2)
# Raised by the kernel, the file system, or a filter of system calls.
UNSUPPORTED_ERRORS = (
    errno.ENOSYS,
    errno.EINVAL,
    errno.EPERM,
)


def find_target(directory: Path, names: CollectionNames) -> Path:
    """Return the collection's directory in a collections path. Raises CommandError if its content may not be replaced.

    The path may end with `ansible_collections`.
    """
    if not directory.is_dir():
        raise CommandError(
            f"{DIRECTORY_OPTION}: found {str(directory)!r}, expected a directory that is there: a collections path"
        )
    collections_path = (
        directory
        if directory.name == installation.COLLECTIONS_DIRECTORY
        else directory / installation.COLLECTIONS_DIRECTORY
    )
    target = collections_path.absolute().joinpath(*names.collection.split("."))
    if os.path.lexists(target) and (occupant := _describe_occupant(target, names)):
        expected = f"nothing, or the collection {names.collection} as it was installed; nothing was written"
        raise CommandError(f"{DIRECTORY_OPTION}: {target}: found {occupant}, expected {expected}")
    return target


def install_collection(archive: bytes, target: Path) -> None:
    """Unpack the collection's archive to a directory and replace an existing one. Raises CommandError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=".proscribe-", ignore_cleanup_errors=True
        ) as temporary_directory:
            new_directory = Path(temporary_directory, target.name)
            _unpack_archive(archive, new_directory)
            if not os.path.lexists(target):
                os.rename(new_directory, target)
            elif not _switch_directories(new_directory, target):
                old_directory = Path(temporary_directory, "before")
                os.rename(target, old_directory)
                try:
                    os.rename(new_directory, target)
                except OSError:
                    os.rename(old_directory, target)
                    raise
    except OSError as error:
        raise CommandError(f"{error.filename or target}: {error.strerror}") from None


def _unpack_archive(archive: bytes, directory: Path) -> None:
    """Write the files and directories of the archive that was just built, readable for all users."""
    directory.mkdir()
    directory.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            path = directory / member.name
            for missing_path in [candidate for candidate in (*reversed(path.parents), path) if not candidate.exists()]:
                if missing_path != path or member.isdir():
                    missing_path.mkdir()
                    missing_path.chmod(0o755)
            if stream := tar.extractfile(member):
                path.write_bytes(stream.read())
                path.chmod(0o644)


def _switch_directories(first_path: Path, second_path: Path) -> bool:
    """Exchange two directories in one step. Returns False if this system cannot do it."""
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if exchange is None:
        return False
    if exchange(AT_FDCWD, os.fsencode(first_path), AT_FDCWD, os.fsencode(second_path), EXCHANGE_FLAG) == 0:
        return True
    error_number = ctypes.get_errno()
    if error_number in UNSUPPORTED_ERRORS:
        return False
    raise OSError(error_number, os.strerror(error_number), str(second_path))


def _describe_occupant(target: Path, names: CollectionNames) -> str:
    """Return a description of an existing path that may not be replaced; "" for the installed collection."""
    if target.is_symlink():
        return "a link"
    if not target.is_dir():
        return "no directory"
    try:
        information = _read_json(target / MANIFEST_NAME)["collection_info"]
        collection_name = f"{information['namespace']}.{information['name']}"
        if collection_name != names.collection:
            return f"the collection {clean_text(collection_name)}"
        files = {
            str(file_entry["name"]): file_entry.get("chksum_sha256")
            for file_entry in _read_json(target / FILES_NAME)["files"]
        }
    except (ValueError, KeyError, TypeError, RecursionError, PolicyError):
        return f"a directory without the {MANIFEST_NAME} and {FILES_NAME} of a collection"
    for path in _list_files(target):
        name = str(path.relative_to(target))
        if name in (MANIFEST_NAME, FILES_NAME):
            continue
        if name not in files:
            return f"the file {clean_text(name)}, which the collection does not have"
        if path.is_symlink() or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != files[name]:
            return f"the file {clean_text(name)} with changes"
    return ""


def _read_json(path: Path) -> Any:
    return json.loads(read_plain_file(path, MAX_LISTING_BYTES, within=path.parent))


def _list_files(directory: Path) -> Iterator[Path]:
    for folder, directory_names, files in os.walk(directory):
        directory_names[:] = sorted(name for name in directory_names if name != CACHE_DIRECTORY)
        links = [name for name in directory_names if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in sorted([*files, *links]))


__all__ = ["install_collection", "find_target"]

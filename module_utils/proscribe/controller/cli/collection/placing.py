"""The collection straight in a collections path, as `ansible-galaxy collection install` would leave it.

The directory is built beside its place and takes it in one step. What is there is only replaced if it is a collection
of this name as it was installed: whatever somebody has put or changed there would be lost.
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
from .building import FILES_NAME, MANIFEST_NAME
from .full_names import CollectionNames

DIRECTORY_OPTION = "--directory"
MAX_LISTING_BYTES = 16 << 20  # bytes of a list of files
CACHE_DIRECTORY = "__pycache__"  # Python's own, which it makes anew
AT_FDCWD, EXCHANGE_FLAG = -100, 2  # of renameat2(2)
UNSUPPORTED_ERRORS = (
    errno.ENOSYS,
    errno.EINVAL,
    errno.EPERM,
)  # by the kernel, the file system, or a filter of system calls


def find_target(directory: Path, names: CollectionNames) -> Path:
    """Where the collection is in a collections path, which may end with `ansible_collections`. Raises Refused for what
    is there and is not replaced.
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
    """Unpack the collection's file to a directory, in place of the one that is there. Raises Refused."""
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
    """Write what is in the archive that was just built: files and directories, with the modes that all can read."""
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
    """Exchange two directories in one step; returns whether this system does."""
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
    """What a directory is, where it is not the installed collection; "" where it is."""
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

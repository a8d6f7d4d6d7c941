"""Installation of the collection into a collections path, with the result of `ansible-galaxy collection install`.

The new directory is built beside its target, and replaces the target in one step. An existing target is replaced only
if it is an unchanged collection of this name. Otherwise files that a user added or changed there would be lost.
"""

from __future__ import annotations

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
from ...files import fill_directory, place_directory
from ...policy_errors import PolicyError
from ...report.text.wording import clean_text
from .. import CommandError
from .archive import FILES_NAME, MANIFEST_NAME
from .full_names import CollectionNames

DIRECTORY_OPTION = "--directory"
MAX_LISTING_BYTES = 16 << 20
CACHE_DIRECTORY = "__pycache__"  # may be lost when a collection is replaced, because Python creates it again


def find_target(directory: Path, names: CollectionNames) -> Path:
    """Return the directory for the collection in a collections path: `ansible_collections/NAMESPACE/NAME`.

    The collections path `directory` may itself end with `ansible_collections`. Raises CommandError if `directory` does
    not exist, and if the result exists and may not be replaced.
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
    """Unpack the collection's archive (.tar.gz) as the directory `target`. Raises CommandError if that fails.

    An existing target is replaced in one step where the system can exchange two paths; otherwise in two renames.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=".proscribe-", ignore_cleanup_errors=True
        ) as temporary_directory:
            new_directory = Path(temporary_directory, target.name)
            new_directory.mkdir()
            fill_directory(new_directory, _read_archive(archive))
            place_directory(new_directory, target)
    except OSError as error:
        raise CommandError(f"{error.filename or target}: {error.strerror}") from None


def _read_archive(archive: bytes) -> dict[str, bytes]:
    """Return the files of the collection's archive (.tar.gz) by path.

    The archive was built in this run, so its paths are trusted.
    """
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}


def _describe_occupant(target: Path, names: CollectionNames) -> str:
    """Describe the content of an existing target that may not be replaced; "" for the unchanged collection.

    The description is a phrase for a message, such as `a link` or `the file README.md with changes`.
    """
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
    """Yield the paths of all files and links below a directory, in order, without Python's caches."""
    for folder, directory_names, files in os.walk(directory):
        directory_names[:] = sorted(name for name in directory_names if name != CACHE_DIRECTORY)
        links = [name for name in directory_names if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in sorted([*files, *links]))


__all__ = ["install_collection", "find_target"]

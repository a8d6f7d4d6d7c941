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
from ...report.text.wording import clean
from .. import Refused
from .building import FILES, MANIFEST
from .full_names import Names

OPTION = "--directory"
LARGEST = 16 << 20  # bytes of a list of files
CACHED = "__pycache__"  # Python's own, which it makes anew
AT_FDCWD, EXCHANGE = -100, 2  # of renameat2(2)
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EPERM)  # by the kernel, the file system, or a filter of system calls


def target_of(directory: Path, names: Names) -> Path:
    """Where the collection is in a collections path, which may end with `ansible_collections`. Raises Refused for what
    is there and is not replaced.
    """
    if not directory.is_dir():
        raise Refused(f"{OPTION}: found {str(directory)!r}, expected a directory that is there: a collections path")
    above = (
        directory
        if directory.name == installation.COLLECTIONS_DIRECTORY
        else directory / installation.COLLECTIONS_DIRECTORY
    )
    target = above.absolute().joinpath(*names.collection.split("."))
    if os.path.lexists(target) and (wrong := _not_its_own(target, names)):
        expected = f"nothing, or the collection {names.collection} as it was installed; nothing was written"
        raise Refused(f"{OPTION}: {target}: found {wrong}, expected {expected}")
    return target


def place(archive: bytes, target: Path) -> None:
    """Unpack the collection's file to a directory, in place of the one that is there. Raises Refused."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".proscribe-", ignore_cleanup_errors=True) as beside:
            made = Path(beside, target.name)
            _unpack(archive, made)
            if not os.path.lexists(target):
                os.rename(made, target)
            elif not _exchanged(made, target):
                before = Path(beside, "before")
                os.rename(target, before)
                try:
                    os.rename(made, target)
                except OSError:
                    os.rename(before, target)
                    raise
    except OSError as error:
        raise Refused(f"{error.filename or target}: {error.strerror}") from None


def _unpack(archive: bytes, directory: Path) -> None:
    """Write what is in the archive that was just built: files and directories, with the modes that all can read."""
    directory.mkdir()
    directory.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            path = directory / member.name
            for missing in [one for one in (*reversed(path.parents), path) if not one.exists()]:
                if missing != path or member.isdir():
                    missing.mkdir()
                    missing.chmod(0o755)
            if stream := tar.extractfile(member):
                path.write_bytes(stream.read())
                path.chmod(0o644)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two directories in one step; returns whether this system does."""
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if exchange is None:
        return False
    if exchange(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _not_its_own(target: Path, names: Names) -> str:
    """What a directory is, where it is not the installed collection; "" where it is."""
    if target.is_symlink():
        return "a link"
    if not target.is_dir():
        return "no directory"
    try:
        information = _object(target / MANIFEST)["collection_info"]
        found = f"{information['namespace']}.{information['name']}"
        if found != names.collection:
            return f"the collection {clean(found)}"
        files = {str(one["name"]): one.get("chksum_sha256") for one in _object(target / FILES)["files"]}
    except (ValueError, KeyError, TypeError, RecursionError, PolicyError):
        return f"a directory without the {MANIFEST} and {FILES} of a collection"
    for path in _files_of(target):
        name = str(path.relative_to(target))
        if name in (MANIFEST, FILES):
            continue
        if name not in files:
            return f"the file {clean(name)}, which the collection does not have"
        if path.is_symlink() or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != files[name]:
            return f"the file {clean(name)} with changes"
    return ""


def _object(path: Path) -> Any:
    return json.loads(read_plain_file(path, LARGEST, within=path.parent))


def _files_of(directory: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(directory):
        below[:] = sorted(name for name in below if name != CACHED)
        links = [name for name in below if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in sorted([*files, *links]))


__all__ = ["place", "target_of"]

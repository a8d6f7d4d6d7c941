"""Manifest of a quarantined item: its folder, and perhaps a second folder on the file system of its origin."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import Any, Iterator

from .....base.named_tuple import NamedTuple
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ....system.file_attributes import FileAttributes
from .quarantine_rule import QUARANTINE_DIRECTORY, UNFINISHED_SUFFIX

MANIFEST_SCHEMA = "proscribe/quarantine/1"
MANIFEST_NAME, TEMPORARY_NAME = "manifest.json", ".manifest.json~"
CONTENT_NAME = "content"  # name of the content in the folder of the item
COPY_NAME = "copying"  # name of a copy of the content until it is complete and compared
HOLD_PREFIX = ".proscribe-quarantine-"  # prefix of a root-only folder on the file system of the original
TAKE, RESTORE, PRUNE = "take", "restore", "prune"
_KEY_BY_FIELD = {"at_rest": "kept"}  # fields with another name in the file
_DISK_FULL_HINT = "; what was taken is kept, and the next run goes on"
_HINT_BY_ERROR = {
    errno.ENOSPC: _DISK_FULL_HINT,
    errno.EDQUOT: _DISK_FULL_HINT,
    errno.EAGAIN: "; a program of its user holds the file (a lease)",
}
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def mark_step(step: str) -> None:
    """Mark a step that has changed the disk. Tests replace this function to end the run at a step."""


class QuarantineEntry(NamedTuple):
    """Manifest of an item."""

    id: str
    path: str
    services: list[str]
    kind: str
    taken_at: str
    owner: str
    identity: list[int]  # device and inode of the original
    attributes: FileAttributes
    doing: str = TAKE  # the operation in progress
    hold: str = ""  # path of the root-only folder on the file system of the original, if there is one
    placed: list[int] = []  # device and inode of the content that a restore is about to put at the path
    sha256: str = ""
    files: int = 0
    size: int = 0
    shared: int = 0  # number of files that also have names outside the quarantine
    disk: int = 0  # bytes on the disk
    group: str = ""  # id of the first part, if an app was taken in several parts, which are restored together
    kept_until: str = ""  # in the format of taken_at; "" for no end
    whole: str = ""  # path of the app that the part belongs to, which a waiver may name
    hold_identity: list[int] = []  # device and inode of `hold`, because a user may change its path
    parent_owner: int = -1  # uid of the owner of the parent directory; -1: not recorded
    privileged: str = ""  # SHA-256 of a file with privileges, read before the privileges
    at_rest: bool = False  # a move into the quarantine was completed: the attributes are the original's


def find_entry_owner(entry: QuarantineEntry) -> str:
    """Return the account that owns an item, or "" for root."""
    return entry.owner if entry.attributes.uid else ""


def list_entries(host: Host) -> list[QuarantineEntry]:
    """Return all readable items of the quarantine, finished or not. An unreadable item does not hide others."""
    return [entry for _, entry, _ in read_entries(host) if entry]


def list_unfinished_entries(host: Host) -> list[QuarantineEntry]:
    """Return the unfinished items."""
    return [entry for name, entry, _ in read_entries(host) if entry and name.endswith(UNFINISHED_SUFFIX)]


def list_broken_entries(host: Host) -> list[tuple[str, str]]:
    """Return the names of the unreadable items, with the reasons.

    Runs leave these items alone; people have to examine them.
    """
    return [(name, reason) for name, _, reason in read_entries(host) if reason]


def read_entries(host: Host) -> Iterator[tuple[str, QuarantineEntry | None, str]]:
    """Yield each entry of the quarantine: its name, its item, and the reason why the item is unreadable."""
    for name in host.list_directory(QUARANTINE_DIRECTORY):
        try:
            yield name, read_entry(host, name), ""
        except ControlError as error:
            yield name, None, str(error)


def read_entry(host: Host, name: str) -> QuarantineEntry | None:
    """Return the item in the folder of that name, or None if the folder holds none.

    Raises ControlError if the manifest is unreadable or belongs to another folder.
    """
    try:
        text = host.read_text(f"{QUARANTINE_DIRECTORY}/{name}/{MANIFEST_NAME}")
        if text is None:
            if name.endswith(UNFINISHED_SUFFIX):  # a run was killed before the move began
                return QuarantineEntry(
                    name[: -len(UNFINISHED_SUFFIX)], "", [], "", "", "", [], FileAttributes(0, 0, 0, 0, 0, {})
                )
            if host.find_entry(f"{QUARANTINE_DIRECTORY}/{name}/{CONTENT_NAME}") is not None:
                raise ControlError(f"{QUARANTINE_DIRECTORY}/{name} has no manifest")
            return None
        content: dict[str, Any] = json.loads(text)
        fields = {
            name: content[key] for name in QuarantineEntry._fields if (key := _KEY_BY_FIELD.get(name, name)) in content
        }
        entry = QuarantineEntry(**{**fields, "attributes": FileAttributes(**content["attributes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ControlError(f"{QUARANTINE_DIRECTORY}/{name}/{MANIFEST_NAME} cannot be read: {error}") from None
    if not _has_valid_values(entry):
        raise ControlError(f"{QUARANTINE_DIRECTORY}/{name} has a manifest with values that Proscribe does not write")
    # Folders are opened and reported by the id, so the id must be the name of the folder.
    if entry.id not in (name, name[: -len(UNFINISHED_SUFFIX)] if name.endswith(UNFINISHED_SUFFIX) else name):
        raise ControlError(f"{QUARANTINE_DIRECTORY}/{name}/{MANIFEST_NAME} is that of another folder, {entry.id!r}")
    return entry


def _has_valid_values(entry: QuarantineEntry) -> bool:
    """Return whether the values of a manifest have the types that Proscribe writes."""
    texts = [entry.id, entry.path, entry.kind, entry.taken_at, entry.owner, entry.kept_until, entry.group, entry.whole]
    numbers = [entry.size, entry.disk, entry.attributes.uid]
    return (
        all(isinstance(text, str) for text in (*texts, entry.doing, entry.hold, entry.privileged))
        and isinstance(entry.parent_owner, int)
        and isinstance(entry.services, list)
        and all(isinstance(service, str) for service in entry.services)
        and all(isinstance(size, int) and size >= 0 for size in numbers)
    )


def _serialise_fields(entry: QuarantineEntry) -> dict[str, object]:
    return {_KEY_BY_FIELD.get(name, name): field_value for name, field_value in entry._asdict().items()}


def write_manifest(entry_directory: int, entry: QuarantineEntry) -> None:
    """Write the manifest of an item in one step. Raises OSError."""
    content = {
        "schema": MANIFEST_SCHEMA,
        "written_by": WRITTEN_BY,
        **_serialise_fields(entry),
        "attributes": entry.attributes._asdict(),
    }
    with contextlib.suppress(FileNotFoundError):
        os.unlink(TEMPORARY_NAME, dir_fd=entry_directory)
    descriptor = os.open(
        TEMPORARY_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=entry_directory
    )
    with os.fdopen(descriptor, "w") as stream:
        json.dump(content, stream, indent=1)  # JSON in ASCII preserves a path of any bytes
        stream.flush()
        os.fsync(descriptor)
    os.rename(TEMPORARY_NAME, MANIFEST_NAME, src_dir_fd=entry_directory, dst_dir_fd=entry_directory)
    os.fsync(entry_directory)
    mark_step("written")


def mark_entry_unfinished(host: Host, entry: QuarantineEntry) -> None:
    """Rename the folder of a finished item to mark it as unfinished. Raises OSError."""
    with host.open_directory(QUARANTINE_DIRECTORY) as home:
        os.rename(entry.id, entry.id + UNFINISHED_SUFFIX, src_dir_fd=home, dst_dir_fd=home)
    mark_step("opened")


@contextlib.contextmanager
def open_entry_directory(host: Host, entry: QuarantineEntry, is_new: bool = False) -> Iterator[int]:
    """Yield the descriptor of an unfinished item's folder, which `is_new` creates. Raises OSError."""
    name = entry.id + UNFINISHED_SUFFIX
    with host.open_directory(QUARANTINE_DIRECTORY) as home:
        if is_new:
            os.mkdir(name, 0o700, dir_fd=home)
            mark_step("folder made")
        descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=home)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_hold_path(parent: str, entry: QuarantineEntry) -> str:
    """Return the path of an item's root-only folder in a directory on another file system."""
    return f"{parent}/{HOLD_PREFIX}{entry.id}"


def open_hold(parent: int, entry: QuarantineEntry) -> int:
    """Return the descriptor of an item's root-only folder on another file system. Create the folder if it is missing.

    Raises ControlError if the folder is not ours.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(HOLD_PREFIX + entry.id, 0o700, dir_fd=parent)
        mark_step("hold made")
    descriptor = os.open(HOLD_PREFIX + entry.id, _FOLDER_FLAGS, dir_fd=parent)
    # A new folder is empty. A user who can change its path could put another directory of root there.
    if not _is_own_hold(descriptor, entry, must_be_empty=True):
        os.close(descriptor)
        raise ControlError(f"{entry.hold} is somebody else's; move it away, and the next run goes on")
    return descriptor


def record_hold(entry_directory: int, entry: QuarantineEntry, hold: int) -> QuarantineEntry:
    """Record the device and inode of an item's root-only folder. Raises OSError."""
    status = os.fstat(hold)
    entry = entry._replace(hold_identity=[status.st_dev, status.st_ino])
    write_manifest(entry_directory, entry)
    return entry


def _is_own_hold(descriptor: int, entry: QuarantineEntry, must_be_empty: bool) -> bool:
    """Return whether an open directory is the root-only folder of an item."""
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    if entry.hold_identity:
        return entry.hold_identity == [status.st_dev, status.st_ino]
    # A run was killed before it recorded the folder.
    return set(os.listdir(descriptor)) <= (set() if must_be_empty else {CONTENT_NAME, COPY_NAME})


@contextlib.contextmanager
def open_existing_hold(host: Host, entry: QuarantineEntry) -> Iterator[int | None]:
    """Yield the descriptor of an item's folder on another file system, or None if it does not exist."""
    descriptor = None
    if entry.hold:
        with contextlib.suppress(OSError, ControlError), host.open_directory(entry.hold.rpartition("/")[0]) as parent:
            descriptor = os.open(HOLD_PREFIX + entry.id, _FOLDER_FLAGS, dir_fd=parent)
            if not _is_own_hold(descriptor, entry, must_be_empty=False):
                os.close(descriptor)
                descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def drop_entry(host: Host, entry: QuarantineEntry) -> None:
    """Delete the folder of an item that has no content any more."""
    drop_hold(host, entry)
    with (
        explain_errors(f"cannot clear {QUARANTINE_DIRECTORY}/{entry.id}"),
        host.open_directory(QUARANTINE_DIRECTORY) as home,
    ):
        with open_entry_directory(host, entry) as entry_directory:
            for name in (MANIFEST_NAME, TEMPORARY_NAME):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=entry_directory)
                    mark_step("manifest gone")
        os.rmdir(entry.id + UNFINISHED_SUFFIX, dir_fd=home)  # fails if the folder is not empty
        mark_step("dropped")


def drop_hold(host: Host, entry: QuarantineEntry) -> None:
    """Delete the empty folder of an item on another file system, if it is still at its path.

    If the owner of the directory has moved it elsewhere, it stays there and belongs to root.
    """
    if entry.hold:
        with contextlib.suppress(OSError, ControlError), host.open_directory(entry.hold.rpartition("/")[0]) as parent:
            os.rmdir(HOLD_PREFIX + entry.id, dir_fd=parent)  # fails if the folder is not empty
            mark_step("hold gone")


@contextlib.contextmanager
def explain_errors(attempt: str) -> Iterator[None]:
    """Convert errors of the system into a ControlError that names the attempt."""
    try:
        yield
    except ControlError as error:
        raise ControlError(str(error) if str(error).startswith(attempt) else f"{attempt}: {error}") from None
    except ObservationError as unseen:
        raise ControlError(f"{attempt}: {unseen}") from None
    except OSError as error:
        raise ControlError(f"{attempt}: {error.strerror}{_HINT_BY_ERROR.get(error.errno or 0, '')}") from None

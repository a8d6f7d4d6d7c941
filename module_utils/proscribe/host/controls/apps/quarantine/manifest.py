"""Manifests of quarantined items, and their folders.

Each item has a folder in the quarantine. If the item comes from another file system, it may also have a hold. A hold is
a folder of root on that other file system. In the hold, the content is safe from its user until it is copied.
"""

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
COPY_NAME = "copying"  # name of the content's copy while it is incomplete or not yet compared with the content
HOLD_PREFIX = ".proscribe-quarantine-"  # prefix of the name of a hold
# operations: move into the quarantine, move back to the original path, delete permanently
TAKE, RESTORE, PRUNE = "take", "restore", "prune"
_KEY_BY_FIELD = {"at_rest": "kept"}  # key: field of QuarantineEntry; value: its different name in the file
_DISK_FULL_HINT = "; what was taken is kept, and the next run goes on"
_HINT_BY_ERROR = {
    errno.ENOSPC: _DISK_FULL_HINT,
    errno.EDQUOT: _DISK_FULL_HINT,
    errno.EAGAIN: "; a program of its user holds the file (a lease)",
}
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def mark_step(step: str) -> None:
    """Do nothing: the code calls this function after each step that has changed the disk.

    Tests replace the function, to end a run after a step.
    """


class QuarantineEntry(NamedTuple):
    """Item of the quarantine, as its manifest describes it."""

    id: str  # name of its folder in the quarantine
    path: str  # original path
    services: list[str]  # the restricted services for which it was moved
    kind: str  # kind of the portable app, as in PortableApp
    taken_at: str  # time of the move into the quarantine: UTC, 2026-11-25T08:00:00Z
    owner: str  # account that owned the original
    identity: list[int]  # device and inode of the original
    attributes: FileAttributes  # owner, mode, times and so on of the original, which a restore gives back
    doing: str = TAKE  # the operation in progress (TAKE, RESTORE, PRUNE); "" if no operation is
    hold: str = ""  # path of the hold, root's folder on the file system of the original path; "" for none
    placed: list[int] = []  # device and inode of the content that a restore is about to put at `path`; [] for none
    sha256: str = ""  # checksum, number of files and bytes of the content; empty if it could not be read
    files: int = 0
    size: int = 0
    shared: int = 0  # number of files of the content that also have a name outside the quarantine (hard links)
    disk: int = 0  # bytes that the content occupies on the disk
    # An app may be moved in several parts, each an item. This is the id of the first item; "" if the app is one item.
    group: str = ""
    kept_until: str = ""  # end of the retention, in the format of taken_at; "" for no end
    whole: str = ""  # path of the whole app if this item is a part of it; a waiver may name that path
    hold_identity: list[int] = []  # device and inode of `hold`, because a user may put another directory at its path
    parent_owner: int = -1  # uid of the owner of the parent directory; -1: not recorded
    privileged: str = ""  # SHA-256 of a file with privileges, computed before the privileges were read; otherwise ""
    # True once the move into the quarantine was completed, so that `attributes` are those of the original
    at_rest: bool = False


def find_entry_owner(entry: QuarantineEntry) -> str:
    """Return the account that owned the original of an item, or "" for root."""
    return entry.owner if entry.attributes.uid else ""


def list_entries(host: Host) -> list[QuarantineEntry]:
    """Return all readable items of the quarantine, finished or not. Unreadable items are left out."""
    return [entry for _, entry, _ in read_entries(host) if entry]


def list_unfinished_entries(host: Host) -> list[QuarantineEntry]:
    """Return the items whose move into or out of the quarantine, or whose deletion, was interrupted."""
    return [entry for name, entry, _ in read_entries(host) if entry and name.endswith(UNFINISHED_SUFFIX)]


def list_broken_entries(host: Host) -> list[tuple[str, str]]:
    """Return the unreadable items as (name, reason).

    Runs leave these items alone. An operator has to examine them.
    """
    return [(name, reason) for name, _, reason in read_entries(host) if reason]


def read_entries(host: Host) -> Iterator[tuple[str, QuarantineEntry | None, str]]:
    """Yield (name, item, reason) for each folder of the quarantine.

    The item is None if its manifest cannot be read. Then the reason says why; otherwise the reason is "".
    """
    for name in host.list_directory(QUARANTINE_DIRECTORY):
        try:
            yield name, read_entry(host, name), ""
        except ControlError as error:
            yield name, None, str(error)


def read_entry(host: Host, name: str) -> QuarantineEntry | None:
    """Return the item in the folder `name` of the quarantine, or None if the folder has no item.

    If a run was killed before it wrote the manifest, return an item without a path. Raises ControlError if the manifest
    is unreadable, belongs to another folder, or is missing in a finished folder with content.
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
    # Other functions open the folder by the id, so the id must be the name of the folder.
    if entry.id not in (name, name[: -len(UNFINISHED_SUFFIX)] if name.endswith(UNFINISHED_SUFFIX) else name):
        raise ControlError(f"{QUARANTINE_DIRECTORY}/{name}/{MANIFEST_NAME} is that of another folder, {entry.id!r}")
    return entry


def _has_valid_values(item: QuarantineEntry) -> bool:
    """Return whether the values of a manifest have the types that Proscribe writes."""
    texts = [item.id, item.path, item.kind, item.taken_at, item.owner, item.kept_until, item.group, item.whole]
    numbers = [item.size, item.disk, item.attributes.uid]
    return (
        all(isinstance(text, str) for text in (*texts, item.doing, item.hold, item.privileged))
        and isinstance(item.parent_owner, int)
        and isinstance(item.services, list)
        and all(isinstance(service, str) for service in item.services)
        and all(isinstance(size, int) and size >= 0 for size in numbers)
    )


def _serialise_fields(item: QuarantineEntry) -> dict[str, object]:
    """Return the fields of an item by their keys in the manifest, which differ for `_KEY_BY_FIELD`."""
    return {_KEY_BY_FIELD.get(name, name): field_value for name, field_value in item._asdict().items()}


def write_manifest(entry_directory: int, entry: QuarantineEntry) -> None:
    """Write the manifest of an item in one step, and synchronise it to the disk. Raises OSError.

    `entry_directory` is a descriptor of the item's folder.
    """
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
    """Yield the descriptor of an unfinished item's folder. Raises OSError.

    With `is_new`, create the folder first.
    """
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
    """Return the path of an item's hold in the directory `parent`.

    A hold is a folder of root on the file system of the item's original path.
    """
    return f"{parent}/{HOLD_PREFIX}{entry.id}"


def open_hold(parent: int, entry: QuarantineEntry) -> int:
    """Return a descriptor of an item's hold in the directory `parent`, and create the hold if it is missing.

    A hold is a folder of root on the file system of the item's original path. `parent` is a descriptor. Raises
    ControlError if the folder there is not Proscribe's.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(HOLD_PREFIX + entry.id, 0o700, dir_fd=parent)
        mark_step("hold made")
    descriptor = os.open(HOLD_PREFIX + entry.id, _FOLDER_FLAGS, dir_fd=parent)
    # A new hold is empty. A user who can change the parent directory could put another directory of root there.
    if not _is_own_hold(descriptor, entry, must_be_empty=True):
        os.close(descriptor)
        raise ControlError(f"{entry.hold} is somebody else's; move it away, and the next run goes on")
    return descriptor


def record_hold(entry_directory: int, entry: QuarantineEntry, hold: int) -> QuarantineEntry:
    """Record the device and inode of an item's hold in the manifest, and return the changed item.

    Raises OSError. A hold is a folder of root on the file system of the item's original path. `entry_directory` and
    `hold` are descriptors of the item's folder and of its hold.
    """
    status = os.fstat(hold)
    entry = entry._replace(hold_identity=[status.st_dev, status.st_ino])
    write_manifest(entry_directory, entry)
    return entry


def _is_own_hold(descriptor: int, item: QuarantineEntry, must_be_empty: bool) -> bool:
    """Return whether an open directory is the hold of an item, and root alone can change it.

    If the manifest has the hold's device and inode, they decide. Otherwise the directory may have no foreign files and,
    with `must_be_empty`, no files at all.
    """
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    if item.hold_identity:
        return item.hold_identity == [status.st_dev, status.st_ino]
    # No device and inode: an earlier run was killed before it recorded the hold.
    return set(os.listdir(descriptor)) <= (set() if must_be_empty else {CONTENT_NAME, COPY_NAME})


@contextlib.contextmanager
def open_existing_hold(host: Host, entry: QuarantineEntry) -> Iterator[int | None]:
    """Yield a descriptor of an item's hold, or None if the hold does not exist or is not Proscribe's.

    A hold is a folder of root on the file system of the item's original path.
    """
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
    """Delete the folder and the hold of an item whose content is already gone. Raises ControlError."""
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
    """Delete the hold of an item (root's folder on the original file system), if it is empty and still at its path.

    A user who owns the parent directory may have moved the hold elsewhere. Then an empty directory of root remains
    there.
    """
    if entry.hold:
        with contextlib.suppress(OSError, ControlError), host.open_directory(entry.hold.rpartition("/")[0]) as parent:
            os.rmdir(HOLD_PREFIX + entry.id, dir_fd=parent)  # fails if the folder is not empty
            mark_step("hold gone")


@contextlib.contextmanager
def explain_errors(attempt: str) -> Iterator[None]:
    """Convert errors of the `with` body into a ControlError that begins with the text `attempt`."""
    try:
        yield
    except ControlError as error:
        raise ControlError(str(error) if str(error).startswith(attempt) else f"{attempt}: {error}") from None
    except ObservationError as unseen:
        raise ControlError(f"{attempt}: {unseen}") from None
    except OSError as error:
        raise ControlError(f"{attempt}: {error.strerror}{_HINT_BY_ERROR.get(error.errno or 0, '')}") from None

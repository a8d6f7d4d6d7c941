"""What the quarantine knows of each thing in it: a folder with a manifest, and perhaps one more where it came from."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import Any, Iterator

from .....base.tuples import NamedTuple
from ....system import WRITTEN_BY, ControlError, Host, ObservationError
from ....system.file_attributes import FileAttributes
from .unfinished import HOME, UNFINISHED

SCHEMA = "proscribe/quarantine/1"
MANIFEST, BESIDE = "manifest.json", ".manifest.json~"
CONTENT = "content"  # the name of the thing itself in its folder
COPYING = "copying"  # the name of a copy of it, until that is complete and compared
HOLD = ".proscribe-quarantine-"  # begins the name of a root-only folder beside what was taken
TAKE, RESTORE, PRUNE = "take", "restore", "prune"
_KEYS = {"at_rest": "kept"}  # fields of an item that have another name in the file
_FULL = "; what was taken is kept, and the next run goes on"
_HINTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EAGAIN: "; a program of its user holds the file (a lease)",
}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def reached(step: str) -> None:
    """Called after each step that changes the disk; tests put something else in its place, which ends the run."""


class Item(NamedTuple):
    """A manifest."""

    id: str
    path: str
    services: list[str]
    kind: str
    taken_at: str
    owner: str
    identity: list[int]  # device and inode of what was taken
    attributes: FileAttributes
    doing: str = TAKE  # what was begun
    hold: str = ""  # a root-only folder on the file system of the path, where there is one
    placed: list[int] = []  # device and inode of what `restore` is about to put at the path
    sha256: str = ""
    files: int = 0
    size: int = 0
    shared: int = 0  # files that have names outside the quarantine as well
    disk: int = 0  # bytes that it takes on the disk
    group: str = ""  # what was taken in several pieces has the name of the first; they come back together
    kept_until: str = ""  # as taken_at; "" for ever
    whole: str = ""  # the path of the app that a part was taken of, which a waiver may name
    hold_identity: list[int] = []  # device and inode of `hold`: its path is one that a user may change
    parent_owner: int = -1  # account of the directory that it stood in; -1: not recorded
    privileged: str = ""  # SHA-256 of a file that had privileges, read before they were
    at_rest: bool = False  # it came to rest in the quarantine once, so the attributes are those of the original


def owner_of(item: Item) -> str:
    """Return the account whose thing an item is; "" for root's."""
    return item.owner if item.attributes.uid else ""


def items(host: Host) -> list[Item]:
    """Everything in the quarantine that can be read, finished or not. One entry that cannot keeps no other from it."""
    return [item for _, item, _ in entries(host) if item]


def begun(host: Host) -> list[Item]:
    """What is not finished."""
    return [item for name, item, _ in entries(host) if item and name.endswith(UNFINISHED)]


def broken(host: Host) -> list[tuple[str, str]]:
    """The entries that cannot be read, each with why. Nothing is done with one: what it holds is for people."""
    return [(name, why) for name, _, why in entries(host) if why]


def entries(host: Host) -> Iterator[tuple[str, Item | None, str]]:
    """Each entry of the quarantine: its name, its item, and why that cannot be read."""
    for name in host.list_directory(HOME):
        try:
            yield name, read(host, name), ""
        except ControlError as error:
            yield name, None, str(error)


def read(host: Host, name: str) -> Item | None:
    """What the folder of that name holds; None for one that is no item. Raises ControlError for a manifest that cannot
    be read, or is another one's.
    """
    try:
        text = host.read_text(f"{HOME}/{name}/{MANIFEST}")
        if text is None:
            if name.endswith(UNFINISHED):  # killed before anything was begun
                return Item(name[: -len(UNFINISHED)], "", [], "", "", "", [], FileAttributes(0, 0, 0, 0, 0, {}))
            if host.find_entry(f"{HOME}/{name}/{CONTENT}") is not None:
                raise ControlError(f"{HOME}/{name} has no manifest")
            return None
        explained: dict[str, Any] = json.loads(text)
        known = {name: explained[key] for name in Item._fields if (key := _KEYS.get(name, name)) in explained}
        item = Item(**{**known, "attributes": FileAttributes(**explained["attributes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ControlError(f"{HOME}/{name}/{MANIFEST} cannot be read: {error}") from None
    if not _sound(item):
        raise ControlError(f"{HOME}/{name} has a manifest with values that Proscribe does not write")
    # Folders are opened and reported by the id: it is the name that the folder really has.
    if item.id not in (name, name[: -len(UNFINISHED)] if name.endswith(UNFINISHED) else name):
        raise ControlError(f"{HOME}/{name}/{MANIFEST} is that of another folder, {item.id!r}")
    return item


def _sound(item: Item) -> bool:
    """Whether the values of a manifest have the types that it is written with; its id is the name of a folder."""
    texts = [item.id, item.path, item.kind, item.taken_at, item.owner, item.kept_until, item.group, item.whole]
    sizes = [item.size, item.disk, item.attributes.uid]
    return (
        all(isinstance(text, str) for text in (*texts, item.doing, item.hold, item.privileged))
        and isinstance(item.parent_owner, int)
        and isinstance(item.services, list)
        and all(isinstance(service, str) for service in item.services)
        and all(isinstance(size, int) and size >= 0 for size in sizes)
    )


def _fields(item: Item) -> dict[str, object]:
    return {_KEYS.get(name, name): value for name, value in item._asdict().items()}


def write(place: int, item: Item) -> None:
    """Put an item's manifest in place, whole or not at all. Raises OSError."""
    explained = {"schema": SCHEMA, "written_by": WRITTEN_BY, **_fields(item), "attributes": item.attributes._asdict()}
    with contextlib.suppress(FileNotFoundError):
        os.unlink(BESIDE, dir_fd=place)
    descriptor = os.open(BESIDE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=place)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(explained, stream, indent=1)  # in ASCII, so that a path of any bytes survives
        stream.flush()
        os.fsync(descriptor)
    os.rename(BESIDE, MANIFEST, src_dir_fd=place, dst_dir_fd=place)
    os.fsync(place)
    reached("written")


def reopen(host: Host, item: Item) -> None:
    """Begin something with an item that was finished. Raises OSError."""
    with host.open_directory(HOME) as home:
        os.rename(item.id, item.id + UNFINISHED, src_dir_fd=home, dst_dir_fd=home)
    reached("opened")


@contextlib.contextmanager
def folder(host: Host, item: Item, make: bool = False) -> Iterator[int]:
    """The descriptor of an unfinished item's folder. Raises OSError."""
    name = item.id + UNFINISHED
    with host.open_directory(HOME) as home:
        if make:
            os.mkdir(name, 0o700, dir_fd=home)
            reached("folder made")
        descriptor = os.open(name, _FOLDER, dir_fd=home)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def hold_of(parent: str, item: Item) -> str:
    """The path of an item's root-only folder in a directory on another file system."""
    return f"{parent}/{HOLD}{item.id}"


def make_hold(above: int, item: Item) -> int:
    """The descriptor of the item's root-only folder on another file system, made unless it is there."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(HOLD + item.id, 0o700, dir_fd=above)
        reached("hold made")
    descriptor = os.open(HOLD + item.id, _FOLDER, dir_fd=above)
    # One that was just made is empty. Whoever may change its path may put another directory of root's there.
    if not _is_hold(descriptor, item, empty=True):
        os.close(descriptor)
        raise ControlError(f"{item.hold} is somebody else's; move it away, and the next run goes on")
    return descriptor


def identified(place: int, item: Item, hold: int) -> Item:
    """Record which directory the item's root-only folder is. Raises OSError."""
    seen = os.fstat(hold)
    item = item._replace(hold_identity=[seen.st_dev, seen.st_ino])
    write(place, item)
    return item


def _is_hold(descriptor: int, item: Item, empty: bool) -> bool:
    """Whether an open directory is the item's root-only folder."""
    seen = os.fstat(descriptor)
    if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    if item.hold_identity:
        return item.hold_identity == [seen.st_dev, seen.st_ino]
    # A run was killed before it recorded that.
    return set(os.listdir(descriptor)) <= (set() if empty else {CONTENT, COPYING})


@contextlib.contextmanager
def held(host: Host, item: Item) -> Iterator[int | None]:
    """The descriptor of the item's folder on another file system; None if there is none (any more)."""
    descriptor = None
    if item.hold:
        with contextlib.suppress(OSError, ControlError), host.open_directory(item.hold.rpartition("/")[0]) as above:
            descriptor = os.open(HOLD + item.id, _FOLDER, dir_fd=above)
            if not _is_hold(descriptor, item, empty=False):
                os.close(descriptor)
                descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def drop(host: Host, item: Item) -> None:
    """Take away the folder of an item that has no content any more."""
    drop_hold(host, item)
    with explained(f"cannot clear {HOME}/{item.id}"), host.open_directory(HOME) as home:
        with folder(host, item) as place:
            for name in (MANIFEST, BESIDE):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place)
                    reached("manifest gone")
        os.rmdir(item.id + UNFINISHED, dir_fd=home)  # never with something in it
        reached("dropped")


def drop_hold(host: Host, item: Item) -> None:
    """Take away the item's empty folder on another file system, if it is still where it was made. One that its place's
    owner has moved elsewhere stays there, and root's.
    """
    if item.hold:
        with contextlib.suppress(OSError, ControlError), host.open_directory(item.hold.rpartition("/")[0]) as above:
            os.rmdir(HOLD + item.id, dir_fd=above)  # never with something in it
            reached("hold gone")


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the system answers into a ControlError that says what was tried."""
    try:
        yield
    except ControlError as error:
        raise ControlError(str(error) if str(error).startswith(what) else f"{what}: {error}") from None
    except ObservationError as unseen:
        raise ControlError(f"{what}: {unseen}") from None
    except OSError as error:
        raise ControlError(f"{what}: {error.strerror}{_HINTS.get(error.errno or 0, '')}") from None

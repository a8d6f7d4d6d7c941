"""How much the quarantine may hold, and for how long: nobody fills a disk with it, nor escapes his quota for good."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from functools import partial
from typing import Sequence

from .....base import moments
from ....system import STATE_DIRECTORY, ControlError, Host, ObservationError, escape_text
from ....system.directories import MAX_DATA_BYTES, DiskUsage, measure_disk_usage, remove_entry
from ...base import Action
from . import manifest
from .manifest import CONTENT, PRUNE, Item, drop, explained, folder, items, owner_of, write
from .unfinished import HOME, RULE

RESERVE = 1024**3  # bytes that stay free on the file system of the quarantine, or a twentieth of it if that is more
SHARE = 4  # of one user there is at most a quarter of that file system
PIECES = 2_000  # and so many things
MOST_FILES = 100_000  # in one thing: it is read a few times while no other run can change the host
LONGEST = 40 * 366 * 86400  # seconds that anything is kept by a date; a date that is further off is a broken clock's


def lacking(host: Host, paths: Sequence[str]) -> str:
    """Why there is no room in the quarantine for what stands at some paths of one owner; "" if there is, or if nothing
    stands there. Within one file system a thing only changes its name, so there only its owner's share counts.
    """
    disk = entries = 0
    moved: os.stat_result | None = None
    try:
        for path in paths:
            parent, _, name = path.rpartition("/")
            with host.open_directory(parent) as directory, contextlib.suppress(FileNotFoundError):
                moved = os.stat(name, dir_fd=directory, follow_symlinks=False)
                taken = measure_disk_usage(directory, name, MOST_FILES)
                disk, entries = disk + taken.size, entries + taken.entries
        with host.open_directory(_nearest(host)) as place:
            device, room = os.stat(".", dir_fd=place).st_dev, os.fstatvfs(place)
    except FileNotFoundError:
        return ""
    except (OSError, ControlError, ObservationError) as error:
        return f"it cannot be measured: {error}"
    if moved is None:
        return ""
    if moved.st_dev != device and (why := too_much(DiskUsage(disk, entries), room)):
        return why
    return _share(host, moved.st_uid, disk, len(paths), room) if moved.st_uid else ""


def _share(host: Host, uid: int, disk: int, things: int, room: os.statvfs_result) -> str:
    """Why a user has too much in the quarantine for this to be added."""
    of_owner = [item for item in items(host) if item.attributes.uid == uid]
    share = room.f_blocks * room.f_frsize // SHARE
    held = sum(item.disk or item.size for item in of_owner)
    if held + disk > share:
        return f"its owner has {held // 1024**2} MiB in the quarantine, and may have {share // 1024**2} MiB"
    if len(of_owner) + things > PIECES:
        return f"its owner has {len(of_owner)} things in the quarantine, and may have {PIECES}"
    return ""


def too_much(taken: DiskUsage, room: os.statvfs_result) -> str:
    """Why so much cannot be copied to a file system with this room; "" if it can."""
    if taken.size > MAX_DATA_BYTES:
        return f"it has more than {MAX_DATA_BYTES // 1024**3} GiB of data, too much to be copied to another file system"
    if taken.size > free(room):
        return f"there is no room for it in {HOME}: {_reserve(room) // 1024**2} MiB stay free on that file system"
    if room.f_files and room.f_favail - taken.entries < room.f_files // 20:
        return f"there is no room for it in {HOME}: of the inodes on that file system a twentieth stays free"
    return ""


def free(room: os.statvfs_result) -> int:
    """How many bytes may still be copied to a file system with this room."""
    return max(0, room.f_bavail * room.f_frsize - _reserve(room))


def _reserve(room: os.statvfs_result) -> int:
    return max(RESERVE, room.f_blocks * room.f_frsize // 20)


def _nearest(host: Host) -> str:
    """The directory of the quarantine, or the one above it that is there."""
    for place in (HOME, STATE_DIRECTORY, STATE_DIRECTORY.rpartition("/")[0]):
        seen = host.find_entry(place)
        if seen and stat.S_ISDIR(seen.st_mode):
            return place
    return "/"


def until(keep: int) -> str:
    """When something that is taken now has been kept for so many seconds; "" for ever (0)."""
    return moments.format_timestamp(time.time() + keep) if keep else ""


def ends(taken_at: str, kept_until: str, keep: int) -> str:
    """When something has been kept long enough: what its manifest says, or else `keep` seconds after it was taken; ""
    for ever, and where that cannot be said.
    """
    taken = seconds(taken_at)
    return kept_until or (moments.format_timestamp(taken + keep) if keep and taken else "")


def pruning(host: Host, keep: int) -> list[Action]:
    """The actions that prune what was stored long enough. Without a date it is `keep` seconds; 0 is for ever."""
    return [
        Action(
            "prune",
            f"{item.id} ({escape_text(item.path)})",
            partial(prune, host, item),
            escape_text(item.path) + "\n",
            user=owner_of(item),
            rules=[RULE],
        )
        for item in items(host)
        if expired(item, keep, time.time())
    ]


def expired(item: Item, keep: int, now: float) -> bool:
    """Whether an item was kept long enough. What is not finished never was, nor what has dates that cannot be: a host
    whose clock is wrong loses nothing for good.
    """
    taken = seconds(item.taken_at)
    end = seconds(ends(item.taken_at, item.kept_until, keep))
    if item.doing or not item.at_rest or not taken or not end:
        return False
    return taken <= end <= taken + LONGEST and end < now < taken + LONGEST


def seconds(at: str) -> int:
    """A manifest's time as seconds since 1970; 0 for one that is none."""
    return moments.parse_timestamp(at) if moments.is_timestamp(at) else 0


def prune(host: Host, item: Item) -> None:
    """Take an item away for good. Raises ControlError; a run that is killed leaves what the next one completes."""
    with explained(f"cannot take {item.id} out of the quarantine"):
        manifest.reopen(host, item)
        with folder(host, item) as place:
            write(place, item._replace(doing=PRUNE))
            pruned(place)
        drop(host, item)


def pruned(place: int) -> None:
    """Take the content out of an item's folder for good."""
    remove_entry(place, CONTENT)
    manifest.reached("content gone")

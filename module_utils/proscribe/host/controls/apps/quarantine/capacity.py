"""Limits of the quarantine in size and time.

With these limits, no user can fill a disk by the quarantine, or escape a disk quota permanently.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from functools import partial
from typing import Sequence

from .....base import timestamps
from ....system import STATE_DIRECTORY, ControlError, Host, ObservationError, escape_text
from ....system.directories import MAX_DATA_BYTES, DiskUsage, measure_disk_usage, remove_entry
from ...base import ControlAction
from . import manifest
from .manifest import (
    CONTENT_NAME,
    PRUNE,
    QuarantineEntry,
    drop_entry,
    explain_errors,
    find_entry_owner,
    list_entries,
    open_entry_directory,
    write_manifest,
)
from .quarantine_rule import QUARANTINE_DIRECTORY, QUARANTINE_RULE

# On the file system of the quarantine, at least this much stays free. If a twentieth of the file system is more, that
# twentieth stays free.
MIN_RESERVE_BYTES = 1024**3
USER_SHARE_DIVISOR = 4  # a user may fill at most a quarter of the file system of the quarantine
MAX_USER_ENTRIES = 2_000  # a user may have at most this many items in the quarantine
MAX_FILES = 100_000  # files in an item: they are read several times, and other runs on the host have to wait
MAX_KEEP_SECONDS = 40 * 366 * 86400  # longest plausible retention; a later end comes from a broken clock


def explain_lacking_room(host: Host, paths: Sequence[str]) -> str:
    """Explain why the quarantine has no room for the files and directories at `paths`, or return "".

    They all belong to the same owner. Missing ones need no room. A move within a file system only renames. So the free
    space on the disk does not matter there, and only the limit for each user applies.
    """
    bytes_needed = entries_needed = 0
    moved_status: os.stat_result | None = None
    try:
        for path in paths:
            parent, _, name = path.rpartition("/")
            with host.open_directory(parent) as directory, contextlib.suppress(FileNotFoundError):
                moved_status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                usage = measure_disk_usage(directory, name, MAX_FILES)
                bytes_needed, entries_needed = bytes_needed + usage.size, entries_needed + usage.entries
        with host.open_directory(_find_existing_directory(host)) as place:
            device, file_system = os.stat(".", dir_fd=place).st_dev, os.fstatvfs(place)
    except FileNotFoundError:
        return ""
    except (OSError, ControlError, ObservationError) as error:
        return f"it cannot be measured: {error}"
    if moved_status is None:
        return ""
    if moved_status.st_dev != device and (
        reason := explain_too_large(DiskUsage(bytes_needed, entries_needed), file_system)
    ):
        return reason
    return (
        _explain_user_share(host, moved_status.st_uid, bytes_needed, len(paths), file_system)
        if moved_status.st_uid
        else ""
    )


def _explain_user_share(
    host: Host, uid: int, bytes_needed: int, thing_count: int, file_system: os.statvfs_result
) -> str:
    """Explain why a user has too much in the quarantine to add `thing_count` items of `bytes_needed`, or return "".

    `file_system` is that of the quarantine, of which a user may fill a quarter.
    """
    owner_entries = [entry for entry in list_entries(host) if entry.attributes.uid == uid]
    user_share = file_system.f_blocks * file_system.f_frsize // USER_SHARE_DIVISOR
    bytes_held = sum(entry.disk or entry.size for entry in owner_entries)
    if bytes_held + bytes_needed > user_share:
        return f"its owner has {bytes_held // 1024**2} MiB in the quarantine, and may have {user_share // 1024**2} MiB"
    if len(owner_entries) + thing_count > MAX_USER_ENTRIES:
        return f"its owner has {len(owner_entries)} things in the quarantine, and may have {MAX_USER_ENTRIES}"
    return ""


def explain_too_large(usage: DiskUsage, file_system: os.statvfs_result) -> str:
    """Explain why an amount of data cannot be copied to the file system of the quarantine, or return "".

    A reserve of free space and of free inodes (numbers for files) always stays.
    """
    if usage.size > MAX_DATA_BYTES:
        return f"it has more than {MAX_DATA_BYTES // 1024**3} GiB of data, too much to be copied to another file system"
    if usage.size > count_free_bytes(file_system):
        return (
            f"there is no room for it in {QUARANTINE_DIRECTORY}: {_count_reserve_bytes(file_system) // 1024**2} "
            f"MiB stay free on that file system"
        )
    if file_system.f_files and file_system.f_favail - usage.entries < file_system.f_files // 20:
        return (
            f"there is no room for it in {QUARANTINE_DIRECTORY}: of the inodes on that file system a twentieth "
            f"stays free"
        )
    return ""


def count_free_bytes(file_system: os.statvfs_result) -> int:
    """Return the number of bytes that may still be copied to a file system. A reserve stays free."""
    return max(0, file_system.f_bavail * file_system.f_frsize - _count_reserve_bytes(file_system))


def _count_reserve_bytes(file_system: os.statvfs_result) -> int:
    """Return the number of bytes that must stay free on a file system."""
    return max(MIN_RESERVE_BYTES, file_system.f_blocks * file_system.f_frsize // 20)


def _find_existing_directory(host: Host) -> str:
    """Return the directory of the quarantine, or the nearest existing directory above it."""
    for place in (QUARANTINE_DIRECTORY, STATE_DIRECTORY, STATE_DIRECTORY.rpartition("/")[0]):
        status = host.find_entry(place)
        if status and stat.S_ISDIR(status.st_mode):
            return place
    return "/"


def format_end_of_keeping(keep_seconds: int) -> str:
    """Return when the retention of an item ends that is moved into the quarantine now, in UTC.

    Return "" if `keep_seconds` is 0, which means that the item is kept without end.
    """
    return timestamps.format_timestamp(time.time() + keep_seconds) if keep_seconds else ""


def format_keep_end(taken_at: str, kept_until: str, keep_seconds: int) -> str:
    """Return when the retention of an item ends, in UTC.

    Return "" for no end or an unknown end. The end is `kept_until` of the manifest. If that is empty, the end is
    `keep_seconds` after the time `taken_at` of the move into the quarantine. 0 seconds mean no end.
    """
    taken_seconds = parse_seconds(taken_at)
    return kept_until or (
        timestamps.format_timestamp(taken_seconds + keep_seconds) if keep_seconds and taken_seconds else ""
    )


def make_prune_actions(host: Host, keep_seconds: int) -> list[ControlAction]:
    """Return the actions that permanently delete the items whose retention is over.

    If the manifest of an item has no end, `keep_seconds` is the retention; 0 means no end.
    """
    return [
        ControlAction(
            "prune",
            f"{entry.id} ({escape_text(entry.path)})",
            partial(prune_entry, host, entry),
            escape_text(entry.path) + "\n",
            user=find_entry_owner(entry),
            rules=[QUARANTINE_RULE],
        )
        for entry in list_entries(host)
        if is_expired(entry, keep_seconds, time.time())
    ]


def is_expired(entry: QuarantineEntry, keep_seconds: int, now: float) -> bool:
    """Return whether the retention of an item is over.

    An unfinished item never expires, and neither does an item with impossible dates. So a host with a wrong clock
    deletes nothing by mistake.
    """
    taken_seconds = parse_seconds(entry.taken_at)  # 0 for an invalid time
    end_seconds = parse_seconds(format_keep_end(entry.taken_at, entry.kept_until, keep_seconds))
    if entry.doing or not entry.at_rest or not taken_seconds or not end_seconds:
        return False
    return (
        # the end is plausible, it is over, and the clock of the host is plausible
        taken_seconds <= end_seconds <= taken_seconds + MAX_KEEP_SECONDS
        and end_seconds < now < taken_seconds + MAX_KEEP_SECONDS
    )


def parse_seconds(timestamp: str) -> int:
    """Return a time of a manifest as seconds since 1970, or 0 for an invalid time."""
    return timestamps.parse_timestamp(timestamp) if timestamps.is_timestamp(timestamp) else 0


def prune_entry(host: Host, entry: QuarantineEntry) -> None:
    """Delete an item permanently.

    Raises ControlError. The manifest first records the deletion. So if the run is killed, the next run completes it.
    """
    with explain_errors(f"cannot take {entry.id} out of the quarantine"):
        manifest.mark_entry_unfinished(host, entry)
        with open_entry_directory(host, entry) as entry_directory:
            write_manifest(entry_directory, entry._replace(doing=PRUNE))
            remove_content(entry_directory)
        drop_entry(host, entry)


def remove_content(entry_directory: int) -> None:
    """Delete the content of an item permanently.

    `entry_directory` is a descriptor of the item's folder.
    """
    remove_entry(entry_directory, CONTENT_NAME)
    manifest.mark_step("content gone")

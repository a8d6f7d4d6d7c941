"""What an observation of apps remembers for the next one. Observing writes nothing: an enforcing run saves
it, an audit uses it.

A directory that has not changed is not read again (system/file_scan.py), nor is a package system whose database has not
changed queried again. That rests on the kernel's times alone, so now and then a scan forgets all of it and reads
everything: in every so many enforcing runs (proscribe_full_scan_every).

What is remembered of a user's directories is a file of its own, which no other user's observation reads, and which
is bounded: whoever fills his home slows his own observation only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from .....base.hashing import sha256
from .....base.moments import format_timestamp
from .....base.tuples import NamedTuple
from ....system import Host
from ..memory_files import (
    MAX_MEMORY_BYTES,
    MEMORY_DIRECTORY,
    UNREADABLE_ERRORS,
    format_memory,
    read_memory,
    write_memory,
)

if TYPE_CHECKING:
    from ....system.file_scan import RememberedDirectory

MEMORY_PATH = MEMORY_DIRECTORY + "/walk"  # of the host's own places
USER_MEMORY_NAME = "walk-{}"  # beside it, by the number of the user
MEMORY_VERSION = 7  # of what is remembered, and of how names are chosen
DROPPED_TEXT = ""  # in place of what is too much to be remembered


class ScanMemory(NamedTuple):
    """What is remembered of earlier scans."""

    remembered: Mapping[str, RememberedDirectory]  # directories of the host; empty for a scan that reads everything
    names_stamp: str  # which names were scanned for
    full_scan_at: str  # when everything was read: UTC, 2026-11-25T08:00:00Z
    run_count: int  # how many runs have begun with it or since
    # By package system: its database as it then was, and the packages that were found, in the order of their fields.
    query_results: Mapping[str, tuple[Any, Any]] = {}
    # By the number of a user, the text of his file: None for one that stays as it is, "" for none.
    texts_by_uid: Mapping[str, str | None] = {}
    is_fresh: bool = False  # whether everything is read


def read_scan_memory(host: Host, names_digest: str, max_runs: int) -> ScanMemory:
    """What earlier scans remembered, if they had the same names and no full scan is due."""
    names_stamp = f"{MEMORY_VERSION} {names_digest}"
    try:
        stored = read_memory(host, MEMORY_PATH)
        if isinstance(stored, dict) and stored.get("stamp") == names_stamp and stored["runs"] < max_runs:
            return ScanMemory(stored["directories"], names_stamp, stored["full_at"], stored["runs"], stored["packages"])
    except UNREADABLE_ERRORS:
        pass  # an ordinary user may not read it; without it all is read anew
    return ScanMemory({}, names_stamp, format_timestamp(time.time()), 0, is_fresh=True)


def read_remembered_directories(host: Host, memory: ScanMemory, uid: int) -> Mapping[str, RememberedDirectory]:
    """The directories that are remembered of a user, since the last full scan."""
    if memory.is_fresh:
        return {}
    try:
        stored = read_memory(host, f"{MEMORY_DIRECTORY}/{USER_MEMORY_NAME.format(uid)}")
        if isinstance(stored, dict) and (stored.get("stamp"), stored.get("full_at")) == (
            memory.names_stamp,
            memory.full_scan_at,
        ):
            return dict(stored["directories"])
    except UNREADABLE_ERRORS:
        pass
    return {}


def has_user_memory(host: Host, uid: int) -> bool:
    """Whether there is a file of a user."""
    return host.find_entry(f"{MEMORY_DIRECTORY}/{USER_MEMORY_NAME.format(uid)}") is not None


def format_user_memory(
    memory: ScanMemory,
    earlier_directories: Mapping[str, RememberedDirectory],
    current_directories: Mapping[str, RememberedDirectory],
) -> str | None:
    """What to remember of a user, in the place of what was remembered before; None if that stays as it is."""
    if earlier_directories == current_directories and not memory.is_fresh:
        return None
    text = format_memory(
        {"stamp": memory.names_stamp, "full_at": memory.full_scan_at, "directories": current_directories}
    )
    return text if len(text) <= MAX_MEMORY_BYTES else DROPPED_TEXT


def extend_names_stamp(names: str, folders: Iterable[str]) -> str:
    """A stamp for scans in which these user directories count too: other names matter in them."""
    folder_bytes = "\0".join(sorted(folders)).encode("utf-8", "surrogateescape")
    return f"{names} {sha256(folder_bytes).hexdigest()}" if folder_bytes else names


def save_scan_memory(host: Host, memory: ScanMemory | None, is_first: bool = False) -> None:
    """Save an observation, for root alone: the names in it are users' own. `is_first`: it was the first of a run, which
    then counts. Raises ControlError.
    """
    if memory is None:
        return
    stored = {
        "stamp": memory.names_stamp,
        "full_at": memory.full_scan_at,
        "runs": memory.run_count + is_first,
        "packages": memory.query_results,
        "directories": memory.remembered,
    }
    write_memory(host, MEMORY_PATH, format_memory(stored))
    kept_names = {USER_MEMORY_NAME.format(uid) for uid, text in memory.texts_by_uid.items() if text != DROPPED_TEXT}
    for uid, text in memory.texts_by_uid.items():
        if text:
            write_memory(host, f"{MEMORY_DIRECTORY}/{USER_MEMORY_NAME.format(uid)}", text)
    for path in list_memory_files(host):
        if path != MEMORY_PATH and path.rpartition("/")[2] not in kept_names:
            host.delete_file(path)


def list_memory_files(host: Host) -> list[str]:
    """The files of a memory on a host."""
    prefix = MEMORY_PATH.rpartition("/")[2]  # those of earlier releases end in .json
    files = [f"{MEMORY_DIRECTORY}/{name}" for name in host.list_directory(MEMORY_DIRECTORY) if name.startswith(prefix)]
    return [*files, *([MEMORY_PATH] if MEMORY_PATH not in files and host.has_traces(MEMORY_PATH) else [])]

"""Memory of an observation of apps, for the next observation. Enforcing runs save it, and audits use it.

A directory that has not changed is not read again (system/file_scan.py). A package system whose database has not
changed is not queried again. Both checks rely only on times of change that the kernel sets. So, to be sure, a scan
reads everything after a number of enforcing runs (proscribe_full_scan_every): a full scan.

The memory of each user's directories is a separate file with a size limit. The observation of another user does not
read it. So a user who fills the home slows down only the observation of that home.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Iterable, Mapping

from .....base.hashing import sha256
from .....base.named_tuple import NamedTuple
from .....base.timestamps import format_timestamp
from ....system import Host
from ..memory_store import (
    MAX_MEMORY_BYTES,
    MEMORY_DIRECTORY,
    UNREADABLE_ERRORS,
    format_memory,
    read_memory,
    write_memory,
)

if TYPE_CHECKING:
    from ....system.file_scan import RememberedDirectory

MEMORY_PATH = MEMORY_DIRECTORY + "/walk"  # memory of the host's own places and of the package systems
USER_MEMORY_NAME = "walk-{}"  # name of a user's memory file in that directory, with the uid
MEMORY_VERSION = 7  # version of the format, and of the rules by which the scan chooses names
DROPPED_TEXT = ""  # text of a memory file that is too large or deleted: no file is written


class ScanMemory(NamedTuple):
    """Memory of earlier scans, and data of the current scan that will be saved."""

    # by path: directories of the host as earlier scans read them; empty for a full scan
    remembered: Mapping[str, RememberedDirectory]
    names_stamp: str  # digest of the names that the scan searched
    full_scan_at: str  # time of the last full scan: UTC, 2026-11-25T08:00:00Z
    run_count: int  # number of runs since the full scan, including the run of the full scan
    # By package system: the state of its database, and its packages as tuples of their fields.
    query_results: Mapping[str, tuple[Any, Any]] = {}
    # By uid: the new text of a user's memory file. None: the file stays as it is. "": the file is deleted.
    texts_by_uid: Mapping[str, str | None] = {}
    is_fresh: bool = False  # True if this is a full scan, so that nothing is remembered


def read_scan_memory(host: Host, names_digest: str, max_runs: int) -> ScanMemory:
    """Return the memory of earlier scans. Return an empty memory if a full scan is due.

    A full scan is due after `max_runs` enforcing runs. It is also due if the names to search for have changed. Their
    digest `names_digest` then differs from the saved digest.
    """
    names_stamp = f"{MEMORY_VERSION} {names_digest}"
    try:
        stored = read_memory(host, MEMORY_PATH)
        if isinstance(stored, dict) and stored.get("stamp") == names_stamp and stored["runs"] < max_runs:
            return ScanMemory(stored["directories"], names_stamp, stored["full_at"], stored["runs"], stored["packages"])
    except UNREADABLE_ERRORS:
        pass  # an ordinary user cannot read the memory, and runs a full scan
    return ScanMemory({}, names_stamp, format_timestamp(time.time()), 0, is_fresh=True)


def read_remembered_directories(host: Host, memory: ScanMemory, uid: int) -> Mapping[str, RememberedDirectory]:
    """Return, by path, a user's directories as earlier scans read them.

    Return {} in a full scan, or if the memory file is missing or damaged. Return {} too if the file has another digest
    of names than `memory`, or is from before the last full scan.
    """
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
    """Return whether a user has a memory file."""
    return host.find_entry(f"{MEMORY_DIRECTORY}/{USER_MEMORY_NAME.format(uid)}") is not None


def format_user_memory(
    memory: ScanMemory,
    earlier_directories: Mapping[str, RememberedDirectory],
    current_directories: Mapping[str, RememberedDirectory],
) -> str | None:
    """Return the text of a user's new memory file, or None if the current file stays as it is.

    The text is "" if it would be too large; the file is then deleted. `earlier_directories` are those that were read
    from the current file, and `current_directories` those of this scan.
    """
    if earlier_directories == current_directories and not memory.is_fresh:
        return None
    text = format_memory(
        {"stamp": memory.names_stamp, "full_at": memory.full_scan_at, "directories": current_directories}
    )
    return text if len(text) <= MAX_MEMORY_BYTES else DROPPED_TEXT


def extend_names_stamp(names: str, folders: Iterable[str]) -> str:
    """Return the digest `names` of the names to search for, with a digest of the user directories `folders` added.

    User directories are those such as ~/桌面 (user_dirs.py), in which the scan searches for further names. So if the
    user directories change, the memory of earlier scans must not be used. Without folders, return `names` itself.
    """
    folder_bytes = "\0".join(sorted(folders)).encode("utf-8", "surrogateescape")
    return f"{names} {sha256(folder_bytes).hexdigest()}" if folder_bytes else names


def save_scan_memory(host: Host, memory: ScanMemory | None, is_first: bool = False) -> None:
    """Save the memory of an observation. Raises ControlError.

    Only root can read it, because it has names of users' files. Memory files of users without memory are deleted.
    `is_first` is true for the first observation of an enforcing run, so that the run is counted once.
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
    current_names = {USER_MEMORY_NAME.format(uid) for uid, text in memory.texts_by_uid.items() if text != DROPPED_TEXT}
    for uid, text in memory.texts_by_uid.items():
        if text:
            write_memory(host, f"{MEMORY_DIRECTORY}/{USER_MEMORY_NAME.format(uid)}", text)
    for path in list_memory_files(host):
        if path != MEMORY_PATH and path.rpartition("/")[2] not in current_names:
            host.delete_file(path)


def list_memory_files(host: Host) -> list[str]:
    """Return the paths of all memory files on a host, those of users too."""
    prefix = MEMORY_PATH.rpartition("/")[2]  # the files of earlier releases end in .json
    files = [f"{MEMORY_DIRECTORY}/{name}" for name in host.list_directory(MEMORY_DIRECTORY) if name.startswith(prefix)]
    return [*files, *([MEMORY_PATH] if MEMORY_PATH not in files and host.has_traces(MEMORY_PATH) else [])]

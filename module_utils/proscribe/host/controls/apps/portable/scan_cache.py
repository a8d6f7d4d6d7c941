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
from ..memory_files import FOLDER, LARGEST, UNREADABLE, dumped, load, replace

if TYPE_CHECKING:
    from ....system.file_scan import RememberedDirectory

MEMORY = FOLDER + "/walk"  # of the host's own places
OF_USER = "walk-{}"  # beside it, by the number of the user
VERSION = 7  # of what is remembered, and of how names are chosen
DROPPED = ""  # in place of what is too much to be remembered


class Memory(NamedTuple):
    """What is remembered of earlier scans."""

    known: Mapping[str, RememberedDirectory]  # directories of the host; empty for a scan that reads everything
    stamp: str  # which names were scanned for
    full_at: str  # when everything was read: UTC, 2026-11-25T08:00:00Z
    runs: int  # how many runs have begun with it or since
    # By package system: its database as it then was, and the packages that were found, in the order of their fields.
    packages: Mapping[str, tuple[Any, Any]] = {}
    # By the number of a user, the text of his file: None for one that stays as it is, "" for none.
    users: Mapping[str, str | None] = {}
    fresh: bool = False  # whether everything is read


def remembered(host: Host, names: str, every: int) -> Memory:
    """What earlier scans remembered, if they had the same names and no full scan is due."""
    names_stamp = f"{VERSION} {names}"
    try:
        stored = load(host, MEMORY)
        if isinstance(stored, dict) and stored.get("stamp") == names_stamp and stored["runs"] < every:
            return Memory(stored["directories"], names_stamp, stored["full_at"], stored["runs"], stored["packages"])
    except UNREADABLE:
        pass  # an ordinary user may not read it; without it all is read anew
    return Memory({}, names_stamp, format_timestamp(time.time()), 0, fresh=True)


def of_user(host: Host, memory: Memory, uid: int) -> Mapping[str, RememberedDirectory]:
    """The directories that are remembered of a user, since the last full scan."""
    if memory.fresh:
        return {}
    try:
        stored = load(host, f"{FOLDER}/{OF_USER.format(uid)}")
        if isinstance(stored, dict) and (stored.get("stamp"), stored.get("full_at")) == (memory.stamp, memory.full_at):
            return dict(stored["directories"])
    except UNREADABLE:
        pass
    return {}


def is_remembered(host: Host, uid: int) -> bool:
    """Whether there is a file of a user."""
    return host.find_entry(f"{FOLDER}/{OF_USER.format(uid)}") is not None


def text_of_user(
    memory: Memory, before: Mapping[str, RememberedDirectory], now: Mapping[str, RememberedDirectory]
) -> str | None:
    """What to remember of a user, in the place of what was remembered before; None if that stays as it is."""
    if before == now and not memory.fresh:
        return None
    text = dumped({"stamp": memory.stamp, "full_at": memory.full_at, "directories": now})
    return text if len(text) <= LARGEST else DROPPED


def stamped(names: str, folders: Iterable[str]) -> str:
    """A stamp for scans in which these user directories count too: other names matter in them."""
    named = "\0".join(sorted(folders)).encode("utf-8", "surrogateescape")
    return f"{names} {sha256(named).hexdigest()}" if named else names


def keep(host: Host, memory: Memory | None, begins: bool = False) -> None:
    """Save an observation, for root alone: the names in it are users' own. `begins`: it was the first of a run, which
    then counts. Raises ControlError.
    """
    if memory is None:
        return
    stored = {
        "stamp": memory.stamp,
        "full_at": memory.full_at,
        "runs": memory.runs + begins,
        "packages": memory.packages,
        "directories": memory.known,
    }
    replace(host, MEMORY, dumped(stored))
    stays = {OF_USER.format(uid) for uid, text in memory.users.items() if text != DROPPED}
    for uid, text in memory.users.items():
        if text:
            replace(host, f"{FOLDER}/{OF_USER.format(uid)}", text)
    for path in traces(host):
        if path != MEMORY and path.rpartition("/")[2] not in stays:
            host.delete_file(path)


def traces(host: Host) -> list[str]:
    """The files of a memory on a host."""
    prefix = MEMORY.rpartition("/")[2]  # those of earlier releases end in .json
    files = [f"{FOLDER}/{name}" for name in host.list_directory(FOLDER) if name.startswith(prefix)]
    return [*files, *([MEMORY] if MEMORY not in files and host.has_traces(MEMORY) else [])]

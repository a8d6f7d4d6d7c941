"""The database of rpm, and what rpm answers out of it."""

from __future__ import annotations

from typing import Iterable

from ....system import ControlError, Host, ObservationError

DATABASE_DIRECTORIES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
# What a database consists of, by the backend of rpm that keeps it: sqlite, ndb, Berkeley DB.
DATABASE_FILES: tuple[str, ...] = tuple(
    f"{directory}/{name}"
    for directory in DATABASE_DIRECTORIES
    for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
)


def has_database(host: Host) -> bool:
    """Whether there is a database. Without one rpm is not asked: run as root, it would make one."""
    return any(map(host.find_entry, DATABASE_FILES))


def query_database(host: Host, arguments: Iterable[str]) -> str:
    """What rpm answers. It ends with the number of packages that are not there, so only its errors show a failure.

    Raises ControlError; for an ordinary user Unseen, since a database that nobody has opened yet is for root to open.
    """
    result = host.run_command(["rpm", *arguments])
    if "error: " in result.err:
        reason = f"rpm cannot read its database: {' '.join(result.err.split())[-400:]}"
        raise ControlError(reason) if host.privileged else ObservationError(reason)
    return result.out

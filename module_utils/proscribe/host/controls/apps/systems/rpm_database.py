"""Database of rpm and its queries."""

from __future__ import annotations

from typing import Iterable

from ....system import ControlError, Host, ObservationError

DATABASE_DIRECTORIES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
# Files that a database of rpm may have. Their names depend on rpm's backend: sqlite (with -wal), ndb, Berkeley DB.
DATABASE_FILES: tuple[str, ...] = tuple(
    f"{directory}/{name}"
    for directory in DATABASE_DIRECTORIES
    for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
)


def has_database(host: Host) -> bool:
    """Return whether the host has a database of rpm.

    Without a database rpm must not run, because as root it would create a database.
    """
    return any(map(host.find_entry, DATABASE_FILES))


def query_database(host: Host, arguments: Iterable[str]) -> str:
    """Return the output of rpm with `arguments`. Raises ControlError if rpm reports an error.

    rpm's exit code is the number of missing packages, so only its error messages show a failure. If this process is not
    root, the error is an ObservationError. The reason: root must be the first to open a database.
    """
    result = host.run_command(["rpm", *arguments])
    if "error: " in result.err:
        reason = f"rpm cannot read its database: {' '.join(result.err.split())[-400:]}"
        raise ControlError(reason) if host.privileged else ObservationError(reason)
    return result.out

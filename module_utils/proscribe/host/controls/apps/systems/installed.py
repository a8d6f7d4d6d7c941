"""What each package system says is installed; one whose database has not changed is not queried again."""

from __future__ import annotations

import time
from typing import AbstractSet, Any, Mapping

from ....system import Host, User
from ....system.file_scan import SETTLED_NANOSECONDS
from .package import Package, PackageSystem
from .registry import OF_THE_HOST, ON_DEMAND


def present(host: Host) -> list[str]:
    """The package systems that this host has for all of it."""
    traced = [system.MANAGER for system in ON_DEMAND if system.there(host, None)]
    return [system.MANAGER for system in OF_THE_HOST if system.there(host, None)] + traced


def brought_by(host: Host, user: User) -> list[str]:
    """The package systems that a user has brought along, of those that leave traces of their own."""
    return [system.MANAGER for system in ON_DEMAND if system.there(host, user)]


def installed(
    host: Host,
    system: PackageSystem,
    ids: AbstractSet[str],
    earlier: Mapping[str, tuple[Any, Any]],
    queried: dict[str, tuple[Any, Any]],
) -> tuple[list[Package], str]:
    """The answer of a package system to its query: the one of `earlier`, where its database has not changed since.

    It is noted in `queried` unless the database changed so short a time ago that it may change again unnoticed.
    """
    seen = [host.find_entry(path) for path in system.DATABASE_FILES]
    database = [[s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] if s else None for s in seen]
    known, rows = earlier.get(system.MANAGER, (None, ()))
    if any(seen) and known == database:
        queried[system.MANAGER] = known, rows
        return [Package(*row)._replace(handles=tuple(row[3])) for row in rows], ""
    found, blind = system.query(host, ids)
    if any(seen) and not blind and all(s is None or s.st_ctime_ns < time.time_ns() - SETTLED_NANOSECONDS for s in seen):
        queried[system.MANAGER] = database, [tuple(package) for package in found]
    return found, blind

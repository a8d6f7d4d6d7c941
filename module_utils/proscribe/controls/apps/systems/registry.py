"""The package systems that are asked, and what each says; one whose database has not changed is not asked again."""

from __future__ import annotations

import time
from typing import AbstractSet, Any, Mapping

from ....host import Host, User
from ....host.walking import SETTLED
from . import dpkg, flatpak, npm, pacman, pip, pipx, rpm, snap, uv
from .package import Package, PackageSystem
from .traces import TRACED

SYSTEMS: tuple[PackageSystem, ...] = (dpkg, rpm, pacman, flatpak, snap, pip, pipx, uv, npm, *TRACED)
# Of these also an account without a home may have something.
BY_NAME = tuple(system for system in TRACED if system.by_name)
OF_THE_HOST: tuple[PackageSystem, ...] = (dpkg, rpm, pacman, flatpak, snap)


def present(host: Host) -> list[str]:
    """The package systems that this host has for all of it."""
    traced = [system.MANAGER for system in TRACED if system.there(host, None)]
    return [system.MANAGER for system in OF_THE_HOST if system.there(host, None)] + traced


def brought_by(host: Host, user: User) -> list[str]:
    """The package systems that a user has brought along, of those that leave traces of their own."""
    return [system.MANAGER for system in TRACED if system.there(host, user)]


def installed(
    host: Host,
    system: PackageSystem,
    ids: AbstractSet[str],
    earlier: Mapping[str, tuple[Any, Any]],
    asked: dict[str, tuple[Any, Any]],
) -> tuple[list[Package], str]:
    """The answer of a package system to its query: the one of `earlier`, where its database has not changed since.

    It is noted in `asked` unless the database changed so short a time ago that it may change again unnoticed.
    """
    seen = [host.stat(path) for path in system.DATABASE_FILES]
    database = [[s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] if s else None for s in seen]
    known, rows = earlier.get(system.MANAGER, (None, ()))
    if any(seen) and known == database:
        asked[system.MANAGER] = known, rows
        return [Package(*row)._replace(handles=tuple(row[3])) for row in rows], ""
    found, blind = system.query(host, ids)
    if any(seen) and not blind and all(s is None or s.st_ctime_ns < time.time_ns() - SETTLED for s in seen):
        asked[system.MANAGER] = database, found
    return found, blind

"""Installed packages of each package system. A system is queried again only if its database has changed."""

from __future__ import annotations

import time
from typing import AbstractSet, Any, Mapping

from ....system import Host, User
from ....system.file_scan import SETTLED_NANOSECONDS
from .package import Package, PackageSystem
from .package_systems import HOST_WIDE_SYSTEMS, ON_DEMAND


def list_present_systems(host: Host) -> list[str]:
    """Return the names of the package systems of which the host itself, not only a user, may have packages."""
    on_demand_names = [system.MANAGER for system in ON_DEMAND if system.is_present(host, None)]
    return [system.MANAGER for system in HOST_WIDE_SYSTEMS if system.is_present(host, None)] + on_demand_names


def list_user_systems(host: Host, user: User) -> list[str]:
    """Return the names of the package systems in ON_DEMAND of which a user may have packages.

    Only these systems can be recognised without a query, by traces: paths of the host or below the home.
    """
    return [system.MANAGER for system in ON_DEMAND if system.is_present(host, user)]


def find_installed_packages(
    host: Host,
    system: PackageSystem,
    ids: AbstractSet[str],
    cached_answers: Mapping[str, tuple[Any, Any]],
    new_answers: dict[str, tuple[Any, Any]],
) -> tuple[list[Package], str]:
    """Return the packages among `ids` that are installed for the whole host, and why some are unknown.

    The reason is "" if all could be checked. `cached_answers` has the results of earlier observations by the system's
    name. A result is the state of the database, and the packages as tuples of fields. The packages are returned if the
    database has not changed since. `new_answers` receives the result for the next observation, unless the database
    changed very recently. A further change could then have the same time and go unnoticed.
    """
    statuses = [host.find_entry(path) for path in system.DATABASE_FILES]
    database = [
        [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns] if status else None
        for status in statuses
    ]
    cached_database, rows = cached_answers.get(system.MANAGER, (None, ()))
    if any(statuses) and cached_database == database:
        new_answers[system.MANAGER] = cached_database, rows
        return [Package(*row)._replace(handles=tuple(row[3])) for row in rows], ""
    packages, gap = system.find_packages(host, ids)
    if (
        any(statuses)
        and not gap
        and all(status is None or status.st_ctime_ns < time.time_ns() - SETTLED_NANOSECONDS for status in statuses)
    ):
        new_answers[system.MANAGER] = database, [tuple(package) for package in packages]
    return packages, gap

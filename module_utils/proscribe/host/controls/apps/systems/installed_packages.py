"""Installed packages of each package system. A system with an unchanged database is not queried again."""

from __future__ import annotations

import time
from typing import AbstractSet, Any, Mapping

from ....system import Host, User
from ....system.file_scan import SETTLED_NANOSECONDS
from .package import Package, PackageSystem
from .registry import HOST_WIDE_SYSTEMS, ON_DEMAND


def list_present_systems(host: Host) -> list[str]:
    """Return the names of the package systems that this host has for all users."""
    on_demand_names = [system.MANAGER for system in ON_DEMAND if system.is_present(host, None)]
    return [system.MANAGER for system in HOST_WIDE_SYSTEMS if system.is_present(host, None)] + on_demand_names


def list_user_systems(host: Host, user: User) -> list[str]:
    """Return the names of the package systems that a user has installed, among those that leave traces of their own."""
    return [system.MANAGER for system in ON_DEMAND if system.is_present(host, user)]


def find_installed_packages(
    host: Host,
    system: PackageSystem,
    ids: AbstractSet[str],
    cached_answers: Mapping[str, tuple[Any, Any]],
    new_answers: dict[str, tuple[Any, Any]],
) -> tuple[list[Package], str]:
    """Return the installed packages, and the reason why some could not be checked.

    The answer in `cached_answers` counts if the database has not changed since. The answer is added to `new_answers`,
    unless the database changed very recently: it might change again unnoticed.
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

"""Record of the packages that Proscribe removed from a host, so that an operator can install them again.

The file belongs to root alone. It is written before packages are removed, so that a killed run loses no package. A lift
(removal of all that Proscribe did) reports the recorded packages that are not installed, and deletes the file.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Iterable, Sequence

from ....base.json_text import parse_json
from ....model.removal_record import MAX_PACKAGES, MAX_USER_PACKAGES, RemovedPackage, read_removed_package
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError, User
from .per_user_observation import restore_package
from .systems.package import Package, PackageSystem, ask_for_user

REMOVED_PACKAGES_PATH = STATE_DIRECTORY + "/removed.json"
REMOVED_PACKAGES_SCHEMA = "proscribe/removed/1"
MAX_FILE_BYTES = 2 * 1024 * 1024  # a larger file is not read


def note_removed_packages(host: Host, packages: Sequence[RemovedPackage]) -> None:
    """Add packages that are about to be removed to the record. Raises ControlError and ObservationError."""
    packages_by_key = {package.identity: package for package in (*read_removed_packages(host), *packages)}
    limited_packages = limit_packages(
        sorted(packages_by_key.values(), key=lambda package: (package.at, package.identity), reverse=True)
    )
    content = {"schema": REMOVED_PACKAGES_SCHEMA, "packages": [package._asdict() for package in limited_packages]}
    host.write_file(REMOVED_PACKAGES_PATH, json.dumps(content, indent=1) + "\n", 0o600)


def limit_packages(packages: Iterable[RemovedPackage]) -> list[RemovedPackage]:
    """Return the packages within the limits, one for each user and one in total.

    Packages of the host come first. Earlier packages of `packages` are preferred. The limit for each user keeps a user
    with many packages from displacing those of the host or of another user.
    """
    count_by_user: dict[str, int] = {}
    limited_packages = []
    for package in packages:
        count_by_user[package.user] = count_by_user.get(package.user, 0) + 1
        if not package.user or count_by_user[package.user] <= MAX_USER_PACKAGES:
            limited_packages.append(package)
    return sorted(limited_packages, key=lambda package: bool(package.user))[:MAX_PACKAGES]


def read_removed_packages(host: Host) -> list[RemovedPackage]:
    """Return the recorded packages. Return [] if the file is missing or damaged. Raises ObservationError."""
    try:
        content = parse_json(host.read_file(REMOVED_PACKAGES_PATH, MAX_FILE_BYTES) or b"{}")
    except (ControlError, ValueError, RecursionError):
        return []
    packages = []
    rows = (
        content.get("packages")
        if isinstance(content, dict) and content.get("schema") == REMOVED_PACKAGES_SCHEMA
        else None
    )
    for row in rows[:MAX_PACKAGES] if isinstance(rows, list) else ():
        try:
            packages.append(read_removed_package(row))
        except ValueError:
            continue
    return packages


def find_still_removed(host: Host, systems: Iterable[PackageSystem]) -> list[RemovedPackage]:
    """Return the recorded packages that are not installed now.

    Packages of the host come first. Packages of a deleted user are left out. If a package system cannot be queried, its
    packages count as not installed.
    """
    system_by_manager: dict[str, PackageSystem] = {system.MANAGER: system for system in systems}
    users = {user.name: user for user in host.list_users()}
    still_removed_packages = []
    groups: dict[tuple[str, str], list[RemovedPackage]] = {}
    for removed_package in read_removed_packages(host):
        groups.setdefault((removed_package.manager, removed_package.user), []).append(removed_package)
    for (manager, name), members in groups.items():
        system, user = system_by_manager.get(manager), users.get(name)
        if system is None or (name and user is None):
            continue
        installed = _list_installed_packages(host, system, user, {removed_package.id for removed_package in members})
        still_removed_packages += [
            removed_package
            for removed_package in members
            if not any(_is_same_package(package, removed_package) for package in installed)
        ]
    return still_removed_packages


def _list_installed_packages(host: Host, system: PackageSystem, user: User | None, ids: set[str]) -> Sequence[Package]:
    """Return the installed packages among `ids`, of a user or of the host (None).

    Return () if the query fails.
    """
    try:
        query_packages = (
            partial(system.find_user_packages, host, user, ids) if user else partial(system.find_packages, host, ids)
        )
        return [restore_package(row) for row in ask_for_user(user, query_packages)[0]]
    except (ControlError, ObservationError):
        return ()


def _is_same_package(package: Package, removed: RemovedPackage) -> bool:
    """Return whether an installed package is the removed package, in any version.

    The name in the package system, with the architecture, must be the same. Or the handle of the package is the place
    (prefix or environment) from which it was removed.
    """
    if package.id != removed.id:
        return False
    # For rpm, the handle `name-version-release.arch` has the version, and the recorded name is `name.arch`.
    handle = package.handles[0] if package.handles else removed.name
    return {handle, f"{package.id}.{handle.rpartition('.')[2]}"} & {removed.name, removed.place} != set()

"""What a host remembers of the packages that were removed from it, so that a lift can say what stays removed.

A file of root's alone. It is written before packages are removed, so a run that is killed loses none. What was not
removed after all, or is there again, is left out when it is read. A lift deletes it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Iterable, Sequence

from ....base.json_text import parse_json
from ....model.removed import MAX_PACKAGES, MAX_USER_PACKAGES, RemovedPackage, read_removed_package
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError, User
from .per_user import restored_package
from .systems.package import Package, PackageSystem, on_behalf

FILE = STATE_DIRECTORY + "/removed.json"
SCHEMA = "proscribe/removed/1"
LARGEST = 2 * 1024 * 1024  # bytes


def note(host: Host, packages: Sequence[RemovedPackage]) -> None:
    """Remember packages that are about to be removed, beside those of before. Raises ControlError, Unseen."""
    known = {one.identity: one for one in (*remembered(host), *packages)}
    few = bounded(sorted(known.values(), key=lambda one: (one.at, one.identity), reverse=True))
    content = {"schema": SCHEMA, "packages": [one._asdict() for one in few]}
    host.write_file(FILE, json.dumps(content, indent=1) + "\n", 0o600)


def bounded(packages: Iterable[RemovedPackage]) -> list[RemovedPackage]:
    """The first of some packages, and of each user's: nobody's many hide the host's or another's."""
    of_user: dict[str, int] = {}
    found = []
    for one in packages:
        of_user[one.user] = of_user.get(one.user, 0) + 1
        if not one.user or of_user[one.user] <= MAX_USER_PACKAGES:
            found.append(one)
    return sorted(found, key=lambda one: bool(one.user))[:MAX_PACKAGES]


def remembered(host: Host) -> list[RemovedPackage]:
    """What the file has; nothing where it is missing or damaged. Raises Unseen."""
    try:
        given = parse_json(host.read_file(FILE, LARGEST) or b"{}")
    except (ControlError, ValueError, RecursionError):
        return []
    found = []
    listed = given.get("packages") if isinstance(given, dict) and given.get("schema") == SCHEMA else None
    for value in listed[:MAX_PACKAGES] if isinstance(listed, list) else ():
        try:
            found.append(read_removed_package(value))
        except ValueError:
            continue
    return found


def still_removed(host: Host, systems: Iterable[PackageSystem]) -> list[RemovedPackage]:
    """Of what a host remembers, the packages that are not there again, those of the host first. One of a user who is
    gone is none. Where a package system cannot be asked, it is not known to be there.
    """
    of_manager: dict[str, PackageSystem] = {system.MANAGER: system for system in systems}
    users = {user.name: user for user in host.list_users()}
    found = []
    groups: dict[tuple[str, str], list[RemovedPackage]] = {}
    for one in remembered(host):
        groups.setdefault((one.manager, one.user), []).append(one)
    for (manager, name), members in groups.items():
        system, user = of_manager.get(manager), users.get(name)
        if system is None or (name and user is None):
            continue
        installed = _installed(host, system, user, {one.id for one in members})
        found += [one for one in members if not any(_is(package, one) for package in installed)]
    return found


def _installed(host: Host, system: PackageSystem, user: User | None, ids: set[str]) -> Sequence[Package]:
    try:
        ask = partial(system.query_of, host, user, ids) if user else partial(system.query, host, ids)
        return [restored_package(row) for row in on_behalf(user, ask)[0]]
    except (ControlError, ObservationError):
        return ()


def _is(package: Package, removed: RemovedPackage) -> bool:
    """Whether a package is the one that was removed, in whatever version: of this architecture, in this place."""
    if package.id != removed.id:
        return False
    handle = package.handles[0] if package.handles else removed.name
    return {handle, f"{package.id}.{handle.rpartition('.')[2]}"} & {removed.name, removed.place} != set()

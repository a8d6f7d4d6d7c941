"""Observation of users' packages, files and launchers: in a forked process, with a budget for each user.

Each user controls the content of the home, and its amount. So a child process reads the homes, one user at a time
(system/forked_work.py). Odd or huge content, or content that never answers, is reported as unseen for its user, with
the reason. Such content cannot hide findings of other users.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host, ObservationError, User
from ...system.budget import ReadBudget
from ...system.forked_work import run_each_apart
from ...system.mounts import explain_not_entered, find_remote_type, read_mounts
from ...system.processes import NOBODY_UID
from .desired_apps import DesiredApps
from .portable import launchers, scan, user_dirs
from .portable.app_names import AppNames
from .portable.scan import PortableApp, ScanRegion
from .portable.scan_cache import (
    DROPPED_TEXT,
    ScanMemory,
    extend_names_stamp,
    format_user_memory,
    has_user_memory,
    read_remembered_directories,
)
from .requests import request_files
from .running_programs import find_services_above
from .systems.installed_packages import list_user_systems
from .systems.package import Package, PackageSystem
from .systems.package_systems import NAMED_DIRECTORY_SYSTEMS, ON_DEMAND, SYSTEMS
from .user_finding_limit import UserShare

if TYPE_CHECKING:
    from typing import TypedDict, TypeVar

    Found = TypeVar("Found")

    class UserPart(TypedDict, total=False):
        """Part of the observation of a `UserUnit`: only the keys that this part has something for.

        A child process sends it as JSON, so tuples have become lists.
        """

        packages: Sequence[Sequence[Any]]  # each package as the list of its fields (restore_package)
        portable_apps: Sequence[Sequence[Any]]  # each app as the list of its fields (restore_portable_app)
        blind: list[tuple[str, str]]  # failed queries of package systems, as (package system, reason)
        unseen: list[str]  # reasons why files, launchers or homes could not be observed
        there: list[str]  # package systems that the user has, of those in UserScanContext.sole_systems
        systems: list[str]  # package systems of which the user may have packages (list_user_systems)
        cut: int  # number of findings beyond the limit for a user
        memory: str  # text of the user's memory file for the next observation; "" deletes the file
        requests: tuple[Sequence[request_files.RequestRow], int]  # requests, and the number of requests left out


MAX_REMEMBERED_CHARACTERS = 32 * 1024 * 1024  # size of the memory files of all users together


class UserUnit(NamedTuple):
    """Accounts that share a uid, which are observed together: their homes, and their files in shared places."""

    uid: int
    users: Sequence[User]
    # Directories in shared places such as /tmp, each with the user's files in it. No files mean the whole directory, as
    # in PortableAppScan.foreign_entries.
    places: Sequence[tuple[str, Sequence[str]]]
    unseen_reasons: Sequence[str] = ()  # why homes of these accounts are not observed

    @property
    def user(self) -> User:
        """First account of the unit, which stands for all of them in messages."""
        return self.users[0]


class UserObservation(NamedTuple):
    """Observed state of all users except root."""

    packages: list[Package]
    portable_apps: list[PortableApp]
    query_failures: list[tuple[str, str]]  # failed queries of package systems, as (package system, reason)
    unseen_reasons: list[str]  # reasons why files, launchers or homes could not be observed
    # Package systems that some user has. Only systems that alone decide whether a service can be on the host count.
    present_systems: set[str]
    texts_by_uid: dict[str, str | None]  # by uid: the memory for the next observation, as in ScanMemory.texts_by_uid
    brought_systems: set[str]  # names of package systems that users have installed themselves
    requests: Sequence[
        tuple[Sequence[request_files.RequestRow], int]
    ] = ()  # for each user: requests, and the number of requests left out
    cut_counts: Mapping[str, int] = {}  # by user: the number of findings beyond the limit for each user


class UserScanContext(NamedTuple):
    """Data that the observation of every user needs."""

    desired: DesiredApps
    names: AppNames
    homes: set[str]  # homes of all users
    packages: Sequence[tuple[list[str], Package]]  # packages of the host
    scan_memory: ScanMemory
    # package systems of services that the catalogue identifies by packages alone: without the systems, no such service
    sole_systems: frozenset[str] = frozenset()


def observe_users(
    host: Host, context: UserScanContext, foreign_places: Mapping[int, Sequence[tuple[str, Sequence[str]]]]
) -> UserObservation:
    """Observe all users except root.

    `foreign_places` has, by uid, the users' files in shared places such as /tmp. The scan of the host found these files
    and left them for this observation. Its values are as in PortableAppScan.foreign_entries.
    """
    observation = UserObservation([], [], [], [], set(), {}, set())
    characters_left = MAX_REMEMBERED_CHARACTERS
    requests: list[tuple[Sequence[request_files.RequestRow], int]] = []
    cut_counts: dict[str, int] = {}
    for unit, parts, failure in _observe_each_unit(host, context, foreign_places):
        for part in parts:
            observation.packages.extend(restore_package(row) for row in part.get("packages", ()))
            observation.portable_apps.extend(restore_portable_app(row) for row in part.get("portable_apps", ()))
            observation.query_failures.extend(
                (manager, f"{unit.user.name}: {reason}") for manager, reason in part.get("blind", ())
            )
            observation.unseen_reasons.extend(f"{unit.user.name}: {reason}" for reason in part.get("unseen", ()))
            observation.present_systems.update(part.get("there", ()))
            observation.brought_systems.update(part.get("systems", ()))
            if "cut" in part:
                cut_counts[unit.user.name] = cut_counts.get(unit.user.name, 0) + part["cut"]
            if "requests" in part:
                requests.append(part["requests"])
            if "memory" in part:
                text = part["memory"]
                characters_left -= len(text or "")
                observation.texts_by_uid[str(unit.uid)] = text if characters_left > 0 else DROPPED_TEXT
        if failure:
            observation.unseen_reasons.append(f"{unit.user.name}: {failure}")
        else:  # the observation of the user is complete, and None means that the saved memory of the user stays
            observation.texts_by_uid.setdefault(str(unit.uid), None)
    return observation._replace(requests=tuple(requests), cut_counts=cut_counts)


def _observe_each_unit(
    host: Host, context: UserScanContext, foreign_places: Mapping[int, Sequence[tuple[str, Sequence[str]]]]
) -> Iterator[tuple[UserUnit, list[UserPart], str]]:
    """Yield each unit with the parts of its observation, and why the parts are incomplete ("" if complete).

    The host's own file systems come first. Homes on remote file systems follow if the plan requires it. A process with
    the user's uid reads such a home.
    """
    local_units, network_units = make_user_units(host, foreign_places, context.desired.network_homes == "scan")
    yield from run_each_apart(local_units, lambda unit: _observe_unit(host, context, unit))
    if network_units:
        _load_modules()
    for unit in network_units:
        for observed_unit, parts, failure in run_each_apart(
            [unit], lambda unit: _observe_as_user(host, context, unit), user=unit.user
        ):
            yield observed_unit, [_drop_memory(part) for part in parts], failure


def _drop_memory(part: UserPart) -> UserPart:
    """Drop the memory for the next observation from a part that a process with the uid of the user reports.

    The user may be able to trace that process and to change what it reports. Root would save the memory and trust it.
    """
    part.pop("memory", None)
    return part


def _load_modules() -> list[object]:
    """Load the modules that are otherwise loaded on demand, before processes with the uid of a user are forked.

    Such a process may not be able to read the directory of this Python.
    """
    import hashlib

    from .portable import container_launchers, evidence

    return [hashlib, container_launchers, evidence, *(system.load_system() for system in ON_DEMAND)]


def _observe_as_user(host: Host, context: UserScanContext, unit: UserUnit) -> Iterator[UserPart]:
    """Yield the observation of a unit in a process of the user, which reads remote homes and saves nothing."""
    host.enters_remote, host.saves_state = True, False
    return _observe_unit(host, context, unit)


def make_user_units(
    host: Host, foreign_places: Mapping[int, Sequence[tuple[str, Sequence[str]]]], scans_remote: bool = False
) -> tuple[list[UserUnit], list[UserUnit]]:
    """Return all users except root as units to observe: those on local file systems, those on remote file systems.

    With `scans_remote`, each home on a remote file system is a unit of the second list. Otherwise that list is empty,
    and units of the first list have the reasons why such homes are unseen. `foreign_places` is as in `observe_users`.
    """
    mount_table = read_mounts(host)
    users: dict[int, list[User]] = {}
    unseen_by_uid: dict[int, list[str]] = {}
    network_units: list[UserUnit] = []
    for user in host.list_users():
        if user.uid == 0:
            continue
        local_users = users.setdefault(user.uid, [])
        remote_type = find_remote_type(user.home, mount_table)
        if remote_type and scans_remote and user.uid != NOBODY_UID:
            network_units.append(UserUnit(user.uid, [user], ()))
        elif remote_type and scan.is_personal_home(user):
            unseen_by_uid.setdefault(user.uid, []).append(explain_not_entered(user.home, remote_type))
        elif not remote_type:
            local_users.append(user)
    local_units = []
    places = _group_places_by_user(host, foreign_places, users)
    for uid in sorted({*users, *places}):
        # a uid without a local home, which has only files in shared places
        local_users = users.get(uid) or [host.find_account(uid)._replace(home="/nonexistent")]
        local_units.append(UserUnit(uid, local_users, places.get(uid, ()), unseen_by_uid.get(uid, ())))
    return local_units, network_units


def _group_places_by_user(
    host: Host, foreign_places: Mapping[int, Sequence[tuple[str, Sequence[str]]]], users: Collection[int]
) -> Mapping[int, Sequence[tuple[str, Sequence[str]]]]:
    """Return `foreign_places` with each place under the uid of an account in `users`.

    A subordinate uid (subuid(5)) belongs to an account, for its containers. Its places count for that account, so that
    all uids of a user share the user's budget. A uid of no account stays as it is.
    """
    if not foreign_places.keys() - users:
        return foreign_places
    from ...system.subordinate_ids import read_subordinate_ids

    find_owner = read_subordinate_ids(host)
    places: dict[int, list[tuple[str, Sequence[str]]]] = {}
    for uid, uid_places in foreign_places.items():
        places.setdefault(uid if uid in users else find_owner(uid), []).extend(uid_places)
    return places


def _observe_unit(host: Host, context: UserScanContext, unit: UserUnit) -> Iterator[UserPart]:
    """Yield the observation of a unit in parts, so that earlier parts remain if the budget is spent.

    Package systems come first, then launchers, the file scan, the memory for the next scan, and requests.
    """
    desired = context.desired
    if unit.unseen_reasons:
        yield {"unseen": list(unit.unseen_reasons)}
    users_with_home = [user for user in unit.users if _has_home_directory(host, user)]
    # The unit has no home and no file in a shared place. No package system is present that has directories with users'
    # names outside of homes. So there is nothing to observe.
    if not (users_with_home or unit.places or any(system.is_present(host, None) for system in NAMED_DIRECTORY_SYSTEMS)):
        if has_user_memory(host, unit.uid):
            yield {"memory": DROPPED_TEXT}
        return
    host.budget = budget = ReadBudget()
    share = UserShare(desired)
    home_users = [user for user in users_with_home if scan.is_personal_home(user)]
    user_directories = {user.home: user_dirs.read_user_directories(host, user) for user in home_users}
    user_folders = {folder for directories in user_directories.values() for folder in directories.values()}
    names, memory = (
        context.names.add_program_folders(user_folders),
        context.scan_memory._replace(names_stamp=extend_names_stamp(context.scan_memory.names_stamp, user_folders)),
    )
    host.budget = None  # reading Proscribe's own state does not count against the user's budget
    remembered = read_remembered_directories(host, memory, unit.uid)
    host.budget = budget
    systems: dict[str, Sequence[PackageSystem]] = {}  # by home: the package systems that may have something there
    for user in unit.users:
        if brought_systems := list_user_systems(host, user):
            yield {"systems": brought_systems}
        possible_systems = SYSTEMS if user in users_with_home else NAMED_DIRECTORY_SYSTEMS
        systems[user.home] = [
            system for system in possible_systems if system.MANAGER in brought_systems or system not in ON_DEMAND
        ]
        for system in systems[user.home]:
            yield from _observe_packages(host, context, user, system, share)
    find_services = make_service_finder(desired, context.homes)
    desktops = {
        home: directories[user_dirs.DESKTOP_KEY]
        for home, directories in user_directories.items()
        if user_dirs.DESKTOP_KEY in directories
    }
    launchers_found, unread_launchers = _observe_guarded(
        host, partial(launchers.find_launchers, host, desired.services, find_services, home_users, False, desktops)
    )
    if launchers_found or unread_launchers:
        launchers_found, cut_count = share.take_things(launchers_found)
        yield {"portable_apps": launchers_found, "unseen": unread_launchers, **_make_cut_part(cut_count)}
    owned_directories, _ = _observe_guarded(
        host, partial(_list_owned_directories, host, [(user, systems[user.home]) for user in home_users])
    )
    homes = {user.home: user for user in home_users}
    roots = [*homes, *(directory for directory, files in unit.places if not files)]
    files = [(directory, names) for directory, names in unit.places if names]
    region = ScanRegion(homes, roots, files, unit.user, owned_directories)
    scan_result = scan.scan_portable_apps(host, desired.services, names, region, context.packages, remembered)
    web_apps = launchers.find_installed_web_apps(host, desired.services, scan_result.web_apps, lambda path: unit.user)
    memory_text = (
        format_user_memory(memory, remembered, scan_result.remembered) if host.saves_state and names.has_names else None
    )
    if scan_result.portable_apps or web_apps or scan_result.unseen:
        yield {"portable_apps": [*scan_result.portable_apps, *web_apps], "unseen": scan_result.unseen}
    if memory_text is not None:
        yield {"memory": memory_text}
    # the requests come last, so that a failure here does not prevent the rest of the observation
    for user in home_users:
        requests, left_out = request_files.read_user_requests(host, user)
        if requests or left_out:
            yield {"requests": (requests, left_out)}


def _observe_packages(
    host: Host, context: UserScanContext, user: User, system: PackageSystem, share: UserShare
) -> Iterator[UserPart]:
    """Yield a user's packages of a package system.

    If the system is in `sole_systems` and the user has it, also yield that the system is there. `share` limits how many
    packages of the user the record lists.
    """
    package_ids = context.desired.packages[system.MANAGER].keys()
    packages, query_failures = (
        _observe_guarded(host, partial(system.find_user_packages, host, user, package_ids)) if package_ids else ([], [])
    )
    if system.MANAGER in context.sole_systems and _has_package_system(host, system, user):
        yield {"there": [system.MANAGER]}
    if packages or query_failures:
        packages, cut_count = share.take_things(packages)
        yield {
            "packages": packages,
            "blind": [(system.MANAGER, reason) for reason in query_failures],
            **_make_cut_part(cut_count),
        }


def _make_cut_part(cut_count: int) -> UserPart:
    """Return the part of an observation with the number of findings beyond the limit, or {} for 0."""
    return {"cut": cut_count} if cut_count else {}


def _has_home_directory(host: Host, user: User) -> bool:
    """Return whether a user has a home that can hold the user's files.

    A directory of the system, such as /bin, does not count.
    """
    if not scan.is_personal_home(user) and scan.is_system_home(user.home):
        return False
    try:
        return host.find_entry(user.home) is not None
    except (ObservationError, ControlError, OSError):
        return True  # the reader of the home reports the error


def _has_package_system(host: Host, system: PackageSystem, user: User) -> bool:
    """Return whether a user has a package system. A system that cannot be checked counts as present."""
    try:
        return system.is_present(host, user)
    except (ObservationError, ControlError, OSError):
        return True


def _list_owned_directories(
    host: Host, systems: Iterable[tuple[User, Sequence[PackageSystem]]]
) -> tuple[list[str], str]:
    """Return the directories in which package systems keep packages of users, and "" (the form of `_observe_guarded`).

    `systems` are pairs of a user and the user's package systems.
    """
    return [
        directory
        for user, user_systems in systems
        for system in user_systems
        for directory in system.list_owned_directories(host, user)
    ], ""


def _observe_guarded(
    host: Host, observe_part: Callable[[], tuple[Sequence[Found], str | Sequence[str]]]
) -> tuple[list[Found], list[str]]:
    """Return the results of `observe_part`, and the reasons why the results are incomplete ([] if complete).

    `observe_part` reads data that a user controls, and returns (results, reason or reasons). If it raises an error,
    there are no results, and the error is the reason.
    """
    try:
        results, unseen_reasons = observe_part()
    except (ObservationError, ControlError, OSError, MemoryError) as error:
        return [], [str(error) or "over budget: memory"]
    return list(results), list(filter(None, [unseen_reasons] if isinstance(unseen_reasons, str) else unseen_reasons))


def make_service_finder(desired: DesiredApps, homes: set[str]) -> Callable[[str, str], list[str]]:
    """Make the function that returns the services of a program, or [] for an unrestricted program.

    The function takes the path of the program, and its flatpak id or "". `homes` are the homes of all users.
    """

    def find_program_services(program: str, flatpak_id: str) -> list[str]:
        service_ids = desired.packages["flatpak"].get(flatpak_id) or find_services_above(program, homes, desired.paths)
        return service_ids or desired.names.get(program.rpartition("/")[2], [])

    return find_program_services


def restore_package(row: Sequence[Any]) -> Package:
    """Restore a package from the row that a child process returned."""
    package = Package(*row)
    return package._replace(handles=tuple(package.handles), owner=User(*package.owner) if package.owner else None)


def restore_portable_app(row: Sequence[Any]) -> PortableApp:
    """Restore a portable app from the row that a child process returned."""
    app = PortableApp(*row)
    return app._replace(owner=User(*app.owner) if app.owner else None)

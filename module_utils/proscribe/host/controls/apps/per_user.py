"""What belongs to one user: his own packages, his files, his launchers. Observed apart, on his own budget.

He controls all of its content, and its amount. So a child process goes from user to user (system/forked.py). What is
odd, huge or never answers at one of them is unseen there, with the reason. It hides nothing of the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from ...system import ControlError, Host, ObservationError, User
from ...system.budget import ReadBudget
from ...system.forked import run_each_apart
from ...system.mounts import explain_not_entered, find_remote_type, read_mounts
from ...system.processes import NOBODY_UID
from .desired import Desired
from .portable import launchers, scan, user_dirs
from .portable.names import Names
from .portable.scan import PortableApp, Region
from .portable.scan_cache import DROPPED, Memory, is_remembered, of_user, stamped, text_of_user
from .requests import reading
from .running import below
from .systems.installed import brought_by
from .systems.package import Package, PackageSystem
from .systems.registry import BY_NAME, ON_DEMAND, SYSTEMS
from .user_share import UserShare

if TYPE_CHECKING:
    from typing import TypedDict, TypeVar

    Found = TypeVar("Found")

    class Part(TypedDict, total=False):
        """A part of what is seen of a unit. What comes from its process is JSON: a tuple has become a list."""

        packages: Sequence[Sequence[Any]]
        portable_apps: Sequence[Sequence[Any]]
        blind: list[tuple[str, str]]
        unseen: list[str]
        there: list[str]
        systems: list[str]
        cut: int
        memory: str
        requests: tuple[Sequence[reading.Row], int]


MOST_REMEMBERED = 32 * 1024 * 1024  # characters, of all users together


class Unit(NamedTuple):
    """What belongs to one number: accounts with their homes, and what is his in places that others share."""

    uid: int
    users: Sequence[User]
    places: Sequence[tuple[str, Sequence[str]]]  # as in Scanned.others
    unseen: Sequence[str] = ()

    @property
    def user(self) -> User:
        return self.users[0]


class Seen(NamedTuple):
    """What was seen of the users."""

    packages: list[Package]
    portable_apps: list[PortableApp]
    blind: list[tuple[str, str]]  # by the name of a package system, why some of its packages could not be checked
    unseen: list[str]  # why something else could not be
    there: set[str]  # the package systems that somebody has, of those that were queried
    memory: dict[str, str | None]  # by number, as Memory.users: what the next observation need not read again
    systems: set[str]  # the package systems that some of them have brought along, by name
    requests: Sequence[tuple[Sequence[reading.Row], int]] = ()  # of each user: requests, and how many were left out
    cut: Mapping[str, int] = {}  # by user: findings beyond his share


class Common(NamedTuple):
    """What the observation of every user needs."""

    desired: Desired
    names: Names
    homes: set[str]  # of everybody
    packages: Sequence[tuple[list[str], Package]]  # of the host
    memory: Memory
    only_packages: frozenset[str] = frozenset()  # the package systems that alone can have a service's packages


def observe_users(host: Host, common: Common, others: Mapping[int, Sequence[tuple[str, Sequence[str]]]]) -> Seen:
    """Observe all users but root. `others` is what the file scan of the host's places handed over."""
    seen = Seen([], [], [], [], set(), {}, set())
    room = MOST_REMEMBERED
    requests: list[tuple[Sequence[reading.Row], int]] = []
    cut: dict[str, int] = {}
    for unit, parts, why in _each(host, common, others):
        for part in parts:
            seen.packages.extend(restored_package(row) for row in part.get("packages", ()))
            seen.portable_apps.extend(restored_app(row) for row in part.get("portable_apps", ()))
            seen.blind.extend((manager, f"{unit.user.name}: {reason}") for manager, reason in part.get("blind", ()))
            seen.unseen.extend(f"{unit.user.name}: {reason}" for reason in part.get("unseen", ()))
            seen.there.update(part.get("there", ()))
            seen.systems.update(part.get("systems", ()))
            if "cut" in part:
                cut[unit.user.name] = cut.get(unit.user.name, 0) + part["cut"]
            if "requests" in part:
                requests.append(part["requests"])
            if "memory" in part:
                text = part["memory"]
                room -= len(text or "")
                seen.memory[str(unit.uid)] = text if room > 0 else DROPPED
        if why:
            seen.unseen.append(f"{unit.user.name}: {why}")
        else:  # of whom nothing new is said, what is remembered stays
            seen.memory.setdefault(str(unit.uid), None)
    return seen._replace(requests=tuple(requests), cut=cut)


def _each(
    host: Host, common: Common, others: Mapping[int, Sequence[tuple[str, Sequence[str]]]]
) -> Iterator[tuple[Unit, list[Part], str]]:
    """The observation of each unit, and why it is not complete: first on the host's own file systems, then, where
    required, on others, as the user that they answer to.
    """
    found, networks = units(host, others, common.desired.network_homes == "scan")
    yield from run_each_apart(found, lambda unit: _parts(host, common, unit))
    if networks:
        _load()
    for unit in networks:
        for item, parts, why in run_each_apart([unit], lambda unit: _as_user(host, common, unit), user=unit.user):
            yield item, [_without_memory(part) for part in parts], why


def _without_memory(part: Part) -> Part:
    """What a user's own process said: he may be able to trace it, and what root remembers is not his to say."""
    part.pop("memory", None)
    return part


def _load() -> list[object]:
    """Load what is else loaded where it is needed: a user may not be able to read the directory of this Python."""
    import hashlib

    from .portable import container_launchers, evidence

    return [hashlib, container_launchers, evidence, *(system.inner() for system in ON_DEMAND)]


def _as_user(host: Host, common: Common, unit: Unit) -> Iterator[Part]:
    host.enters_remote, host.saves_state = True, False
    return _parts(host, common, unit)


def units(
    host: Host, others: Mapping[int, Sequence[tuple[str, Sequence[str]]]], scanned: bool = False
) -> tuple[list[Unit], list[Unit]]:
    """Everybody but root who has something here, each with all that is his on the host's own file systems. If homes on
    other file systems are `scanned`, also these, each for itself.
    """
    table = read_mounts(host)
    users: dict[int, list[User]] = {}
    unseen: dict[int, list[str]] = {}
    networks: list[Unit] = []
    for user in host.list_users():
        if user.uid == 0:
            continue
        his = users.setdefault(user.uid, [])
        type_ = find_remote_type(user.home, table)
        if type_ and scanned and user.uid != NOBODY_UID:
            networks.append(Unit(user.uid, [user], ()))
        elif type_ and scan.is_home(user):
            unseen.setdefault(user.uid, []).append(explain_not_entered(user.home, type_))
        elif not type_:
            his.append(user)
    found = []
    places = _by_user(host, others, users)
    for uid in sorted({*users, *places}):
        his = users.get(uid) or [host.find_account(uid)._replace(home="/nonexistent")]
        found.append(Unit(uid, his, places.get(uid, ()), unseen.get(uid, ())))
    return found, networks


def _by_user(
    host: Host, others: Mapping[int, Sequence[tuple[str, Sequence[str]]]], users: Collection[int]
) -> Mapping[int, Sequence[tuple[str, Sequence[str]]]]:
    """Return what is to be scanned by the user to whom each number belongs: the many numbers of one user have one
    budget.
    """
    if not others.keys() - users:
        return others
    from ...system.subordinate_ids import read_subordinate_ids

    owner_of = read_subordinate_ids(host)
    places: dict[int, list[tuple[str, Sequence[str]]]] = {}
    for uid, listed in others.items():
        places.setdefault(uid if uid in users else owner_of(uid), []).extend(listed)
    return places


def _parts(host: Host, common: Common, unit: Unit) -> Iterator[Part]:
    """What is seen of a unit, in parts: what came before the budget was spent stays."""
    desired = common.desired
    if unit.unseen:
        yield {"unseen": list(unit.unseen)}
    at_home = [user for user in unit.users if _has_home(host, user)]
    if not (at_home or unit.places or any(system.there(host, None) for system in BY_NAME)):
        if is_remembered(host, unit.uid):
            yield {"memory": DROPPED}
        return
    host.budget = budget = ReadBudget()
    share = UserShare(desired)
    home_users = [user for user in at_home if scan.is_home(user)]
    named = {user.home: user_dirs.of_user(host, user) for user in home_users}
    folders = {folder for own in named.values() for folder in own.values()}
    names, memory = common.names.beside(folders), common.memory._replace(stamp=stamped(common.memory.stamp, folders))
    host.budget = None  # Proscribe's own state is not part of their budget
    known = of_user(host, memory, unit.uid)
    host.budget = budget
    systems: dict[str, Sequence[PackageSystem]] = {}  # by home, those of which something may be there
    for user in unit.users:
        if brought := brought_by(host, user):
            yield {"systems": brought}
        all_of_them = SYSTEMS if user in at_home else BY_NAME
        systems[user.home] = [one for one in all_of_them if one.MANAGER in brought or one not in ON_DEMAND]
        for system in systems[user.home]:
            yield from _packages(host, common, user, system, share)
    services_of = common_services_of(desired, common.homes)
    desktops = {home: own[user_dirs.DESKTOP] for home, own in named.items() if user_dirs.DESKTOP in own}
    started, unseen = _guarded(
        host, partial(launchers.find_launchers, host, desired.services, services_of, home_users, False, desktops)
    )
    if started or unseen:
        started, cut = share.take(started)
        yield {"portable_apps": started, "unseen": unseen, **_counted(cut)}
    owned, _ = _guarded(host, partial(_owned, host, [(user, systems[user.home]) for user in home_users]))
    homes = {user.home: user for user in home_users}
    roots = [*homes, *(directory for directory, files in unit.places if not files)]
    files = [(directory, names) for directory, names in unit.places if names]
    region = Region(homes, roots, files, unit.user, owned)
    scanned = scan.scan_files(host, desired.services, names, region, common.packages, known)
    web_apps = launchers.installed(host, desired.services, scanned.web_apps, lambda path: unit.user)
    text = text_of_user(memory, known, scanned.known) if host.saves_state and names.any else None
    if scanned.found or web_apps or scanned.unseen:
        yield {"portable_apps": [*scanned.found, *web_apps], "unseen": scanned.unseen}
    if text is not None:
        yield {"memory": text}
    for user in home_users:  # last of all: what goes wrong here hides nothing
        requests, left_out = reading.of_user(host, user)
        if requests or left_out:
            yield {"requests": (requests, left_out)}


def _packages(host: Host, common: Common, user: User, system: PackageSystem, share: UserShare) -> Iterator[Part]:
    """What a user has installed with a package system, and whether he has that at all, where it matters."""
    ids = common.desired.packages[system.MANAGER].keys()
    found, blind = _guarded(host, partial(system.query_of, host, user, ids)) if ids else ([], [])
    if system.MANAGER in common.only_packages and _has(host, system, user):
        yield {"there": [system.MANAGER]}
    if found or blind:
        found, cut = share.take(found)
        yield {"packages": found, "blind": [(system.MANAGER, reason) for reason in blind], **_counted(cut)}


def _counted(cut: int) -> Part:
    return {"cut": cut} if cut else {}


def _has_home(host: Host, user: User) -> bool:
    """Whether there is a directory in which something of a user's can be; what belongs to the system is none."""
    if not scan.is_home(user) and scan.of_the_system(user.home):
        return False
    try:
        return host.find_entry(user.home) is not None
    except (ObservationError, ControlError, OSError):
        return True  # whoever reads it reports so


def _has(host: Host, system: PackageSystem, user: User) -> bool:
    """Whether a user has a package system; what cannot be seen may be one."""
    try:
        return system.there(host, user)
    except (ObservationError, ControlError, OSError):
        return True


def _owned(host: Host, systems: Iterable[tuple[User, Sequence[PackageSystem]]]) -> tuple[list[str], str]:
    return [tree for user, his in systems for system in his for tree in system.owned_directories(host, user)], ""


def _guarded(
    host: Host, question: Callable[[], tuple[Sequence[Found], str | Sequence[str]]]
) -> tuple[list[Found], list[str]]:
    """The observation of something that a user controls, and why it is not all."""
    try:
        found, unseen = question()
    except (ObservationError, ControlError, OSError, MemoryError) as error:
        return [], [str(error) or "over budget: memory"]
    return list(found), list(filter(None, [unseen] if isinstance(unseen, str) else unseen))


def common_services_of(desired: Desired, homes: set[str]) -> Callable[[str, str], list[str]]:
    """Whose a program is, by its path and by its flatpak id."""

    def services_of(program: str, flatpak_id: str) -> list[str]:
        named = desired.packages["flatpak"].get(flatpak_id) or below(program, homes, desired.paths)
        return named or desired.names.get(program.rpartition("/")[2], [])

    return services_of


def restored_package(row: Sequence[Any]) -> Package:
    """What came back from a child, as it was."""
    package = Package(*row)
    return package._replace(handles=tuple(package.handles), owner=User(*package.owner) if package.owner else None)


def restored_app(row: Sequence[Any]) -> PortableApp:
    """What came back from a child, as it was."""
    app = PortableApp(*row)
    return app._replace(owner=User(*app.owner) if app.owner else None)

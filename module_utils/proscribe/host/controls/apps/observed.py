"""What of a plan's apps is on a host: installed packages and running programs, each with the services it belongs to.

The host's own part is observed here; that of users in a process of its own, one user at a time (per_user.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import NO_IDENTIFIERS_REASON, Finding, find_covering_waiver, is_user_restricted
from ...system import Host, ObservationError, Process, User, escape_text
from ...system.forked import run_each_apart
from ...system.processes import ProcessRootUnread
from . import per_user
from .desired import Desired
from .portable import launchers, scan, user_dirs
from .portable.names import Names
from .portable.scan import PortableApp, Region
from .portable.scan_cache import Memory, remembered, stamped
from .running import Identifier, placed, running
from .running import Identity as Identity
from .running import Running as Running
from .systems.installed import brought_by, installed, present
from .systems.package import Package, PackageSystem
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

ROOTS_READ = -1  # in place of root's number, for processes of which something has to be read
RUNNABLE = ("appimage", "program", "tree", "wine")  # kinds of portable apps that a program runs from


class Observed(NamedTuple):
    """What was seen on a host, and for each service why something could not be seen ("" if all could)."""

    desired: Desired
    packages: list[tuple[list[str], Package]]
    running: list[Running]
    identify: Identifier
    unseen: dict[str, str]
    portable_apps: Sequence[PortableApp] = ()
    memory: Memory | None = None  # for the next observation; None where nothing was scanned
    idle: Mapping[str, str] = {}  # by service that cannot be on this host: why
    requests: Sequence[tuple[Sequence[Sequence[str]], int]] = ()  # of each user: rows, and how many were left out
    cut: Mapping[str, int] = {}  # by user: findings beyond his share

    def findings(self, service: str) -> list[tuple[Finding, str]]:
        """The evidence for a service, each piece with the waiver that covers it, "" if none does. What belongs to
        others than those for whom the service is restricted is none.
        """
        entry = self.desired.services[service]
        packages = [package.finding() for services, package in self.packages if service in services]
        running = [program for program in self.running if service in program.identity.services]
        portable_apps = [app.finding() for app in self.portable_apps if service in app.services]
        found = [(finding, find_covering_waiver(entry, finding)) for finding in (*packages, *portable_apps)]
        found += [(p.finding(), find_covering_waiver(entry, p.finding(), p.place)) for p in running]
        return [(finding, waiver) for finding, waiver in found if is_user_restricted(entry, finding)]

    def enforced(self, services: list[str], finding: Finding, place: str = "") -> list[str]:
        """Those of some services on whose behalf something seen has to go."""
        entries = self.desired.services
        return [
            s
            for s in self.desired.enforced(services)
            if is_user_restricted(entries[s], finding) and not find_covering_waiver(entries[s], finding, place)
        ]

    def placed(self, running: Running) -> Running:
        """See running.placed."""
        return placed(running, self.desired, [package for _, package in self.packages])

    def enforced_of(self, running: Running) -> list[str]:
        return self.enforced(running.identity.services, running.finding(), running.place)

    def uncertain(self, service: str) -> bool:
        """Whether all that has to go of a service may be something else, so that nobody ends or moves it."""
        running = [bool(p.identity.doubt) for p in self.running if service in self.enforced_of(p)]
        portable_apps = [bool(c.doubt) for c in self.portable_apps if service in self.enforced(c.services, c.finding())]
        installed = any(service in self.enforced(services, package.finding()) for services, package in self.packages)
        return bool(running or portable_apps) and not installed and all(running + portable_apps)


def observe_apps(host: Host, section: PlanSection) -> Observed:
    """Observe everything that a plan's `apps` section names. Raises ControlError."""
    desired = Desired(section)
    home_users = {user.home: user for user in host.list_users() if scan.is_home(user)}
    homes = {user.home for user in host.list_users()}
    roots = [user for user in host.list_users() if user.uid == 0]
    named = {user.home: user_dirs.of_user(host, user) for user in roots if scan.is_home(user)}
    folders = {folder for own in named.values() for folder in own.values()}
    names = Names(desired.services, home_users)
    memory = remembered(host, stamped(desired.stamp(names), folders), desired.full_scan_every)
    queried: dict[str, tuple[Any, Any]] = {}
    found, blind = _installed_here(host, desired, roots, memory, queried)
    here = _with_services(desired, found)
    region = _of_host(host, {home: user for home, user in home_users.items() if user.uid == 0})
    scanned = scan.scan_files(host, desired.services, names.beside(folders), region, here, memory.known)
    services_of = per_user.common_services_of(desired, homes)
    installed_here = {service for services, _ in here for service in services}
    desktops = {home: own[user_dirs.DESKTOP] for home, own in named.items() if user_dirs.DESKTOP in own}
    started, unread = launchers.find_launchers(
        host, desired.services, services_of, region.homes.values(), True, desktops, installed_here
    )
    web_apps = launchers.installed(host, desired.services, scanned.web_apps, lambda path: _owner(path, region.homes))
    sole = frozenset(manager for managers in desired.by_package_only.values() for manager in managers)
    common = per_user.Common(desired, names, homes, here, memory, sole)
    theirs = per_user.observe_users(host, common, scanned.others)
    host.record_fields["package_systems"] = present(host)
    if host.privileged and not (theirs.unseen or theirs.blind):  # else nobody knows what a user has
        brought = theirs.systems.union(*(brought_by(host, user) for user in roots))
        host.record_fields["user_package_systems"] = sorted(brought)

    packages = [*here, *_with_services(desired, theirs.packages)]
    portable_apps = []
    for app in [*scanned.found, *started, *web_apps, *theirs.portable_apps]:
        services = desired.claimed(app.services)
        portable_apps.append(app._replace(services=desired.holders(services, app.finding())))
    identify = Identifier(host, desired, packages, homes, _certain(portable_apps))
    runs, reasons = _running(host, identify)
    runs = [placed(program, desired, [package for _, package in packages]) for program in runs]
    why = _unseen(host, desired, [*blind, *theirs.blind], [*scanned.unseen, *unread, *theirs.unseen], reasons)
    there = theirs.there.union(s.MANAGER for s in SYSTEMS if s.MANAGER in sole and _has(host, s, roots))
    updated = memory._replace(known=scanned.known, packages=queried, users=theirs.memory) if names.any else None
    idle = _idle(desired, there)
    return Observed(desired, packages, runs, identify, why, portable_apps, updated, idle, theirs.requests, theirs.cut)


def _installed_here(
    host: Host, desired: Desired, roots: Sequence[User], memory: Memory, queried: dict[str, tuple[Any, Any]]
) -> tuple[list[Package], list[tuple[str, str]]]:
    """The packages of the host and of root, and by package system why some could not be checked."""
    found: list[Package] = []
    blind: list[tuple[str, str]] = []
    for system in SYSTEMS:
        ids = desired.packages[system.MANAGER].keys()
        for those, reason in (
            installed(host, system, ids, memory.packages, queried),
            *(system.query_of(host, user, ids) for user in roots),
        ):
            found += those
            blind += [(system.MANAGER, reason)] if reason else []
    return found, blind


def _certain(portable_apps: Sequence[PortableApp]) -> dict[str, list[str]]:
    """The paths of portable apps that programs run from, with their services."""
    return {
        path: app.services
        for app in portable_apps
        if not app.doubt and app.kind in RUNNABLE
        for path in app.parts or [app.path]
    }


def _unseen(
    host: Host, desired: Desired, blind: Sequence[tuple[str, str]], files: Sequence[str], everywhere: Sequence[str]
) -> dict[str, str]:
    """By service, why something of it could not be seen: a package system, files of apps, or whatever runs."""
    unseen: dict[str, list[str]] = {service: [] for service in desired.services}
    for manager, reason in blind:
        for service in {service for services in desired.packages[manager].values() for service in services}:
            unseen[service].append(reason)
    for service, entry in desired.services.items():
        if entry["processes"] or entry["paths"] or entry["packages"] or entry.get("web_hosts"):
            unseen[service] += files
        unseen[service] += everywhere
    hint = "" if host.privileged else "; to see it all, run it as root (-b, and -K if sudo asks)"
    return {
        service: escape_text("; ".join(dict.fromkeys(listed))) + hint for service, listed in unseen.items() if listed
    }


def _has(host: Host, system: PackageSystem, roots: Iterable[User]) -> bool:
    """Whether the host itself has a package system, or root has."""
    return any(system.there(host, who) for who in (None, *roots))


def _idle(desired: Desired, there: set[str]) -> dict[str, str]:
    """The services of which only packages are known, of systems that this host has none of; each with the reason."""
    return {
        service: f"{NO_IDENTIFIERS_REASON}: this host has no {' or '.join(managers) or 'such packages'}"
        for service, managers in desired.by_package_only.items()
        if there.isdisjoint(managers)
    }


def _with_services(desired: Desired, packages: Iterable[Package]) -> list[tuple[list[str], Package]]:
    return [(desired.holders(desired.packages[p.manager][p.id], p.finding()), p) for p in packages]


def _of_host(host: Host, homes: Mapping[str, User]) -> Region:
    """The places of the host, with root's own home."""
    owned = [
        tree for system in SYSTEMS for user in (None, *homes.values()) for tree in system.owned_directories(host, user)
    ]
    return Region(homes, [*scan.PLACES, *homes], owned=owned)


def _owner(path: str, homes: Mapping[str, User]) -> User | None:
    return next((user for home, user in homes.items() if path.startswith(home + "/")), None)


def _running(host: Host, identify: Identifier) -> tuple[list[Running], list[str]]:
    """What runs, and why that may not be all. Programs of users are observed in a process of its own, and so is what
    has to be read of any program.
    """
    processes, hidden = host.list_processes()
    candidates = _candidates(host, identify, processes)
    identities = {process.pid: identify(process) for process in candidates.pop(0, ())}
    reasons = []
    for uid, rows, why in run_each_apart(sorted(candidates), lambda uid: _identities(identify, candidates[uid])):
        identities.update((pid, Identity(*row)) for pid, row in rows)
        reasons += [f"{host.find_account(max(uid, 0)).name}: {why}"] if why else []
    found = running(host, lambda process: identities.get(process.pid), processes)
    # Without root, a host may even hide that there are other users' processes (hidepid, see proc(5)).
    if not host.privileged:
        return found, [*reasons, "the programs of other users cannot be seen"]
    more = [f"{hidden} processes do not show their executable, not even to root"] if hidden else []
    return found, [*reasons, *more]


def _identities(identify: Identifier, processes: Sequence[Process]) -> Iterator[tuple[int, Identity]]:
    """What some processes are, with their numbers: first by their paths, then those of which more has to be read."""
    more: list[Process] = []
    for process in processes:
        if identity := identify.by_path(process):
            yield process.pid, identity
        if not identify.says_enough(identity, process):
            more.append(process)
    for process in more:
        if identity := identify.by_content(process):
            yield process.pid, identity


def _candidates(host: Host, identify: Identifier, processes: Sequence[Process]) -> dict[int, list[Process]]:
    """The processes that may be something, by what the kernel alone says of them: nearly all are nothing, and cost
    nothing more. By user; root's of which something has to be read are by `ROOTS_READ`.
    """
    found: dict[int, list[Process]] = {}
    host.reads_process_roots = False
    try:
        for process in processes:
            may_be, reads = _may_be(identify, process)
            if may_be:
                uid = host.find_process_uid(process)
                found.setdefault(uid if uid or not reads else ROOTS_READ, []).append(process)
    finally:
        host.reads_process_roots = True
    return found


def _may_be(identify: Identifier, process: Process) -> tuple[bool, bool]:
    """Whether a process may be something, and whether that has to be read."""
    try:
        identity = identify.by_path(process)
        if identify.says_enough(identity, process):
            return identity is not None, False
        if identify.reads_at_once(process):
            return (identity or identify.by_content(process)) is not None, False
    except (ProcessRootUnread, ObservationError):
        pass
    return True, identify.needs_content(process)

"""Observation of a plan's apps: installed packages, portable apps and running programs, each with its services.

This process observes the places of the host and of root. A forked process observes the other users, one user at a time
(per_user_observation.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import NO_IDENTIFIERS_REASON, Finding, find_covering_waiver, is_user_restricted
from ...system import Host, ObservationError, Process, User, escape_text
from ...system.forked_work import run_each_apart
from ...system.processes import ProcessRootUnread
from . import per_user_observation
from .desired_apps import DesiredApps
from .portable import launchers, scan, user_dirs
from .portable.app_names import AppNames
from .portable.scan import PortableApp, ScanRegion
from .portable.scan_cache import ScanMemory, extend_names_stamp, read_scan_memory
from .running_programs import ProcessIdentifier, add_installation, group_running_programs
from .running_programs import ProgramIdentity as ProgramIdentity
from .running_programs import RunningProgram as RunningProgram
from .systems.installed_packages import find_installed_packages, list_present_systems, list_user_systems
from .systems.package import Package, PackageSystem
from .systems.package_systems import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

# Key of root's processes whose files must be read to identify them. Other processes of root have the key 0, their uid.
ROOT_READ_UID = -1
RUNNABLE_KINDS = ("appimage", "program", "tree", "wine")  # kinds of portable apps that a program runs from


class AppsObservation(NamedTuple):
    """Observed state of the apps on a host."""

    desired: DesiredApps
    packages: list[tuple[list[str], Package]]  # installed restricted packages, each with its services
    running_programs: list[RunningProgram]
    identifier: ProcessIdentifier
    unseen_reasons: dict[str, str]  # by service: why findings may be missing; no key if everything was observed
    portable_apps: Sequence[PortableApp] = ()
    scan_memory: ScanMemory | None = None  # saved for the next observation; None if the plan has no name to scan for
    idle_reasons: Mapping[str, str] = {}  # by service: why the service cannot be on this host
    # For each user: requests as rows (request_files.RequestRow), and the number of requests left out.
    requests: Sequence[tuple[Sequence[Sequence[str]], int]] = ()
    cut_counts: Mapping[str, int] = {}  # by user: the number of findings beyond the limit for each user

    def list_findings(self, service: str) -> list[tuple[Finding, str]]:
        """Return the findings of a service, each with the id of the waiver that covers it ("" for none).

        A service may be restricted for some users only. Findings of other users are left out.
        """
        entry = self.desired.services[service]
        packages = [package.make_finding() for services, package in self.packages if service in services]
        running_programs = [program for program in self.running_programs if service in program.identity.services]
        portable_apps = [app.make_finding() for app in self.portable_apps if service in app.services]
        findings = [(finding, find_covering_waiver(entry, finding)) for finding in (*packages, *portable_apps)]
        findings += [
            (program.make_finding(), find_covering_waiver(entry, program.make_finding(), program.place))
            for program in running_programs
        ]
        return [(finding, waiver) for finding, waiver in findings if is_user_restricted(entry, finding)]

    def choose_enforced_services(self, services: list[str], finding: Finding, place: str = "") -> list[str]:
        """Return those of `services` for which the software of a finding must be ended, removed or moved.

        These services are enforced, restricted for the finding's user, and not covered by a waiver. `place` is the path
        of the installation.
        """
        entries = self.desired.services
        return [
            service
            for service in self.desired.choose_enforced_services(services)
            if is_user_restricted(entries[service], finding)
            and not find_covering_waiver(entries[service], finding, place)
        ]

    def add_installation(self, program: RunningProgram) -> RunningProgram:
        """Return a running program with the version and the path of its installation.

        See running_programs.add_installation.
        """
        return add_installation(program, self.desired, [package for _, package in self.packages])

    def choose_running_services(self, program: RunningProgram) -> list[str]:
        """Return the services for which a running program must be ended.

        Return [] if it may run.
        """
        return self.choose_enforced_services(program.identity.services, program.make_finding(), program.place)

    def is_service_uncertain(self, service: str) -> bool:
        """Return whether all findings of a service are doubtful, so that nothing is ended or moved.

        A doubtful program or portable app is identified by its name alone, for example. An installed package is never
        doubtful. The answer is False for a service without findings.
        """
        running_doubts = [
            bool(program.identity.doubt)
            for program in self.running_programs
            if service in self.choose_running_services(program)
        ]
        app_doubts = [
            bool(app.doubt)
            for app in self.portable_apps
            if service in self.choose_enforced_services(app.services, app.make_finding())
        ]
        is_installed = any(
            service in self.choose_enforced_services(services, package.make_finding())
            for services, package in self.packages
        )
        return bool(running_doubts or app_doubts) and not is_installed and all(running_doubts + app_doubts)


def observe_apps(host: Host, section: PlanSection) -> AppsObservation:
    """Observe all packages, programs and files that the `apps` section of a plan names.

    This process itself observes the host and root. A forked process observes the other users. Also write the present
    package systems into the host record. Raises ControlError.
    """
    desired = DesiredApps(section)
    home_users = {user.home: user for user in host.list_users() if scan.is_personal_home(user)}
    homes = {user.home for user in host.list_users()}
    roots = [user for user in host.list_users() if user.uid == 0]
    user_directories = {
        user.home: user_dirs.read_user_directories(host, user) for user in roots if scan.is_personal_home(user)
    }
    user_folders = {folder for directories in user_directories.values() for folder in directories.values()}
    names = AppNames(desired.services, home_users)
    memory = read_scan_memory(
        host, extend_names_stamp(desired.make_names_stamp(names), user_folders), desired.full_scan_every
    )
    query_results: dict[str, tuple[Any, Any]] = {}
    installed_packages, query_failures = _list_host_packages(host, desired, roots, memory, query_results)
    host_packages = _add_services(desired, installed_packages)
    region = _make_host_region(host, {home: user for home, user in home_users.items() if user.uid == 0})
    scan_result = scan.scan_portable_apps(
        host, desired.services, names.add_program_folders(user_folders), region, host_packages, memory.remembered
    )
    find_services = per_user_observation.make_service_finder(desired, homes)
    installed_here = {service for services, _ in host_packages for service in services}
    desktops = {
        home: directories[user_dirs.DESKTOP_KEY]
        for home, directories in user_directories.items()
        if user_dirs.DESKTOP_KEY in directories
    }
    launchers_found, unread_launchers = launchers.find_launchers(
        host, desired.services, find_services, region.homes.values(), True, desktops, installed_here
    )
    web_apps = launchers.find_installed_web_apps(
        host, desired.services, scan_result.web_apps, lambda path: _find_home_user(path, region.homes)
    )
    # Package systems that alone decide whether a service can be on this host (see `_find_idle_services`).
    sole_systems = frozenset(manager for managers in desired.package_only_services.values() for manager in managers)
    context = per_user_observation.UserScanContext(desired, names, homes, host_packages, memory, sole_systems)
    user_observation = per_user_observation.observe_users(host, context, scan_result.foreign_entries)
    host.record_fields["package_systems"] = list_present_systems(host)
    if host.privileged and not (
        user_observation.unseen_reasons or user_observation.query_failures
    ):  # otherwise the list of users' package systems may be incomplete
        user_systems = user_observation.brought_systems.union(*(list_user_systems(host, user) for user in roots))
        host.record_fields["user_package_systems"] = sorted(user_systems)

    packages = [*host_packages, *_add_services(desired, user_observation.packages)]
    portable_apps = []
    for app in [*scan_result.portable_apps, *launchers_found, *web_apps, *user_observation.portable_apps]:
        # If a waiver covers the app for one of its services, the app counts for that service alone. Otherwise another
        # service's rule would remove the permitted app.
        services = desired.choose_claimed_services(app.services)
        portable_apps.append(app._replace(services=desired.choose_holder_services(services, app.make_finding())))
    identifier = ProcessIdentifier(host, desired, packages, homes, _index_certain_paths(portable_apps))
    programs, reasons = _observe_running(host, identifier)
    programs = [add_installation(program, desired, [package for _, package in packages]) for program in programs]
    unseen_reasons = _collect_unseen_reasons(
        host,
        desired,
        [*query_failures, *user_observation.query_failures],
        [*scan_result.unseen, *unread_launchers, *user_observation.unseen_reasons],
        reasons,
    )
    present_systems = user_observation.present_systems.union(
        system.MANAGER
        for system in SYSTEMS
        if system.MANAGER in sole_systems and _has_package_system(host, system, roots)
    )
    new_memory = (
        memory._replace(
            remembered=scan_result.remembered, query_results=query_results, texts_by_uid=user_observation.texts_by_uid
        )
        if names.has_names
        else None
    )
    idle_reasons = _find_idle_services(desired, present_systems)
    return AppsObservation(
        desired,
        packages,
        programs,
        identifier,
        unseen_reasons,
        portable_apps,
        new_memory,
        idle_reasons,
        user_observation.requests,
        user_observation.cut_counts,
    )


def _list_host_packages(
    host: Host,
    desired: DesiredApps,
    roots: Sequence[User],
    memory: ScanMemory,
    query_results: dict[str, tuple[Any, Any]],
) -> tuple[list[Package], list[tuple[str, str]]]:
    """Return the packages of the host and of root, and the failed queries as (package system, reason).

    `query_results` receives the results of the queries. They are saved, so that the next observation need not query an
    unchanged package system.
    """
    packages: list[Package] = []
    query_failures: list[tuple[str, str]] = []
    for system in SYSTEMS:
        package_ids = desired.packages[system.MANAGER].keys()
        for system_packages, reason in (
            find_installed_packages(host, system, package_ids, memory.query_results, query_results),
            *(system.find_user_packages(host, user, package_ids) for user in roots),
        ):
            packages += system_packages
            query_failures += [(system.MANAGER, reason)] if reason else []
    return packages, query_failures


def _index_certain_paths(portable_apps: Sequence[PortableApp]) -> dict[str, list[str]]:
    """Return, by path of a portable app or of a part of it, the services of the app.

    A process that runs from such a path certainly runs the app. So doubtful apps are left out, and so are kinds from
    which no program runs, such as launchers.
    """
    return {
        path: app.services
        for app in portable_apps
        if not app.doubt and app.kind in RUNNABLE_KINDS
        for path in app.parts or [app.path]
    }


def _collect_unseen_reasons(
    host: Host,
    desired: DesiredApps,
    query_failures: Sequence[tuple[str, str]],
    file_failures: Sequence[str],
    running_failures: Sequence[str],
) -> dict[str, str]:
    """Return, by service, why findings of the service may be missing.

    Complete services have no key. `query_failures` are failed queries as (package system, reason). `file_failures` are
    reasons why files were not read. `running_failures` are reasons why processes could not be observed.
    """
    reasons_by_service: dict[str, list[str]] = {service: [] for service in desired.services}
    for manager, reason in query_failures:
        for service in {service for services in desired.packages[manager].values() for service in services}:
            reasons_by_service[service].append(reason)
    for service, entry in desired.services.items():
        if entry["processes"] or entry["paths"] or entry["packages"] or entry.get("web_hosts"):
            reasons_by_service[service] += file_failures
        reasons_by_service[service] += running_failures
    hint = "" if host.privileged else "; to see it all, run it as root (-b, and -K if sudo asks)"
    return {
        service: escape_text("; ".join(dict.fromkeys(reasons))) + hint
        for service, reasons in reasons_by_service.items()
        if reasons
    }


def _has_package_system(host: Host, system: PackageSystem, roots: Iterable[User]) -> bool:
    """Return whether a package system is present on the host or in the home of root."""
    return any(system.is_present(host, account) for account in (None, *roots))


def _find_idle_services(desired: DesiredApps, present_systems: set[str]) -> dict[str, str]:
    """Return the services that cannot be on this host, each with the reason.

    The catalogue has only packages of these services, and the host lacks the package systems of these packages.
    """
    return {
        service: f"{NO_IDENTIFIERS_REASON}: this host has no {' or '.join(managers) or 'such packages'}"
        for service, managers in desired.package_only_services.items()
        if present_systems.isdisjoint(managers)
    }


def _add_services(desired: DesiredApps, packages: Iterable[Package]) -> list[tuple[list[str], Package]]:
    """Return each package with its services.

    A package that waivers cover for some of its services has these services alone.
    """
    return [
        (desired.choose_holder_services(desired.packages[package.manager][package.id], package.make_finding()), package)
        for package in packages
    ]


def _make_host_region(host: Host, homes: Mapping[str, User]) -> ScanRegion:
    """Return the file scan's region of the host and root: shared places such as /opt, and root's home."""
    owned_directories = [
        directory
        for system in SYSTEMS
        for user in (None, *homes.values())
        for directory in system.list_owned_directories(host, user)
    ]
    return ScanRegion(homes, [*scan.SCANNED_PLACES, *homes], owned_directories=owned_directories)


def _find_home_user(path: str, homes: Mapping[str, User]) -> User | None:
    return next((user for home, user in homes.items() if path.startswith(home + "/")), None)


def _observe_running(host: Host, identifier: ProcessIdentifier) -> tuple[list[RunningProgram], list[str]]:
    """Return the running programs, and the reasons why some may be missing.

    Forked processes identify the programs of users, because a user can delay the answers about them. Forked processes
    also read the content of programs where that is needed. This process identifies only the other programs of root.
    """
    processes, hidden_count = host.list_processes()
    candidates = _choose_candidates(host, identifier, processes)
    identities = {process.pid: identifier(process) for process in candidates.pop(0, ())}  # key 0: root's processes
    reasons = []
    for uid, rows, failure in run_each_apart(
        sorted(candidates), lambda uid: _identify_processes(identifier, candidates[uid])
    ):
        identities.update((pid, ProgramIdentity(*row)) for pid, row in rows)
        reasons += [f"{host.find_account(max(uid, 0)).name}: {failure}"] if failure else []
    programs = group_running_programs(host, lambda process: identities.get(process.pid), processes)
    # Without root, a host may hide even the existence of other users' processes (hidepid, see proc(5)).
    if not host.privileged:
        return programs, [*reasons, "the programs of other users cannot be seen"]
    hidden_reasons = (
        [f"{hidden_count} processes do not show their executable, not even to root"] if hidden_count else []
    )
    return programs, [*reasons, *hidden_reasons]


def _identify_processes(
    identifier: ProcessIdentifier, processes: Sequence[Process]
) -> Iterator[tuple[int, ProgramIdentity]]:
    """Yield (pid, identity) for each process that runs a restricted program.

    All processes are first identified by path, which is fast. Then some are identified by the content of their files: a
    program whose path is not enough. If a process is yielded twice, the later identity counts.
    """
    unresolved: list[Process] = []
    for process in processes:
        if identity := identifier.identify_by_path(process):
            yield process.pid, identity
        if not identifier.is_identity_enough(identity, process):
            unresolved.append(process)
    for process in unresolved:
        if identity := identifier.identify_by_content(process):
            yield process.pid, identity


def _choose_candidates(
    host: Host, identifier: ProcessIdentifier, processes: Sequence[Process]
) -> dict[int, list[Process]]:
    """Return the processes that may run a restricted program, by uid of their user.

    Facts of the kernel alone exclude nearly all other processes here. Processes of root whose content must be read are
    under `ROOT_READ_UID`, so that a forked process reads it.
    """
    processes_by_uid: dict[int, list[Process]] = {}
    # A user may have made the root directory of a process hang. So in this loop, a read there raises ProcessRootUnread.
    host.reads_process_roots = False
    try:
        for process in processes:
            is_candidate, needs_read = _check_candidate(identifier, process)
            if is_candidate:
                uid = host.find_process_uid(process)
                processes_by_uid.setdefault(uid if uid or not needs_read else ROOT_READ_UID, []).append(process)
    finally:
        host.reads_process_roots = True
    return processes_by_uid


def _check_candidate(identifier: ProcessIdentifier, process: Process) -> tuple[bool, bool]:
    """Return whether a process may run a restricted program, and whether its content must be read.

    If facts of the kernel do not decide, the process counts as a candidate.
    """
    try:
        identity = identifier.identify_by_path(process)
        if identifier.is_identity_enough(identity, process):
            return identity is not None, False
        if identifier.is_readable_at_once(process):
            return (identity or identifier.identify_by_content(process)) is not None, False
    except (ProcessRootUnread, ObservationError):
        pass
    return True, identifier.is_content_needed(process)

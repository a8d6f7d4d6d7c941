"""Identification of restricted programs among single processes, by the code of the apps control.

Only controls/apps decides whether an identity is certain. A user may make a file access hang, or show false files to
his own processes. So a separate process (system/forked_work.py) verifies such program starts, one at a time.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Collection, Iterator, Mapping, Sequence

from ...base.named_tuple import NamedTuple
from ...base.program_paths import is_starter_name
from ..controls.apps.apps_observation import RUNNABLE_KINDS, AppsObservation
from ..controls.apps.desired_apps import DesiredApps
from ..controls.apps.per_user_observation import restore_package
from ..controls.apps.portable import scan, user_dirs
from ..controls.apps.portable.app_names import SHARED_FOLDERS, AppNames
from ..controls.apps.portable.scan import PortableApp, ScanRegion
from ..controls.apps.portable.scan_cache import extend_names_stamp, read_scan_memory
from ..controls.apps.running_programs import (
    ProcessIdentifier,
    RunningProgram,
    group_running_programs,
    restore_running_program,
)
from ..controls.apps.systems.installed_packages import find_installed_packages
from ..controls.apps.systems.package import Package
from ..controls.apps.systems.package_systems import ON_DEMAND, SYSTEMS
from ..system import ControlError, Host, ObservationError, Process, User
from ..system.budget import ReadBudget
from ..system.forked_work import WorkLimits, run_each_apart
from ..system.mounts import find_remote_type, read_mounts
from ..system.processes import ProcessRootUnread

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection
    from ...model.types.watch import VerifierSets

APART_LIMITS = WorkLimits(seconds=1.0)  # for the verification of one program start, apart from other starts
# Limit for reading the files around a program, and again for the packages of its user: both are part of that second.
READ_SECONDS = 0.4
TOTAL_SECONDS = 3.0  # for all starts of one request together, because the daemon waits for the answer
MAX_PROGRAMS = 8  # most programs of one process whose neighbouring files are scanned
NIX_MANAGERS = ("nix", "guix")
FLATPAK = "flatpak"
BWRAP = "bwrap"  # program that starts a flatpak sandbox; the kernel names the program inside a moment later
# Directory names that are too common to identify an app.
COMMON_DIRECTORIES = SHARED_FOLDERS | {
    "usr",
    "var",
    "etc",
    "home",
    "root",
    ".local",
    ".config",
    ".cache",
    "snap",
    "app",
    "nix",
    "gnu",
}


class VerificationResult(NamedTuple):
    """Verdicts on the processes of one verification."""

    restricted: list[RunningProgram]  # programs to end: the identity is certain, and no waiver permits them
    innocent_pids: list[int]  # processes without a restricted program that see the same files as the host
    unclear_pids: list[int]  # processes whose verification failed or took too long
    remaining_pids: list[int]  # processes for which no time was left
    durations: list[tuple[int, float]]  # (process id, seconds) for each process that was verified separately


class RestrictedPrograms:
    """Restricted programs of a host at one moment.

    `section` is the plan's section for the apps control; None if the plan does not enforce this control now.
    """

    def __init__(self, host: Host, section: PlanSection | None) -> None:
        self.host = host
        self.section = section
        settings = section["settings"] if section else {}
        self.notification_text: str = settings.get("user_notice", "")
        # whether users of the host have the command with which they request waivers
        self.has_requests = bool(settings.get("requests"))
        if section is None:
            return
        self.desired = DesiredApps(section)
        self.users = host.list_users()
        self.homes = {user.home for user in self.users}
        self.home_users = {user.home: user for user in self.users if scan.is_personal_home(user)}
        self.names = AppNames(self.desired.services, self.home_users)
        # (ids of the services of a package, the package)
        self.packages = [
            (self.desired.packages[package.manager][package.id], package) for package in self._list_packages()
        ]
        self.identifier = ProcessIdentifier(host, self.desired, self.packages, self.homes, {})

    def _list_packages(self) -> Iterator[Package]:
        """Yield the restricted packages that are installed for the whole host, and those of root."""
        roots = [user for user in self.users if user.uid == 0]
        memory = read_scan_memory(self.host, extend_names_stamp(self.desired.make_names_stamp(self.names), ()), 0)
        for system in SYSTEMS:
            ids = self.desired.packages[system.MANAGER].keys()
            # the next observation of the host reports the error
            with contextlib.suppress(ObservationError, ControlError):
                yield from find_installed_packages(self.host, system, ids, memory.query_results, {})[0] if ids else ()
                for user in roots:
                    yield from system.find_user_packages(self.host, user, ids)[0] if ids else ()

    def verify_processes(
        self, processes: Sequence[Process], later_pids: Collection[int] = ()
    ) -> Iterator[VerificationResult]:
        """Yield verdicts on processes, in parts.

        The first part uses only facts that the kernel itself states. Each further part is the verdict on one process,
        which a separate process observes. All further parts have TOTAL_SECONDS together. The processes in `later_pids`
        get the first part only.
        """
        result = VerificationResult([], [], [], [], [])
        apart_processes: list[Process] = []
        for process in processes:
            if self.section is None:
                result.innocent_pids.append(process.pid)
            elif programs := self._identify_by_kernel(process):
                self._sort_programs(programs, [], process, result)
            elif process.pid in later_pids:
                result.remaining_pids.append(process.pid)
            else:
                apart_processes.append(process)
        yield result
        started = last_moment = time.monotonic()
        for process, results, _ in run_each_apart(apart_processes, self._identify_apart, APART_LIMITS):
            now = time.monotonic()
            verified = VerificationResult([], [], [], [], [(process.pid, now - last_moment)])
            last_moment = now
            for program_rows, package_rows in results:
                own_packages = [restore_package(row) for row in package_rows]
                self._sort_programs(
                    [restore_running_program(row) for row in program_rows], own_packages, process, verified
                )
            if not results:
                verified.unclear_pids.append(process.pid)
            if now - started > TOTAL_SECONDS:
                verified.remaining_pids.extend(
                    remaining_process.pid for remaining_process in apart_processes[apart_processes.index(process) + 1 :]
                )
                yield verified
                return
            yield verified

    def _identify_by_kernel(self, process: Process) -> list[RunningProgram] | None:
        """Return the programs of a process, judged only by facts that the kernel itself states.

        Returns None if these facts do not identify the programs with certainty.
        """
        self.host.reads_process_roots = False
        try:
            programs = group_running_programs(self.host, self.identifier, [process])
        except ProcessRootUnread:
            return None
        finally:
            self.host.reads_process_roots = True
        return programs if programs and not programs[0].identity.doubt else None

    def _sort_programs(
        self,
        programs: Sequence[RunningProgram],
        own_packages: Sequence[Package],
        process: Process,
        result: VerificationResult,
    ) -> None:
        """Add the programs of a process to the lists `restricted` or `innocent_pids` of a result.

        A program is restricted if its identity is certain, and no waiver permits it. `own_packages` are the packages of
        the process's user. A process that sees other files than the host is in neither list.
        """
        packages = [*self.packages, *self._add_services(own_packages)]
        observed = AppsObservation(self.desired, packages, [], self.identifier, {})
        restricted = [
            program
            for program in map(observed.add_installation, programs)
            if not program.identity.doubt and observed.choose_running_services(program)
        ]
        for program in restricted:
            services = observed.choose_running_services(program)
            result.restricted.append(program._replace(identity=program.identity._replace(services=services)))
        if not restricted and self._has_host_root(process):
            result.innocent_pids.append(process.pid)

    def _add_services(self, packages: Sequence[Package]) -> list[tuple[list[str], Package]]:
        """Return the packages, each with the ids of its services."""
        return [(self.desired.packages[package.manager][package.id], package) for package in packages]

    def _has_host_root(self, process: Process) -> bool:
        """Return whether a process sees the same files as the host.

        If it does not, the path of its program identifies no file of the host.
        """
        self.host.reads_process_roots = False
        try:
            return self.host.has_host_root(process)
        except ProcessRootUnread:
            return False
        finally:
            self.host.reads_process_roots = True

    # -- The methods below run in a separate process.

    def _identify_apart(self, process: Process) -> Iterator[tuple[list[RunningProgram], list[Package]]]:
        """Yield (programs of a process, packages of its user), by the files around its program.

        The packages are read only if the files do not identify the program. Raises ObservationError if the identity
        stays uncertain, and files or packages could not be read.
        """
        programs = group_running_programs(self.host, self.identifier, [process])
        own_packages: list[Package] = []
        unseen: list[str] = []
        paths = (
            [path for path in self._list_program_paths(process) if self._is_in_user_directory(path)]
            if _is_uncertain(programs)
            else []
        )
        if paths:
            with self._open_budget(unseen):
                programs = self._identify_portable_app(process, paths)
            if _is_uncertain(programs):
                with self._open_budget(unseen):
                    own_packages = self._list_user_packages(self.host.find_process_owner(process), unseen)
                programs = self._identify_process(process, own_packages, {}) or programs
            if unseen and _is_uncertain(programs):
                raise ObservationError(unseen[0])
        yield programs, own_packages

    def _list_program_paths(self, process: Process) -> list[str]:
        """Return the paths of a process's programs: its executed file, or the programs that this file runs.

        Raises ObservationError for a dynamic loader that has not mapped a program yet.
        """
        if not self.identifier.is_content_needed(process):
            return [process.exe]
        paths = [program.path for program in self.identifier.contents.list_programs(process)]
        if paths == [process.exe] and is_starter_name(process.exe.rpartition("/")[2]):
            raise ObservationError(f"{process.exe} has no program mapped yet")
        return paths

    def _is_in_user_directory(self, path: str) -> bool:
        """Return whether a path is in a home or another scanned directory, and on no remote file system."""
        is_below = self._find_home(path) or path.startswith(tuple(f"{directory}/" for directory in scan.SCANNED_PLACES))
        return bool(is_below) and not find_remote_type(path, read_mounts(self.host))

    @contextlib.contextmanager
    def _open_budget(self, unseen: list[str]) -> Iterator[None]:
        """Limit the time in which the `with` body may read files of users.

        An error of the body is not raised: its message is appended to `unseen`.
        """
        self.host.budget = ReadBudget(seconds=READ_SECONDS)
        try:
            yield
        except (ObservationError, ControlError, OSError) as error:
            unseen.append(str(error))
        finally:
            self.host.budget = None

    def _identify_process(
        self, process: Process, own_packages: Sequence[Package], certain: Mapping[str, list[str]]
    ) -> list[RunningProgram]:
        """Return the programs of a process, with two further proofs of identity.

        `own_packages` are the packages of the process's user. `certain` has the services of portable apps that were
        identified with certainty, by path.
        """
        packages = [*self.packages, *self._add_services(own_packages)]
        return group_running_programs(
            self.host, ProcessIdentifier(self.host, self.desired, packages, self.homes, certain), [process]
        )

    def _identify_portable_app(self, process: Process, paths: Sequence[str]) -> list[RunningProgram]:
        """Return the programs of a process, identified as portable apps by the files at and beside `paths`."""
        apps = [app for path in paths[:MAX_PROGRAMS] for app in self._find_portable_apps(path)]
        certain = {app.path: app.services for app in apps if not app.doubt and app.kind in RUNNABLE_KINDS}
        return self._identify_process(process, (), certain)

    def _find_portable_apps(self, path: str) -> list[PortableApp]:
        """Return the portable apps to which the program at a path belongs; [] if the file is gone."""
        host, home = self.host, self._find_home(path)
        status = host.find_entry(path)
        if status is None:
            return []
        user = self.home_users[home] if home else host.find_account(status.st_uid)
        ordinary_user = user if user.uid else None
        region = ScanRegion(
            {home: user} if home else {},
            [home] if home else [],
            (),
            ordinary_user,
            self._list_owned_directories(ordinary_user),
        )
        names = self.names.add_program_folders(
            set(user_dirs.read_user_directories(host, user).values()) if home else ()
        )
        apps = scan.check_portable_app(host, self.desired.services, names, region, self.packages, path)
        return [app._replace(services=self.desired.choose_claimed_services(app.services)) for app in apps]

    def _find_home(self, path: str) -> str:
        """Return the personal home that contains a path; "" if none does."""
        while path := path.rpartition("/")[0]:
            if path in self.home_users:
                return path
        return ""

    def _list_user_packages(self, user: User | None, unseen: list[str]) -> list[Package]:
        """Return the restricted packages that a user has installed for himself. Append errors to `unseen`.

        Returns [] for root and for an unknown user (None).
        """
        packages: list[Package] = []
        for system in ON_DEMAND if user and user.uid else ():
            ids = self.desired.packages[system.MANAGER].keys()
            if ids and user:
                try:
                    user_packages, reason = system.find_user_packages(self.host, user, ids)
                    packages += user_packages
                    unseen += [reason] if reason else []
                except (ObservationError, ControlError, OSError) as error:
                    unseen.append(str(error))
        return packages

    def _list_owned_directories(self, user: User | None) -> list[str]:
        """Return the directories in which package systems keep their files.

        They are the directories of a user's own packages; of the host's packages if `user` is None. Files in these
        directories are no portable apps: the package system itself removes them.
        """
        directories: list[str] = []
        for system in SYSTEMS:
            with contextlib.suppress(ObservationError, ControlError, OSError):
                directories += system.list_owned_directories(self.host, user)
        return directories


def _is_uncertain(programs: Sequence[RunningProgram]) -> bool:
    """Return whether the identity of a process is not certain yet."""
    return not programs or bool(programs[0].identity.doubt)


def make_prefilter_sets(host: Host, sections: Sequence[PlanSection], restricted: RestrictedPrograms) -> VerifierSets:
    """Return the sets of names and paths for the daemon's prefilter (starts/prefilter.py).

    VerifierSets (model/types/watch.py) explains the sets. They cover every program that `sections` may restrict at any
    hour, if it can be identified with certainty. `sections` are those of the apps control in the current plan and in
    later plans. `restricted` has the installed packages.
    """
    names_in_paths: set[str] = set()
    exact: set[str] = set()
    stems: set[str] = set()
    store: set[str] = set()
    modules: set[str] = set()
    flatpaks = False
    for section in sections:
        services = {service_id: entry for service_id, entry in section["services"].items() if _may_be_enforced(entry)}
        desired = DesiredApps({**section, "services": services, "settings": {}})
        names = AppNames(services)
        names_in_paths.update(names.programs, names.marked_programs)
        stems.update(names.services_by_stem)
        modules.update(module for markers in names.markers.values() for module in markers.get("go", ()))
        for path in desired.paths:
            # the last name of the path that identifies an app
            particular_parts = [
                path_part
                for path_part in path.split("/")
                if path_part and path_part not in COMMON_DIRECTORIES and path_part != "~"
            ]
            names_in_paths.update(particular_parts[-1:])
            exact.add(path)
        for manager, index in desired.packages.items():
            if manager in NIX_MANAGERS:
                store.update(index)
            elif manager == FLATPAK:
                flatpaks = flatpaks or bool(index)
            else:
                names_in_paths.update(index)
    if restricted.section is not None:
        # the programs of installed packages, by the names of their files
        names_in_paths.update(package.path.rpartition("/")[2] for _, package in restricted.packages if package.path)
    names_in_paths -= COMMON_DIRECTORIES
    names_in_paths.update([BWRAP] if flatpaks else [])
    # files in which package systems list their packages: after a change, the sets must be made again
    databases = [path for system in SYSTEMS for path in system.DATABASE_FILES if host.find_entry(os.path.dirname(path))]
    return {
        "parts": sorted(names_in_paths),
        "exact": sorted(exact),
        "stems": sorted(stems),
        "store": sorted(store),
        "modules": sorted(modules),
        "sandboxes": flatpaks,
        "files": databases,
    }


def _may_be_enforced(entry: PlanEntry) -> bool:
    """Return whether a service is enforced now, or at another hour (`otherwise`)."""
    return "enforce" in (entry["mode"], entry.get("otherwise"))

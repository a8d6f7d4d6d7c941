"""Identification of running programs of a plan's apps: by path, package or sandbox.

A program that is known by its name alone is reported and never ended. A process of its own observes the programs of
each user (system/forked_work.py). The reason: the user may have made the root directory of a program, and may delay its
answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ....base.program_paths import is_starter_name, is_system_place
from ....model.finding import Finding
from ...system import Host, Process, escape_text
from ...system.mounts import find_remote_type, read_mounts
from ...system.processes import ProcessRootUnread
from .desired_apps import DesiredApps
from .systems.package import Package
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from .process_content import ProcessContents, ProcessProgram

SANDBOX_MANAGERS = ("flatpak", "snap")  # their programs are known by their sandbox, with any executable
CONTAINED_DOUBT = "in a container, {}so it is not ended"
MAX_PATH_BYTES = 4096  # longest path that the kernel accepts


class ProgramIdentity(NamedTuple):
    """Identity of a running program."""

    services: list[str]
    id: str  # base name of the executable, or id of the sandboxed app
    manager: str = ""  # the package system that identifies the program
    package: str = ""  # the package that the program belongs to
    doubt: str = ""  # why the program may be something else, so that it is not ended; "" if it is certain
    path: str = ""  # path of the program, if the process has another executable
    identified_by: str = ""  # description of the mark that identifies the program, and of its start


class RunningProgram(NamedTuple):
    """Processes of one user that run the same program."""

    identity: ProgramIdentity
    user: str
    started: str  # start of the first process
    processes: list[Process]  # in the order of their termination: the first process usually takes the others along
    version: str = ""  # version of the installation, if it is known and its user cannot forge it
    place: str = ""  # path of the installation

    def make_finding(self) -> Finding:
        first_process, *other_processes = self.processes
        more_text = f" and {len(other_processes)} more" if other_processes else ""
        details = [
            f"pid {first_process.pid}{more_text}",
            f"started {self.started}",
            self.identity.identified_by,
            self.identity.doubt,
        ]
        detail = ", ".join(filter(None, details))
        scope = f"user:{self.user}"
        # Its user may have chosen the name.
        program_id, path = (
            escape_text(self.identity.id),
            escape_text(self.identity.path or first_process.exe),
        )
        return Finding("process", program_id, self.identity.manager, self.version, scope, path, detail)


def restore_running_program(row: Sequence[Any]) -> RunningProgram:
    """Restore a running program from the row that a child process returned."""
    identity, user, started, processes, *rest = row
    return RunningProgram(
        ProgramIdentity(*identity), user, started, [Process(*process) for process in processes], *rest
    )


class ProcessIdentifier:
    """Identifier of the processes of a host."""

    def __init__(
        self,
        host: Host,
        desired: DesiredApps,
        packages: Sequence[tuple[list[str], Package]],
        homes: set[str],
        certain_paths: Mapping[str, list[str]],
    ) -> None:
        self.host = host
        self.desired = desired
        self.homes = homes
        self.certain_paths = certain_paths
        self.markers = {service: entry["markers"] for service, entry in desired.services.items() if "markers" in entry}
        self.marked_names = {
            name for service_markers in self.markers.values() for name in service_markers.get("programs", ())
        }
        self._contents: ProcessContents | None = None
        self._root_owned_paths: dict[
            str, bool
        ] = {}  # by path: True if the file is on a disk of the host and root alone can change it
        self.program_finders: list[tuple[str, Callable[[Process], str]]] = []
        for system in SYSTEMS:
            installed = [package for _, package in packages if package.manager == system.MANAGER]
            package_ids = desired.packages[system.MANAGER].keys()
            self.program_finders.append((system.MANAGER, system.make_program_matcher(host, package_ids, installed)))

    def __call__(self, process: Process) -> ProgramIdentity | None:
        """Identify a process by its path and, if that is uncertain, by its content.

        Raises ObservationError. Raises ProcessRootUnread if the content is needed but the host must not read it.
        """
        identity = self.identify_by_path(process)
        if self.is_identity_enough(identity, process):
            return identity
        if not self.host.reads_process_roots:
            raise ProcessRootUnread
        return self.identify_by_content(process) or identity

    def is_identity_enough(self, identity: ProgramIdentity | None, process: Process) -> bool:
        """Return whether the path of a process is enough, so that no content has to be read."""
        return bool(identity and not identity.doubt) or not self.is_content_needed(process)

    def is_content_needed(self, process: Process) -> bool:
        """Return whether the path of a process is too little to identify it, from the facts of the kernel alone."""
        name = process.exe.rpartition("/")[2]
        is_outside = not is_system_place(process.exe)
        return (
            is_outside
            or is_starter_name(name)
            or name in self.marked_names
            or self.host.has_own_user_namespace(process)
        )

    def is_readable_at_once(self, process: Process) -> bool:
        """Return whether the executable of a process can be read here instead of in a process of its own.

        Such a file is on a disk of the host, at a place that root alone can change. So nobody can have made it hang.
        """
        exe = process.exe
        if is_starter_name(exe.rpartition("/")[2]) or not self.host.has_host_root(process):
            return False
        if exe not in self._root_owned_paths:
            remote_type = find_remote_type(exe, read_mounts(self.host))
            self._root_owned_paths[exe] = not remote_type and not self.host.find_changeable_part(exe)
        return self._root_owned_paths[exe]

    @property
    def contents(self) -> ProcessContents:
        """Reader of the programs of processes."""
        if self._contents is None:
            from .process_content import ProcessContents  # loaded on demand: only hosts with such a process need it

            self._contents = ProcessContents(self.host, self.markers)
        return self._contents

    def identify_by_path(self, process: Process) -> ProgramIdentity | None:
        """Identify a process by the path of its executable."""
        desired, base_name = self.desired, process.exe.rpartition("/")[2]
        for manager, find_program in self.program_finders:
            if package_id := find_program(process):
                return ProgramIdentity(
                    desired.packages[manager][package_id],
                    package_id if manager in SANDBOX_MANAGERS else base_name,
                    manager,
                    package_id,
                )
        if services := find_services_above(process.exe, self.homes, desired.paths) or find_services_above(
            process.exe, set(), self.certain_paths
        ):
            doubt = "" if self.host.has_host_root(process) else CONTAINED_DOUBT.format("where the path says little, ")
            return ProgramIdentity(services, base_name, doubt=doubt)
        if services := desired.names.get(base_name, []):
            return ProgramIdentity(services, base_name, doubt="known by its name alone, so it is not ended")
        return None

    def identify_by_content(self, process: Process) -> ProgramIdentity | None:
        """Identify a process by the marks in its programs, and by the paths of programs that its executable starts."""
        doubtful: ProgramIdentity | None = None
        for program in self.contents.list_programs(process):
            identity = None if program.path == process.exe else self._identify_started(process, program)
            if services := self.contents.find_services(program):
                identity = (
                    identity
                    if identity and not identity.doubt
                    else self._make_marked_identity(process, program, services)
                )
            if identity and not identity.doubt:
                return identity
            doubtful = doubtful or identity
        return doubtful

    def _identify_started(self, process: Process, program: ProcessProgram) -> ProgramIdentity | None:
        identity = self.identify_by_path(process._replace(exe=program.path))
        return identity and identity._replace(path=program.path, identified_by=program.start_detail)

    def _make_marked_identity(self, process: Process, program: ProcessProgram, services: list[str]) -> ProgramIdentity:
        from .process_content import describe_go_package

        identified_by = ", ".join(
            filter(None, [escape_text(describe_go_package(program.package)), program.start_detail])
        )
        path = "" if program.path == process.exe else program.path
        doubt = "" if self.host.has_host_root(process) else CONTAINED_DOUBT.format("")
        return ProgramIdentity(
            self.desired.choose_claimed_services(services),
            program.name,
            doubt=doubt,
            path=path,
            identified_by=identified_by,
        )


def group_running_programs(
    host: Host, identify: Callable[[Process], ProgramIdentity | None], processes: Iterable[Process]
) -> list[RunningProgram]:
    """Identify processes, and group those that are the same program of the same user."""
    groups: dict[tuple[Any, ...], list[tuple[bool, str, Process]]] = {}
    for process in processes:
        identity = identify(process)
        owner = host.find_process_owner(process) if identity else None
        if identity and owner:
            is_sandboxed = identity.id != process.exe.rpartition("/")[2]
            key = (tuple(identity.services), identity[1:], owner.name, "" if is_sandboxed else process.exe)
            # The init of a sandbox comes last: it ends with its children and ignores TERM.
            is_sandbox_init = process.exe == "/usr/bin/bwrap"
            groups.setdefault(key, []).append((is_sandbox_init, host.format_start_time(process), process))
    programs = []
    for (services, identity_rest, user, _), members in sorted(groups.items()):
        members.sort()
        started, ordered = members[0][1], [process for _, _, process in members]
        programs.append(RunningProgram(ProgramIdentity(list(services), *identity_rest), user, started, ordered))
    return programs


def add_installation(program: RunningProgram, desired: DesiredApps, packages: Iterable[Package]) -> RunningProgram:
    """Add the version and the place of its installation to a program, so that a waiver for them covers it.

    A program that may run from several installations has neither, unless they agree (the system's and the user's own).
    The version of a user's own installation is left out, because the user can forge it.
    """
    identity = program.identity
    sources = {
        (package.version if package.owner is None else "", package.path)
        for package in packages
        if (package.manager, package.id) == (identity.manager, identity.package)
        and (package.owner is None or package.owner.name == program.user)
    }
    version, place = sources.pop() if len(sources) == 1 else ("", "")
    program = program._replace(version=version, place=place)
    services = desired.choose_holder_services(identity.services, program.make_finding(), program.place)
    return program._replace(identity=identity._replace(services=services))


def find_services_above(exe: str, homes: set[str], paths: Mapping[str, list[str]]) -> list[str]:
    """Return the services that name an executable or a directory above it, absolute or below a home (`~/`)."""
    if len(exe) > MAX_PATH_BYTES:
        return []
    path_forms = [exe, *("~" + exe[len(home) :] for home in _iterate_upwards(exe) if home in homes)]
    return next((paths[place] for form in path_forms for place in _iterate_upwards(form) if place in paths), [])


def _iterate_upwards(path: str) -> Iterator[str]:
    while path and path != "~":
        yield path
        path = path.rpartition("/")[0]

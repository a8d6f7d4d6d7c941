"""Identification of running programs of a plan's apps: by path, package or sandbox.

A program that is known by its name alone is reported and never ended. A forked process observes the programs of each
user (system/forked_work.py). The reason: a user can run a program in a root directory that never answers.
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
from .systems.package_systems import SYSTEMS

if TYPE_CHECKING:
    from .process_content import ProcessContents, ProcessProgram

# package systems that identify a program by its sandbox, whatever its executable is
SANDBOX_MANAGERS = ("flatpak", "snap")
CONTAINED_DOUBT = "in a container, {}so it is not ended"  # {}: "" or a further reason with a comma and a blank
MAX_PATH_BYTES = 4096  # longest path that the kernel accepts


class ProgramIdentity(NamedTuple):
    """Identity of a running program: its services, and how it was identified."""

    services: list[str]
    id: str  # base name of the executable, or id of the sandboxed app
    manager: str = ""  # the package system that identifies the program; "" if its path, name or content does
    package: str = ""  # the package that the program belongs to; "" if `manager` is ""
    doubt: str = ""  # why the program may be something else, so that it is not ended; "" if it is certain
    path: str = ""  # path of the program, if another executable started it (such as ld.so); otherwise ""
    identified_by: str = ""  # description of the program's mark, and of how it was started


class RunningProgram(NamedTuple):
    """Processes of one user that run the same program."""

    identity: ProgramIdentity
    user: str
    started: str  # start of the first process, as a text
    # in the order of their termination: when the first process ends, the others usually end too
    processes: list[Process]
    version: str = ""  # version of the installation; "" if it is unknown or the user can forge it
    place: str = ""  # path of the installation; "" if it is unknown

    def make_finding(self) -> Finding:
        """Return the finding that reports the program as running."""
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
        # The user may have chosen the name of the program, so it is escaped.
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
    """Function object that identifies the processes of a host.

    `packages` are the installed packages with their services. `homes` are the homes of all users. `certain_paths` has,
    by path, the services of portable apps that were identified for certain.
    """

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
        ] = {}  # by path: whether the file is on a disk of the host, and root alone can change it
        self.program_finders: list[tuple[str, Callable[[Process], str]]] = []
        for system in SYSTEMS:
            installed = [package for _, package in packages if package.manager == system.MANAGER]
            package_ids = desired.packages[system.MANAGER].keys()
            self.program_finders.append((system.MANAGER, system.make_program_matcher(host, package_ids, installed)))

    def __call__(self, process: Process) -> ProgramIdentity | None:
        """Identify a process by its path and, if the path is not enough, by its content.

        Return None if the process is not restricted. Raises ObservationError. Raises ProcessRootUnread if the content
        is needed, but `host.reads_process_roots` forbids this process to read it.
        """
        identity = self.identify_by_path(process)
        if self.is_identity_enough(identity, process):
            return identity
        if not self.host.reads_process_roots:
            raise ProcessRootUnread
        return self.identify_by_content(process) or identity

    def is_identity_enough(self, identity: ProgramIdentity | None, process: Process) -> bool:
        """Return whether the identity by path (None: not restricted) is enough, so that no content has to be read."""
        return bool(identity and not identity.doubt) or not self.is_content_needed(process)

    def is_content_needed(self, process: Process) -> bool:
        """Return whether the content of a process must be read to identify it.

        The path is not enough outside the directories of packages, and in a container. It is not enough either for a
        dynamic loader or emulator, which starts other programs. Nor is it enough for a program that only the mark of
        its maker identifies. The answer depends on facts of the kernel alone, so it cannot hang.
        """
        name = process.exe.rpartition("/")[2]
        is_outside = not is_system_place(process.exe)
        return (
            is_outside
            or is_starter_name(name)
            or name in self.marked_names
            or self.host.has_own_user_namespace(process)
        )

    def is_readable_at_once(self, process: Process) -> bool:
        """Return whether the executable of `process` can be read without a forked process.

        Such a file is on a disk of the host, at a path that root alone can change. So nobody can have made it hang. A
        dynamic loader or an emulator gives False, because the programs that it starts must be read too.
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
        """Reader of the content of programs, made at the first use."""
        if self._contents is None:
            # loaded on demand: only hosts with a process whose content is needed use the module
            from .process_content import ProcessContents

            self._contents = ProcessContents(self.host, self.markers)
        return self._contents

    def identify_by_path(self, process: Process) -> ProgramIdentity | None:
        """Identify a process by the path of its executable.

        The package systems come first, then the paths of the catalogue and of certain portable apps. The program's name
        comes last, and gives only a doubtful identity. Return None if nothing matches.
        """
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
        """Identify a process by the content of its programs.

        Return None if it is not restricted. The marks of makers in the programs count, and the paths of the programs
        that its executable starts. The first certain identity is returned, or else the first doubtful identity.
        """
        doubtful: ProgramIdentity | None = None
        for program in self.contents.list_programs(process):
            identity = None if program.path == process.exe else self._identify_started(process, program)
            # a mark replaces a missing or doubtful identity by path
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
        """Identify a program that the executable of a process started (as ld.so does), by the program's path.

        Return None if the path identifies no service.
        """
        identity = self.identify_by_path(process._replace(exe=program.path))
        return identity and identity._replace(path=program.path, identified_by=program.start_detail)

    def _make_marked_identity(self, process: Process, program: ProcessProgram, services: list[str]) -> ProgramIdentity:
        """Make the identity of a program in which the mark of the maker of `services` was found.

        In a container, the identity is doubtful.
        """
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
    """Identify processes, and group those that run the same program of the same user.

    Processes without an identity are left out.
    """
    groups: dict[tuple[Any, ...], list[tuple[bool, str, Process]]] = {}
    for process in processes:
        identity = identify(process)
        owner = host.find_process_owner(process) if identity else None
        if identity and owner:
            # All processes of a sandboxed app are one program. Otherwise the executable is part of the key.
            is_sandboxed = identity.id != process.exe.rpartition("/")[2]
            key = (tuple(identity.services), identity[1:], owner.name, "" if is_sandboxed else process.exe)
            # The init process of a sandbox comes last: it ignores TERM, and ends when its children have ended.
            is_sandbox_init = process.exe == "/usr/bin/bwrap"
            groups.setdefault(key, []).append((is_sandbox_init, host.format_start_time(process), process))
    programs = []
    for (services, identity_rest, user, _), members in sorted(groups.items()):
        members.sort()
        started, ordered = members[0][1], [process for _, _, process in members]
        programs.append(RunningProgram(ProgramIdentity(list(services), *identity_rest), user, started, ordered))
    return programs


def add_installation(program: RunningProgram, desired: DesiredApps, packages: Iterable[Package]) -> RunningProgram:
    """Return a program with the version and the path of its installation, so that a waiver can name them.

    Version and path stay "" if several installations could be the program's, and differ. The version of a user's own
    installation is left out, because the user can forge it. Only services whose waiver covers the program stay in its
    identity, or all if there are none.
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
    """Return the services that name an executable or a directory above it, or [].

    `paths` has the services by path; a path is absolute, or below a home (`~/`). `homes` are the homes of all users.
    """
    if len(exe) > MAX_PATH_BYTES:
        return []
    path_forms = [exe, *("~" + exe[len(home) :] for home in _iterate_upwards(exe) if home in homes)]
    return next((paths[place] for form in path_forms for place in _iterate_upwards(form) if place in paths), [])


def _iterate_upwards(path: str) -> Iterator[str]:
    """Yield a path, then each directory above it, without `/` and `~`."""
    while path and path != "~":
        yield path
        path = path.rpartition("/")[0]

"""What runs of a plan's apps: programs by path, package or sandbox, and by name alone, which is reported and never
ended.

A program is observed in its owner's part of an observation (system/forked.py): the root that it sees may be its owner's
making, which answers when it likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ....base.program_places import is_starter_name, is_system_place
from ....base.tuples import NamedTuple
from ....model.finding import Finding
from ...system import Host, Process, escape_text
from ...system.mounts import find_remote_type, read_mounts
from ...system.processes import ProcessRootUnread
from .desired import Desired
from .systems.package import Package
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from .content import Contents, Program

SANDBOXING = ("flatpak", "snap")  # a program of theirs is known by its sandbox, whichever its executable is
CONTAINED = "in a container, {}so it is not ended"
LONGEST_PATH = 4096  # bytes that the kernel takes for one


class Identity(NamedTuple):
    """What a running program is."""

    services: list[str]
    id: str  # base name of the executable, or the id of its sandboxed app
    manager: str = ""  # the package system that says so
    package: str = ""  # and the package that it belongs to
    doubt: str = ""  # why it may be something else, so that it is not ended; "" if it is certain
    path: str = ""  # of the program, where the process has another executable
    how: str = ""  # in words: by which mark it is known, and how it was started


class Running(NamedTuple):
    """The processes of one user that are the same program."""

    identity: Identity
    user: str
    started: str  # the first of them
    processes: list[Process]  # in the order in which to end them: what was started first mostly takes the others along
    version: str = ""  # of the installation that it runs from, where that is known and not its user's word
    place: str = ""  # of the same

    def finding(self) -> Finding:
        first, *others = self.processes
        more = f" and {len(others)} more" if others else ""
        details = [f"pid {first.pid}{more}", f"started {self.started}", self.identity.how, self.identity.doubt]
        detail = ", ".join(filter(None, details))
        scope = f"user:{self.user}"
        id_, path = (
            escape_text(self.identity.id),
            escape_text(self.identity.path or first.exe),
        )  # its user may have named it
        return Finding("process", id_, self.identity.manager, self.version, scope, path, detail)


def restored(row: Sequence[Any]) -> Running:
    """What came back from a child, as it was."""
    identity, user, started, processes, *rest = row
    return Running(Identity(*identity), user, started, [Process(*process) for process in processes], *rest)


class Identifier:
    """What identifies processes of a host."""

    def __init__(
        self,
        host: Host,
        desired: Desired,
        packages: Sequence[tuple[list[str], Package]],
        homes: set[str],
        certain: Mapping[str, list[str]],
    ) -> None:
        self.host = host
        self.desired = desired
        self.homes = homes
        self.certain = certain
        self.markers = {service: entry["markers"] for service, entry in desired.services.items() if "markers" in entry}
        self.marked = {name for of in self.markers.values() for name in of.get("programs", ())}
        self._contents: Contents | None = None
        self._roots_own: dict[str, bool] = {}  # by path: whether root alone can change what is there, on a disk here
        self.programs: list[tuple[str, Callable[[Process], str]]] = []
        for system in SYSTEMS:
            installed = [package for _, package in packages if package.manager == system.MANAGER]
            ids = desired.packages[system.MANAGER].keys()
            self.programs.append((system.MANAGER, system.programs(host, ids, installed)))

    def __call__(self, process: Process) -> Identity | None:
        """Identify a process by its path, and where that is not certain by what it runs. Raises ProcessRootUnread where the
        host may not read that, and Unseen.
        """
        identity = self.by_path(process)
        if self.says_enough(identity, process):
            return identity
        if not self.host.reads_process_roots:
            raise ProcessRootUnread
        return self.by_content(process) or identity

    def says_enough(self, identity: Identity | None, process: Process) -> bool:
        """Return whether nothing has to be read of a process beyond what its path says."""
        return bool(identity and not identity.doubt) or not self.needs_content(process)

    def needs_content(self, process: Process) -> bool:
        """Return whether a process's path says too little, by what the kernel alone says of it."""
        name = process.exe.rpartition("/")[2]
        outside = not is_system_place(process.exe)
        return outside or is_starter_name(name) or name in self.marked or self.host.has_own_user_namespace(process)

    def reads_at_once(self, process: Process) -> bool:
        """Return whether the content of a process's executable is read here and not in a process of its own: it lies on
        a disk of the host at a place that root alone can change, so nobody has made it to hang.
        """
        exe = process.exe
        if is_starter_name(exe.rpartition("/")[2]) or not self.host.has_host_root(process):
            return False
        if exe not in self._roots_own:
            far = find_remote_type(exe, read_mounts(self.host))
            self._roots_own[exe] = not far and not self.host.find_changeable_part(exe)
        return self._roots_own[exe]

    @property
    def contents(self) -> Contents:
        """What reads the programs of processes."""
        if self._contents is None:
            from .content import Contents  # only a host with such a process pays for it

            self._contents = Contents(self.host, self.markers)
        return self._contents

    def by_path(self, process: Process) -> Identity | None:
        """Identify a process by the path of its executable."""
        desired, base = self.desired, process.exe.rpartition("/")[2]
        for manager, program in self.programs:
            if id_ := program(process):
                return Identity(desired.packages[manager][id_], id_ if manager in SANDBOXING else base, manager, id_)
        if services := below(process.exe, self.homes, desired.paths) or below(process.exe, set(), self.certain):
            doubt = "" if self.host.has_host_root(process) else CONTAINED.format("where the path says little, ")
            return Identity(services, base, doubt=doubt)
        if services := desired.names.get(base, []):
            return Identity(services, base, doubt="known by its name alone, so it is not ended")
        return None

    def by_content(self, process: Process) -> Identity | None:
        """Identify a process by the marks in what it runs, and by the path of what its executable has started."""
        doubtful: Identity | None = None
        for program in self.contents.programs(process):
            identity = None if program.path == process.exe else self._started(process, program)
            if services := self.contents.services(program):
                identity = identity if identity and not identity.doubt else self._marked(process, program, services)
            if identity and not identity.doubt:
                return identity
            doubtful = doubtful or identity
        return doubtful

    def _started(self, process: Process, program: Program) -> Identity | None:
        identity = self.by_path(process._replace(exe=program.path))
        return identity and identity._replace(path=program.path, how=program.how)

    def _marked(self, process: Process, program: Program, services: list[str]) -> Identity:
        from .content import built_from

        how = ", ".join(filter(None, [escape_text(built_from(program.package)), program.how]))
        path = "" if program.path == process.exe else program.path
        doubt = "" if self.host.has_host_root(process) else CONTAINED.format("")
        return Identity(self.desired.claimed(services), program.name, doubt=doubt, path=path, how=how)


def running(host: Host, identify: Callable[[Process], Identity | None], processes: Iterable[Process]) -> list[Running]:
    """What some processes are, those that are the same program of the same user together."""
    groups: dict[tuple[Any, ...], list[tuple[bool, str, Process]]] = {}
    for process in processes:
        identity = identify(process)
        owner = host.find_process_owner(process) if identity else None
        if identity and owner:
            sandboxed = identity.id != process.exe.rpartition("/")[2]
            key = (tuple(identity.services), identity[1:], owner.name, "" if sandboxed else process.exe)
            # A sandbox's own init comes last: it ends with what it started, and does not listen to TERM itself.
            init = process.exe == "/usr/bin/bwrap"
            groups.setdefault(key, []).append((init, host.format_start_time(process), process))
    found = []
    for (services, rest, user, _), members in sorted(groups.items()):
        members.sort()
        started, ordered = members[0][1], [process for _, _, process in members]
        found.append(Running(Identity(list(services), *rest), user, started, ordered))
    return found


def placed(running: Running, desired: Desired, packages: Iterable[Package]) -> Running:
    """A running program with the version and the place of its installation, so that a waiver for that covers it too.

    One that may run from several installations (the system's and the user's own) has neither, unless they agree. The
    version of a user's own installation is his word, so the program has none.
    """
    identity = running.identity
    sources = {
        (package.version if package.owner is None else "", package.path)
        for package in packages
        if (package.manager, package.id) == (identity.manager, identity.package)
        and (package.owner is None or package.owner.name == running.user)
    }
    version, place = sources.pop() if len(sources) == 1 else ("", "")
    running = running._replace(version=version, place=place)
    services = desired.holders(identity.services, running.finding(), running.place)
    return running._replace(identity=identity._replace(services=services))


def below(exe: str, homes: set[str], paths: Mapping[str, list[str]]) -> list[str]:
    """The services that name an executable or a directory above it, absolute or below a home (`~/`)."""
    if len(exe) > LONGEST_PATH:
        return []
    forms = [exe, *("~" + exe[len(home) :] for home in _upwards(exe) if home in homes)]
    return next((paths[place] for form in forms for place in _upwards(form) if place in paths), [])


def _upwards(path: str) -> Iterator[str]:
    while path and path != "~":
        yield path
        path = path.rpartition("/")[0]

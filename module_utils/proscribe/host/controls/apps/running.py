"""What runs of a plan's apps: programs by path, package or sandbox, and by name alone, which is reported and never
ended.

A program is observed in its owner's part of an observation (system/forked.py): the root that it sees may be its owner's
making, which answers when it likes.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import Finding
from ...system import Host, Process, escaped
from .desired import Desired
from .systems.package import Package
from .systems.registry import SYSTEMS

SANDBOXING = ("flatpak", "snap")  # a program of theirs is known by its sandbox, whichever its executable is
LONGEST_PATH = 4096  # bytes that the kernel takes for one


class Identity(NamedTuple):
    """What a running program is."""

    services: list[str]
    id: str  # base name of the executable, or the id of its sandboxed app
    manager: str = ""  # the package system that says so
    package: str = ""  # and the package that it belongs to
    doubt: str = ""  # why it may be something else, so that it is not ended; "" if it is certain


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
        details = [f"pid {first.pid}{more}", f"started {self.started}", self.identity.doubt]
        detail = ", ".join(filter(None, details))
        scope = f"user:{self.user}"
        id_, exe = escaped(self.identity.id), escaped(first.exe)  # its user may have given it any name
        return Finding("process", id_, self.identity.manager, self.version, scope, exe, detail)


def restored(row: Sequence[Any]) -> Running:
    """What came back from a child, as it was."""
    identity, user, started, processes, *rest = row
    return Running(Identity(*identity), user, started, [Process(*process) for process in processes], *rest)


def identifier(
    host: Host,
    desired: Desired,
    packages: Sequence[tuple[list[str], Package]],
    homes: set[str],
    certain: Mapping[str, list[str]],
) -> Callable[[Process], Identity | None]:
    """What identifies a process. `certain` are paths of portable apps that programs run from, with their services."""
    programs: list[tuple[str, Callable[[Process], str]]] = []
    for system in SYSTEMS:
        found = [package for _, package in packages if package.manager == system.MANAGER]
        programs.append((system.MANAGER, system.programs(host, desired.packages[system.MANAGER].keys(), found)))

    def identify(process: Process) -> Identity | None:
        base = process.exe.rpartition("/")[2]
        for manager, program in programs:
            if id_ := program(process):
                return Identity(desired.packages[manager][id_], id_ if manager in SANDBOXING else base, manager, id_)
        if services := below(process.exe, homes, desired.paths) or below(process.exe, set(), certain):
            if host.shares_root(process):
                return Identity(services, base)
            return Identity(services, base, doubt="in a container, where the path says little, so it is not ended")
        if services := desired.names.get(base, []):
            return Identity(services, base, doubt="known by its name alone, so it is not ended")
        return None

    return identify


def running(host: Host, identify: Callable[[Process], Identity | None], processes: Iterable[Process]) -> list[Running]:
    """What some processes are, those that are the same program of the same user together."""
    groups: dict[tuple[Any, ...], list[tuple[bool, str, Process]]] = {}
    for process in processes:
        identity = identify(process)
        owner = host.owner(process) if identity else None
        if identity and owner:
            sandboxed = identity.id != process.exe.rpartition("/")[2]
            key = (tuple(identity.services), identity[1:], owner.name, "" if sandboxed else process.exe)
            # A sandbox's own init comes last: it ends with what it started, and does not listen to TERM itself.
            init = process.exe == "/usr/bin/bwrap"
            groups.setdefault(key, []).append((init, host.started(process), process))
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

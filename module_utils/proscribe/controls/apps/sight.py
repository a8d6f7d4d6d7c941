"""What of a plan's apps is on a host: installed packages and running programs, each with the services it belongs to."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from ...finding import Finding, exception_for
from ...host import Host, Process
from ...tuples import NamedTuple
from . import launchers, portable
from .copy_names import Names
from .package import Package
from .portable import Copies, Copy
from .systems import SYSTEMS, installed
from .walk_memory import Memory, remembered
from .wanted import Wanted

RUNNABLE = ("appimage", "program", "tree", "wine")  # kinds of copies that a program runs from
SANDBOXING = ("flatpak", "snap")  # a program of theirs is known by its sandbox, whichever its executable is


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
    version: str = ""  # of the installation that it runs from, where that is known
    place: str = ""  # of the same

    def finding(self) -> Finding:
        first, *others = self.processes
        more = f" and {len(others)} more" if others else ""
        told = [f"pid {first.pid}{more}", f"started {self.started}", self.identity.doubt]
        detail = ", ".join(filter(None, told))
        scope = f"user:{self.user}"
        return Finding("process", self.identity.id, self.identity.manager, self.version, scope, first.exe, detail)


class Sight(NamedTuple):
    """What was seen on a host, and for each service why something could not be seen ("" if all could)."""

    wanted: Wanted
    packages: list[tuple[list[str], Package]]
    running: list[Running]
    identify: Callable[[Process], Identity | None]
    unseen: dict[str, str]
    copies: Sequence[Copy] = ()
    memory: Memory | None = None  # for the next look; None where nothing was walked

    def findings(self, service: str) -> list[tuple[Finding, str]]:
        """The evidence for a service, each piece with the waiver that covers it, "" if none does."""
        entry = self.wanted.services[service]
        packages = [package.finding() for services, package in self.packages if service in services]
        running = [program for program in self.running if service in program.identity.services]
        copies = [copy.finding() for copy in self.copies if service in copy.services]
        found = [(finding, exception_for(entry, finding)) for finding in (*packages, *copies)]
        return found + [(p.finding(), exception_for(entry, p.finding(), p.place)) for p in running]

    def enforced(self, services: list[str], finding: Finding, place: str = "") -> list[str]:
        """Those of some services on whose behalf something seen has to go."""
        entries = self.wanted.services
        return [s for s in self.wanted.enforced(services) if not exception_for(entries[s], finding, place)]

    def placed(self, running: Running) -> Running:
        """See _placed."""
        return _placed(running, self.wanted, [package for _, package in self.packages])

    def enforced_of(self, running: Running) -> list[str]:
        return self.enforced(running.identity.services, running.finding(), running.place)

    def uncertain(self, service: str) -> bool:
        """Whether all that has to go of a service may be something else, so that nobody ends or moves it."""
        running = [bool(p.identity.doubt) for p in self.running if service in self.enforced_of(p)]
        copies = [bool(c.doubt) for c in self.copies if service in self.enforced(c.services, c.finding())]
        installed = any(service in self.enforced(services, package.finding()) for services, package in self.packages)
        return bool(running or copies) and not installed and all(running + copies)


def look(host: Host, section: Mapping[str, Any]) -> Sight:
    """Look for everything that a plan's `apps` section names. Raises ControlError."""
    wanted = Wanted(section)
    packages: list[tuple[list[str], Package]] = []
    unseen: dict[str, list[str]] = {service: [] for service in wanted.services}
    programs: list[tuple[str, Callable[[Process], str]]] = []
    people = {user.home: user for user in host.users() if portable.is_home(user)}
    names = Names(wanted.services, people)
    memory = remembered(host, wanted.stamp(names), wanted.full_scan_every)
    asked: dict[str, tuple[Any, Any]] = {}
    for system in SYSTEMS:
        index = wanted.packages[system.MANAGER]
        found, blind = installed(host, system, index.keys(), memory.packages, asked)
        packages += [(wanted.holders(index[package.id], package.finding()), package) for package in found]
        programs.append((system.MANAGER, system.programs(host, index.keys(), found)))
        for service in {service for services in index.values() for service in services} if blind else ():
            unseen[service].append(blind)
    homes = {user.home for user in host.users()}
    walked = portable.look(host, wanted.services, names, people, packages, memory)
    unlooked, copies = _copies(host, wanted, walked, homes)
    certain = {
        path: copy.services
        for copy in copies
        if not copy.doubt and copy.kind in RUNNABLE
        for path in copy.parts or [copy.path]
    }
    for service, entry in wanted.services.items():
        if entry["processes"] or entry["paths"] or entry["packages"] or entry.get("web_hosts"):
            unseen[service] += unlooked

    def identify(process: Process) -> Identity | None:
        base = process.exe.rpartition("/")[2]
        for manager, program in programs:
            if id_ := program(process):
                return Identity(wanted.packages[manager][id_], id_ if manager in SANDBOXING else base, manager, id_)
        if services := _below(process.exe, homes, wanted.paths) or _below(process.exe, set(), certain):
            if host.shares_root(process):
                return Identity(services, base)
            return Identity(services, base, doubt="in a container, where the path says little, so it is not ended")
        if services := wanted.names.get(base, []):
            return Identity(services, base, doubt="known by its name alone, so it is not ended")
        return None

    running, blind = _running(host, identify)
    running = [_placed(program, wanted, [package for _, package in packages]) for program in running]
    for reasons in unseen.values() if blind else ():
        reasons.append(blind)
    hint = "" if host.privileged else "; to see it all, run it as root (-b, and -K if sudo asks)"
    told = {service: "; ".join(reasons) + hint for service, reasons in unseen.items() if reasons}
    kept = memory._replace(known=walked.known, packages=asked) if names.all else None
    return Sight(wanted, packages, running, identify, told, copies, kept)


def _copies(host: Host, wanted: Wanted, walked: Copies, homes: set[str]) -> tuple[list[str], list[Copy]]:
    """What no package system installed, and what starts or opens a restricted app; each with its services. Before it
    what was not looked at.
    """

    def services_of(program: str, flatpak_id: str) -> list[str]:
        named = wanted.packages["flatpak"].get(flatpak_id) or _below(program, homes, wanted.paths)
        return named or wanted.names.get(program.rpartition("/")[2], [])

    started, unseen = launchers.look(host, wanted.services, services_of, walked.web_apps)
    copies = []
    for copy in [*walked.found, *started]:
        services = wanted.claimed(copy.services)
        copies.append(copy._replace(services=wanted.holders(services, copy.finding())))
    return [*walked.unseen, *unseen], copies


def _running(host: Host, identify: Callable[[Process], Identity | None]) -> tuple[list[Running], str]:
    processes, hidden = host.processes()
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
    running = []
    for (services, rest, user, _), members in sorted(groups.items()):
        members.sort()
        started, ordered = members[0][1], [process for _, _, process in members]
        running.append(Running(Identity(list(services), *rest), user, started, ordered))
    # Without root, a host may even hide that there are other users' processes (hidepid, see proc(5)).
    if not host.privileged:
        return running, "the programs of other users cannot be seen"
    return running, f"{hidden} processes do not show their executable, not even to root" if hidden else ""


def _placed(running: Running, wanted: Wanted, packages: Iterable[Package]) -> Running:
    """A running program with the version and the place of its installation, so that a waiver for that covers it too.

    One that may run from several installations (the system's and the user's own) has neither, unless they agree.
    """
    identity = running.identity
    sources = {
        (package.version, package.path)
        for package in packages
        if (package.manager, package.id) == (identity.manager, identity.package)
        and (package.owner is None or package.owner.name == running.user)
    }
    version, place = sources.pop() if len(sources) == 1 else ("", "")
    running = running._replace(version=version, place=place)
    services = wanted.holders(identity.services, running.finding(), running.place)
    return running._replace(identity=identity._replace(services=services))


def _below(exe: str, homes: set[str], paths: Mapping[str, list[str]]) -> list[str]:
    """The services that name an executable or a directory above it, absolute or below a home (`~/`)."""
    forms = [exe, *("~" + exe[len(home) :] for home in _upwards(exe) if home in homes)]
    return next((paths[place] for form in forms for place in _upwards(form) if place in paths), [])


def _upwards(path: str) -> Iterator[str]:
    while path and path != "~":
        yield path
        path = path.rpartition("/")[0]

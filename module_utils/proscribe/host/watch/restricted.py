"""What is restricted on a host now, and whether a program is that: by the code that enforces, for single processes.

What counts as certain is decided there (controls/apps), and nowhere else. A user may have made something hang, or made
it up in a view of his own. That is looked into in a process of its own (system/forked.py), one start at a time.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Collection, Iterator, Mapping, Sequence

from ...base.program_places import is_starter_name
from ...base.tuples import NamedTuple
from ..controls.apps.desired import Desired
from ..controls.apps.observed import RUNNABLE, Observed
from ..controls.apps.per_user import restored_package
from ..controls.apps.portable import scan, user_dirs
from ..controls.apps.portable.names import SHARED, Names
from ..controls.apps.portable.scan import PortableApp, Region
from ..controls.apps.portable.scan_cache import remembered, stamped
from ..controls.apps.running import Identifier, Running, restored, running
from ..controls.apps.systems.installed import installed
from ..controls.apps.systems.package import Package
from ..controls.apps.systems.registry import ON_DEMAND, SYSTEMS
from ..system import ControlError, Host, Process, Unseen, User
from ..system.budget import Budget
from ..system.forked import Limits, each
from ..system.mounts import mounts, remote
from ..system.processes import RootNotRead

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection
    from ...model.types.watch import VerifierSets

APART = Limits(seconds=1.0)  # for one start
SECONDS = 0.4  # of it for what lies around a program, and as many for what its user has installed
IN_ALL = 3.0  # for all starts that are verified together: whoever asks waits for an answer
MOST_PROGRAMS = 8  # of one process, around which is looked
NIX = ("nix", "guix")
FLATPAK = "flatpak"
BWRAP = "bwrap"  # begins a sandbox of flatpak's; what is in it becomes known a moment later
# Names of directories that say nothing of an app.
COMMON = SHARED | {"usr", "var", "etc", "home", "root", ".local", ".config", ".cache", "snap", "app", "nix", "gnu"}


class Verified(NamedTuple):
    """What some processes are."""

    restricted: list[Running]  # to be ended: known with certainty, and open to nobody by a waiver
    innocent: list[int]  # the numbers of those that are not, with the host's own view of its files
    unclear: list[int]  # and of those that could not be verified now
    left: list[int]  # and of those for which there was no time
    took: list[tuple[int, float]]  # how many seconds each of those took that were looked into apart


class Restricted:
    """The state of a host at one moment. `section` is the plan's on apps, None where nothing is enforced."""

    def __init__(self, host: Host, section: PlanSection | None) -> None:
        self.host = host
        self.section = section
        settings = section["settings"] if section else {}
        self.text: str = settings.get("user_notice", "")
        self.requests = bool(settings.get("requests"))  # whether hosts have the command for requests
        if section is None:
            return
        self.desired = Desired(section)
        self.users = host.users()
        self.homes = {user.home for user in self.users}
        self.home_users = {user.home: user for user in self.users if scan.is_home(user)}
        self.names = Names(self.desired.services, self.home_users)
        self.packages = [(self.desired.packages[p.manager][p.id], p) for p in self._packages()]
        self.identify = Identifier(host, self.desired, self.packages, self.homes, {})

    def _packages(self) -> Iterator[Package]:
        """What is installed for the host, and for root."""
        roots = [user for user in self.users if user.uid == 0]
        memory = remembered(self.host, stamped(self.desired.stamp(self.names), ()), 0)
        for system in SYSTEMS:
            ids = self.desired.packages[system.MANAGER].keys()
            with contextlib.suppress(Unseen, ControlError):  # the next observation says so
                yield from installed(self.host, system, ids, memory.packages, {})[0] if ids else ()
                for user in roots:
                    yield from system.query_of(self.host, user, ids)[0] if ids else ()

    def verify(self, processes: Sequence[Process], later: Collection[int] = ()) -> Iterator[Verified]:
        """What some processes are, in parts: first what the kernel's word alone decides, then one by one what has to be
        observed apart. For that there is so much time in all. Of those of these numbers only the first is done.
        """
        first = Verified([], [], [], [], [])
        apart: list[Process] = []
        for process in processes:
            if self.section is None:
                first.innocent.append(process.pid)
            elif known := self._by_the_kernel_alone(process):
                self._sort(known, [], process, first)
            elif process.pid in later:
                first.left.append(process.pid)
            else:
                apart.append(process)
        yield first
        began = last = time.monotonic()
        for process, parts, _ in each(apart, self._around, APART):
            now = time.monotonic()
            verified = Verified([], [], [], [], [(process.pid, now - last)])
            last = now
            for rows, packages in parts:
                own = [restored_package(row) for row in packages]
                self._sort([restored(row) for row in rows], own, process, verified)
            if not parts:
                verified.unclear.append(process.pid)
            if now - began > IN_ALL:
                verified.left.extend(one.pid for one in apart[apart.index(process) + 1 :])
                yield verified
                return
            yield verified

    def _by_the_kernel_alone(self, process: Process) -> list[Running] | None:
        """What a process is by what the kernel alone says of it; None where that is not enough."""
        self.host.asks_roots = False
        try:
            found = running(self.host, self.identify, [process])
        except RootNotRead:
            return None
        finally:
            self.host.asks_roots = True
        return found if found and not found[0].identity.doubt else None

    def _sort(self, found: Sequence[Running], own: Sequence[Package], process: Process, verified: Verified) -> None:
        packages = [*self.packages, *self._with_services(own)]
        observed = Observed(self.desired, packages, [], self.identify, {})
        restricted = [
            program
            for program in map(observed.placed, found)
            if not program.identity.doubt and observed.enforced_of(program)
        ]
        for program in restricted:
            services = observed.enforced_of(program)
            verified.restricted.append(program._replace(identity=program.identity._replace(services=services)))
        if not restricted and self._at_home(process):
            verified.innocent.append(process.pid)

    def _with_services(self, packages: Sequence[Package]) -> list[tuple[list[str], Package]]:
        return [(self.desired.packages[p.manager][p.id], p) for p in packages]

    def _at_home(self, process: Process) -> bool:
        """Whether a process sees the host's files as the host does: elsewhere, its path says nothing of a file."""
        self.host.asks_roots = False
        try:
            return self.host.shares_root(process)
        except RootNotRead:
            return False
        finally:
            self.host.asks_roots = True

    # -- apart

    def _around(self, process: Process) -> Iterator[tuple[list[Running], list[Package]]]:
        """What a process is, by what lies around its program: (what it is, packages that say so)."""
        found = running(self.host, self.identify, [process])
        own: list[Package] = []
        unseen: list[str] = []
        paths = [path for path in self._paths(process) if self._in_a_place_of_users(path)] if _is_open(found) else []
        if paths:
            with self._budget(unseen):
                found = self._as_a_portable_app(process, paths)
            if _is_open(found):
                with self._budget(unseen):
                    own = self._packages_of(self.host.owner(process), unseen)
                found = self._identified(process, own, {}) or found
            if unseen and _is_open(found):
                raise Unseen(unseen[0])
        yield found, own

    def _paths(self, process: Process) -> list[str]:
        """Return the paths of a process's programs. Raises Unseen for a dynamic loader that has not mapped one yet."""
        if not self.identify.needs_content(process):
            return [process.exe]
        paths = [program.path for program in self.identify.contents.programs(process)]
        if paths == [process.exe] and is_starter_name(process.exe.rpartition("/")[2]):
            raise Unseen(f"{process.exe} has no program mapped yet")
        return paths

    def _in_a_place_of_users(self, path: str) -> bool:
        below = self._home_of(path) or path.startswith(tuple(f"{place}/" for place in scan.PLACES))
        return bool(below) and not remote(path, mounts(self.host))

    @contextlib.contextmanager
    def _budget(self, unseen: list[str]) -> Iterator[None]:
        """A block that reads what users have made, as far as a budget goes; why it did not come to its end is noted."""
        self.host.budget = Budget(seconds=SECONDS)
        try:
            yield
        except (Unseen, ControlError, OSError) as error:
            unseen.append(str(error))
        finally:
            self.host.budget = None

    def _identified(self, process: Process, own: Sequence[Package], certain: Mapping[str, list[str]]) -> list[Running]:
        packages = [*self.packages, *self._with_services(own)]
        return running(self.host, Identifier(self.host, self.desired, packages, self.homes, certain), [process])

    def _as_a_portable_app(self, process: Process, paths: Sequence[str]) -> list[Running]:
        """What a process is by its files and what lies beside them."""
        apps = [app for path in paths[:MOST_PROGRAMS] for app in self._portable_apps(path)]
        certain = {app.path: app.services for app in apps if not app.doubt and app.kind in RUNNABLE}
        return self._identified(process, (), certain)

    def _portable_apps(self, path: str) -> list[PortableApp]:
        host, home = self.host, self._home_of(path)
        seen = host.stat(path)
        if seen is None:
            return []
        user = self.home_users[home] if home else host.account(seen.st_uid)
        mine = user if user.uid else None
        region = Region({home: user} if home else {}, [home] if home else [], (), mine, self._owned(mine))
        names = self.names.beside(set(user_dirs.of_user(host, user).values()) if home else ())
        apps = scan.check_file(host, self.desired.services, names, region, self.packages, path)
        return [app._replace(services=self.desired.claimed(app.services)) for app in apps]

    def _home_of(self, path: str) -> str:
        while path := path.rpartition("/")[0]:
            if path in self.home_users:
                return path
        return ""

    def _packages_of(self, user: User | None, unseen: list[str]) -> list[Package]:
        packages: list[Package] = []
        for system in ON_DEMAND if user and user.uid else ():
            ids = self.desired.packages[system.MANAGER].keys()
            if ids and user:
                try:
                    found, why = system.query_of(self.host, user, ids)
                    packages += found
                    unseen += [why] if why else []
                except (Unseen, ControlError, OSError) as error:
                    unseen.append(str(error))
        return packages

    def _owned(self, user: User | None) -> list[str]:
        """The directories of package systems: what is in them is theirs to remove, and no portable app."""
        found: list[str] = []
        for system in SYSTEMS:
            with contextlib.suppress(Unseen, ControlError, OSError):
                found += system.owned_directories(self.host, user)
        return found


def _is_open(found: Sequence[Running]) -> bool:
    """Whether it is not certain yet what a process is."""
    return not found or bool(found[0].identity.doubt)


def sets(host: Host, sections: Sequence[PlanSection], restricted: Restricted) -> VerifierSets:
    """What the prefilter lets through (prefilter.py): all that plans enforce at any hour, and that can be certain."""
    parts: set[str] = set()
    exact: set[str] = set()
    stems: set[str] = set()
    store: set[str] = set()
    modules: set[str] = set()
    flatpaks = False
    for section in sections:
        services = {id_: entry for id_, entry in section["services"].items() if _may_be_enforced(entry)}
        desired = Desired({**section, "services": services, "settings": {}})
        names = Names(services)
        parts.update(names.programs, names.marked)
        stems.update(names.stems)
        modules.update(module for of in names.markers.values() for module in of.get("go", ()))
        for path in desired.paths:
            particular = [part for part in path.split("/") if part and part not in COMMON and part != "~"]
            parts.update(particular[-1:])
            exact.add(path)
        for manager, index in desired.packages.items():
            if manager in NIX:
                store.update(index)
            elif manager == FLATPAK:
                flatpaks = flatpaks or bool(index)
            else:
                parts.update(index)
    if restricted.section is not None:
        parts.update(package.path.rpartition("/")[2] for _, package in restricted.packages if package.path)
    parts -= COMMON
    parts.update([BWRAP] if flatpaks else [])
    databases = [path for system in SYSTEMS for path in system.DATABASE_FILES if host.stat(os.path.dirname(path))]
    return {
        "parts": sorted(parts),
        "exact": sorted(exact),
        "stems": sorted(stems),
        "store": sorted(store),
        "modules": sorted(modules),
        "sandboxes": flatpaks,
        "files": databases,
    }


def _may_be_enforced(entry: PlanEntry) -> bool:
    return "enforce" in (entry["mode"], entry.get("otherwise"))

"""What is restricted on a host now, and whether a program is that: by the code that enforces, for single processes.

What counts as certain is decided there (controls/apps), and nowhere else. What a user may have made hang, or made up
in a view of his own, is looked into in a process of its own (host/apart.py), one user at a time.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Collection, Iterator, Mapping, Sequence

from ..controls.apps.desired import Desired
from ..controls.apps.observed import RUNNABLE, Observed
from ..controls.apps.per_user import restored_package
from ..controls.apps.portable import scan, user_dirs
from ..controls.apps.portable.names import SHARED, Names
from ..controls.apps.portable.scan import PortableApp, Region
from ..controls.apps.portable.scan_cache import remembered, stamped
from ..controls.apps.running import Running, identifier, restored, running
from ..controls.apps.systems.installed import installed
from ..controls.apps.systems.package import Package
from ..controls.apps.systems.registry import ON_DEMAND, SYSTEMS
from ..host import ControlError, Host, Process, Unseen, User
from ..host.apart import Limits, each
from ..host.budget import Budget
from ..host.file_scan import mounts, remote
from ..host.processes import RootNotRead
from ..tuples import NamedTuple

APART = Limits(seconds=1.5)  # for the starts of one user
SECONDS = 1.0  # of it, for what lies around a program
SLOW = 0.25  # seconds for a start, above which its user is slow
NIX = ("nix", "guix")
FLATPAK, SNAP = "flatpak", "snap"
BWRAP = "bwrap"  # begins a sandbox of flatpak's; what is in it becomes known a moment later
# Names of directories that say nothing of an app.
COMMON = SHARED | {"usr", "var", "etc", "home", "root", ".local", ".config", ".cache", "snap", "app", "nix", "gnu"}


class Verified(NamedTuple):
    """What some processes are."""

    restricted: list[Running]  # to be ended: known with certainty, and open to nobody by a waiver
    innocent: list[int]  # the numbers of those that are not, with the host's own view of its files
    unclear: list[int]  # and of those that could not be verified now
    slow: list[int]  # the users whose view of their files could not be observed in time


class Restricted:
    """The state of a host at one moment. `section` is the plan's on apps, None where nothing is enforced."""

    def __init__(self, host: Host, section: Mapping[str, Any] | None) -> None:
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
        self.identify = identifier(host, self.desired, self.packages, self.homes, {})

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

    def verify(self, processes: Sequence[Process], avoided: Collection[int] = ()) -> Iterator[Verified]:
        """What some processes are, in parts: first what the kernel's word alone decides, then user by user what has to
        be observed apart. Nobody waits for what a user makes slow; those of `avoided` users stay unclear.
        """
        first = Verified([], [], [], [])
        by_user: dict[int, list[Process]] = {}
        for process in processes:
            if self.section is None:
                first.innocent.append(process.pid)
            elif known := self._by_the_kernel_alone(process):
                self._sort(known, [], process, first)
            else:
                by_user.setdefault(self.host.user_of(process), []).append(process)
        first.unclear.extend(process.pid for uid in by_user if uid in avoided for process in by_user[uid])
        yield first
        users = sorted(by_user.keys() - set(avoided))
        began = time.monotonic()
        for uid, parts, why in each(users, lambda uid: self._around(by_user[uid]), APART):
            took, began = time.monotonic() - began, time.monotonic()
            verified = Verified([], [], [], [uid] if why or took > SLOW * len(by_user[uid]) else [])
            mine = {process.pid: process for process in by_user[uid]}
            for pid, rows, packages in parts:
                own = [restored_package(row) for row in packages]
                self._sort([restored(row) for row in rows], own, mine.pop(pid), verified)
            verified.unclear.extend(mine)
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

    def _around(self, processes: Sequence[Process]) -> Iterator[tuple[int, list[Running], list[Package]]]:
        """What processes of one user are, by what lies around them: (number, what it is, packages that say so)."""
        for process in processes:
            found = running(self.host, self.identify, [process])
            own: list[Package] = []
            if not found or found[0].identity.doubt:
                apps, own = self._own(process)
                packages = [*self.packages, *self._with_services(own)]
                certain = {
                    path: app.services
                    for app in apps
                    if not app.doubt and app.kind in RUNNABLE
                    for path in app.parts or [app.path]
                }
                identify = identifier(self.host, self.desired, packages, self.homes, certain)
                found = running(self.host, identify, [process])
            yield process.pid, found, own

    def _own(self, process: Process) -> tuple[list[PortableApp], list[Package]]:
        """What a program in a user's place is: the portable app of that file, and the packages that he installed."""
        host, path = self.host, process.exe
        home = self._home_of(path)
        places = home or next((place for place in scan.PLACES if path.startswith(f"{place}/")), "")
        if not places or remote(path, mounts(host)):
            return [], []
        host.budget = Budget(seconds=SECONDS)
        try:
            packages = list(self._packages_of(host.owner(process)))
            seen = host.stat(path)
            if seen is None:
                return [], packages
            user = self.home_users[home] if home else host.account(seen.st_uid)
            mine = user if user.uid else None
            region = Region({home: user} if home else {}, [home] if home else [], (), mine, self._owned(mine))
            names = self.names.beside(set(user_dirs.of_user(host, user).values()) if home else ())
            apps = scan.check_file(host, self.desired.services, names, region, self.packages, path)
            claimed = [app._replace(services=self.desired.claimed(app.services)) for app in apps]
            return claimed, packages
        finally:
            host.budget = None

    def _home_of(self, path: str) -> str:
        while path := path.rpartition("/")[0]:
            if path in self.home_users:
                return path
        return ""

    def _packages_of(self, user: User | None) -> Iterator[Package]:
        for system in ON_DEMAND if user and user.uid else ():
            ids = self.desired.packages[system.MANAGER].keys()
            if ids and user:
                with contextlib.suppress(Unseen, ControlError, OSError):
                    yield from system.query_of(self.host, user, ids)[0]

    def _owned(self, user: User | None) -> list[str]:
        """The directories of package systems: what is in them is theirs to remove, and no portable app."""
        found: list[str] = []
        for system in SYSTEMS:
            with contextlib.suppress(Unseen, ControlError, OSError):
                found += system.owned_directories(self.host, user)
        return found


def sets(host: Host, sections: Sequence[Mapping[str, Any]], restricted: Restricted) -> dict[str, Any]:
    """What the prefilter lets through (prefilter.py): all that plans enforce at any hour, and that can be certain."""
    parts: set[str] = set()
    exact: set[str] = set()
    stems: set[str] = set()
    store: set[str] = set()
    flatpaks = False
    for section in sections:
        services = {id_: entry for id_, entry in section["services"].items() if _may_be_enforced(entry)}
        desired = Desired({**section, "services": services, "settings": {}})
        names = Names(services)
        parts.update(names.programs, names.marked)
        stems.update(names.stems)
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
        "sandboxes": flatpaks,
        "files": databases,
    }


def _may_be_enforced(entry: Mapping[str, Any]) -> bool:
    return "enforce" in (entry["mode"], entry.get("otherwise"))

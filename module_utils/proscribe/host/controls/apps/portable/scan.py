"""Portable apps: restricted apps that no package system knows: AppImages, unpacked archives, vendors' own trees,
programs in a Wine prefix. Found by one file scan below the places where software and users' files are.

What such a file is called is its user's word. So what is known by its name or its path alone is reported, and left in
place. What is in it and around it shows for certain whether it is the app (evidence.py). Of that, only what is the
app's own moves (program_parts.py).
"""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING, Collection, Iterator, Mapping, Sequence

from .....base.tuples import NamedTuple
from .....model.finding import Finding
from ....system import ControlError, Host, ObservationError, User, escape_text
from .. import file_owner
from ..systems.package import Package
from . import appimage
from .names import ELECTRON, WEB_APP, Names

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry
    from ....system.file_scan import RememberedDirectory
    from . import evidence

# What is root's alone in the latter ones is the host's; what others put there is scanned on their behalf.
PLACES = ("/opt", "/usr/local", "/srv", "/tmp", "/var/tmp", "/dev/shm", "/media", "/run/media")
SYSTEM_HOMES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
DRIVE = "drive_c"  # of a Wine prefix


class PortableApp(NamedTuple):
    """Something of a restricted app that no package system installed."""

    services: list[str]
    kind: str  # appimage, program, tree, wine, web_app, autostart, launcher
    path: str  # of all that belongs to it, as the file system has it: undecodable bytes are surrogates
    name: str  # of the program
    owner: User | None  # whose home it is in; None for the system's places
    why: str  # how it is known
    doubt: str = ""  # why it stays where it is; "" if it is certain
    version: str = ""  # as its name says, which is its user's word
    uid: int = -1  # whose the program is; -1 where that does not matter
    parts: Sequence[str] = ()  # what of a tree moves, by path; empty if all of it does
    stays: str = ""  # what of it does not, in words

    def finding(self) -> Finding:
        kind = self.kind if self.kind in ("web_app", "autostart", "launcher") else "file"
        scope = f"user:{self.owner.name}" if self.owner else "system"
        version = "version as its name says" if self.version else ""
        detail = ", ".join(filter(None, [self.why, version, self.doubt, self.stays]))
        return Finding(
            kind, escape_text(self.name), self.kind, self.version, scope, escape_text(self.path), escape_text(detail)
        )

    def moves(self, path: str) -> bool:
        """Whether what stands at a path below this one moves with it."""
        return not self.doubt and (
            self.kind == "tree" and (not self.parts or any(f"{path}/".startswith(f"{part}/") for part in self.parts))
        )


class PortableApps(NamedTuple):
    """What was found, and what was not scanned."""

    found: list[PortableApp]
    unseen: list[str]
    web_apps: list[str]  # folders of web apps that a browser installed, whosever these are
    known: Mapping[str, RememberedDirectory]  # what the next scan need not read again, by directory
    others: Mapping[
        int, list[tuple[str, Sequence[str]]]
    ]  # what is to be scanned on somebody's behalf: system/file_scan.py


class Region(NamedTuple):
    """What one scan covers: the host's own places, or all that belongs to one user."""

    homes: Mapping[str, User]  # in which `~/` is searched
    roots: Sequence[str]  # directories with all that is in them
    files: Sequence[tuple[str, Sequence[str]]] = ()  # a shared directory, and the names of single files in it
    user: User | None = None  # whose all of it is; None for the host's
    owned: Sequence[str] = ()  # directories of package systems, out of which nothing is moved


def scan_files(
    host: Host,
    services: Mapping[str, PlanEntry],
    names: Names,
    region: Region,
    packages: Sequence[tuple[list[str], Package]],
    known: Mapping[str, RememberedDirectory],
) -> PortableApps:
    """The portable apps in a region. Those in the system's own places are not reported for a service that a package of
    `packages` already stands for. `known` is what earlier scans remembered.
    """
    if not names.any:
        return PortableApps([], [], [], {}, {})
    installed = {s for listed, package in packages if package.owner is None for s in listed}
    flatpaks = {f"{home}/.local/share/flatpak" for home in region.homes}  # its own module scans there
    scanned = host.scan_directories(region.roots, names.choose, known, flatpaks, separates_owned=region.user is None)
    one = _Search(host, names, region, installed, {service: entry["paths"] for service, entry in services.items()})
    theirs = [directory for listed in scanned.foreign_entries.values() for directory, files in listed if not files]
    for service, entry in services.items():
        for path in entry["paths"]:
            one.named(service, path, theirs)
    for directory, listed in scanned.hits:
        with one.noted():
            one.directory(directory, listed)
    for directory, listed in region.files:
        with one.noted():
            one.directory(directory, listed, set(listed))  # what lies beside them may be anybody's
    web_apps = [
        f"{directory}/{name}" for directory, listed in scanned.hits for name in listed if name.startswith(WEB_APP)
    ]
    return PortableApps(
        _outermost(one.found), [*scanned.unseen, *one.unseen], web_apps, scanned.remembered, scanned.foreign_entries
    )


def check_file(
    host: Host,
    services: Mapping[str, PlanEntry],
    names: Names,
    region: Region,
    packages: Sequence[tuple[list[str], Package]],
    path: str,
) -> list[PortableApp]:
    """The portable apps that one file is, as a file scan finds them: by what is in it and around it, but not what else
    would be moved with it. It costs the same however much lies around it. Raises Unseen and ControlError.
    """
    installed = {s for listed, package in packages if package.owner is None for s in listed}
    paths = {service: entry["paths"] for service, entry in services.items()}
    one = _Search(host, names, region, installed, paths, moves=False)
    directory, _, name = path.rpartition("/")
    chosen = names.choose(directory, [name])
    if chosen:
        from . import evidence

        one.directory(directory, chosen, evidence.around(host, directory, names, name))
    return _outermost(one.found)


def is_home(user: User) -> bool:
    """Whether somebody's home is a person's and not a part of the system (bin's is /bin)."""
    person = user.uid == 0 or user.uid >= 1000 or user.home.startswith("/home/")
    return person and not of_the_system(user.home)


def of_the_system(home: str) -> bool:
    """Whether a home lies where only root puts anything."""
    return any(f"{home}/".startswith(f"{place}/") for place in SYSTEM_HOMES)


class _Search:
    """The check of what the file scan found."""

    def __init__(
        self,
        host: Host,
        names: Names,
        region: Region,
        installed: Collection[str],
        paths: Mapping[str, Sequence[str]],
        moves: bool = True,
    ) -> None:
        self.host = host
        self.names = names
        self.region = region
        self.homes = region.homes
        self.installed = installed
        self.paths = paths
        self.moves = moves  # whether it is asked what moves
        self.found: list[PortableApp] = []
        self.unseen: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """What cannot be checked in one place is noted, and hides nothing of the others."""
        try:
            yield
        except (ObservationError, ControlError) as error:
            self.unseen.append(str(error))

    def named(self, service: str, path: str, theirs: Sequence[str]) -> None:
        """What the catalogue names by its path, absolute or below each home. What is in /usr belongs to packages. What
        is below a directory of `theirs` is scanned on behalf of others.
        """
        if path.startswith("~/"):
            places = [home + path[1:] for home in self.homes]
        else:
            below = self.region.roots if self.region.user else PLACES
            inside = path.startswith(tuple(f"{place}/" for place in below))
            places = [path] if inside and not path.startswith(tuple(f"{place}/" for place in theirs)) else []
        for place in places:
            with self.noted():
                seen = self.host.find_entry(place)
                if seen and (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
                    from . import evidence  # only a host that has something to check pays for it

                    if stat.S_ISDIR(seen.st_mode):
                        self._add(service, "tree", place, evidence.named_directory(self.host, place))
                    else:
                        own = self.names.own(place.rpartition("/")[0], service)
                        self._add(service, "program", place, evidence.named(self.host, place, own))

    def directory(self, directory: str, listed: Collection[str], beside: set[str] | None = None) -> None:
        """The names in a directory that matter; `beside` is what counts as lying there, by default all that does."""
        present = set(self.host.list_directory(directory)) if beside is None else beside
        for name in sorted(present.intersection(listed)):
            path = f"{directory}/{name}"
            if name.startswith(WEB_APP):
                continue  # launchers.py knows whose it is
            seen = self.host.find_entry(path)
            if seen is None or not stat.S_ISREG(seen.st_mode):
                continue
            if name in self.names.desktop_files:
                self._unpacked(directory, name, present)
            elif name in ELECTRON.values():
                self._electron(path)
            elif name in self.names.windows:
                self._windows(path, name)
            elif name.lower().endswith(appimage.SUFFIX) or (self._is_no_program(name) and seen.st_mode & 0o111):
                self._image(path, name, seen.st_size)
            elif seen.st_mode & 0o111:
                self._program(path, name, present)

    def _is_no_program(self, name: str) -> bool:
        return name not in self.names.programs and name not in self.names.marked

    def _program(self, path: str, name: str, beside: set[str]) -> None:
        head = self.host.read_head(path, 11)
        services = [*self.names.programs.get(name, ()), *self.names.marked.get(name, ())]
        if not head.startswith((appimage.ELF, b"#!")):
            return
        from . import evidence

        for service in dict.fromkeys(services):
            if appimage.is_image(head):
                self._add(service, "appimage", path, evidence.image(self.host, path, self.names, service))
            else:
                known = evidence.program(self.host, path, self.names, service, beside, self._at_a_path(path, service))
                self._add(service, "program", path, known)

    def _at_a_path(self, path: str, service: str) -> bool:
        """Whether a path lies below one that the catalogue names."""
        forms = [path, *("~" + path[len(home) :] for home in self.homes if path.startswith(home + "/"))]
        return any(form.startswith(f"{named}/") for form in forms for named in self.paths.get(service, ()))

    def _image(self, path: str, name: str, size: int) -> None:
        services = self.names.images(name)
        if name in self.names.portable_apps:
            self._portable_app(path, name)
            return
        image = appimage.is_image(self.host.read_head(path, 11)) if services else False
        if image and (name.lower().endswith(appimage.SUFFIX) or size >= appimage.SMALLEST):
            from . import evidence

            for service in services:
                self._add(service, "appimage", path, evidence.image(self.host, path, self.names, service))
        elif services and not image:
            from . import evidence

            for service in services:  # a tool as its maker publishes it: cloudflared-linux-amd64
                if "go" in self.names.markers.get(service, ()):
                    self._add(service, "program", path, evidence.tool(self.host, path, self.names, service))

    def _portable_app(self, path: str, name: str) -> None:
        """An unpacked browser counts in a home, and with the rest of a browser around it."""
        if self._owner(path) and self.host.read_head(path, 4) == appimage.ELF:
            from . import evidence

            if sign := evidence.sign(self.host, path.rpartition("/")[0]):
                for service in self.names.portable_apps[name]:
                    self._add(service, "program", path, evidence.Known(f"a copy of a browser, beside {sign}"))

    def _electron(self, path: str) -> None:
        from . import evidence

        for service, known in evidence.electron_app(self.host, path, self.names, (*self.homes, *PLACES)).items():
            self._add(service, "tree", path.rpartition("/resources/")[0], known)

    def _windows(self, path: str, name: str) -> None:
        drive, found, inside = path.rpartition(f"/{DRIVE}/")
        if not found or self.host.read_head(path, 2) != b"MZ":
            return
        from . import evidence

        for service, endings in self.names.windows[name].items():
            known_path = any(f"/{inside}".lower().endswith(ending) for ending in endings)
            self._add(service, "wine", path, evidence.windows(self.host, path, known_path))

    def _unpacked(self, directory: str, name: str, beside: set[str]) -> None:
        """A desktop entry of the app's own in a directory of the app's name: an archive that somebody unpacked."""
        for service in self.names.desktop_files[name]:
            if self.names.own(directory, service):
                from . import evidence

                self._add(service, "tree", directory, evidence.unpacked(self.host, directory, name, beside))

    def _owner(self, path: str) -> User | None:
        above = path
        while above := above.rpartition("/")[0]:
            if above in self.homes:
                return self.homes[above]
        return self.region.user

    def _add(self, service: str, kind: str, path: str, known: evidence.Known | None) -> None:
        owner = self._owner(path)
        if known is None or (not owner and service in self.installed):
            return
        seen = self.host.find_entry(path)
        uid = seen.st_uid if seen else -1
        doubt = known.doubt
        if not doubt and path.startswith(tuple(f"{tree}/" for tree in self.region.owned)):
            doubt = "a package system owns it, so it is not moved"
        if not owner and not doubt and (package := file_owner.owner(self.host, path)):
            doubt = f"it belongs to {package}, so it is not moved"
        whole, stays = path, ""
        parts: Sequence[str] = ()
        directory = path if kind == "tree" else path.rpartition("/")[0]
        if self.moves and known.own and not doubt and directory not in (*self.homes, *PLACES):
            from . import evidence

            kind, whole = "tree", directory
            parts, stays, doubt = evidence.moving(self.host, directory, path, self.names, service, uid)
        name = path.rpartition("/")[2]
        self.found.append(
            PortableApp([service], kind, whole, name, owner, known.why, doubt, self._version(path), uid, parts, stays)
        )

    @staticmethod
    def _version(path: str) -> str:
        *_, parent, name = path.split("/")
        return appimage.version(name) or appimage.version(parent)


def _outermost(found: Sequence[PortableApp]) -> list[PortableApp]:
    """Each portable app once, without those inside a certain one, with the services of those that are the same."""
    merged: dict[str, PortableApp] = {}
    for app in sorted(found, key=lambda app: (app.path, bool(app.doubt), app.services)):
        within = next((merged[above] for above in _upwards(app.path) if above in merged), None)
        if within is None or (within.path != app.path and not within.moves(app.path)):
            merged[app.path] = app
        else:
            within.services.extend(s for s in app.services if s not in within.services and within.path == app.path)
    return list(merged.values())


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]

"""Copies of restricted apps that no package system knows: AppImages, unpacked archives, vendors' own trees, programs in
a Wine prefix. Found by one walk below the places where software and users' files are.

What such a file says about itself is its user's word. So a file that is only named like a program is told, and left
where it is; certain is what the catalogue names by its path, or what has the rest of an app around it.
"""

from __future__ import annotations

import contextlib
import stat
from typing import Any, Collection, Iterator, Mapping, Sequence

from ...finding import Finding
from ...host import ControlError, Host, Unseen, User, escaped
from ...tuples import NamedTuple
from . import appimage, owners
from .copy_names import WEB_APP, Names
from .package import Package

# What is root's alone in the latter ones is the host's; what others put there is looked at on their behalf.
PLACES = ("/opt", "/usr/local", "/srv", "/tmp", "/var/tmp", "/dev/shm", "/media", "/run/media")
SYSTEM_HOMES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
DRIVE = "drive_c"  # of a Wine prefix
# What lies beside the program of an app, and of nothing else: parts of Electron, CEF and Gecko, an unpacked AppImage's
# starter, Telegram's updater.
PARTS = frozenset(
    (
        "AppRun",
        "Updater",
        "chrome-sandbox",
        "chrome_100_percent.pak",
        "icudtl.dat",
        "libcef.so",
        "libffmpeg.so",
        "libxul.so",
        "omni.ja",
        "resources.pak",
        "snapshot_blob.bin",
        "v8_context_snapshot.bin",
    )
)


class Copy(NamedTuple):
    """Something of a restricted app that no package system installed."""

    services: list[str]
    kind: str  # appimage, program, tree, wine, web_app, autostart, launcher
    path: str  # of all that belongs to it, as the file system has it: undecodable bytes are surrogates
    name: str  # of the program
    owner: User | None  # whose home it is in; None for the system's places
    why: str  # how it is known
    doubt: str = ""  # why it stays where it is; "" if it is certain
    version: str = ""

    def finding(self) -> Finding:
        kind = self.kind if self.kind in ("web_app", "autostart", "launcher") else "file"
        scope = f"user:{self.owner.name}" if self.owner else "system"
        detail = ", ".join(filter(None, [self.why, self.doubt]))
        return Finding(kind, escaped(self.name), self.kind, self.version, scope, escaped(self.path), escaped(detail))


class Copies(NamedTuple):
    """What was found, and what was not looked at."""

    found: list[Copy]
    unseen: list[str]
    web_apps: list[str]  # folders of web apps that a browser installed, whosever these are
    known: Mapping[str, Any]  # what the next walk need not read again, by directory
    others: Mapping[
        int, list[tuple[str, Sequence[str]]]
    ]  # what is to be looked at on somebody's behalf: host/walking.py


class Region(NamedTuple):
    """What one look goes over: the host's own places, or all that belongs to one user."""

    homes: Mapping[str, User]  # in which `~/` is looked for
    roots: Sequence[str]  # directories with all that is in them
    files: Sequence[tuple[str, Sequence[str]]] = ()  # a shared directory, and the names of single files in it
    user: User | None = None  # whose all of it is; None for the host's
    owned: Sequence[str] = ()  # directories of package systems, out of which nothing is moved


def look(
    host: Host,
    services: Mapping[str, Mapping[str, Any]],
    names: Names,
    region: Region,
    packages: Sequence[tuple[list[str], Package]],
    known: Mapping[str, Any],
) -> Copies:
    """The copies in a region. Those in the system's own places are not reported for a service that a package of
    `packages` already stands for. `known` is what earlier walks remembered.
    """
    if not names.all:
        return Copies([], [], [], {}, {})
    installed = {s for listed, package in packages if package.owner is None for s in listed}
    flatpaks = {f"{home}/.local/share/flatpak" for home in region.homes}  # its own file looks there
    walked = host.walk(region.roots, names.choose, known, flatpaks, apart=region.user is None)
    one = _Looking(host, names, region, installed)
    theirs = [directory for listed in walked.others.values() for directory, files in listed if not files]
    for service, entry in services.items():
        for path in entry["paths"]:
            one.named(service, path, theirs)
    for directory, listed in walked.hits:
        with one.noted():
            one.directory(directory, listed)
    for directory, listed in region.files:
        with one.noted():
            one.directory(directory, listed, set(listed))  # what lies beside them may be anybody's
    web_apps = [
        f"{directory}/{name}" for directory, listed in walked.hits for name in listed if name.startswith(WEB_APP)
    ]
    return Copies(_outermost(one.found), [*walked.unseen, *one.unseen], web_apps, walked.known, walked.others)


def is_home(user: User) -> bool:
    """Whether somebody's home is a person's and not a part of the system (bin's is /bin)."""
    person = user.uid == 0 or user.uid >= 1000 or user.home.startswith("/home/")
    return person and not any(f"{user.home}/".startswith(f"{place}/") for place in SYSTEM_HOMES)


class _Looking:
    """One look at what the walk stopped at."""

    def __init__(self, host: Host, names: Names, region: Region, installed: Collection[str]) -> None:
        self.host = host
        self.names = names
        self.region = region
        self.homes = region.homes
        self.installed = installed
        self.found: list[Copy] = []
        self.unseen: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """What cannot be looked at in one place is noted, and hides nothing of the others."""
        try:
            yield
        except (Unseen, ControlError) as error:
            self.unseen.append(str(error))

    def named(self, service: str, path: str, theirs: Sequence[str]) -> None:
        """What the catalogue names by its path, absolute or below each home; what is in /usr belongs to packages, and
        what is below a directory of `theirs` is looked at on behalf of others.
        """
        if path.startswith("~/"):
            places = [home + path[1:] for home in self.homes]
        else:
            below = self.region.roots if self.region.user else PLACES
            inside = path.startswith(tuple(f"{place}/" for place in below))
            places = [path] if inside and not path.startswith(tuple(f"{place}/" for place in theirs)) else []
        for place in places:
            with self.noted():
                seen = self.host.stat(place)
                if seen and (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
                    kind = "tree" if stat.S_ISDIR(seen.st_mode) else "program"
                    self._add([service], kind, place, "the catalogue names this path")

    def directory(self, directory: str, listed: Collection[str], beside: set[str] | None = None) -> None:
        """The names in a directory that matter; `beside` is what counts as lying there, by default all that does."""
        present = set(self.host.list(directory)) if beside is None else beside
        for name in sorted(present.intersection(listed)):
            path = f"{directory}/{name}"
            if name.startswith(WEB_APP):
                continue  # launchers.py knows whose it is
            if name in self.names.desktop_files:
                self._unpacked(directory, name)
                continue
            seen = self.host.stat(path)
            if seen is None or not stat.S_ISREG(seen.st_mode):
                continue
            if name in self.names.windows:
                self._windows(path, name)
            elif name.lower().endswith(appimage.SUFFIX) or (name not in self.names.programs and seen.st_mode & 0o111):
                self._image(path, name, seen.st_size)
            elif seen.st_mode & 0o111:
                self._program(path, name, present)

    def _program(self, path: str, name: str, beside: set[str]) -> None:
        head = self.host.head(path, 11)
        services = self.names.programs.get(name, [])
        if appimage.is_image(head):
            self._add(services, "appimage", path, "an AppImage of that name")
            return
        if not head.startswith((appimage.ELF, b"#!")):
            return
        signs = sorted(beside & PARTS)
        for service in services:
            others = [other for other in beside if other != name and service in self.names.programs.get(other, ())]
            if signs or others:
                self._add([service], "program", path, f"a program of that name, beside {(signs or sorted(others))[0]}")
            elif head.startswith(appimage.ELF):
                doubt = "known by its name alone, so it is not moved"
                self._add([service], "program", path, "a program of that name", doubt)

    def _image(self, path: str, name: str, size: int) -> None:
        services = self.names.stems.get(appimage.stem(name), [])
        if name in self.names.copies:
            self._copy(path, name)
        elif not name.lower().endswith(appimage.SUFFIX) and size < appimage.SMALLEST:
            pass
        elif services and appimage.is_image(self.host.head(path, 11)):
            self._add(services, "appimage", path, "an AppImage of that name")

    def _copy(self, path: str, name: str) -> None:
        """A copy of a browser counts in a home, and with the rest of a browser around it."""
        beside = PARTS.intersection(self.host.list(path.rpartition("/")[0]))
        if beside and self._owner(path) and self.host.head(path, 4) == appimage.ELF:
            self._add(self.names.copies[name], "program", path, f"a copy of a browser, beside {min(beside)}")

    def _windows(self, path: str, name: str) -> None:
        drive, found, inside = path.rpartition(f"/{DRIVE}/")
        if not found or self.host.head(path, 2) != b"MZ":
            return
        for service, endings in self.names.windows[name].items():
            if any(f"/{inside}".lower().endswith(ending) for ending in endings):
                self._add([service], "wine", path, "a Windows program at the path that the catalogue names")
            else:
                doubt = "known by its name alone, so it is not moved"
                self._add([service], "wine", path, "a Windows program of that name", doubt)

    def _unpacked(self, directory: str, name: str) -> None:
        """A desktop entry of the app's own in a directory of the app's name: an archive that somebody unpacked."""
        for service in self.names.desktop_files[name]:
            if self.names.own(directory, service):
                self._add([service], "tree", directory, f"an unpacked app, with its {name}")

    def _owner(self, path: str) -> User | None:
        above = path
        while above := above.rpartition("/")[0]:
            if above in self.homes:
                return self.homes[above]
        return self.region.user

    def _add(self, services: Sequence[str], kind: str, path: str, why: str, doubt: str = "") -> None:
        owner = self._owner(path)
        left = list(services) if owner else [s for s in services if s not in self.installed]
        name = path.rpartition("/")[2]
        for service in left:
            parent = path.rpartition("/")[0]
            whole = path
            if not doubt and kind == "program" and self._is_own(parent, service):
                kind, whole = "tree", parent
            if not doubt and path.startswith(tuple(f"{tree}/" for tree in self.region.owned)):
                doubt = "a package system owns it, so it is not moved"
            if not owner and not doubt and (package := owners.owner(self.host, path)):
                doubt = f"it belongs to {package}, so it is not moved"
            self.found.append(Copy([service], kind, whole, name, owner, why, doubt, self._version(path)))

    def _is_own(self, directory: str, service: str) -> bool:
        return directory not in (*self.homes, *PLACES) and self.names.own(directory, service)

    @staticmethod
    def _version(path: str) -> str:
        *_, parent, name = path.split("/")
        return appimage.version(name) or appimage.version(parent)


def _outermost(found: Sequence[Copy]) -> list[Copy]:
    """Each copy once, without what lies in one that is certain, with the services of those that are the same."""
    merged: dict[str, Copy] = {}
    for copy in sorted(found, key=lambda copy: (copy.path, bool(copy.doubt), copy.services)):
        within = next((merged[above] for above in _upwards(copy.path) if above in merged), None)
        if within is None or (within.path != copy.path and (within.doubt or within.kind != "tree")):
            merged[copy.path] = copy
        else:
            within.services.extend(s for s in copy.services if s not in within.services and within.path == copy.path)
    return list(merged.values())


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]

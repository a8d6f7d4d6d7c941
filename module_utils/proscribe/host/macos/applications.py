"""The applications of a Mac: bundles by their own identifier, and what Homebrew installed.

An application is a directory that ends with .app; what it calls itself is in its Info.plist. They are looked for in
/Applications, in that of every home, and in the directories below. What is deeper than these are read, or cannot be
read, is unknown. Wherever else one lies, it is found while it runs.
"""

from __future__ import annotations

import contextlib
import stat
from typing import Iterator, Mapping, Sequence

from ...base.tuples import NamedTuple
from ...model.finding import Finding
from ..controls.apps.systems.brew import KINDS
from ..system import ControlError, Host, ObservationError, escape_text
from ..system.budget import ReadBudget
from .property_list import read

FOLDER, HOMES = "/Applications", "/Users"
NO_HOMES = ("Shared", "Guest", ".localized", "Deleted Users")
INFO = "Contents/Info.plist"
IDENTIFIER, VERSION = "CFBundleIdentifier", "CFBundleShortVersionString"
HOMEBREW = ("/opt/homebrew", "/usr/local")
MOST = 5000  # applications of one folder
DEEPEST = 6  # directories below each other in a folder
MOST_DIRECTORIES = 5000  # of one folder
SECONDS = 10.0  # for a home


class Application(NamedTuple):
    """An application that is there."""

    id: str  # what it calls itself
    path: str
    version: str = ""  # where root alone can have written it
    user: str = ""  # in whose home it is; "" for all users

    def finding(self) -> Finding:
        scope = f"user:{self.user}" if self.user else "system"
        return Finding(
            "package", escape_text(self.id), "macos", escape_text(self.version), scope, escape_text(self.path)
        )


class Found(NamedTuple):
    """The applications that were found, and why these may not be all."""

    applications: list[Application]
    unseen: list[str]


def find(host: Host) -> Found:
    """The applications of all users, and of each."""
    found = _of_folder(host, FOLDER, "")
    for home, name in homes(host, found.unseen):
        host.budget = ReadBudget(seconds=SECONDS)
        try:
            own = _of_folder(host, f"{home}{FOLDER}", name)
        finally:
            host.budget = None
        found.applications.extend(own.applications)
        found.unseen.extend(own.unseen)
    return found


def homes(host: Host, unseen: list[str]) -> Iterator[tuple[str, str]]:
    """The homes of users, each with the name of its account, which is that of the directory."""
    try:
        names = host.list_directory(HOMES)
        if not names:
            unseen.append(f"{HOMES} has no homes")
        for name in names:
            seen = host.find_entry(f"{HOMES}/{name}")
            if name not in NO_HOMES and seen is not None and stat.S_ISDIR(seen.st_mode):
                yield f"{HOMES}/{name}", name
    except (ObservationError, ControlError) as why:
        unseen.append(str(why))


def _of_folder(host: Host, folder: str, user: str) -> Found:
    found = Found([], [])
    try:
        seen = host.find_entry(folder)
        if seen is None:
            return found
        if not stat.S_ISDIR(seen.st_mode):
            found.unseen.append(f"{escape_text(folder)} is no directory")
            return found
        for path in _bundles(host, folder, found.unseen):
            if len(found.applications) >= MOST:
                raise ObservationError(f"{folder} has more than {MOST:,} applications")
            # A bundle that says nothing of itself cannot be started as an application either.
            with contextlib.suppress(ControlError):
                if one := application(host, path, user):
                    found.applications.append(one)
    except (ObservationError, ControlError) as why:
        found.unseen.append(escape_text(str(why)))
    return found


def _bundles(host: Host, folder: str, unseen: list[str]) -> Iterator[str]:
    """The applications in a folder and below. What cannot be read, or is too deep or too much, is noted; all else is
    read.
    """
    missed = []
    left = [(folder, 0)]
    for _ in range(MOST_DIRECTORIES):
        if not left:
            break
        directory, depth = left.pop()
        try:
            if depth > DEEPEST:
                raise ObservationError(f"{directory} is too deep to be read")
            for path in _directories(host, directory):
                if path.endswith(".app") and host.find_entry(f"{path}/{INFO}") is not None:
                    yield path
                else:
                    left.append((path, depth + 1))
        except (ObservationError, ControlError) as why:
            missed.append(escape_text(str(why)))
    if left:
        missed.append(f"{folder} has more than {MOST_DIRECTORIES:,} directories")
    if missed:
        unseen.append(missed[0] + (f", and {len(missed) - 1} more directories" if len(missed) > 1 else ""))


def _directories(host: Host, directory: str) -> Iterator[str]:
    """The directories in one; a link is followed nowhere."""
    for name in host.list_directory(directory):
        seen = host.find_entry(f"{directory}/{name}")
        if seen is not None and stat.S_ISDIR(seen.st_mode):
            yield f"{directory}/{name}"


def application(host: Host, path: str, user: str = "") -> Application | None:
    """The application at a path; None where there is none. Raises Unseen, and ControlError for what is none."""
    said = read(host, f"{path}/{INFO}") or {}
    id_, version = said.get(IDENTIFIER), said.get(VERSION)
    if not isinstance(id_, str) or not id_:
        return None
    trusted = version[:100] if isinstance(version, str) and not user and _of_root(host, path) else ""
    return Application(id_[:200], path, trusted, user)


def _of_root(host: Host, path: str) -> bool:
    """Whether root alone can write what an application says of itself."""
    for one in (path, f"{path}/Contents", f"{path}/{INFO}"):
        seen = host.find_entry(one)
        if seen is None or host.describe_write_access(one, seen):
            return False
    return True


def find_brewed(
    host: Host, packages: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[list[tuple[str, Finding]], list[str]]:
    """What Homebrew installed of some packages, which are by its kinds, then by name, with the services that each is
    of: (service, finding), and why these may not be all.
    """
    found: list[tuple[str, Finding]] = []
    unseen: list[str] = []
    for prefix in HOMEBREW:
        for kind, room in KINDS.items():
            try:
                for name in host.list_directory(f"{prefix}/{room}"):
                    path = f"{prefix}/{room}/{name}"
                    for service in packages[kind].get(name, ()):
                        found.append((service, Finding("package", name, kind, "", "system", path)))
            except (ObservationError, ControlError) as why:
                unseen.append(escape_text(str(why)))
    return found, unseen

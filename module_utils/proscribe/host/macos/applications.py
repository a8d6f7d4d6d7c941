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
from ..controls.apps.systems.brew import PACKAGE_DIRECTORIES
from ..system import ControlError, Host, ObservationError, escape_text
from ..system.budget import ReadBudget
from .property_list import read_property_list

APPLICATIONS_FOLDER, HOMES_DIRECTORY = "/Applications", "/Users"
IGNORED_HOMES = ("Shared", "Guest", ".localized", "Deleted Users")
INFO_FILE = "Contents/Info.plist"
IDENTIFIER_KEY, VERSION_KEY = "CFBundleIdentifier", "CFBundleShortVersionString"
HOMEBREW_PREFIXES = ("/opt/homebrew", "/usr/local")
MAX_APPLICATIONS = 5000  # applications of one folder
MAX_DEPTH = 6  # directories below each other in a folder
MAX_DIRECTORIES = 5000  # of one folder
HOME_TIMEOUT_SECONDS = 10.0  # for a home


class MacApplication(NamedTuple):
    """An application that is there."""

    bundle_id: str  # what it calls itself
    path: str
    version: str = ""  # where root alone can have written it
    user: str = ""  # in whose home it is; "" for all users

    def make_finding(self) -> Finding:
        scope = f"user:{self.user}" if self.user else "system"
        return Finding(
            "package", escape_text(self.bundle_id), "macos", escape_text(self.version), scope, escape_text(self.path)
        )


class ApplicationScan(NamedTuple):
    """The applications that were found, and why these may not be all."""

    applications: list[MacApplication]
    unseen_reasons: list[str]


def find_applications(host: Host) -> ApplicationScan:
    """The applications of all users, and of each."""
    scan = _scan_folder(host, APPLICATIONS_FOLDER, "")
    for home, name in list_homes(host, scan.unseen_reasons):
        host.budget = ReadBudget(seconds=HOME_TIMEOUT_SECONDS)
        try:
            home_scan = _scan_folder(host, f"{home}{APPLICATIONS_FOLDER}", name)
        finally:
            host.budget = None
        scan.applications.extend(home_scan.applications)
        scan.unseen_reasons.extend(home_scan.unseen_reasons)
    return scan


def list_homes(host: Host, unseen_reasons: list[str]) -> Iterator[tuple[str, str]]:
    """The homes of users, each with the name of its account, which is that of the directory."""
    try:
        names = host.list_directory(HOMES_DIRECTORY)
        if not names:
            unseen_reasons.append(f"{HOMES_DIRECTORY} has no homes")
        for name in names:
            status = host.find_entry(f"{HOMES_DIRECTORY}/{name}")
            if name not in IGNORED_HOMES and status is not None and stat.S_ISDIR(status.st_mode):
                yield f"{HOMES_DIRECTORY}/{name}", name
    except (ObservationError, ControlError) as error:
        unseen_reasons.append(str(error))


def _scan_folder(host: Host, folder: str, user: str) -> ApplicationScan:
    scan = ApplicationScan([], [])
    try:
        status = host.find_entry(folder)
        if status is None:
            return scan
        if not stat.S_ISDIR(status.st_mode):
            scan.unseen_reasons.append(f"{escape_text(folder)} is no directory")
            return scan
        for path in _find_bundles(host, folder, scan.unseen_reasons):
            if len(scan.applications) >= MAX_APPLICATIONS:
                raise ObservationError(f"{folder} has more than {MAX_APPLICATIONS:,} applications")
            # A bundle that says nothing of itself cannot be started as an application either.
            with contextlib.suppress(ControlError):
                if found_application := read_application(host, path, user):
                    scan.applications.append(found_application)
    except (ObservationError, ControlError) as error:
        scan.unseen_reasons.append(escape_text(str(error)))
    return scan


def _find_bundles(host: Host, folder: str, unseen_reasons: list[str]) -> Iterator[str]:
    """The applications in a folder and below. What cannot be read, or is too deep or too much, is noted; all else is
    read.
    """
    failures = []
    pending = [(folder, 0)]
    for _ in range(MAX_DIRECTORIES):
        if not pending:
            break
        directory, depth = pending.pop()
        try:
            if depth > MAX_DEPTH:
                raise ObservationError(f"{directory} is too deep to be read")
            for path in _list_directories(host, directory):
                if path.endswith(".app") and host.find_entry(f"{path}/{INFO_FILE}") is not None:
                    yield path
                else:
                    pending.append((path, depth + 1))
        except (ObservationError, ControlError) as error:
            failures.append(escape_text(str(error)))
    if pending:
        failures.append(f"{folder} has more than {MAX_DIRECTORIES:,} directories")
    if failures:
        unseen_reasons.append(
            failures[0] + (f", and {len(failures) - 1} more directories" if len(failures) > 1 else "")
        )


def _list_directories(host: Host, directory: str) -> Iterator[str]:
    """The directories in one; a link is followed nowhere."""
    for name in host.list_directory(directory):
        status = host.find_entry(f"{directory}/{name}")
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield f"{directory}/{name}"


def read_application(host: Host, path: str, user: str = "") -> MacApplication | None:
    """The application at a path; None where there is none. Raises Unseen, and ControlError for what is none."""
    properties = read_property_list(host, f"{path}/{INFO_FILE}") or {}
    bundle_id, version = properties.get(IDENTIFIER_KEY), properties.get(VERSION_KEY)
    if not isinstance(bundle_id, str) or not bundle_id:
        return None
    trusted_version = version[:100] if isinstance(version, str) and not user and _is_root_only(host, path) else ""
    return MacApplication(bundle_id[:200], path, trusted_version, user)


def _is_root_only(host: Host, path: str) -> bool:
    """Whether root alone can write what an application says of itself."""
    for part_path in (path, f"{path}/Contents", f"{path}/{INFO_FILE}"):
        status = host.find_entry(part_path)
        if status is None or host.describe_write_access(part_path, status):
            return False
    return True


def find_homebrew_packages(
    host: Host, packages: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[list[tuple[str, Finding]], list[str]]:
    """What Homebrew installed of some packages, which are by its kinds, then by name, with the services that each is
    of: (service, finding), and why these may not be all.
    """
    findings: list[tuple[str, Finding]] = []
    unseen_reasons: list[str] = []
    for prefix in HOMEBREW_PREFIXES:
        for kind, kind_directory in PACKAGE_DIRECTORIES.items():
            try:
                for name in host.list_directory(f"{prefix}/{kind_directory}"):
                    path = f"{prefix}/{kind_directory}/{name}"
                    for service in packages[kind].get(name, ()):
                        findings.append((service, Finding("package", name, kind, "", "system", path)))
            except (ObservationError, ControlError) as error:
                unseen_reasons.append(escape_text(str(error)))
    return findings, unseen_reasons

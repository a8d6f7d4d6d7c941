"""Applications of a Mac: bundles by their identifier, and packages of Homebrew.

An application is a directory whose name ends with .app. Its Info.plist has its identifier. The search covers
/Applications, the Applications folder of every home, and the directories below them. Directories that are too deep or
unreadable are reported as unknown. An application elsewhere is observed only while it runs.
"""

from __future__ import annotations

import contextlib
import stat
from typing import Iterator, Mapping, Sequence

from ...base.named_tuple import NamedTuple
from ...model.finding import Finding
from ..controls.apps.systems.brew import PACKAGE_DIRECTORIES
from ..system import ControlError, Host, ObservationError, escape_text
from ..system.budget import ReadBudget
from .property_list import read_property_list

APPLICATIONS_FOLDER, HOMES_DIRECTORY = "/Applications", "/Users"
IGNORED_HOMES = ("Shared", "Guest", ".localized", "Deleted Users")
INFO_FILE, PROGRAMS_FOLDER = "Contents/Info.plist", "Contents/MacOS"
IDENTIFIER_KEY, VERSION_KEY = "CFBundleIdentifier", "CFBundleShortVersionString"
HOMEBREW_PREFIXES = ("/opt/homebrew", "/usr/local")
MAX_APPLICATIONS = 5000  # most applications of one folder that are listed
MAX_DEPTH = 6  # deepest level of directories below a folder that is read
MAX_DIRECTORIES = 5000  # most directories of one folder that are read
HOME_TIMEOUT_SECONDS = 10.0  # for reading the applications of one home


class MacApplication(NamedTuple):
    """Application in a folder of the Mac."""

    bundle_id: str  # the identifier in its Info.plist
    path: str
    version: str = ""  # "" unless only root can have written the version
    user: str = ""  # the user whose home has the application; "" for all users

    def make_finding(self) -> Finding:
        scope = f"user:{self.user}" if self.user else "system"
        return Finding(
            "package", escape_text(self.bundle_id), "macos", escape_text(self.version), scope, escape_text(self.path)
        )


class ApplicationScan(NamedTuple):
    """Applications of the Mac, and the reasons why the list may be incomplete."""

    applications: list[MacApplication]
    unseen_reasons: list[str]


def find_applications(host: Host) -> ApplicationScan:
    """Return the applications in the folder for all users, and in the Applications folder of each home."""
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
    """Yield (path, account name) for each home below /Users.

    The directory's name counts as the account's name. Reasons why homes may be missing from the list are added to
    `unseen_reasons`.
    """
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
    """Return the applications in a folder and below. A missing folder has none.

    `user` is the user whose home has the folder; "" for the folder of all users.
    """
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
            # Skip a bundle with a bad Info.plist or without an identifier: macOS cannot start it as an application.
            with contextlib.suppress(ControlError):
                if found_application := read_application(host, path, user):
                    scan.applications.append(found_application)
    except (ObservationError, ControlError) as error:
        scan.unseen_reasons.append(escape_text(str(error)))
    return scan


def _find_bundles(host: Host, folder: str, unseen_reasons: list[str]) -> Iterator[str]:
    """Yield the paths of the applications in a folder and below.

    An application is a directory NAME.app with an Info.plist. Directories that are unreadable, too deep or too many are
    skipped. One message about all of them is added to `unseen_reasons`.
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
    """Yield the paths of the directories directly inside a directory. Symbolic links are left out."""
    for name in host.list_directory(directory):
        status = host.find_entry(f"{directory}/{name}")
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield f"{directory}/{name}"


def read_application(host: Host, path: str, user: str = "") -> MacApplication | None:
    """Return the application at a path; None if its Info.plist has no identifier, or the bundle has no program.

    A bundle without a program is what a removal left behind.

    `user` is the user whose home has the application; "" for all users. Raises ObservationError, and ControlError for a
    bad Info.plist.
    """
    properties = read_property_list(host, f"{path}/{INFO_FILE}") or {}
    bundle_id, version = properties.get(IDENTIFIER_KEY), properties.get(VERSION_KEY)
    if not isinstance(bundle_id, str) or not bundle_id or not _has_program(host, path):
        return None
    trusted_version = version[:100] if isinstance(version, str) and not user and _is_root_only(host, path) else ""
    return MacApplication(bundle_id[:200], path, trusted_version, user)


def _has_program(host: Host, path: str) -> bool:
    """Return True if a bundle has a program, or if its folder of programs cannot be read."""
    try:
        return bool(host.list_directory(f"{path}/{PROGRAMS_FOLDER}"))
    except (ObservationError, ControlError):
        return True


def _is_root_only(host: Host, path: str) -> bool:
    """Return whether root alone can write the Info.plist of an application."""
    for part_path in (path, f"{path}/Contents", f"{path}/{INFO_FILE}"):
        status = host.find_entry(part_path)
        if status is None or host.describe_write_access(part_path, status):
            return False
    return True


def find_homebrew_packages(
    host: Host, packages: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[list[tuple[str, Finding]], list[str]]:
    """Return the installed Homebrew packages of restricted services, and the reasons why some may be missing.

    The packages are pairs (service id, finding). `packages` has service ids by kind and name of a package.
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

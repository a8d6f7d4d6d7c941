"""What a Windows host has of programs: by uninstall keys, by paths of their own (App Paths), by app packages, and by
what users have started.

The last is a trace. The desktop notes each program that a user has started, by its path, with its name and its
company (MuiCache; forms as in fox-it/dissect.target). The Background Activity Moderator notes for some days what each
user has run, logged in or not (artefacts.help, winreg-kb). Neither says whether the program is still there. The paths
themselves are never opened: with one on a network, a user could have the account of the audit log in to a server of
his own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...host.system.types import escape_text
from ...model.finding import Finding
from . import packages
from .accounts import explain_absent_users, is_user_account, list_logged_in_users
from .answer import WindowsAnswer
from .command import (
    APP_PATHS_KEY,
    MACHINE_HIVE,
    STARTED_KEY,
    STARTED_LATELY_KEY,
    UNINSTALL_KEY,
    UNINSTALL_KEY_32_BIT,
    USERS_HIVE,
)
from .packages import WINDOWS_MANAGER, AppPackages
from .registry import RegistryValue, WindowsRegistry

NARROW_REASON = "a program of 32 bits answered there, which does not see those of 64"
NO_KEYS_REASON = "the uninstall keys of {} cannot be read there"
NO_PATHS_REASON = "the paths of programs (App Paths) of {} cannot be read there"
NO_TRACES_REASON = "what a user who is logged in has started cannot be read there"
MANY_TRACES_REASON = "a user has more notes of started programs than are compared"
MACHINE_SUBJECT, USER_SUBJECT = "the machine", "a user who is logged in"
FRIENDLY_NAME_SUFFIX, COMPANY_SUFFIX = ".friendlyappname", ".applicationcompany"
MAX_STARTED_NOTES = 20_000  # notes of one user that are compared; some hundreds are usual
# What a path begins with: a drive, or a volume.
_VOLUME_PATTERN = re.compile(r"[a-z]:|\\device\\harddiskvolume\d{1,4}", re.IGNORECASE)
CLASSES_SUFFIX = "_Classes"  # behind the account of a user whose part of the registry with these keys is loaded
STORE_FOLDER = "\\program files\\windowsapps\\"


class InstalledProgram(NamedTuple):
    """A program by one of the keys that name it. Texts are as the installer wrote them, "" for none."""

    key: str
    name: str = ""
    publisher: str = ""
    version: str = ""
    location: str = ""
    icon: str = ""
    uninstall: str = ""
    account: str = ""  # whose own it is, by the account's identifier; "" for the machine's
    program: str = ""  # its path, where that is all that is known

    def make_finding(self, detail: str, kind: str = "package") -> Finding:
        scope = f"user:{self.account}" if self.account else "system"
        texts = (self.name or self.key, self.version, self.location or self.program)
        escaped_texts = [escape_text(text) for text in texts]
        return Finding(kind, escaped_texts[0], WINDOWS_MANAGER, escaped_texts[1], scope, escaped_texts[2], detail)


class WindowsSoftware(NamedTuple):
    """What was found on a host, and why that may not be all."""

    programs: list[InstalledProgram]
    path_programs: list[InstalledProgram]
    started_programs: list[InstalledProgram]
    packages: AppPackages
    unseen_reasons: list[str]


# The fields, each with the value of the key that it comes from.
VALUES_BY_FIELD = {
    "name": "displayname",
    "publisher": "publisher",
    "version": "displayversion",
    "location": "installlocation",
    "icon": "displayicon",
    "uninstall": "uninstallstring",
}


def find_software(answer: WindowsAnswer) -> WindowsSoftware:
    """All that is installed, or was started."""
    registry, users = answer.registry, list_logged_in_users(answer)
    unseen_reasons = [NARROW_REASON] if answer.is_narrow else []
    programs: list[InstalledProgram] = []
    path_programs: list[InstalledProgram] = []
    user_roots = [(f"{USERS_HIVE}\\{name}", name, USER_SUBJECT) for name in users]
    registry_roots = [(MACHINE_HIVE, "", MACHINE_SUBJECT), *user_roots]
    keys = [
        (f"{registry_root}\\{UNINSTALL_KEY}", account, subject) for registry_root, account, subject in registry_roots
    ]
    for key, account, subject in [*keys, (f"{MACHINE_HIVE}\\{UNINSTALL_KEY_32_BIT}", "", MACHINE_SUBJECT)]:
        programs += [_read_uninstall_key(registry, key, name, account) for name in registry.list_key_names(key)]
        if not registry.is_complete(key):
            unseen_reasons.append(NO_KEYS_REASON.format(subject))
    for registry_root, account, subject in registry_roots:
        path_programs += _read_app_paths(registry, f"{registry_root}\\{APP_PATHS_KEY}", account)
        if not registry.is_complete(f"{registry_root}\\{APP_PATHS_KEY}"):
            unseen_reasons.append(NO_PATHS_REASON.format(subject))
    unseen_reasons += [
        NO_TRACES_REASON
        for registry_root, account, _ in user_roots
        if not _has_all_notes(registry, registry_root, account)
    ]
    started_programs = list(_find_started_programs(registry, users, unseen_reasons))
    unseen_reasons += explain_absent_users(answer, "installed for themselves")
    app_packages = packages.find_app_packages(answer, users)
    if app_packages.is_complete:
        started_programs = [program for program in started_programs if not _is_store_program(program.program)]
    return WindowsSoftware(programs, path_programs, started_programs, app_packages, list(dict.fromkeys(unseen_reasons)))


def _has_all_notes(registry: WindowsRegistry, registry_root: str, account: str) -> bool:
    """Whether all is known that the desktop has noted for a user. Who has never had a desktop has no such key, nor one
    above it. That it is not closed is known from his other keys, which the same accounts may read.
    """
    is_present = registry.is_present(f"{registry_root}\\{STARTED_KEY}")
    if is_present is None:
        return (
            registry.is_listed(f"{registry_root}\\Software")
            and registry.is_present(f"{registry_root}{CLASSES_SUFFIX}") is True
        )
    return registry.is_listed(f"{registry_root}\\{STARTED_KEY}") or not is_present


def _read_uninstall_key(registry: WindowsRegistry, key: str, name: str, account: str) -> InstalledProgram:
    values = registry.read_values(f"{key}\\{name}")
    texts = {
        field: str(values[value_name].data) if value_name in values else ""
        for field, value_name in VALUES_BY_FIELD.items()
    }
    return InstalledProgram(name, account=account, **texts)


def _read_app_paths(registry: WindowsRegistry, key: str, account: str) -> Iterator[InstalledProgram]:
    """The programs that have a path of their own; by its name alone, where the path is missing."""
    for name in registry.list_key_names(key):
        texts = [
            str(registry_value.data).strip().strip('"')
            for registry_value in registry.read_values(f"{key}\\{name}").values()
        ]
        path = next((text for text in texts if text[-4:].casefold() == ".exe"), name)
        yield InstalledProgram(name, account=account, program=path)


def _find_started_programs(
    registry: WindowsRegistry, users: list[str], unseen_reasons: list[str]
) -> Iterator[InstalledProgram]:
    """What users have started, each program once: first what the desktop says of it, which has names."""
    note_sources = [(f"{USERS_HIVE}\\{account}\\{STARTED_KEY}", account, _parse_desktop_notes) for account in users]
    recent_accounts = filter(is_user_account, registry.list_key_names(STARTED_LATELY_KEY))
    note_sources += [
        (f"{STARTED_LATELY_KEY}\\{account}", account, _parse_activity_notes) for account in recent_accounts
    ]
    program_by_path: dict[tuple[str, str], InstalledProgram] = {}
    for key, account, parse_notes in note_sources:
        registry_values = list(registry.read_values(key).values())
        unseen_reasons += [MANY_TRACES_REASON] if len(registry_values) > MAX_STARTED_NOTES else []
        for program in parse_notes(registry_values[:MAX_STARTED_NOTES], account):
            program_by_path.setdefault((account.casefold(), strip_volume(program.program)), program)
    yield from program_by_path.values()


def _parse_desktop_notes(registry_values: Iterable[RegistryValue], account: str) -> Iterator[InstalledProgram]:
    """What MuiCache has: values named by a path, with what they say of the program behind it."""
    programs: dict[str, InstalledProgram] = {}
    for registry_value in registry_values:
        suffix = next(
            (
                known_suffix
                for known_suffix in (FRIENDLY_NAME_SUFFIX, COMPANY_SUFFIX)
                if registry_value.name[-len(known_suffix) :].casefold() == known_suffix
            ),
            "",
        )
        path = registry_value.name[: len(registry_value.name) - len(suffix)]
        if path[-4:].casefold() == ".exe":
            program = programs.get(path.casefold()) or InstalledProgram(
                path.rpartition("\\")[2], account=account, program=path
            )
            text = str(registry_value.data)
            programs[path.casefold()] = (
                program._replace(publisher=text) if suffix == COMPANY_SUFFIX else program._replace(name=text)
            )
    yield from programs.values()


def _parse_activity_notes(registry_values: Iterable[RegistryValue], account: str) -> Iterator[InstalledProgram]:
    """What the Background Activity Moderator has: values named by a path, or by the family of an app package."""
    for registry_value in registry_values:
        if registry_value.type == "REG_BINARY":
            yield InstalledProgram(
                registry_value.name.rpartition("\\")[2], account=account, program=registry_value.name
            )


def strip_volume(path: str) -> str:
    """A path as it is compared: without case, and without its drive or volume."""
    return _VOLUME_PATTERN.sub("", path, count=1).casefold() if _VOLUME_PATTERN.match(path) else path.casefold()


def _is_store_program(path: str) -> bool:
    """Whether a program is an app package's, so that it is there only while the package is."""
    return "\\" not in path or strip_volume(path).startswith(STORE_FOLDER)

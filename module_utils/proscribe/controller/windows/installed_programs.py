"""Software of a Windows host: uninstall keys, App Paths, app packages, and programs that users have started.

A started program is only a trace. The desktop records path, name and company of each program that a user has started
(MuiCache; forms as in fox-it/dissect.target). For some days, the Background Activity Moderator records each user's
programs, logged in or not (artefacts.help, winreg-kb). Neither shows whether the program still exists.

The paths themselves are never opened. With a network path, a user could make the account of the audit log in to the
user's server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...host.system.types import escape_text
from ...model.finding import Finding
from . import store_packages
from .accounts import explain_absent_users, is_user_account, list_logged_in_users
from .answer_reader import WindowsAnswer
from .command_line import (
    APP_PATHS_KEY,
    MACHINE_HIVE,
    STARTED_KEY,
    STARTED_LATELY_KEY,
    UNINSTALL_KEY,
    UNINSTALL_KEY_32_BIT,
    USERS_HIVE,
)
from .registry import RegistryValue, WindowsRegistry
from .store_packages import WINDOWS_MANAGER, AppPackages

NARROW_REASON = "a program of 32 bits answered there, which does not see those of 64"
NO_KEYS_REASON = "the uninstall keys of {} cannot be read there"
NO_PATHS_REASON = "the paths of programs (App Paths) of {} cannot be read there"
NO_TRACES_REASON = "what a user who is logged in has started cannot be read there"
MANY_TRACES_REASON = "a user has more notes of started programs than are compared"
MACHINE_SUBJECT, USER_SUBJECT = "the machine", "a user who is logged in"
FRIENDLY_NAME_SUFFIX, COMPANY_SUFFIX = ".friendlyappname", ".applicationcompany"
MAX_STARTED_NOTES = 20_000  # most records of a user that are compared; some hundreds are usual
# The beginning of a Windows path: a drive letter, or a volume of the kernel.
_VOLUME_PATTERN = re.compile(r"[a-z]:|\\device\\harddiskvolume\d{1,4}", re.IGNORECASE)
CLASSES_SUFFIX = "_Classes"  # suffix of the second registry key of a logged-in user, which has the user's MuiCache
# Characters that stand for a letter that the host's code page lacks, or that could not be decoded.
LOST_LETTERS = ("?", "\N{REPLACEMENT CHARACTER}")
STORE_FOLDER = "\\program files\\windowsapps\\"


class InstalledProgram(NamedTuple):
    """A program that the registry names.

    Texts are as the installer wrote them; "" for a missing text.
    """

    key: str  # name of the program's registry key, or file name of a started program
    name: str = ""
    publisher: str = ""
    version: str = ""
    location: str = ""  # folder of the program
    icon: str = ""  # file with the icon, often the program itself
    uninstall: str = ""  # command that uninstalls the program
    account: str = ""  # account of the user who installed the program; "" if it is for the whole machine
    program: str = ""  # path of the program, if the registry has only the path

    def make_finding(self, detail: str, kind: str = "package") -> Finding:
        """Return a finding about the program; `detail` says why the match is doubtful, "" for a certain match."""
        scope = f"user:{self.account}" if self.account else "system"
        texts = (self.name or self.key, self.version, self.location or self.program)
        escaped_texts = [escape_text(text) for text in texts]
        return Finding(kind, escaped_texts[0], WINDOWS_MANAGER, escaped_texts[1], scope, escaped_texts[2], detail)


class WindowsSoftware(NamedTuple):
    """The software of a host, and the reasons why the lists may be incomplete.

    `programs` come from uninstall keys, and `path_programs` from App Paths. `started_programs` are programs that users
    have started, and `packages` are app packages.
    """

    programs: list[InstalledProgram]
    path_programs: list[InstalledProgram]
    started_programs: list[InstalledProgram]
    packages: AppPackages
    unseen_reasons: list[str]
    lossy_keys: list[str]  # registry keys with names whose letters were lost


# Key: field of InstalledProgram. Value: name of the registry value that has its text.
VALUES_BY_FIELD = {
    "name": "displayname",
    "publisher": "publisher",
    "version": "displayversion",
    "location": "installlocation",
    "icon": "displayicon",
    "uninstall": "uninstallstring",
}


def find_software(answer: WindowsAnswer) -> WindowsSoftware:
    """Return all software of a host that is installed, or that users have started.

    Started programs that belong to app packages are left out if the list of app packages is complete.
    """
    registry, users = answer.registry, list_logged_in_users(answer)
    unseen_reasons = [NARROW_REASON] if answer.is_narrow else []
    programs: list[InstalledProgram] = []
    path_programs: list[InstalledProgram] = []
    # (registry key of the user, account, phrase for a message)
    user_roots = [(f"{USERS_HIVE}\\{name}", name, USER_SUBJECT) for name in users]
    registry_roots = [(MACHINE_HIVE, "", MACHINE_SUBJECT), *user_roots]
    for key, account, subject in _list_uninstall_keys(users):
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
    app_packages = store_packages.find_app_packages(answer, users)
    if app_packages.is_complete:
        started_programs = [program for program in started_programs if not _is_store_program(program.program)]
    return WindowsSoftware(
        programs,
        path_programs,
        started_programs,
        app_packages,
        list(dict.fromkeys(unseen_reasons)),
        find_lossy_keys(answer),
    )


def _list_uninstall_keys(users: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return (registry key, account, phrase for a message) of each key with uninstall keys."""
    return [
        (f"{MACHINE_HIVE}\\{UNINSTALL_KEY}", "", MACHINE_SUBJECT),
        (f"{MACHINE_HIVE}\\{UNINSTALL_KEY_32_BIT}", "", MACHINE_SUBJECT),
        *((f"{USERS_HIVE}\\{account}\\{UNINSTALL_KEY}", account, USER_SUBJECT) for account in users),
    ]


def find_lossy_keys(answer: WindowsAnswer) -> list[str]:
    """Return the registry keys with names of programs in which a letter was lost, because the code page lacks it.

    A name that has a question mark itself counts, too, unless the key was read in UTF-16.
    """
    registry, users = answer.registry, list_logged_in_users(answer)
    texts_by_key: dict[str, list[str]] = {}
    for key, account, _ in _list_uninstall_keys(users):
        programs = [_read_uninstall_key(registry, key, name, account) for name in registry.list_key_names(key)]
        texts_by_key[key] = [text for program in programs for text in (program.key, program.name, program.publisher)]
    for account in users:
        key = f"{USERS_HIVE}\\{account}\\{STARTED_KEY}"
        values = list(registry.read_values(key).values())[:MAX_STARTED_NOTES]
        texts_by_key[key] = [str(registry_value.data) for registry_value in values]
    return [
        key
        for key, texts in texts_by_key.items()
        if not registry.is_exact(key) and any(letter in text for text in texts for letter in LOST_LETTERS)
    ]


def _has_all_notes(registry: WindowsRegistry, registry_root: str, account: str) -> bool:
    """Return True if all of the desktop's records (MuiCache) of programs that a user has started were read.

    `registry_root` is the registry key of the user. A user who has never had a desktop has neither the key with the
    records nor its parent. Then it is enough that the user's other keys were read. The same accounts may read both, so
    the key is missing and not forbidden.
    """
    is_present = registry.is_present(f"{registry_root}\\{STARTED_KEY}")
    if is_present is None:
        return (
            registry.is_listed(f"{registry_root}\\Software")
            and registry.is_present(f"{registry_root}{CLASSES_SUFFIX}") is True
        )
    return registry.is_listed(f"{registry_root}\\{STARTED_KEY}") or not is_present


def _read_uninstall_key(registry: WindowsRegistry, key: str, name: str, account: str) -> InstalledProgram:
    """Return the program of an uninstall key; `name` is the key's name below `key`."""
    values = registry.read_values(f"{key}\\{name}")
    texts = {
        field: str(values[value_name].data) if value_name in values else ""
        for field, value_name in VALUES_BY_FIELD.items()
    }
    return InstalledProgram(name, account=account, **texts)


def _read_app_paths(registry: WindowsRegistry, key: str, account: str) -> Iterator[InstalledProgram]:
    """Yield the programs of an App Paths key.

    If a program's path is missing, `program` is its name.
    """
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
    """Yield the programs that users have started, each once per user.

    The records of the desktop count first, because they have the names of the programs. Reasons why programs may be
    missing are appended to `unseen_reasons`.
    """
    # (registry key, account, parser of the key's values)
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
    """Yield the programs in MuiCache.

    The name of a value is a path; its data is the program's name or company.
    """
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
            # A program has two values, for its name and its company. Both add to the same program.
            program = programs.get(path.casefold()) or InstalledProgram(
                path.rpartition("\\")[2], account=account, program=path
            )
            text = str(registry_value.data)
            programs[path.casefold()] = (
                program._replace(publisher=text) if suffix == COMPANY_SUFFIX else program._replace(name=text)
            )
    yield from programs.values()


def _parse_activity_notes(registry_values: Iterable[RegistryValue], account: str) -> Iterator[InstalledProgram]:
    """Yield the programs that the Background Activity Moderator has recorded.

    The name of a value is the program's path, or the family of an app package.
    """
    for registry_value in registry_values:
        if registry_value.type == "REG_BINARY":
            yield InstalledProgram(
                registry_value.name.rpartition("\\")[2], account=account, program=registry_value.name
            )


def extract_program_path(text: str) -> str:
    """Return the path of the program in the text of an icon, a command or a path, in lower case; "" for no program.

    A command has options after the path, an icon has a number.
    """
    path, extension, _ = text.strip().strip('"').casefold().partition(".exe")
    return path + extension if extension else ""


def strip_volume(path: str) -> str:
    """Return a Windows path in lower case and without its drive or volume, to compare it with other paths."""
    return _VOLUME_PATTERN.sub("", path, count=1).casefold() if _VOLUME_PATTERN.match(path) else path.casefold()


def _is_store_program(path: str) -> bool:
    """Return True if a program belongs to an app package.

    Such a program exists only as long as the app package.
    """
    return "\\" not in path or strip_volume(path).startswith(STORE_FOLDER)

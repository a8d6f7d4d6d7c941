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
from .accounts import away, is_account, logged_in
from .answer import Answer
from .command import APP_PATHS, MACHINE, STARTED, STARTED_LATELY, UNINSTALL, UNINSTALL_32, USERS
from .packages import MANAGER, Packages
from .registry import Registry, Value

NARROW = "a program of 32 bits answered there, which does not see those of 64"
NO_KEYS = "the uninstall keys of {} cannot be read there"
NO_PATHS = "the paths of programs (App Paths) of {} cannot be read there"
NO_TRACES = "what a user who is logged in has started cannot be read there"
MANY_TRACES = "a user has more notes of started programs than are compared"
WHOSE_MACHINE, WHOSE_USER = "the machine", "a user who is logged in"
FRIENDLY_NAME, COMPANY = ".friendlyappname", ".applicationcompany"
MOST_STARTED = 20_000  # notes of one user that are compared; some hundreds are usual
# What a path begins with: a drive, or a volume.
_VOLUME = re.compile(r"[a-z]:|\\device\\harddiskvolume\d{1,4}", re.IGNORECASE)
CLASSES = "_Classes"  # behind the account of a user whose part of the registry with these keys is loaded
STORE_FOLDER = "\\program files\\windowsapps\\"


class Installed(NamedTuple):
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

    def finding(self, detail: str, kind: str = "package") -> Finding:
        scope = f"user:{self.account}" if self.account else "system"
        texts = (self.name or self.key, self.version, self.location or self.program)
        shown = [escape_text(text) for text in texts]
        return Finding(kind, shown[0], MANAGER, shown[1], scope, shown[2], detail)


class Seen(NamedTuple):
    """What was found on a host, and why that may not be all."""

    programs: list[Installed]
    paths: list[Installed]
    started: list[Installed]
    packages: Packages
    unseen: list[str]


# The fields, each with the value of the key that it comes from.
FIELDS = {
    "name": "displayname",
    "publisher": "publisher",
    "version": "displayversion",
    "location": "installlocation",
    "icon": "displayicon",
    "uninstall": "uninstallstring",
}


def find(answer: Answer) -> Seen:
    """All that is installed, or was started."""
    registry, users = answer.registry, logged_in(answer)
    unseen = [NARROW] if answer.narrow else []
    programs: list[Installed] = []
    paths: list[Installed] = []
    own = [(f"{USERS}\\{name}", name, WHOSE_USER) for name in users]
    tops = [(MACHINE, "", WHOSE_MACHINE), *own]
    keys = [(f"{top}\\{UNINSTALL}", account, whose) for top, account, whose in tops]
    for key, account, whose in [*keys, (f"{MACHINE}\\{UNINSTALL_32}", "", WHOSE_MACHINE)]:
        programs += [_installed(registry, key, name, account) for name in registry.names(key)]
        if not registry.complete(key):
            unseen.append(NO_KEYS.format(whose))
    for top, account, whose in tops:
        paths += _paths(registry, f"{top}\\{APP_PATHS}", account)
        if not registry.complete(f"{top}\\{APP_PATHS}"):
            unseen.append(NO_PATHS.format(whose))
    unseen += [NO_TRACES for top, account, _ in own if not _noted(registry, top, account)]
    started = list(_started(registry, users, unseen))
    unseen += away(answer, "installed for themselves")
    apps = packages.find(answer, users)
    if apps.complete:
        started = [one for one in started if not _of_store(one.program)]
    return Seen(programs, paths, started, apps, list(dict.fromkeys(unseen)))


def _noted(registry: Registry, top: str, account: str) -> bool:
    """Whether all is known that the desktop has noted for a user. Who has never had a desktop has no such key, nor one
    above it. That it is not closed is known from his other keys, which the same accounts may read.
    """
    there = registry.there(f"{top}\\{STARTED}")
    if there is None:
        return registry.listed(f"{top}\\Software") and registry.there(f"{top}{CLASSES}") is True
    return registry.listed(f"{top}\\{STARTED}") or not there


def _installed(registry: Registry, key: str, name: str, account: str) -> Installed:
    values = registry.values(f"{key}\\{name}")
    texts = {field: str(values[one].data) if one in values else "" for field, one in FIELDS.items()}
    return Installed(name, account=account, **texts)


def _paths(registry: Registry, key: str, account: str) -> Iterator[Installed]:
    """The programs that have a path of their own; by its name alone, where the path is missing."""
    for name in registry.names(key):
        texts = [str(value.data).strip().strip('"') for value in registry.values(f"{key}\\{name}").values()]
        path = next((text for text in texts if text[-4:].casefold() == ".exe"), name)
        yield Installed(name, account=account, program=path)


def _started(registry: Registry, users: list[str], unseen: list[str]) -> Iterator[Installed]:
    """What users have started, each program once: first what the desktop says of it, which has names."""
    notes = [(f"{USERS}\\{account}\\{STARTED}", account, _of_desktop) for account in users]
    lately = filter(is_account, registry.names(STARTED_LATELY))
    notes += [(f"{STARTED_LATELY}\\{account}", account, _of_activity) for account in lately]
    found: dict[tuple[str, str], Installed] = {}
    for key, account, read in notes:
        values = list(registry.values(key).values())
        unseen += [MANY_TRACES] if len(values) > MOST_STARTED else []
        for one in read(values[:MOST_STARTED], account):
            found.setdefault((account.casefold(), below_volume(one.program)), one)
    yield from found.values()


def _of_desktop(values: Iterable[Value], account: str) -> Iterator[Installed]:
    """What MuiCache has: values named by a path, with what they say of the program behind it."""
    programs: dict[str, Installed] = {}
    for value in values:
        said = next((end for end in (FRIENDLY_NAME, COMPANY) if value.name[-len(end) :].casefold() == end), "")
        path = value.name[: len(value.name) - len(said)]
        if path[-4:].casefold() == ".exe":
            one = programs.get(path.casefold()) or Installed(path.rpartition("\\")[2], account=account, program=path)
            text = str(value.data)
            programs[path.casefold()] = one._replace(publisher=text) if said == COMPANY else one._replace(name=text)
    yield from programs.values()


def _of_activity(values: Iterable[Value], account: str) -> Iterator[Installed]:
    """What the Background Activity Moderator has: values named by a path, or by the family of an app package."""
    for value in values:
        if value.type == "REG_BINARY":
            yield Installed(value.name.rpartition("\\")[2], account=account, program=value.name)


def below_volume(path: str) -> str:
    """A path as it is compared: without case, and without its drive or volume."""
    return _VOLUME.sub("", path, count=1).casefold() if _VOLUME.match(path) else path.casefold()


def _of_store(path: str) -> bool:
    """Whether a program is an app package's, so that it is there only while the package is."""
    return "\\" not in path or below_volume(path).startswith(STORE_FOLDER)

"""The rules of `apps` on a Windows host: what is registered as installed, and what runs.

Certain are the paths of the catalogue's programs, and the keys that winget makes for portable programs, which begin
with the package's id. An installer chooses the names that it registers: where the publisher and the name are those of a
winget id, or the name is what people call the service in their own script, the program is known by its names alone, as
a program that runs is by its image's. Programs that nobody registers are found only while they run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..finding import COMPLIANT, NOT_APPLICABLE, NOTHING_KNOWN, Finding, Verdict, judge
from ..host.types import escaped
from .answer import Answer
from .command import MACHINE, PROFILES, UNINSTALL, UNINSTALL_32, USERS

MANAGER = "windows"
BY_NAMES = "known by its names alone"
BY_IMAGE = "known by its image's name alone"
IDENTIFIERS = ("windows", "windows_processes", "windows_packages")
# The accounts of users: of this machine or a domain, and of Entra ID. Others are the system's own.
_ACCOUNT = re.compile(r"s-1-(?:5-21|12-1)(?:-\d{1,10}){1,14}", re.IGNORECASE)
_NO_WORD = re.compile(r"[\W_]+")
# What installers put behind a name: a version, an architecture, whom it is for.
_TAIL = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
TAILS = 4  # times that a name is compared, each time without one more of them
LONGEST_NAME = 200  # characters of a name that is compared
STORE = "apps of the Microsoft Store are not observed"
NO_TASKS = "the programs that run cannot be listed there"
NO_KEYS = "the uninstall keys of {} cannot be read there"
NO_SCRIPTS = "names in other scripts do not come through that host's code page"


class Installed(NamedTuple):
    """What is registered as installed, by one uninstall key. Texts are as the installer wrote them, "" for none."""

    key: str
    name: str
    publisher: str
    version: str
    location: str
    icon: str
    uninstall: str
    account: str = ""  # whose own it is, by the account's identifier; "" for the machine's

    def finding(self, detail: str) -> Finding:
        scope = f"user:{self.account}" if self.account else "system"
        shown = [escaped(text) for text in (self.name or self.key, self.version, self.location)]
        return Finding("package", shown[0], MANAGER, shown[1], scope, shown[2], detail)


# The fields, each with the value of the key that it comes from.
FIELDS = {
    "name": "displayname",
    "publisher": "publisher",
    "version": "displayversion",
    "location": "installlocation",
    "icon": "displayicon",
    "uninstall": "uninstallstring",
}


def find_installed(answer: Answer) -> tuple[list[Installed], list[str]]:
    """All that is registered, and why that may not be all."""
    registry = answer.registry
    found: list[Installed] = []
    unseen: list[str] = []
    places = [(f"{MACHINE}\\{UNINSTALL}", "", "the machine"), (f"{MACHINE}\\{UNINSTALL_32}", "", "the machine")]
    loaded = [name for name in registry.names(USERS) if _ACCOUNT.fullmatch(name)]
    places += [(f"{USERS}\\{name}\\{UNINSTALL}", name, "a user who is logged in") for name in loaded]
    for key, account, whose in places:
        found += [_installed(answer, key, name, account) for name in registry.names(key)]
        if not registry.complete(key):
            unseen.append(NO_KEYS.format(whose))
    profiles = {name.casefold() for name in registry.names(PROFILES) if _ACCOUNT.fullmatch(name)}
    away = profiles.difference(name.casefold() for name in loaded)
    if away:
        users = "a user who is" if len(away) == 1 else f"{len(away)} users who are"
        unseen.append(f"what {users} not logged in installed for themselves cannot be read")
    if registry.there(PROFILES) is not True or registry.there(USERS) is not True:
        unseen.append("which users the host has cannot be read there")
    return found, list(dict.fromkeys(unseen))


def _installed(answer: Answer, key: str, name: str, account: str) -> Installed:
    values = answer.registry.values(f"{key}\\{name}")
    texts = {field: str(values[one].data) if one in values else "" for field, one in FIELDS.items()}
    return Installed(name, account=account, **texts)


class Catalogued:
    """What the plan's services are called on Windows, as it is compared."""

    def __init__(self, services: Mapping[str, Mapping[str, Any]]) -> None:
        self.programs: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.images: dict[str, list[str]] = {}
        self.ids: dict[str, list[str]] = {}  # of winget
        self.names: dict[str, list[str]] = {}  # in the services' own script
        self.published: dict[str, list[tuple[str, str]]] = {}  # by name: the vendor, and the service
        for id_, entry in services.items():
            for path in entry.get("windows", ()):
                self._note(self.programs, "\\" + path.replace("/", "\\").casefold(), id_)
            for image in entry.get("windows_processes", ()):
                self._note(self.images, image.casefold(), id_)
            for package in entry.get("windows_packages", {}).get("winget", ()):
                self._package(package, id_)
            for name in entry.get("names", ()):
                if not name.isascii():
                    self._note(self.names, name.casefold(), id_)

    @staticmethod
    def _note(index: dict[str, list[str]], text: str, service: str) -> None:
        index.setdefault(text, []).append(service)

    def _package(self, package: str, service: str) -> None:
        if package.startswith("msstore:"):
            return
        self._note(self.ids, package.casefold(), service)
        vendor, *words = package.split(".")
        for name in {_word("".join(words)), _word(vendor + "".join(words))}:
            self.published.setdefault(name, []).append((_word(vendor), service))

    def services_of(self, one: Installed) -> dict[str, str]:
        """The services that something registered is, each with why it may be something else, "" where it is sure."""
        found: dict[str, str] = {}
        for text in (one.icon, one.uninstall):
            path = text.strip().strip('"').casefold()
            path = path.partition(".exe")[0] + ".exe" if ".exe" in path else path
            for program in _tails(path):
                found.update(dict.fromkeys(self.programs.get(program, ()), ""))
        folder = one.location.strip().strip('"').rstrip("\\").casefold()
        if folder:
            for program, services in self.programs.items():
                if folder.endswith(program.rpartition("\\")[0]):
                    found.update(dict.fromkeys(services, ""))
        package, there, _ = one.key.casefold().partition("_")
        found.update(dict.fromkeys(self.ids.get(package, ()) if there else (), ""))
        for service in self._by_names(one):
            found.setdefault(service, BY_NAMES)
        return found

    def _by_names(self, one: Installed) -> Iterator[str]:
        name = one.name[:LONGEST_NAME].strip()
        for _ in range(TAILS):
            yield from self.names.get(name.casefold(), ())
            name = _TAIL.sub("", name)
        publisher = _word(one.publisher[:LONGEST_NAME])
        for vendor, service in self.published.get(_word(name), ()):
            if vendor and publisher.startswith(vendor):
                yield service


def _word(text: str) -> str:
    """A name without case, blanks and signs."""
    return _NO_WORD.sub("", text.casefold())


def _tails(path: str) -> Iterator[str]:
    """A path, and what is left of it below each of its folders."""
    steps = path.split("\\")[-8:]
    for count in range(len(steps)):
        yield "\\" + "\\".join(steps[count:])


def observe(
    section: Mapping[str, Any], answer: Answer, installed: Iterable[Installed], missed: list[str]
) -> list[Verdict]:
    """A verdict for every service of the plan. `missed` is why not all that is installed was seen."""
    services = section["services"]
    catalogued = Catalogued(services)
    found: dict[str, list[Finding]] = {id_: [] for id_ in services}
    for one in installed:
        for service, doubt in catalogued.services_of(one).items():
            found[service].append(one.finding(doubt))
    for image, pids in _running(answer).items():
        more = f" and {len(pids) - 1} more" if len(pids) > 1 else ""
        finding = Finding("process", escaped(image), MANAGER, detail=f"pid {pids[0]}{more}, {BY_IMAGE}")
        for service in catalogued.images.get(image.casefold(), ()):
            found[service].append(finding)
    return [_verdict(id_, entry, found[id_], answer, missed) for id_, entry in services.items()]


def _running(answer: Answer) -> dict[str, list[int]]:
    """The programs that run, by image, each with its processes."""
    running: dict[str, list[int]] = {}
    for task in answer.tasks or ():
        running.setdefault(task.image, []).append(task.pid)
    return running


def _verdict(id_: str, entry: Mapping[str, Any], found: list[Finding], answer: Answer, missed: list[str]) -> Verdict:
    rule = f"apps/{id_}"
    if not any(entry.get(key) for key in IDENTIFIERS) and not found:
        verdict = judge(rule, entry, ())
        if verdict.state == COMPLIANT:
            return Verdict(rule, NOT_APPLICABLE, reason=f"{NOTHING_KNOWN}: the catalogue has no Windows program of it")
        return verdict
    packages = entry.get("windows_packages", {})
    in_store = packages.get("appx") or any(one.startswith("msstore:") for one in packages.get("winget", ()))
    named = any(not name.isascii() for name in entry.get("names", ()))
    unseen = [
        *missed,
        *([NO_TASKS] if answer.tasks is None else []),
        *([STORE] if in_store else []),
        *([NO_SCRIPTS] if named and not answer.exact else []),
    ]
    return judge(rule, entry, found, "; ".join(unseen))

"""The rules of `apps` on a Windows host: what is registered as installed, which app packages users have, and what runs.

Certain are the paths and uninstall keys of the catalogue, and its app packages. So are the keys that winget makes for
portable programs, which begin with the package's id. A program may also be known by its names alone: name and publisher
are those that the catalogue has, or the name is what people call the service in their own script. A program that runs
is known by its image's name. Programs that nobody registers are found only while they run. So a rule of which the
catalogue lacks either part is never compliant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...host.system.types import escaped
from ...model.finding import COMPLIANT, NOT_APPLICABLE, NOTHING_KNOWN, Finding, Verdict, judge
from ...model.types.plan import Entry, Section
from .answer import Answer
from .command import APP_PACKAGES, MACHINE, PROFILES, UNINSTALL, UNINSTALL_32, USERS

MANAGER = "windows"
BY_NAMES = "known by its names alone"
BY_IMAGE = "known by its image's name alone"
# The accounts of users: of this machine or a domain, and of Entra ID. Others are the system's own.
_ACCOUNT = re.compile(r"s-1-(?:5-21|12-1)(?:-\d{1,10}){1,14}", re.IGNORECASE)
_NO_WORD = re.compile(r"[\W_]+")
# What a publisher's name ends with in one release and not in another.
_COMPANY = frozenset(
    ("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "srl", "ug")
)
# What installers put behind a name: a version, an architecture, whom it is for.
_TAIL = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
TAILS = 4  # times that a name is compared, each time without one more of them
LONGEST_NAME = 200  # characters of a name that is compared
NO_APPS = "the app packages of a user who is logged in cannot be read there"
NO_IMAGE = "the catalogue has no image name of it, so nobody knows whether it runs"
NO_INSTALLER = "the catalogue does not have what its installer registers"
STORE = "the catalogue has no package name of its app of the Microsoft Store"
NARROW = "a program of 32 bits answered there, which does not see those of 64"
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


class App(NamedTuple):
    """An app package that a user has."""

    name: str
    family: str  # the name and its publisher's hash
    version: str
    account: str

    def finding(self) -> Finding:
        return Finding("package", escaped(self.name), MANAGER, escaped(self.version), f"user:{self.account}")


class Seen(NamedTuple):
    """What was found installed on a host, and why that may not be all."""

    programs: list[Installed]
    apps: list[App]
    unseen: list[str]
    unseen_apps: list[str]


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
    """All that is installed."""
    registry = answer.registry
    unseen = [NARROW] if answer.narrow else []
    programs: list[Installed] = []
    loaded = accounts(answer)
    places = [(f"{MACHINE}\\{UNINSTALL}", "", "the machine"), (f"{MACHINE}\\{UNINSTALL_32}", "", "the machine")]
    places += [(f"{USERS}\\{name}\\{UNINSTALL}", name, "a user who is logged in") for name in loaded]
    for key, account, whose in places:
        programs += [_installed(answer, key, name, account) for name in registry.names(key)]
        if not registry.complete(key):
            unseen.append(NO_KEYS.format(whose))
    unseen += away(answer, "installed for themselves")
    packages = [(f"{USERS}\\{name}\\{APP_PACKAGES}", name) for name in loaded]
    apps = [app for key, account in packages for name in registry.names(key) if (app := _app(name, account))]
    unseen_apps = [NO_APPS for key, _ in packages if registry.there(key) is None]
    return Seen(programs, apps, list(dict.fromkeys(unseen)), unseen_apps[:1])


def accounts(answer: Answer) -> list[str]:
    """The users whose part of the registry is loaded: those who are logged in."""
    return [name for name in answer.registry.names(USERS) if _ACCOUNT.fullmatch(name)]


def away(answer: Answer, what: str) -> list[str]:
    """Why it is not known what other users did."""
    registry = answer.registry
    if registry.there(PROFILES) is not True or registry.there(USERS) is not True:
        return ["which users the host has cannot be read there"]
    profiles = {name.casefold() for name in registry.names(PROFILES) if _ACCOUNT.fullmatch(name)}
    others = profiles.difference(name.casefold() for name in accounts(answer))
    users = "a user who is" if len(others) == 1 else f"{len(others)} users who are"
    return [f"what {users} not logged in {what} cannot be read"] if others else []


def _app(full_name: str, account: str) -> App | None:
    """An app package by its full name (Name_1.2.3.4_x64__publisherhash); None for what is no such name."""
    name, *rest = full_name.split("_")
    return App(name, f"{name}_{rest[3]}", rest[0], account) if len(rest) == 4 else None


def _installed(answer: Answer, key: str, name: str, account: str) -> Installed:
    values = answer.registry.values(f"{key}\\{name}")
    texts = {field: str(values[one].data) if one in values else "" for field, one in FIELDS.items()}
    return Installed(name, account=account, **texts)


class Catalogued:
    """What the plan's services are called on Windows, as it is compared."""

    def __init__(self, services: Mapping[str, Entry]) -> None:
        self.programs: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.images: dict[str, list[str]] = {}
        self.apps: dict[str, list[str]] = {}  # app packages, by name or family
        self.ids: dict[str, list[str]] = {}  # of winget
        self.keys: dict[str, list[str]] = {}  # of installers
        self.names: dict[str, list[str]] = {}  # in the services' own script
        self.published: dict[str, list[tuple[str, str]]] = {}  # by name: the publisher, and the service
        for id_, entry in services.items():
            packages, registered = entry.get("windows_packages", {}), entry.get("windows_registered", {})
            self._note(self.programs, id_, ["\\" + path.replace("/", "\\") for path in entry.get("windows", ())])
            self._note(self.images, id_, entry.get("windows_processes", ()))
            self._note(self.apps, id_, packages.get("appx", ()))
            self._note(self.ids, id_, packages.get("winget", ()))
            self._note(self.keys, id_, registered.get("keys", ()))
            self._note(self.names, id_, [name for name in entry.get("names", ()) if not name.isascii()])
            for text in registered.get("names", ()):
                name, _, publisher = text.rpartition(" by ")
                self.published.setdefault(_word(name), []).append((_company(publisher), id_))

    @staticmethod
    def _note(index: dict[str, list[str]], service: str, texts: Iterable[str]) -> None:
        for text in texts:
            index.setdefault(text.casefold(), []).append(service)

    def services_of_app(self, app: App) -> Iterator[str]:
        """The services whose app package this is."""
        for name in (app.name, app.family):
            yield from self.apps.get(name.casefold(), ())

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
        found.update(dict.fromkeys(self.keys.get(one.key.casefold(), ()), ""))
        package, there, _ = one.key.casefold().partition("_")
        found.update(dict.fromkeys(self.ids.get(package, ()) if there else (), ""))
        for service in self._by_names(one):
            found.setdefault(service, BY_NAMES)
        return found

    def _by_names(self, one: Installed) -> Iterator[str]:
        publisher = _company(one.publisher[:LONGEST_NAME])
        for name in names_of(one):
            yield from self.names.get(name.casefold(), ())
            for published_by, service in self.published.get(_word(name), ()):
                if publisher == published_by:
                    yield service


def names_of(one: Installed) -> Iterator[str]:
    """The name of what is registered, each time without one more version or the like behind it."""
    name = one.name[:LONGEST_NAME].strip()
    for _ in range(TAILS):
        yield name
        name = _TAIL.sub("", name)


def _company(publisher: str) -> str:
    """A publisher's name as it is compared: without what kind of company it is."""
    words = [_word(word) for word in publisher.split()]
    while len(words) > 1 and words[-1] in _COMPANY:
        words.pop()
    return "".join(words)


def _word(text: str) -> str:
    """A name without case, blanks and signs."""
    return _NO_WORD.sub("", text.casefold())


def _tails(path: str) -> Iterator[str]:
    """A path, and what is left of it below each of its folders."""
    steps = path.split("\\")[-8:]
    for count in range(len(steps)):
        yield "\\" + "\\".join(steps[count:])


def observe(section: Section, answer: Answer, seen: Seen) -> list[Verdict]:
    """A verdict for every service of the plan."""
    services = section["services"]
    catalogued = Catalogued(services)
    found: dict[str, list[Finding]] = {id_: [] for id_ in services}
    for one in seen.programs:
        for service, doubt in catalogued.services_of(one).items():
            found[service].append(one.finding(doubt))
    for app in seen.apps:
        for service in dict.fromkeys(catalogued.services_of_app(app)):
            found[service].append(app.finding())
    for image, pids in _running(answer).items():
        more = f" and {len(pids) - 1} more" if len(pids) > 1 else ""
        finding = Finding("process", escaped(image), MANAGER, detail=f"pid {pids[0]}{more}, {BY_IMAGE}")
        for service in catalogued.images.get(image.casefold(), ()):
            found[service].append(finding)
    return [_verdict(f"apps/{id_}", entry, found[id_], answer, seen) for id_, entry in services.items()]


def _running(answer: Answer) -> dict[str, list[int]]:
    """The programs that run, by image, each with its processes."""
    running: dict[str, list[int]] = {}
    for task in answer.tasks or ():
        running.setdefault(task.image, []).append(task.pid)
    return running


def lacking(entry: Entry) -> list[str] | None:
    """What the catalogue lacks of a service to say that a host does not have it; None where it has nothing of it."""
    packages = entry.get("windows_packages", {})
    images, apps = entry.get("windows_processes"), packages.get("appx")
    installers = entry.get("windows") or entry.get("windows_registered") or apps
    in_store = not apps and any(one.startswith("msstore:") for one in packages.get("winget", ()))
    if not (images or installers or in_store):
        return None
    lacks = {NO_IMAGE: not images, NO_INSTALLER: not installers and not in_store, STORE: in_store}
    return [why for why, lacked in lacks.items() if lacked]


def _verdict(rule: str, entry: Entry, found: list[Finding], answer: Answer, seen: Seen) -> Verdict:
    lacks = lacking(entry)
    if lacks is None and not found:
        verdict = judge(rule, entry, ())
        why = f"{NOTHING_KNOWN}: the catalogue has no Windows program of it"
        return Verdict(rule, NOT_APPLICABLE, reason=why) if verdict.state == COMPLIANT else verdict
    named = any(not name.isascii() for name in entry.get("names", ()))
    unseen = [
        *seen.unseen,
        *(seen.unseen_apps if entry.get("windows_packages", {}).get("appx") else ()),
        *(lacks or ()),
        *([NO_TASKS] if answer.tasks is None else []),
        *([NO_SCRIPTS] if named and not answer.exact else []),
    ]
    return judge(rule, entry, found, "; ".join(unseen))

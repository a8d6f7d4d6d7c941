"""What the browsers have to block, out of a plan: two short lists of names and a few settings. Pure.

A *name* is a host with everything below it (`mail.example.com`), or such hosts and the start of a path
(`example.com/drive`). A restricted service blocks its own names, but for those that it allows and those of a waived
service. Whoever of its names and exceptions fits an address most closely decides, the longer host before the longer
path. An address is blocked if any restricted service blocks it: an exception opens what its own service
closes, never what another one does. A waived service opens its names for all, unless a restricted one has the very
same name, or a longer one.

`rules` turns this into the one list of a browser whose closest entry decides (Chromium): it asks of every name what
has to happen there, and keeps the name only if the shorter ones would say otherwise. What is left is minimal and has
one order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Mapping

from ....base.patterns import pattern
from ....base.tuples import NamedTuple
from ....model.plan import RESTRICTED
from ....model.tenants import Tenant, google_domains, microsoft_tenants
from ...system import ControlError
from .settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SETTINGS, UNMANAGED

if TYPE_CHECKING:
    from ....model.types.plan import Entry, Section

# Entries per list that every browser takes, so what a plan may come to. Firefox (153) ignores what comes after 1000,
# and counts an entry that is there twice as two.
MOST_ENTRIES = 1000
# Chromium's documentation and Edge's say 1000 too. Chromium (156) takes 1500 of URLBlocklist and 1500 of URLAllowlist,
# counted after files are joined: then an entry that is there twice is one, the last file by name comes first, and what
# it does not understand counts. In a list that is not joined, doubles count.
# tests/integration/test_browser_limits.py has all of it from real browsers.
CHROMIUM_ENTRIES = 1500

_HOST = pattern(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# "?" and "#" begin another part of an address, "*" is special to one of the browsers.
_PATH = pattern(r"(?:/[A-Za-z0-9._~!$&'()+,;=:@%/-]*)?")


class Name(NamedTuple):
    """A host with all below it, and the start of a path ("" for every path). Ordered as it is written."""

    host: str
    path: str = ""

    def __str__(self) -> str:
        return self.host + self.path


class Rules(NamedTuple):
    """What a browser has to do. `block` and `allow` are ordered and minimal; the closest entry decides; no ties."""

    block: tuple[Name, ...] = ()
    allow: tuple[Name, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()  # what is managed of settings.SETTINGS, and how
    google_domains: tuple[str, ...] = ()
    microsoft_tenants: tuple[Tenant, ...] = ()
    chrome_extensions: tuple[str, ...] = ()  # the ids to refuse, as Chrome's store has them
    firefox_extensions: tuple[str, ...] = ()  # and Mozilla's
    chrome_allowed: tuple[str, ...] = ()  # the ids that may be installed or have a proxy where others may not
    firefox_allowed: tuple[str, ...] = ()
    request_url: str = ""  # the organisation's page for requests of exceptions

    def __bool__(self) -> bool:
        """Whether there is any policy to set."""
        tenants = self.google_domains or self.microsoft_tenants
        return bool(self.block or self.settings or tenants or self.chrome_extensions or self.firefox_extensions)

    @property
    def closed(self) -> list[str]:
        """The bypasses that are closed, by the ids that their rules are named for."""
        tenants = ((GOOGLE_TENANTS, self.google_domains), (MICROSOFT_TENANTS, self.microsoft_tenants))
        return [*(id_ for id_, _ in self.settings), *(id_ for id_, names in tenants if names)]

    def without_sites(self) -> Rules:
        """What is left of it for a program that knows no sites, nor the extensions of browsers."""
        return Rules(settings=self.settings, request_url=self.request_url)


NOTHING = Rules()


def name(text: str) -> Name:
    """A name out of its spelling in a plan. Raises ControlError for one that no browser would understand."""
    host, slash, rest = text.partition("/")
    host = host.lower()
    path = "/" + rest if rest else ""
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise ControlError(f"plan: browser: {text!r} is not a host such as mail.example.com or example.com/drive")
    return Name(host, path)


def names(entry: Entry) -> list[Name]:
    """What a service of the plan consists of."""
    return [name(text) for text in (*entry.get("domains", ()), *entry.get("urls", ()))]


def listed(entry: Entry) -> list[Name]:
    """The names of a service that browsers are given: all, but for those that do not fit into their lists."""
    return names(_fitted(entry))


def fitting(services: Mapping[str, Entry]) -> dict[str, Entry]:
    """The services with the names that browsers are given."""
    return {id_: _fitted(entry) for id_, entry in services.items()}


def _fitted(entry: Entry) -> Entry:
    unlisted = set(entry.get("unlisted", ()))
    if not unlisted:
        return entry
    return {
        **entry,
        "domains": [one for one in entry.get("domains", ()) if one not in unlisted],
        "urls": [one for one in entry.get("urls", ()) if one not in unlisted],
    }


def above(host: str) -> Iterator[str]:
    """A host and the domains that it lies below, the longest first."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def covers(upper: Name, lower: Name) -> bool:
    """Whether a name takes in all of another one (a name takes in itself)."""
    same = lower.host == upper.host or lower.host.endswith("." + upper.host)
    return same and lower.path.startswith(upper.path)


class Verdicts:
    """Who blocks and who opens which name, and so whether an address is blocked."""

    def __init__(self, services: Mapping[str, Entry]) -> None:
        self._blockers: dict[Name, set[str]] = {}
        self._openers: dict[Name, set[str] | None] = {}  # None: opens for every service
        for id_, entry in services.items():
            if entry["mode"] in RESTRICTED:
                for one in names(entry):
                    self._blockers.setdefault(one, set()).add(id_)
                for text in entry.get("allow", ()):
                    opened = self._openers.setdefault(name(text), set())
                    if opened is not None:
                        opened.add(id_)
            elif entry["mode"] == "waived":
                self._openers.update(dict.fromkeys(names(entry)))
        self._paths: dict[str, list[str]] = {}  # by host, the longest path first
        for one in {*self._blockers, *self._openers}:
            self._paths.setdefault(one.host, []).append(one.path)
        self._complete()

    def _complete(self) -> None:
        # A path that some domain has anew below every longer host: the longer host would otherwise hide it.
        for host, paths in self._paths.items():
            for upper in above(host):
                if upper != host and any(self._paths.get(upper, ())):
                    paths.extend(path for path in self._paths[upper] if path and path not in paths)
            paths.sort(key=lambda path: (-len(path), path))

    def all_names(self) -> list[Name]:
        """Every name at which the answer may change, each after those that cover it."""
        found = [Name(host, path) for host, paths in self._paths.items() for path in paths]
        return sorted(found, key=lambda one: (one.host.count("."), len(one.path), one))

    def blocked(self, address: Name) -> bool:
        """Whether the host and path of an address are blocked."""
        opened: set[str] = set()
        for host in above(address.host):
            for path in self._paths.get(host, ()):
                if not address.path.startswith(path):
                    continue
                one = Name(host, path)
                blockers = self._blockers.get(one)
                if blockers and not blockers <= opened:
                    return True
                openers = self._openers.get(one, opened)
                if openers is None:
                    return False
                opened = opened | openers
        return False


def rules(section: Section) -> Rules:
    """The rules of a plan's browser section. Raises ControlError for an unusable name or more than MOST_ENTRIES."""
    smallest = minimal(fitting(section["services"]))
    settings = section["settings"]
    managed = settings.get("browsers", {})
    return Rules(
        block=limited("blocked names", sorted(one for one, blocked in smallest.items() if blocked)),
        allow=limited("allowed names", sorted(one for one, blocked in smallest.items() if not blocked)),
        # In the order of the rows, so that one plan gives one file, in whatever order its own keys came.
        settings=tuple((id_, managed[id_]) for id_ in SETTINGS if managed.get(id_, UNMANAGED) != UNMANAGED),
        google_domains=tuple(sorted(google_domains(settings))),
        # Their order is the organisation's: the first one is sent to Microsoft as the tenant that sets the restriction.
        microsoft_tenants=microsoft_tenants(settings),
        chrome_extensions=_refused(section["services"], "chrome"),
        firefox_extensions=_refused(section["services"], "firefox"),
        chrome_allowed=_allowed(section, "chrome"),
        firefox_allowed=_allowed(section, "firefox"),
    )


def minimal(services: Mapping[str, Entry]) -> dict[Name, bool]:
    """The names that have to be listed, each with whether it is blocked or opened. Raises ControlError for a name."""
    verdicts = Verdicts(services)
    smallest: dict[Name, bool] = {}
    hosts: dict[str, list[str]] = {}  # the kept ones by host, the longest path first
    for one in verdicts.all_names():
        blocked = verdicts.blocked(one)
        if blocked != _closest(smallest, hosts, one):
            smallest[one] = blocked
            hosts.setdefault(one.host, []).insert(0, one.path)
    return smallest


def _refused(services: Mapping[str, Entry], store: str) -> tuple[str, ...]:
    """The extensions that restricted services have in a store, but for those that a permitted one has too."""
    refused = {id_ for entry in services.values() if entry["mode"] in RESTRICTED for id_ in extensions(entry, store)}
    return tuple(sorted(refused - _waived(services, store)))


def _waived(services: Mapping[str, Entry], store: str) -> set[str]:
    return {id_ for entry in services.values() if entry["mode"] == "waived" for id_ in extensions(entry, store)}


def _allowed(section: Section, store: str) -> tuple[str, ...]:
    """The extensions of a store that the organisation allows, and those of waived services."""
    allowed = section["settings"].get("extensions_allowed", ())
    listed = [one for one in allowed if (len(one) == 32 and one.isalpha()) == (store == "chrome")]
    return tuple(dict.fromkeys([*listed, *sorted(_waived(section["services"], store))]))


def extensions(entry: Entry, store: str) -> tuple[str, ...]:
    """The ids of a service's browser extensions."""
    return tuple(entry.get("extensions", {}).get(store, ()))


def _closest(smallest: Mapping[Name, bool], hosts: Mapping[str, list[str]], one: Name) -> bool:
    for host in above(one.host):
        for path in hosts.get(host, ()):
            if one.path.startswith(path):
                return smallest[Name(host, path)]
    return False


def limited(what: str, entries: Iterable[Name]) -> tuple[Name, ...]:
    """The entries as they are. Raises ControlError if a browser would drop some unsaid, being too many."""
    listed = tuple(entries)
    if len(listed) > MOST_ENTRIES:
        raise ControlError(
            f"browser: {len(listed)} {what}, but browsers take at most {MOST_ENTRIES} per list: restrict fewer"
            " services, or leave some of them to the control dns"
        )
    return listed

"""What the browsers have to block, out of a plan: two short lists of names and a few settings. Pure.

A *name* is a host with everything below it (`mail.example.com`), or such hosts and the start of a path
(`example.com/drive`). A restricted service blocks its own names, but for those that it allows and those of a waived
service. Whoever of its names and exceptions fits an address most closely decides, the longer host before the longer
path. An address is blocked if any restricted service blocks it: an exception opens what its own service
closes, never what another one does. A waived service opens its names for all, unless a restricted one has the very
same name, or a longer one.

`rules` turns this into the one list of a browser whose closest entry decides (Chromium): it asks of every name what
has to happen there, and keeps the name only if the shorter ones would say otherwise. What is left is minimal and has
one order. Browsers take a limited number of names: `fit_names` chooses those that matter most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Mapping

from ....base.patterns import compile_pattern
from ....base.tuples import NamedTuple
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import Tenant, read_google_domains, read_microsoft_tenants
from ...system import ControlError
from .name_closing import OPEN
from .settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SETTINGS, UNMANAGED

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection
    from .name_closing import OtherControls

    # How far other controls close it, its kind, its place in its service, whether the firewall has networks of that.
    # The last two make it one order.
    Rank = tuple[int, int, int, bool, str, str]

# Entries per list that every browser takes, so what a plan may come to. Firefox (153) ignores what comes after 1000,
# and counts an entry that is there twice as two.
MOST_ENTRIES = 1000
# Chromium's documentation and Edge's say 1000 too. Chromium (156) takes 1500 of URLBlocklist and 1500 of URLAllowlist,
# counted after files are joined: then an entry that is there twice is one, the last file by name comes first, and what
# it does not understand counts. In a list that is not joined, doubles count.
# tests/integration/test_browser_limits.py has all of it from real browsers.
CHROMIUM_ENTRIES = 1500
TYPED, PAGE, HOST = range(3)  # kinds of names, those first that browsers need most

_HOST = compile_pattern(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# "?" and "#" begin another part of an address, "*" is special to one of the browsers.
_PATH = compile_pattern(r"(?:/[A-Za-z0-9._~!$&'()+,;=:@%/-]*)?")


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
FIRST = (OPEN, TYPED, 0, False, "", "")  # the rank that is listed before all others


def name(text: str) -> Name:
    """A name out of its spelling in a plan. Raises ControlError for one that no browser would understand."""
    host, slash, rest = text.partition("/")
    host = host.lower()
    path = "/" + rest if rest else ""
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise ControlError(f"plan: browser: {text!r} is not a host such as mail.example.com or example.com/drive")
    return Name(host, path)


def names(entry: PlanEntry) -> list[Name]:
    """What a service of the plan consists of."""
    return [name(text) for text in (*entry.get("domains", ()), *entry.get("urls", ()))]


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

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self._blockers: dict[Name, set[str]] = {}
        self._openers: dict[Name, set[str] | None] = {}  # None: opens for every service
        for id_, entry in services.items():
            if entry["mode"] in RESTRICTED_MODES:
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
        return bool(self.blocking(address))

    def blocking(self, address: Name) -> set[str]:
        """Return the ids of the services that block the host and path of an address at its closest blocked name."""
        opened: set[str] = set()
        for host in above(address.host):
            for path in self._paths.get(host, ()):
                if not address.path.startswith(path):
                    continue
                one = Name(host, path)
                blockers = self._blockers.get(one)
                if blockers and not blockers <= opened:
                    return blockers - opened
                openers = self._openers.get(one, opened)
                if openers is None:
                    return set()
                opened = opened | openers
        return set()


class NameList:
    """The names that a browser is given. The closest name decides about an address, as in Chromium."""

    def __init__(self, decided: Iterable[tuple[Name, bool]]) -> None:
        """Keep the names that say otherwise than the shorter ones. `decided` has each name after those that cover it,
        with whether it is blocked.
        """
        self.names: dict[Name, bool] = {}
        self._paths: dict[str, list[str]] = {}  # by host, the longest path first
        for one, blocked in decided:
            if blocked != self.blocks(one):
                self.names[one] = blocked
                self._paths.setdefault(one.host, []).insert(0, one.path)

    def blocks(self, address: Name) -> bool:
        """Whether the host and path of an address are blocked."""
        for host in above(address.host):
            for path in self._paths.get(host, ()):
                if address.path.startswith(path):
                    return self.names[Name(host, path)]
        return False

    def fits(self, room: int) -> bool:
        """Whether browsers take all of it, with `room` for blocked names."""
        blocked = sum(self.names.values())
        return blocked <= room and len(self.names) - blocked <= MOST_ENTRIES


class FittedNames(NamedTuple):
    """The names that browsers are given, and by service the uppermost names that their lists have no room for."""

    listed: NameList
    left_out: Mapping[str, list[Name]] = {}


def fit_names(section: PlanSection, others: OtherControls | None = None) -> FittedNames:
    """Choose the names that browsers are given: all, or those that matter most where their lists are too short.

    Names that the host's `others` close are listed last. Of the rest, addresses that people type come first, then
    pages, then in turn one name of each service, the shorter ones before. Nobody publishes who uses which name, so the
    length stands for it: people type example.com, and pages load a7.cdn.example.com. Raises ControlError for an
    unusable name.
    """
    verdicts = Verdicts(section["services"])
    whole = _whole_list(verdicts)
    room = _room(section)
    if whole.fits(room):
        return FittedNames(whole)
    ranks = _ranks(section["services"], others)
    blocked = sorted((one for one, of in whole.names.items() if of), key=lambda one: _rank(ranks, one))

    def first_names(count: int) -> NameList:
        chosen = set(blocked[:count])
        return NameList((one, of) for one, of in whole.names.items() if not of or one in chosen)

    listed = first_names(room)
    if not listed.fits(room):  # too many exceptions: those of a name that is not listed are not needed
        fitting, too_many = 0, min(room, len(blocked))
        while too_many - fitting > 1:
            count = (fitting + too_many) // 2
            fitting, too_many = (count, too_many) if first_names(count).fits(room) else (fitting, count)
        listed = first_names(fitting)
    return FittedNames(listed, _left_out(verdicts, listed))


def _room(section: PlanSection) -> int:
    """Return the number of names that may be blocked. Firefox needs one entry to refuse private accounts."""
    return MOST_ENTRIES - (1 if section["settings"].get("tenants", {}).get("microsoft") else 0)


def _whole_list(verdicts: Verdicts) -> NameList:
    return NameList((one, verdicts.blocked(one)) for one in verdicts.all_names())


def _ranks(services: Mapping[str, PlanEntry], others: OtherControls | None) -> dict[Name, Rank]:
    """Return by name its place in the order in which names are listed. The lowest is listed first."""
    by_network = others.by_network if others else frozenset()
    ranks: dict[Name, Rank] = {}
    for id_, entry in services.items():
        if entry["mode"] not in RESTRICTED_MODES:
            continue
        kinds = {**dict.fromkeys(entry.get("domains", ()), HOST), **dict.fromkeys(entry.get("urls", ()), PAGE)}
        kinds.update(dict.fromkeys(entry.get("front_doors", ()), TYPED))
        ordered = sorted(
            (others.degree(name(text).host) if others else OPEN, kind, text.count("."), text)
            for text, kind in kinds.items()
        )
        for place, (degree, kind, _, text) in enumerate(ordered):
            rank: Rank = (degree, kind, place, id_ in by_network, id_, text)
            ranks[name(text)] = min(rank, ranks.get(name(text), rank))
    return ranks


def _rank(ranks: Mapping[Name, Rank], one: Name) -> Rank:
    """Return the rank of a name; of a path that a longer host repeats (Verdicts), that of the service's own name."""
    return next((ranks[upper] for host in above(one.host) if (upper := one._replace(host=host)) in ranks), FIRST)


def _left_out(verdicts: Verdicts, listed: NameList) -> dict[str, list[Name]]:
    """Return by service its names that browsers are not given, without those below another one of them."""
    left_out: dict[str, list[Name]] = {}
    reported: set[tuple[str, str, str]] = set()
    for one in verdicts.all_names():
        if listed.blocks(one):
            continue
        for id_ in verdicts.blocking(one):
            if not any((id_, host, path) in reported for host in above(one.host) for path in ("", one.path)):
                reported.add((id_, *one))
                left_out.setdefault(id_, []).append(one)
    return left_out


def rules(section: PlanSection) -> Rules:
    """Return the rules of a browser section beside no other control. Raises ControlError for an unusable name."""
    return rules_of(section, fit_names(section).listed.names)


def rules_of(section: PlanSection, smallest: Mapping[Name, bool]) -> Rules:
    """Return the rules of a plan's browser section, with these names."""
    settings = section["settings"]
    managed = settings.get("browsers", {})
    return Rules(
        block=tuple(sorted(one for one, blocked in smallest.items() if blocked)),
        allow=tuple(sorted(one for one, blocked in smallest.items() if not blocked)),
        # In the order of the rows, so that one plan gives one file, in whatever order its own keys came.
        settings=tuple((id_, managed[id_]) for id_ in SETTINGS if managed.get(id_, UNMANAGED) != UNMANAGED),
        google_domains=tuple(sorted(read_google_domains(settings))),
        # Their order is the organisation's: the first one is sent to Microsoft as the tenant that sets the restriction.
        microsoft_tenants=read_microsoft_tenants(settings),
        chrome_extensions=_refused(section["services"], "chrome"),
        firefox_extensions=_refused(section["services"], "firefox"),
        chrome_allowed=_allowed(section, "chrome"),
        firefox_allowed=_allowed(section, "firefox"),
    )


def minimal(services: Mapping[str, PlanEntry]) -> dict[Name, bool]:
    """The names that have to be listed, each with whether it is blocked or opened. Raises ControlError for a name."""
    return _whole_list(Verdicts(services)).names


def _refused(services: Mapping[str, PlanEntry], store: str) -> tuple[str, ...]:
    """The extensions that restricted services have in a store, but for those that a permitted one has too."""
    refused = {
        id_ for entry in services.values() if entry["mode"] in RESTRICTED_MODES for id_ in extensions(entry, store)
    }
    return tuple(sorted(refused - _waived(services, store)))


def _waived(services: Mapping[str, PlanEntry], store: str) -> set[str]:
    return {id_ for entry in services.values() if entry["mode"] == "waived" for id_ in extensions(entry, store)}


def _allowed(section: PlanSection, store: str) -> tuple[str, ...]:
    """The extensions of a store that the organisation allows, and those of waived services."""
    allowed = section["settings"].get("extensions_allowed", ())
    listed = [one for one in allowed if (len(one) == 32 and one.isalpha()) == (store == "chrome")]
    return tuple(dict.fromkeys([*listed, *sorted(_waived(section["services"], store))]))


def extensions(entry: PlanEntry, store: str) -> tuple[str, ...]:
    """The ids of a service's browser extensions."""
    return tuple(entry.get("extensions", {}).get(store, ()))

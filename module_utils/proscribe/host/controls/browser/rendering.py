"""What the browsers have to block, out of a plan: two short lists of names and a few settings. Pure.

A *name* is a host with everything below it (`mail.example.com`), or such hosts and the start of a path
(`example.com/drive`). A restricted service blocks its own names, but for those that it allows and those of a waived
service. Whoever of its names and exceptions fits an address most closely decides, the longer host before the longer
path. An address is blocked if any restricted service blocks it: an exception opens what its own service
closes, never what another one does. A waived service opens its names for all, unless a restricted one has the very
same name, or a longer one.

`make_rules` turns this into the one list of a browser whose closest entry decides (Chromium): it asks of every name what
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
from .name_closing import NAME_OPEN
from .settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SETTINGS, UNMANAGED

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection
    from .name_closing import OtherControls

    # How far other controls close it, its kind, its place in its service, whether the firewall has networks of that.
    # The last two make it one order.
    NameRank = tuple[int, int, int, bool, str, str]

# Entries per list that every browser takes, so what a plan may come to. Firefox (153) ignores what comes after 1000,
# and counts an entry that is there twice as two.
MAX_LIST_ENTRIES = 1000
# Chromium's documentation and Edge's say 1000 too. Chromium (156) takes 1500 of URLBlocklist and 1500 of URLAllowlist,
# counted after files are joined: then an entry that is there twice is one, the last file by name comes first, and what
# it does not understand counts. In a list that is not joined, doubles count.
# tests/integration/test_browser_limits.py has all of it from real browsers.
MAX_CHROMIUM_ENTRIES = 1500
TYPED_NAME, PAGE_NAME, HOST_NAME = range(3)  # kinds of names, those first that browsers need most

_HOST_PATTERN = compile_pattern(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# "?" and "#" begin another part of an address, "*" is special to one of the browsers.
_PATH_PATTERN = compile_pattern(r"(?:/[A-Za-z0-9._~!$&'()+,;=:@%/-]*)?")


class SiteName(NamedTuple):
    """A host with all below it, and the start of a path ("" for every path). Ordered as it is written."""

    host: str
    path: str = ""

    def __str__(self) -> str:
        return self.host + self.path


class BrowserRules(NamedTuple):
    """What a browser has to do. `blocked_names` and `allowed_names` are ordered and minimal; the closest entry decides; no ties."""

    blocked_names: tuple[SiteName, ...] = ()
    allowed_names: tuple[SiteName, ...] = ()
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
        return bool(self.blocked_names or self.settings or tenants or self.chrome_extensions or self.firefox_extensions)

    @property
    def closed_settings(self) -> list[str]:
        """The bypasses that are closed, by the ids that their rules are named for."""
        tenants = ((GOOGLE_TENANTS, self.google_domains), (MICROSOFT_TENANTS, self.microsoft_tenants))
        return [*(id_ for id_, _ in self.settings), *(id_ for id_, names in tenants if names)]

    def exclude_sites(self) -> BrowserRules:
        """What is left of it for a program that knows no sites, nor the extensions of browsers."""
        return BrowserRules(settings=self.settings, request_url=self.request_url)


NO_RULES = BrowserRules()
FIRST_RANK = (NAME_OPEN, TYPED_NAME, 0, False, "", "")  # the rank that is listed before all others


def parse_site_name(text: str) -> SiteName:
    """A name out of its spelling in a plan. Raises ControlError for one that no browser would understand."""
    host, slash, path_rest = text.partition("/")
    host = host.lower()
    path = "/" + path_rest if path_rest else ""
    if not _HOST_PATTERN.fullmatch(host) or not _PATH_PATTERN.fullmatch(path):
        raise ControlError(f"plan: browser: {text!r} is not a host such as mail.example.com or example.com/drive")
    return SiteName(host, path)


def list_service_names(entry: PlanEntry) -> list[SiteName]:
    """What a service of the plan consists of."""
    return [parse_site_name(text) for text in (*entry.get("domains", ()), *entry.get("urls", ()))]


def list_covering_hosts(host: str) -> Iterator[str]:
    """A host and the domains that it lies below, the longest first."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def is_covering(upper: SiteName, lower: SiteName) -> bool:
    """Whether a name takes in all of another one (a name takes in itself)."""
    is_same_host = lower.host == upper.host or lower.host.endswith("." + upper.host)
    return is_same_host and lower.path.startswith(upper.path)


class NameVerdicts:
    """Who blocks and who opens which name, and so whether an address is blocked."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self._blockers: dict[SiteName, set[str]] = {}
        self._openers: dict[SiteName, set[str] | None] = {}  # None: opens for every service
        for id_, entry in services.items():
            if entry["mode"] in RESTRICTED_MODES:
                for site_name in list_service_names(entry):
                    self._blockers.setdefault(site_name, set()).add(id_)
                for text in entry.get("allow", ()):
                    service_ids = self._openers.setdefault(parse_site_name(text), set())
                    if service_ids is not None:
                        service_ids.add(id_)
            elif entry["mode"] == "waived":
                self._openers.update(dict.fromkeys(list_service_names(entry)))
        self._paths: dict[str, list[str]] = {}  # by host, the longest path first
        for site_name in {*self._blockers, *self._openers}:
            self._paths.setdefault(site_name.host, []).append(site_name.path)
        self._extend_paths()

    def _extend_paths(self) -> None:
        # A path that some domain has anew below every longer host: the longer host would otherwise hide it.
        for host, paths in self._paths.items():
            for upper in list_covering_hosts(host):
                if upper != host and any(self._paths.get(upper, ())):
                    paths.extend(path for path in self._paths[upper] if path and path not in paths)
            paths.sort(key=lambda path: (-len(path), path))

    def list_all_names(self) -> list[SiteName]:
        """Every name at which the answer may change, each after those that cover it."""
        site_names = [SiteName(host, path) for host, paths in self._paths.items() for path in paths]
        return sorted(site_names, key=lambda site_name: (site_name.host.count("."), len(site_name.path), site_name))

    def is_blocked(self, address: SiteName) -> bool:
        """Whether the host and path of an address are blocked."""
        return bool(self.find_blockers(address))

    def find_blockers(self, address: SiteName) -> set[str]:
        """Return the ids of the services that block the host and path of an address at its closest blocked name."""
        opening_ids: set[str] = set()
        for host in list_covering_hosts(address.host):
            for path in self._paths.get(host, ()):
                if not address.path.startswith(path):
                    continue
                site_name = SiteName(host, path)
                blockers = self._blockers.get(site_name)
                if blockers and not blockers <= opening_ids:
                    return blockers - opening_ids
                openers = self._openers.get(site_name, opening_ids)
                if openers is None:
                    return set()
                opening_ids = opening_ids | openers
        return set()


class NameList:
    """The names that a browser is given. The closest name decides about an address, as in Chromium."""

    def __init__(self, decided_names: Iterable[tuple[SiteName, bool]]) -> None:
        """Keep the names that say otherwise than the shorter ones. `decided_names` has each name after those that cover it,
        with whether it is blocked.
        """
        self.decisions: dict[SiteName, bool] = {}
        self._paths: dict[str, list[str]] = {}  # by host, the longest path first
        for site_name, is_blocked in decided_names:
            if is_blocked != self.is_blocked(site_name):
                self.decisions[site_name] = is_blocked
                self._paths.setdefault(site_name.host, []).insert(0, site_name.path)

    def is_blocked(self, address: SiteName) -> bool:
        """Whether the host and path of an address are blocked."""
        for host in list_covering_hosts(address.host):
            for path in self._paths.get(host, ()):
                if address.path.startswith(path):
                    return self.decisions[SiteName(host, path)]
        return False

    def is_fitting(self, max_blocked: int) -> bool:
        """Whether browsers take all of it, with `max_blocked` for blocked names."""
        blocked_count = sum(self.decisions.values())
        return blocked_count <= max_blocked and len(self.decisions) - blocked_count <= MAX_LIST_ENTRIES


class FittedNames(NamedTuple):
    """The names that browsers are given, and by service the uppermost names that their lists have no room for."""

    listed_names: NameList
    omitted_names: Mapping[str, list[SiteName]] = {}


def fit_names(section: PlanSection, other_controls: OtherControls | None = None) -> FittedNames:
    """Choose the names that browsers are given: all, or those that matter most where their lists are too short.

    Names that the host's `other_controls` close are listed last. Of the rest, addresses that people type come first, then
    pages, then in turn one name of each service, the shorter ones before. Nobody publishes who uses which name, so the
    length stands for it: people type example.com, and pages load a7.cdn.example.com. Raises ControlError for an
    unusable name.
    """
    verdicts = NameVerdicts(section["services"])
    whole_list = _make_whole_list(verdicts)
    max_blocked = _count_allowed_names(section)
    if whole_list.is_fitting(max_blocked):
        return FittedNames(whole_list)
    ranks = _rank_names(section["services"], other_controls)
    blocked = sorted(
        (site_name for site_name, is_blocked in whole_list.decisions.items() if is_blocked),
        key=lambda site_name: _find_rank(ranks, site_name),
    )

    def make_name_list(count: int) -> NameList:
        chosen = set(blocked[:count])
        return NameList(
            (site_name, is_blocked)
            for site_name, is_blocked in whole_list.decisions.items()
            if not is_blocked or site_name in chosen
        )

    listed_names = make_name_list(max_blocked)
    if not listed_names.is_fitting(
        max_blocked
    ):  # too many exceptions: those of a name that is not listed are not needed
        fitting_count, excessive_count = 0, min(max_blocked, len(blocked))
        while excessive_count - fitting_count > 1:
            count = (fitting_count + excessive_count) // 2
            fitting_count, excessive_count = (
                (count, excessive_count) if make_name_list(count).is_fitting(max_blocked) else (fitting_count, count)
            )
        listed_names = make_name_list(fitting_count)
    return FittedNames(listed_names, _list_omitted_names(verdicts, listed_names))


def _count_allowed_names(section: PlanSection) -> int:
    """Return the number of names that may be blocked. Firefox needs one entry to refuse private accounts."""
    return MAX_LIST_ENTRIES - (1 if section["settings"].get("tenants", {}).get("microsoft") else 0)


def _make_whole_list(verdicts: NameVerdicts) -> NameList:
    return NameList((site_name, verdicts.is_blocked(site_name)) for site_name in verdicts.list_all_names())


def _rank_names(services: Mapping[str, PlanEntry], other_controls: OtherControls | None) -> dict[SiteName, NameRank]:
    """Return by name its place in the order in which names are listed. The lowest is listed first."""
    network_service_ids = other_controls.network_service_ids if other_controls else frozenset()
    ranks: dict[SiteName, NameRank] = {}
    for id_, entry in services.items():
        if entry["mode"] not in RESTRICTED_MODES:
            continue
        kinds = {
            **dict.fromkeys(entry.get("domains", ()), HOST_NAME),
            **dict.fromkeys(entry.get("urls", ()), PAGE_NAME),
        }
        kinds.update(dict.fromkeys(entry.get("front_doors", ()), TYPED_NAME))
        ordered = sorted(
            (
                other_controls.measure_degree(parse_site_name(text).host) if other_controls else NAME_OPEN,
                kind,
                text.count("."),
                text,
            )
            for text, kind in kinds.items()
        )
        for position, (degree, kind, _, text) in enumerate(ordered):
            rank: NameRank = (degree, kind, position, id_ in network_service_ids, id_, text)
            ranks[parse_site_name(text)] = min(rank, ranks.get(parse_site_name(text), rank))
    return ranks


def _find_rank(ranks: Mapping[SiteName, NameRank], site_name: SiteName) -> NameRank:
    """Return the rank of a name; of a path that a longer host repeats (Verdicts), that of the service's own name."""
    return next(
        (
            ranks[upper]
            for host in list_covering_hosts(site_name.host)
            if (upper := site_name._replace(host=host)) in ranks
        ),
        FIRST_RANK,
    )


def _list_omitted_names(verdicts: NameVerdicts, listed_names: NameList) -> dict[str, list[SiteName]]:
    """Return by service its names that browsers are not given, without those below another one of them."""
    omitted_names: dict[str, list[SiteName]] = {}
    reported_names: set[tuple[str, str, str]] = set()
    for site_name in verdicts.list_all_names():
        if listed_names.is_blocked(site_name):
            continue
        for id_ in verdicts.find_blockers(site_name):
            if not any(
                (id_, host, path) in reported_names
                for host in list_covering_hosts(site_name.host)
                for path in ("", site_name.path)
            ):
                reported_names.add((id_, *site_name))
                omitted_names.setdefault(id_, []).append(site_name)
    return omitted_names


def make_rules(section: PlanSection) -> BrowserRules:
    """Return the rules of a browser section beside no other control. Raises ControlError for an unusable name."""
    return make_rules_with_names(section, fit_names(section).listed_names.decisions)


def make_rules_with_names(section: PlanSection, decisions: Mapping[SiteName, bool]) -> BrowserRules:
    """Return the rules of a plan's browser section, with these names."""
    settings = section["settings"]
    managed = settings.get("browsers", {})
    return BrowserRules(
        blocked_names=tuple(sorted(site_name for site_name, is_blocked in decisions.items() if is_blocked)),
        allowed_names=tuple(sorted(site_name for site_name, is_blocked in decisions.items() if not is_blocked)),
        # In the order of the rows, so that one plan gives one file, in whatever order its own keys came.
        settings=tuple((id_, managed[id_]) for id_ in SETTINGS if managed.get(id_, UNMANAGED) != UNMANAGED),
        google_domains=tuple(sorted(read_google_domains(settings))),
        # Their order is the organisation's: the first one is sent to Microsoft as the tenant that sets the restriction.
        microsoft_tenants=read_microsoft_tenants(settings),
        chrome_extensions=_list_refused_extensions(section["services"], "chrome"),
        firefox_extensions=_list_refused_extensions(section["services"], "firefox"),
        chrome_allowed=_list_allowed_extensions(section, "chrome"),
        firefox_allowed=_list_allowed_extensions(section, "firefox"),
    )


def make_minimal_names(services: Mapping[str, PlanEntry]) -> dict[SiteName, bool]:
    """The names that have to be listed, each with whether it is blocked or opened. Raises ControlError for a name."""
    return _make_whole_list(NameVerdicts(services)).decisions


def _list_refused_extensions(services: Mapping[str, PlanEntry], store: str) -> tuple[str, ...]:
    """The extensions that restricted services have in a store, but for those that a permitted one has too."""
    refused = {
        id_ for entry in services.values() if entry["mode"] in RESTRICTED_MODES for id_ in list_extensions(entry, store)
    }
    return tuple(sorted(refused - _list_waived_extensions(services, store)))


def _list_waived_extensions(services: Mapping[str, PlanEntry], store: str) -> set[str]:
    return {id_ for entry in services.values() if entry["mode"] == "waived" for id_ in list_extensions(entry, store)}


def _list_allowed_extensions(section: PlanSection, store: str) -> tuple[str, ...]:
    """The extensions of a store that the organisation allows, and those of waived services."""
    allowed = section["settings"].get("extensions_allowed", ())
    store_ids = [
        extension_id
        for extension_id in allowed
        if (len(extension_id) == 32 and extension_id.isalpha()) == (store == "chrome")
    ]
    return tuple(dict.fromkeys([*store_ids, *sorted(_list_waived_extensions(section["services"], store))]))


def list_extensions(entry: PlanEntry, store: str) -> tuple[str, ...]:
    """The ids of a service's browser extensions."""
    return tuple(entry.get("extensions", {}).get(store, ()))

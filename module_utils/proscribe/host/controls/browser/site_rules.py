"""Rules for the browsers, computed from a plan: a block list, an allow list and a few settings. Pure.

A *name* is a host with everything below it (`mail.example.com`). It may have the start of a path (`example.com/drive`).
A restricted service blocks its names, except its exceptions and the names of a waived service. Of a service's names
and exceptions, the closest to an address decides: first the longer host, then the longer path. An address is blocked if
any restricted service blocks it. An exception permits only what its own service blocks, never what another service
blocks. A waived service permits its names for all services, with one exception: a restricted service has the same name
or a longer name.

`fit_names` turns this into a single list for browsers whose closest entry decides (Chromium). It keeps a name only if
the shorter names would decide otherwise. The result is minimal and has a fixed order. Browsers accept a limited number
of names: `fit_names` chooses those that matter most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Mapping

from ....base.lazy_patterns import compile_pattern
from ....base.named_tuple import NamedTuple
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import Tenant, read_google_tenants, read_microsoft_tenants
from ...system import ControlError
from .browser_settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SETTINGS, UNMANAGED
from .closing_degrees import NAME_OPEN

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection
    from .closing_degrees import OtherControls

    # The fields: degree to which other controls close the name, kind, position in the service, closed by the firewall,
    # service id, name as text. The last two fields make the order unique.
    NameRank = tuple[int, int, int, bool, str, str]

# Entries of a list that every browser accepts, and so the limit of a plan. Firefox (153) ignores entries after the
# 1000th, and counts a repeated entry twice.
MAX_LIST_ENTRIES = 1000
# The documentation of Chromium and Edge has the limit 1000 too. Chromium (156) accepts 1500 entries each of
# URLBlocklist and URLAllowlist, counted after the files are joined. In a joined list, a repeated entry counts once, and
# an invalid entry counts. The entries of the last file by name come first. In a list that is not joined, each
# repetition counts. Source: real browsers in tests/integration/test_browser_limits.py.
MAX_CHROMIUM_ENTRIES = 1500
# Kinds of names, the most important first: an address that users type, a page (host with a path), any other host.
TYPED_NAME, PAGE_NAME, HOST_NAME = range(3)

_HOST_PATTERN = compile_pattern(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# A path has no "?" and "#", which begin another part of an address, and no "*", which is special in some browsers.
_PATH_PATTERN = compile_pattern(r"(?:/[A-Za-z0-9._~!$&'()+,;=:@%/-]*)?")


class SiteName(NamedTuple):
    """Host with all hosts below it, and the start of a path ("" for every path).

    Names sort by host, then by path.
    """

    host: str
    path: str = ""

    def __str__(self) -> str:
        return self.host + self.path


class BrowserRules(NamedTuple):
    """Rules of a browser.

    `blocked_names` and `allowed_names` are sorted and minimal. The closest of their names to an address decides. No
    name is in both.
    """

    blocked_names: tuple[SiteName, ...] = ()
    allowed_names: tuple[SiteName, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()  # (setting of browser_settings.SETTINGS that is managed, its value)
    google_tenants: tuple[Tenant, ...] = ()
    microsoft_tenants: tuple[Tenant, ...] = ()
    chrome_extensions: tuple[str, ...] = ()  # ids to refuse, as in Chrome's store
    firefox_extensions: tuple[str, ...] = ()  # ids to refuse, as in Mozilla's store
    # ids of Chrome's store that may be installed or set a proxy although others may not
    chrome_allowed: tuple[str, ...] = ()
    firefox_allowed: tuple[str, ...] = ()
    request_url: str = ""  # the organisation's page for requests of exceptions

    def __bool__(self) -> bool:
        """Return whether the rules require any policy."""
        tenants = self.google_tenants or self.microsoft_tenants
        return bool(self.blocked_names or self.settings or tenants or self.chrome_extensions or self.firefox_extensions)

    @property
    def closed_settings(self) -> list[str]:
        """Ids of the bypasses that are closed, such as `dns_over_https`. The report has a rule for each of them."""
        tenants = ((GOOGLE_TENANTS, self.google_tenants), (MICROSOFT_TENANTS, self.microsoft_tenants))
        return [*(id_ for id_, _ in self.settings), *(id_ for id_, names in tenants if names)]

    def exclude_sites(self) -> BrowserRules:
        """Return the rules for a program that has neither sites nor extensions of browsers (Thunderbird)."""
        return BrowserRules(settings=self.settings, request_url=self.request_url)


NO_RULES = BrowserRules()
FIRST_RANK = (NAME_OPEN, TYPED_NAME, 0, False, "", "")  # the lowest possible rank


def parse_site_name(text: str) -> SiteName:
    """Parse a name of a plan. Raises ControlError for a name that no browser would accept."""
    host, slash, path_rest = text.partition("/")
    host = host.lower()
    path = "/" + path_rest if path_rest else ""
    if not _HOST_PATTERN.fullmatch(host) or not _PATH_PATTERN.fullmatch(path):
        raise ControlError(f"plan: browser: {text!r} is not a host such as mail.example.com or example.com/drive")
    return SiteName(host, path)


def list_service_names(entry: PlanEntry) -> list[SiteName]:
    """Return the names of a service in the plan: its domains, and its URLs (hosts with a path)."""
    return [parse_site_name(text) for text in (*entry.get("domains", ()), *entry.get("urls", ()))]


def list_covering_hosts(host: str) -> Iterator[str]:
    """Yield a host and its parent domains, the longest first."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def is_covering(upper: SiteName, lower: SiteName) -> bool:
    """Return whether the name `upper` includes every address of the name `lower`. A name includes itself."""
    is_same_host = lower.host == upper.host or lower.host.endswith("." + upper.host)
    return is_same_host and lower.path.startswith(upper.path)


class NameVerdicts:
    """Services that block or permit each name, and the resulting decision about an address."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self._blockers: dict[SiteName, set[str]] = {}  # by blocked name: ids of the services that block it
        # by permitted name: ids of the services that permit it; None if a waived service permits it for all
        self._openers: dict[SiteName, set[str] | None] = {}
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
        """Copy the paths of each domain to the longer hosts below it that have names.

        Browsers use only the longest host that matches an address, and so would ignore the paths of the domain.
        """
        for host, paths in self._paths.items():
            for upper in list_covering_hosts(host):
                if upper != host and any(self._paths.get(upper, ())):
                    paths.extend(path for path in self._paths[upper] if path and path not in paths)
            paths.sort(key=lambda path: (-len(path), path))

    def list_all_names(self) -> list[SiteName]:
        """Return every name at which the decision may change. Names that include others come first."""
        site_names = [SiteName(host, path) for host, paths in self._paths.items() for path in paths]
        return sorted(site_names, key=lambda site_name: (site_name.host.count("."), len(site_name.path), site_name))

    def is_blocked(self, address: SiteName) -> bool:
        """Return whether the address with this host and path is blocked."""
        return bool(self.find_blockers(address))

    def find_blockers(self, address: SiteName) -> set[str]:
        """Return the ids of the services that block an address; an empty set if it is not blocked.

        The search goes from the address up to its domains. The first name that a service blocks decides. A service that
        permits a nearer name does not count. A name that a waived service permits for all is not blocked.
        """
        permitting_ids: set[str] = set()
        for host in list_covering_hosts(address.host):
            for path in self._paths.get(host, ()):
                if not address.path.startswith(path):
                    continue
                site_name = SiteName(host, path)
                blockers = self._blockers.get(site_name)
                if blockers and not blockers <= permitting_ids:
                    return blockers - permitting_ids
                openers = self._openers.get(site_name, permitting_ids)
                if openers is None:  # a waived service permits the name for all
                    return set()
                permitting_ids = permitting_ids | openers
        return set()


class NameList:
    """Names for the lists of a browser. The closest name to an address decides, as in Chromium."""

    def __init__(self, decided_names: Iterable[tuple[SiteName, bool]]) -> None:
        """Keep only the names that change a decision.

        A name is left out if the names before it already decide the same about it. `decided_names` has (name, whether
        it is blocked). A name comes after those that include it, as example.org includes a.example.org.
        """
        self.decisions: dict[SiteName, bool] = {}
        self._paths: dict[str, list[str]] = {}  # by host, the longest path first
        for site_name, is_blocked in decided_names:
            if is_blocked != self.is_blocked(site_name):  # the names before it decide otherwise
                self.decisions[site_name] = is_blocked
                self._paths.setdefault(site_name.host, []).insert(0, site_name.path)

    def is_blocked(self, address: SiteName) -> bool:
        """Return whether the address with this host and path is blocked."""
        for host in list_covering_hosts(address.host):
            for path in self._paths.get(host, ()):
                if address.path.startswith(path):
                    return self.decisions[SiteName(host, path)]
        return False

    def is_fitting(self, max_blocked: int) -> bool:
        """Return whether browsers accept the whole list if they accept `max_blocked` blocked names."""
        blocked_count = sum(self.decisions.values())
        return blocked_count <= max_blocked and len(self.decisions) - blocked_count <= MAX_LIST_ENTRIES


class FittedNames(NamedTuple):
    """Names for the lists of browsers, and the names for which the lists have no room.

    `omitted_names` has, by service, only the uppermost of these names.
    """

    listed_names: NameList
    omitted_names: Mapping[str, list[SiteName]] = {}


def fit_names(section: PlanSection, other_controls: OtherControls | None = None) -> FittedNames:
    """Choose the names for browsers: all names, or the most important if browsers accept fewer.

    Names that `other_controls` close come last. Of the rest, addresses that users type come first, then pages. Then
    each service gets a name in turn, the shorter names first. No source publishes how often a name is used. So its
    length is used instead: users type example.com, and pages load a7.cdn.example.com. Raises ControlError for a name
    that no browser would accept.
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
        """Return the list with its first `count` blocked names only, and with all exceptions.

        `NameList.is_fitting` decides if it fits, since not every exception is still needed.
        """
        chosen = set(blocked[:count])
        return NameList(
            (site_name, is_blocked)
            for site_name, is_blocked in whole_list.decisions.items()
            if not is_blocked or site_name in chosen
        )

    listed_names = make_name_list(max_blocked)
    # There are too many exceptions. Fewer blocked names need fewer exceptions. So a binary search finds how many of the
    # blocked names fit.
    if not listed_names.is_fitting(max_blocked):
        fitting_count, excessive_count = 0, min(max_blocked, len(blocked))
        while excessive_count - fitting_count > 1:
            count = (fitting_count + excessive_count) // 2
            fitting_count, excessive_count = (
                (count, excessive_count) if make_name_list(count).is_fitting(max_blocked) else (fitting_count, count)
            )
        listed_names = make_name_list(fitting_count)
    return FittedNames(listed_names, _list_omitted_names(verdicts, listed_names))


def _count_allowed_names(section: PlanSection) -> int:
    """Return how many names of services have room in the block lists of browsers.

    If Microsoft tenants are restricted, there is room for one name less: Firefox needs an entry to block the sign-in of
    private accounts.
    """
    return MAX_LIST_ENTRIES - (1 if section["settings"].get("tenants", {}).get("microsoft") else 0)


def _make_whole_list(verdicts: NameVerdicts) -> NameList:
    """Return the names that the lists would need if browsers accepted any number of names."""
    return NameList((site_name, verdicts.is_blocked(site_name)) for site_name in verdicts.list_all_names())


def _rank_names(services: Mapping[str, PlanEntry], other_controls: OtherControls | None) -> dict[SiteName, NameRank]:
    """Return the rank (NameRank) of each name of a restricted service. Names with lower ranks are listed first."""
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
        # (degree, kind, number of dots, name): the order in which the names of the service are listed
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
    """Return the rank of a name.

    A path that was copied to a longer host (`NameVerdicts._extend_paths`) has the rank of the original name. Other
    names without a rank have FIRST_RANK.
    """
    return next(
        (
            ranks[upper]
            for host in list_covering_hosts(site_name.host)
            if (upper := site_name._replace(host=host)) in ranks
        ),
        FIRST_RANK,
    )


def _list_omitted_names(verdicts: NameVerdicts, listed_names: NameList) -> dict[str, list[SiteName]]:
    """Return, by service id, the blocked names for which the lists have no room.

    A name below another such name of the service is left out.
    """
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
    """Return the rules of a plan's section `browser`, as if there were no other control.

    Raises ControlError for a name that no browser would accept.
    """
    return make_rules_with_names(section, fit_names(section).listed_names.decisions)


def make_rules_with_names(section: PlanSection, decisions: Mapping[SiteName, bool]) -> BrowserRules:
    """Return the rules of a plan's section `browser`. `decisions` says for each listed name whether it is blocked."""
    settings = section["settings"]
    managed = settings.get("browsers", {})
    return BrowserRules(
        blocked_names=tuple(sorted(site_name for site_name, is_blocked in decisions.items() if is_blocked)),
        allowed_names=tuple(sorted(site_name for site_name, is_blocked in decisions.items() if not is_blocked)),
        # In the order of SETTINGS, so that the file does not depend on the order of keys in the plan.
        settings=tuple((id_, managed[id_]) for id_ in SETTINGS if managed.get(id_, UNMANAGED) != UNMANAGED),
        google_tenants=tuple(sorted(read_google_tenants(settings))),
        # Not sorted, because the first tenant has a meaning: Microsoft gets its id as that of the tenant that sets the
        # restriction.
        microsoft_tenants=read_microsoft_tenants(settings),
        chrome_extensions=_list_refused_extensions(section["services"], "chrome"),
        firefox_extensions=_list_refused_extensions(section["services"], "firefox"),
        chrome_allowed=_list_allowed_extensions(section, "chrome"),
        firefox_allowed=_list_allowed_extensions(section, "firefox"),
    )


def make_minimal_names(services: Mapping[str, PlanEntry]) -> dict[SiteName, bool]:
    """Return, for each name that a list of any length needs, whether it is blocked.

    Raises ControlError for a name that no browser would accept.
    """
    return _make_whole_list(NameVerdicts(services)).decisions


def _list_refused_extensions(services: Mapping[str, PlanEntry], store: str) -> tuple[str, ...]:
    """Return the ids of restricted services' extensions in a store ("chrome" or "firefox").

    Extensions that a waived service has too are left out.
    """
    refused = {
        id_ for entry in services.values() if entry["mode"] in RESTRICTED_MODES for id_ in list_extensions(entry, store)
    }
    return tuple(sorted(refused - _list_waived_extensions(services, store)))


def _list_waived_extensions(services: Mapping[str, PlanEntry], store: str) -> set[str]:
    """Return the ids of waived services' extensions in a store ("chrome" or "firefox")."""
    return {id_ for entry in services.values() if entry["mode"] == "waived" for id_ in list_extensions(entry, store)}


def _list_allowed_extensions(section: PlanSection, store: str) -> tuple[str, ...]:
    """Return the ids of a store's extensions that the organisation allows or that belong to waived services.

    An id of 32 letters is from Chrome's store, any other from Mozilla's.
    """
    allowed = section["settings"].get("extensions_allowed", ())
    store_ids = [
        extension_id
        for extension_id in allowed
        if (len(extension_id) == 32 and extension_id.isalpha()) == (store == "chrome")
    ]
    return tuple(dict.fromkeys([*store_ids, *sorted(_list_waived_extensions(section["services"], store))]))


def list_extensions(entry: PlanEntry, store: str) -> tuple[str, ...]:
    """Return the ids of a service's browser extensions in a store ("chrome" or "firefox")."""
    return tuple(entry.get("extensions", {}).get(store, ()))

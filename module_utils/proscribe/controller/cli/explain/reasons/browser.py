"""Reasons of the control `browser` for a site or an extension: browser policies, and how browsers apply them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from .....host.controls.browser import firefox
from .....host.controls.browser.browser_settings import ALLOW_LIST, EXTENSIONS, PROXY_EXTENSIONS
from .....host.controls.browser.closing_degrees import NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW
from .....host.controls.browser.closing_degrees import NAME_OPEN as NOT_CLOSED
from .....host.controls.browser.extension_settings import PERMISSION_NAMES
from .....host.controls.browser.host_controls import HostControls, is_dns_effective_in_browsers
from .....host.controls.browser.list_matching import ClosestMatch, FilterMatch
from .....host.controls.browser.site_rules import (
    MAX_LIST_ENTRIES,
    NameList,
    NameVerdicts,
    SiteName,
    fit_names,
    is_covering,
    list_service_names,
    make_rules,
    make_rules_with_names,
    parse_site_name,
)
from .....host.system import ControlError
from .....model.plan import RESTRICTED_MODES
from .....model.types.plan import PlanSection
from ....compile.reading import grammar
from ....report.text.wording import format_count, summarise_names
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from .dns import FILTER_BACKENDS, HOSTS_FILE_BACKEND
from .reason import (
    AUDITED,
    BLOCKED,
    DEPENDS,
    OPEN,
    EffectivePolicy,
    Reason,
    describe_position,
    explain_entry,
    explain_missing_entry,
    make_off_reason,
)

BROWSER_FAMILIES = ("chromium", "firefox")
MAX_CACHED_READINGS = 64
FAMILY_BY_STORE = {"chrome": "chromium", "firefox": "firefox"}  # family of browsers that installs extensions of a store

DECIDED_KINDS = (SERVICE, PROGRAM, NAME, EXTENSION)


def find_reasons(subject: Subject, policy: EffectivePolicy) -> Iterator[Reason]:
    """Yield the reasons of the control `browser` for the subject of a question; none for files and most programs.

    Of the programs, only browser extensions have reasons. If the host has no browser that reads policies, BLOCKED
    becomes DEPENDS, because other programs can still open the site.
    """
    section = policy.find_section("browser")
    if subject.kind == FILE or (
        subject.kind == PROGRAM and not any(EXTENSION in relation.identifier for relation in subject.relations)
    ):
        return
    if section is None:
        yield make_off_reason("browser")
    elif not _list_families(policy):
        for reason in _find_all_reasons(subject, policy, section):
            text = f"{reason.text}; no browser that reads policies was found here, and other programs do not"
            yield reason._replace(status=DEPENDS, text=text) if reason.status == BLOCKED else reason
    else:
        yield from _find_all_reasons(subject, policy, section)


def _list_families(policy: EffectivePolicy) -> frozenset[str]:
    """Return the browser families (`chromium`, `firefox`) that the host has; all of them if this is unknown."""
    if policy.facts.browsers is None:
        return frozenset(BROWSER_FAMILIES)
    family_by_id = {place["id"]: place["family"] for place in policy.plan["browsers"]}
    # A browser that the plan does not list counts as Chromium, from which other browsers derive.
    return frozenset(family_by_id.get(browser_id, "chromium") for browser_id in policy.facts.browsers)


def _find_all_reasons(subject: Subject, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons why browser policies block or open a subject of any kind but a file.

    `section` is the control's section of the plan.
    """
    if subject.kind == EXTENSION:
        extension_id = subject.question.text
        yield from _explain_other_extension(
            extension_id, "firefox" if grammar.check_chrome_extension(extension_id) else "chrome", policy, section
        )
    elif subject.kind == PROGRAM:
        yield from _explain_extensions(subject, policy, section)
    elif subject.kind == ADDRESS:
        yield Reason(OPEN, "browser policies go by name, not by address")
    elif subject.kind == SERVICE:
        for service in subject.list_services("is"):
            entry = section["services"].get(service.id)
            if entry is None:
                yield explain_missing_entry(policy, "browser", service, "the catalogue has no site of it")
            else:
                site_names = [str(site_name) for site_name in list_service_names(entry)]
                yield from explain_entry(
                    policy,
                    service.id,
                    entry,
                    f"{format_count(len(site_names), 'site')}: {summarise_names(site_names, 3)}",
                )
    else:
        yield from _explain_site(subject, policy, section)


def _explain_extensions(subject: Subject, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons for browser extensions that belong to services of the catalogue.

    An extension that the plan does not have gets the settings for all other extensions. If the host has no browser of
    the extension's store, BLOCKED becomes DEPENDS.
    """
    for relation in subject.relations:
        store, _, identifier = relation.identifier.partition(" ")
        if identifier.startswith(EXTENSION):
            entry = section["services"].get(relation.service.id)
            if entry and identifier.partition(" ")[2] in entry.get("extensions", {}).get(store, ()):
                has_browser = FAMILY_BY_STORE.get(store, "chromium") in _list_families(policy)
                text = f"{relation.identifier}, of {relation.service.name}"
                for reason in explain_entry(policy, relation.service.id, entry, text):
                    absence_note = f"{reason.text}; no browser of that store was found here"
                    yield (
                        reason
                        if has_browser or reason.status != BLOCKED
                        else reason._replace(status=DEPENDS, text=absence_note)
                    )
            else:
                yield explain_missing_entry(
                    policy, "browser", relation.service, "the browser policies name no such extension"
                )
                yield from _explain_other_extension(identifier.partition(" ")[2], store, policy, section)


def _explain_other_extension(
    extension_id: str, store: str, policy: EffectivePolicy, section: PlanSection
) -> Iterator[Reason]:
    """Yield the reason for an extension that belongs to no restricted service: the settings for all other extensions.

    `store` is the extension's store, such as `chrome` or `firefox`. Yields nothing if the plan has invalid names.
    """
    try:
        desired_rules = make_rules(section)
    except ControlError:
        return
    settings = dict(desired_rules.settings)
    has_browser = FAMILY_BY_STORE.get(store, "chromium") in _list_families(policy)
    absence_note = "" if has_browser else "; no browser of that store was found here"
    has_allow_list, closes_proxies = settings.get(EXTENSIONS) == ALLOW_LIST, PROXY_EXTENSIONS in settings
    if extension_id in (desired_rules.chrome_allowed if store == "chrome" else desired_rules.firefox_allowed):
        yield Reason(OPEN, "proscribe_browser_extensions_allowed names it, or it is a waived service's")
    elif not has_allow_list and not closes_proxies:
        yield Reason(OPEN, "proscribe_browser_settings leaves other extensions alone here")
    elif section["mode"] != "enforce":
        yield Reason(AUDITED, "reported where the policy does not refuse it, nothing is changed" + absence_note)
    elif has_allow_list:
        text = f"{EXTENSIONS}: {ALLOW_LIST} refuses all but those of proscribe_browser_extensions_allowed"
        yield Reason(BLOCKED if has_browser else DEPENDS, text + absence_note)
    else:
        yield Reason(
            DEPENDS, f"{PROXY_EXTENSIONS}: refused if it wants the permission {PERMISSION_NAMES}" + absence_note
        )


class _BrowserFamily(NamedTuple):
    """A family of browsers, and its interpretation (`matcher`) of a list of names."""

    id: str
    title: str
    matcher: ClosestMatch | FilterMatch
    name_list: NameList


class _BrowserReading:
    """The browsers' interpretation of a plan's section, made once because it is the same for every question."""

    def __init__(self, policy: EffectivePolicy, section: PlanSection) -> None:
        """Read the browser lists of a plan as each browser family does, for every possible DNS backend of the host."""
        self.names_by_service = {
            service_id: list_service_names(entry) for service_id, entry in section["services"].items()
        }
        # Browser lists without room for all names omit those that the DNS backend blocks. So there is a list for each
        # backend that the host may have.
        self.name_lists = [
            fit_names(section, HostControls(policy.plan, functools.partial(int, degree))).listed_names
            for degree in _list_dns_degrees(policy, section)
        ]
        self.families = [family for name_list in self.name_lists for family in _make_families(section, name_list)]


def _list_dns_degrees(policy: EffectivePolicy, section: PlanSection) -> Sequence[int]:
    """Return the degrees to which a host's DNS backend may close (block) names (closing_degrees.py).

    A degree is `not closed`, `the name alone` or `the name with all names below it`. The degrees matter for names
    without room in browser lists. If the backend is unknown, there are two degrees: that of a hosts file, and that of a
    filter.
    """
    if not fit_names(section).omitted_names or not is_dns_effective_in_browsers(policy.plan):
        return (NOT_CLOSED,)
    backend = policy.restrictions.dns_backend
    if backend in FILTER_BACKENDS:
        return (NAME_CLOSED_WITH_ALL_BELOW,)
    return (NAME_ALONE_CLOSED,) if backend == HOSTS_FILE_BACKEND else (NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW)


def _make_families(section: PlanSection, name_list: NameList) -> Iterator[_BrowserFamily]:
    """Yield the browser families, each with its interpretation of the same list of names."""
    desired_rules = make_rules_with_names(section, name_list.decisions)
    firefox_lists = firefox.make_filter_lists(desired_rules)
    chromium_matcher = ClosestMatch(map(str, desired_rules.blocked_names), map(str, desired_rules.allowed_names))
    yield _BrowserFamily("chromium", "Chromium and its relatives", chromium_matcher, name_list)
    yield _BrowserFamily(
        "firefox", "Firefox", FilterMatch(firefox_lists.blocked_patterns, firefox_lists.exception_patterns), name_list
    )


_cached_readings: dict[str, _BrowserReading] = {}  # by digest of the plan


def _get_reading(policy: EffectivePolicy, section: PlanSection) -> _BrowserReading:
    """Return the browsers' interpretation of a plan, from the cache if the plan has a digest."""
    digest = policy.plan.get("digest")
    if digest is None:
        return _BrowserReading(policy, section)
    if digest not in _cached_readings:
        if len(_cached_readings) >= MAX_CACHED_READINGS:
            _cached_readings.clear()
        _cached_readings[digest] = _BrowserReading(policy, section)
    return _cached_readings[digest]


def _explain_site(subject: Subject, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons for a host name with an optional path: those of each service, then of browser families.

    The nearest name of a service that covers the site is in the text. A service without a matching name has no reason,
    unless it blocks pages of the same host.
    """
    target = SiteName(subject.question.host, subject.question.path)
    services = section["services"]
    reading = _get_reading(policy, section)
    waived = {service_id: entry for service_id, entry in services.items() if entry["mode"] == "waived"}
    for service_id, entry in services.items():
        service_names = reading.names_by_service[service_id]
        matching_names = [candidate for candidate in service_names if is_covering(candidate, target)]
        if not matching_names:
            pages = [
                str(candidate)
                for candidate in service_names
                if candidate.path and is_covering(SiteName(candidate.host), SiteName(target.host))
            ]
            if pages and entry["mode"] in RESTRICTED_MODES:
                yield Reason(
                    OPEN, f"of this host only {summarise_names(pages, 3)} is blocked, for {entry['name']}", service_id
                )
            continue
        nearest = max(matching_names, key=_measure_closeness)
        position = f"{describe_position(target.host, str(nearest))}, of {entry['name']}"
        allowed = [candidate for candidate in map(parse_site_name, entry["allow"]) if is_covering(candidate, target)]
        # For each possible browser list: True if it blocks a matching name, else it had no room for the names.
        fits_by_list = [
            any(candidate.is_blocked(matching_name) for matching_name in matching_names)
            for candidate in reading.name_lists
        ]
        if entry["mode"] in RESTRICTED_MODES and not all(fits_by_list):
            text = f"{position}: browsers' lists take {MAX_LIST_ENTRIES} names, and this is not one of them"
            if any(fits_by_list):  # the last list is for a host with a DNS filter (_list_dns_degrees)
                text += f" on a host {'without' if fits_by_list[-1] else 'with'} a resolver that filters"
            yield Reason(DEPENDS if any(fits_by_list) else OPEN, text, service_id)
        # A site is blocked if at least one service blocks it. So each service is judged together with the waived ones
        # only.
        elif entry["mode"] not in RESTRICTED_MODES or NameVerdicts({**waived, service_id: entry}).is_blocked(target):
            yield from explain_entry(policy, service_id, entry, position)
        elif allowed:
            yield Reason(
                OPEN, f"{max(allowed, key=_measure_closeness)} stays open, though {nearest} is blocked", service_id
            )
    for service in subject.list_services("blocks"):
        if service.id not in services:
            yield explain_missing_entry(policy, "browser", service, "not a site in the browser policies")
    if section["mode"] == "enforce":
        yield from _find_reading_differences(target, reading, _list_families(policy))


def _measure_closeness(site_name: SiteName) -> tuple[int, int]:
    """Return a sort key by which, of the names that cover a site, the longest is the nearest."""
    return len(site_name.host), len(site_name.path)


def _find_reading_differences(
    target: SiteName, reading: _BrowserReading, families: Collection[str]
) -> Iterator[Reason]:
    """Yield a reason for each browser family that opens a blocked site, or blocks an open one.

    Such a family cannot express the decision of the plan exactly. `families` are the browser families of the host.
    """
    reported: set[str] = set()
    for family in reading.families:
        blocked = family.name_list.is_blocked(target)
        text = f"{family.title} cannot tell it apart and {'opens' if blocked else 'blocks'} it"
        if family.id in families and family.matcher.is_blocked(target) != blocked and text not in reported:
            reported.add(text)
            yield Reason(DEPENDS, text)

"""What the managed browsers do about a site or an extension: which policies they get, and how they apply them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from .....host.controls.browser import firefox
from .....host.controls.browser.extension_settings import PERMISSION_NAMES
from .....host.controls.browser.matching import ClosestMatch, FilterMatch
from .....host.controls.browser.name_closing import NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW
from .....host.controls.browser.name_closing import NAME_OPEN as NOT_CLOSED
from .....host.controls.browser.other_controls import HostControls, is_dns_effective_in_browsers
from .....host.controls.browser.rendering import (
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
from .....host.controls.browser.settings import ALLOW_LIST, EXTENSIONS, PROXY_EXTENSIONS
from .....host.system import ControlError
from .....model.plan import RESTRICTED_MODES
from .....model.types.plan import PlanSection
from ....compile.reading import grammar
from ....report.text.wording import counted, some
from ..relations import ADDRESS, EXTENSION, FILE, PROGRAM, SERVICE, Subject
from .dns import FILTERS, HOSTS_FILE
from .reason import AUDITED, BLOCKED, DEPENDS, OPEN, Policy, Reason, by_mode, missing, off, within

FAMILIES = ("chromium", "firefox")
MOST_READINGS = 64  # plans
OF_STORE = {"chrome": "chromium", "firefox": "firefox"}  # whose browsers take extensions of which store


def reasons(about: Subject, policy: Policy) -> Iterator[Reason]:
    """What the control says."""
    section = policy.section("browser")
    if about.kind == FILE or (
        about.kind == PROGRAM and not any(EXTENSION in relation.what for relation in about.relations)
    ):
        return
    if section is None:
        yield off("browser")
    elif not _families(policy):
        for reason in _all(about, policy, section):
            text = f"{reason.text}; no browser that reads policies was found here, and other programs do not"
            yield reason._replace(status=DEPENDS, text=text) if reason.status == BLOCKED else reason
    else:
        yield from _all(about, policy, section)


def _families(policy: Policy) -> frozenset[str]:
    """The families of browsers that the host has; all of them where nobody knows."""
    if policy.facts.browsers is None:
        return frozenset(FAMILIES)
    of = {place["id"]: place["family"] for place in policy.plan["browsers"]}
    return frozenset(of.get(id_, "chromium") for id_ in policy.facts.browsers)  # others are relatives of Chromium


def _all(about: Subject, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    if about.kind == EXTENSION:
        word = about.question.word
        yield from _by_switches(word, "firefox" if grammar.check_chrome_extension(word) else "chrome", policy, section)
    elif about.kind == PROGRAM:
        yield from _extensions(about, policy, section)
    elif about.kind == ADDRESS:
        yield Reason(OPEN, "browser policies go by name, not by address")
    elif about.kind == SERVICE:
        for service in about.services("is"):
            entry = section["services"].get(service.id)
            if entry is None:
                yield missing(policy, "browser", service, "the catalogue has no site of it")
            else:
                listed = [str(one) for one in list_service_names(entry)]
                yield from by_mode(policy, service.id, entry, f"{counted(len(listed), 'site')}: {some(listed, 3)}")
    else:
        yield from _site(about, policy, section)


def _extensions(about: Subject, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    for relation in about.relations:
        store, _, what = relation.what.partition(" ")
        if what.startswith(EXTENSION):
            entry = section["services"].get(relation.service.id)
            if entry and what.partition(" ")[2] in entry.get("extensions", {}).get(store, ()):
                here = OF_STORE.get(store, "chromium") in _families(policy)
                text = f"{relation.what}, of {relation.service.name}"
                for reason in by_mode(policy, relation.service.id, entry, text):
                    remark = f"{reason.text}; no browser of that store was found here"
                    yield reason if here or reason.status != BLOCKED else reason._replace(status=DEPENDS, text=remark)
            else:
                yield missing(policy, "browser", relation.service, "the browser policies name no such extension")
                yield from _by_switches(what.partition(" ")[2], store, policy, section)


def _by_switches(id_: str, store: str, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    """What happens to an extension that no restricted service has."""
    try:
        desired_rules = make_rules(section)
    except ControlError:
        return
    chosen = dict(desired_rules.settings)
    here = OF_STORE.get(store, "chromium") in _families(policy)
    where = "" if here else "; no browser of that store was found here"
    only, proxies = chosen.get(EXTENSIONS) == ALLOW_LIST, PROXY_EXTENSIONS in chosen
    if id_ in (desired_rules.chrome_allowed if store == "chrome" else desired_rules.firefox_allowed):
        yield Reason(OPEN, "proscribe_browser_extensions_allowed names it, or it is a waived service's")
    elif not only and not proxies:
        yield Reason(OPEN, "proscribe_browser_settings leaves other extensions alone here")
    elif section["mode"] != "enforce":
        yield Reason(AUDITED, "reported where the policy does not refuse it, nothing is changed" + where)
    elif only:
        text = f"{EXTENSIONS}: {ALLOW_LIST} refuses all but those of proscribe_browser_extensions_allowed"
        yield Reason(BLOCKED if here else DEPENDS, text + where)
    else:
        yield Reason(DEPENDS, f"{PROXY_EXTENSIONS}: refused if it wants the permission {PERMISSION_NAMES}" + where)


class _Family(NamedTuple):
    """A family of browsers, and what it makes of a list of names."""

    id: str
    title: str
    does: ClosestMatch | FilterMatch
    listed: NameList


class _Reading:
    """What a section comes to, and what browsers make of it: the same for every question about a plan."""

    def __init__(self, policy: Policy, section: PlanSection) -> None:
        self.names = {id_: list_service_names(entry) for id_, entry in section["services"].items()}
        # One list for each DNS backend that the host may have, as far as the lists differ.
        self.lists = [
            fit_names(section, HostControls(policy.plan, functools.partial(int, degree))).listed_names
            for degree in _degrees(policy, section)
        ]
        self.families = [family for listed in self.lists for family in _families_with(section, listed)]


def _degrees(policy: Policy, section: PlanSection) -> Sequence[int]:
    """How far the DNS backend of a host may close the names that browsers have no room for."""
    if not fit_names(section).omitted_names or not is_dns_effective_in_browsers(policy.plan):
        return (NOT_CLOSED,)
    backend = policy.restrictions.dns_backend
    if backend in FILTERS:
        return (NAME_CLOSED_WITH_ALL_BELOW,)
    return (NAME_ALONE_CLOSED,) if backend == HOSTS_FILE else (NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW)


def _families_with(section: PlanSection, listed: NameList) -> Iterator[_Family]:
    desired_rules = make_rules_with_names(section, listed.decisions)
    in_firefox = firefox.make_filter_lists(desired_rules)
    chromium = ClosestMatch(map(str, desired_rules.blocked_names), map(str, desired_rules.allowed_names))
    yield _Family("chromium", "Chromium and its relatives", chromium, listed)
    yield _Family("firefox", "Firefox", FilterMatch(in_firefox.blocked_patterns, in_firefox.exception_patterns), listed)


_readings: dict[str, _Reading] = {}  # by the digest of the plan


def _reading(policy: Policy, section: PlanSection) -> _Reading:
    digest = policy.plan.get("digest")
    if digest is None:
        return _Reading(policy, section)
    if digest not in _readings:
        if len(_readings) >= MOST_READINGS:
            _readings.clear()
        _readings[digest] = _Reading(policy, section)
    return _readings[digest]


def _site(about: Subject, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    target = SiteName(about.question.host, about.question.path)
    services = section["services"]
    reading = _reading(policy, section)
    waived = {id_: entry for id_, entry in services.items() if entry["mode"] == "waived"}
    for id_, entry in services.items():
        its = reading.names[id_]
        fits = [one for one in its if is_covering(one, target)]
        if not fits:
            pages = [str(one) for one in its if one.path and is_covering(SiteName(one.host), SiteName(target.host))]
            if pages and entry["mode"] in RESTRICTED_MODES:
                yield Reason(OPEN, f"of this host only {some(pages, 3)} is blocked, for {entry['name']}", id_)
            continue
        nearest = max(fits, key=_closeness)
        where = f"{within(target.host, str(nearest))}, of {entry['name']}"
        allowed = [one for one in map(parse_site_name, entry["allow"]) if is_covering(one, target)]
        # What blocks together is what at least one blocks; so each service is asked with the waived ones alone.
        given = [any(one.is_blocked(its_name) for its_name in fits) for one in reading.lists]
        if entry["mode"] in RESTRICTED_MODES and not all(given):
            text = f"{where}: browsers' lists take {MAX_LIST_ENTRIES} names, and this is not one of them"
            if any(given):
                text += f" on a host {'without' if given[-1] else 'with'} a resolver that filters"
            yield Reason(DEPENDS if any(given) else OPEN, text, id_)
        elif entry["mode"] not in RESTRICTED_MODES or NameVerdicts({**waived, id_: entry}).is_blocked(target):
            yield from by_mode(policy, id_, entry, where)
        elif allowed:
            yield Reason(OPEN, f"{max(allowed, key=_closeness)} stays open, though {nearest} is blocked", id_)
    for service in about.services("blocks"):
        if service.id not in services:
            yield missing(policy, "browser", service, "not a site in the browser policies")
    if section["mode"] == "enforce":
        yield from _as_browsers_read_it(target, reading, _families(policy))


def _closeness(one: SiteName) -> tuple[int, int]:
    return len(one.host), len(one.path)


def _as_browsers_read_it(target: SiteName, reading: _Reading, families: Collection[str]) -> Iterator[Reason]:
    """Where a family of browsers that is here cannot do just what is wanted."""
    reported: set[str] = set()
    for family in reading.families:
        blocked = family.listed.is_blocked(target)
        text = f"{family.title} cannot tell it apart and {'opens' if blocked else 'blocks'} it"
        if family.id in families and family.does.is_blocked(target) != blocked and text not in reported:
            reported.add(text)
            yield Reason(DEPENDS, text)

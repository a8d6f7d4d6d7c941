"""Which mechanism separates the organisation's accounts from those of others where both share hosts, browser by
browser.

It is in the report beside the rule that is in effect: what one browser covers, another one may not.
"""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from ....model.finding import Finding
from ....model.tenants import describe_missing_id
from ..policy_tables import read_list
from .chromium import CONTEXT, TENANT_DOMAINS, TENANT_HEADERS
from .firefox import FILTER, TENANTS
from .matching import chromium_entry
from .places import THUNDERBIRD, Place
from .rendering import Name, Rules, covers
from .settings import GOOGLE_TENANTS, PRIVATE_LOGIN

MOST_NAMED = 3


def mechanisms(id_: str, rules: Rules, places: Iterable[Place]) -> Iterator[Finding]:
    """What keeps other accounts out, one finding for each family of browsers."""
    ids: dict[str, list[str]] = {}
    for place in places:
        ids.setdefault(place.family, []).append(place.id)
    ids.pop(THUNDERBIRD, None)
    for family, managers in ids.items():
        policy, covers = _google(family, rules) if id_ == GOOGLE_TENANTS else _microsoft(family, rules)
        yield Finding("policy", policy, manager=",".join(dict.fromkeys(managers)), detail=covers)


def _google(family: str, rules: Rules) -> tuple[str, str]:
    ours = f"Google lets in accounts of {_some(rules.google_domains)} only"
    if family == "chromium":
        return TENANT_DOMAINS, ours
    return TENANTS, f"{ours}; at hosts below google.com, not at google.com itself"


def _microsoft(family: str, rules: Rules) -> tuple[str, str]:
    if family == "chromium":
        names = tuple(name for tenant in rules.microsoft_tenants for name in tenant.domains or tenant.names)
        ours = f"Microsoft lets in accounts of {_some(names)} only"
        return TENANT_HEADERS, f"{ours}, and no personal ones at {PRIVATE_LOGIN}{_without_context(rules)}"
    return FILTER, f"personal accounts: {PRIVATE_LOGIN} is blocked; business accounts of others are let in"


def _without_context(rules: Rules) -> str:
    missing = describe_missing_id(rules.microsoft_tenants[:1])
    return f"; {CONTEXT} is not sent: {missing}" if missing else ""


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def overriding_header(required: Sequence[object], entries: Sequence[object]) -> tuple[object, str]:
    """Return the entry of HttpHeaderInjection that gives a required header another value, and the header's name;
    (None, "") for none. Of a header, the closest pattern counts, and of equal ones the last in the list (156).
    """
    ours = [(index, *header) for index, entry in enumerate(entries) if entry in required for header in _headers(entry)]
    for index, entry in enumerate(entries):
        for pattern, name, value in _headers(entry):
            for place, own_pattern, own_name, own_value in ours:
                if name.lower() != own_name.lower() or value == own_value or not covers(own_pattern, pattern):
                    continue
                if pattern != own_pattern or index > place:
                    return entry, name
    return None, ""


def _headers(entry: object) -> Iterator[tuple[Name, str, str]]:
    """The headers of an entry: the pattern of its sites, the name, and the value."""
    rule = entry if isinstance(entry, dict) else {}
    for pattern in filter(None, map(chromium_entry, read_list(rule, "patterns"))):
        for header in read_list(rule, "headers"):
            if isinstance(header, dict):
                yield pattern.name, str(header.get("name")), str(header.get("value"))

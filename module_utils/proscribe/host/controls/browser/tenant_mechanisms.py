"""Mechanisms that separate the organisation's accounts from others on shared hosts, by family of browsers.

The report shows the mechanisms beside a compliant rule, because browsers differ in the accounts that they refuse.
"""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

from ....model.finding import Finding
from ....model.tenants import ALLOWED_APP_DOMAINS, CONTEXT_HEADER, describe_missing_id
from ..policy_values import read_list
from .browser_settings import GOOGLE_TENANTS, PRIVATE_LOGIN_HOST
from .chromium import TENANT_HEADERS
from .firefox import TENANT_DOMAINS, WEBSITE_FILTER
from .list_matching import parse_chromium_entry
from .policy_places import THUNDERBIRD, PolicyPlace
from .site_rules import BrowserRules, SiteName, is_covering

MAX_NAMED_DOMAINS = 3


def list_tenant_policies(id_: str, rules: BrowserRules, places: Iterable[PolicyPlace]) -> Iterator[Finding]:
    """Yield a finding for each family of browsers: the policy that restricts accounts there, and what it covers.

    `id_` is GOOGLE_TENANTS or MICROSOFT_TENANTS: whose accounts the policy restricts. Thunderbird has no such policy.
    """
    place_ids_by_family: dict[str, list[str]] = {}
    for place in places:
        place_ids_by_family.setdefault(place.family, []).append(place.id)
    place_ids_by_family.pop(THUNDERBIRD, None)
    for family, place_ids in place_ids_by_family.items():
        policy, coverage = (
            _describe_google(family, rules) if id_ == GOOGLE_TENANTS else _describe_microsoft(family, rules)
        )
        yield Finding("policy", policy, manager=",".join(dict.fromkeys(place_ids)), detail=coverage)


def _describe_google(family: str, rules: BrowserRules) -> tuple[str, str]:
    """Return the policy that restricts Google accounts in a family of browsers, and a text about what it covers."""
    statement = (
        f"Google lets in accounts of {_join_names(ALLOWED_APP_DOMAINS.select_values(rules.google_tenants))} only"
    )
    if family == "chromium":
        return TENANT_DOMAINS, statement
    return TENANT_DOMAINS, f"{statement}; at hosts below google.com, not at google.com itself"


def _describe_microsoft(family: str, rules: BrowserRules) -> tuple[str, str]:
    """Return the policy that restricts Microsoft accounts in a family of browsers, and a text about what it covers."""
    if family == "chromium":
        names = tuple(name for tenant in rules.microsoft_tenants for name in tenant.domains or (tenant.id,))
        statement = f"Microsoft lets in accounts of {_join_names(names)} only"
        return (
            TENANT_HEADERS,
            f"{statement}, and no personal ones at {PRIVATE_LOGIN_HOST}{_describe_missing_context(rules)}",
        )
    return WEBSITE_FILTER, f"personal accounts: {PRIVATE_LOGIN_HOST} is blocked; business accounts of others are let in"


def _describe_missing_context(rules: BrowserRules) -> str:
    """Return a phrase if CONTEXT_HEADER is not sent, because the first tenant has no id; else ""."""
    missing_id = describe_missing_id(rules.microsoft_tenants[:1])
    return f"; {CONTEXT_HEADER.name} is not sent: {missing_id}" if missing_id else ""


def _join_names(names: tuple[str, ...]) -> str:
    remainder = f" and {len(names) - MAX_NAMED_DOMAINS} more" if len(names) > MAX_NAMED_DOMAINS else ""
    return ", ".join(names[:MAX_NAMED_DOMAINS]) + remainder


def find_overriding_header(required: Sequence[object], entries: Sequence[object]) -> tuple[object, str]:
    """Return the entry of HttpHeaderInjection that overrides a required header, and the name of the header.

    `required` has the plan's entries, and `entries` all effective entries. Returns (None, "") if nothing overrides. For
    an address, the closest pattern with the header counts. Of equal patterns, the last in the list counts (Chromium
    156).
    """
    own_headers = [
        (index, *header) for index, entry in enumerate(entries) if entry in required for header in _list_headers(entry)
    ]
    for index, entry in enumerate(entries):
        for pattern, name, header_value in _list_headers(entry):
            for own_index, own_pattern, own_name, own_value in own_headers:
                if (
                    name.lower() != own_name.lower()
                    or header_value == own_value
                    or not is_covering(own_pattern, pattern)
                ):
                    continue
                # a closer pattern, or the same pattern later in the list, overrides the required header
                if pattern != own_pattern or index > own_index:
                    return entry, name
    return None, ""


def _list_headers(entry: object) -> Iterator[tuple[SiteName, str, str]]:
    """Yield (pattern of the sites, name, value) for each header of an entry of HttpHeaderInjection."""
    rule = entry if isinstance(entry, dict) else {}
    for pattern in filter(None, map(parse_chromium_entry, read_list(rule, "patterns"))):
        for header in read_list(rule, "headers"):
            if isinstance(header, dict):
                yield pattern.name, str(header.get("name")), str(header.get("value"))

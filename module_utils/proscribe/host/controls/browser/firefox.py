"""Policies of Firefox: the settings and the text of a policy file.

Firefox reads one file only. It is the file below /etc, or the file of its own installation as long as /etc has none. So
Proscribe merges its policies into the organisation's (firefox_merge describes the merge and its removal). A file with
nothing but Proscribe's own part needs only a comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ....base.json_text import dump_json
from ....base.named_tuple import NamedTuple
from ...system import WRITTEN_BY
from ..policy_values import read_table
from .browser_settings import (
    ALLOW_LIST,
    BLOCKED,
    EXTENSIONS,
    GOOGLE_TENANTS,
    PRIVATE_LOGIN_HOST,
    PROXY_EXTENSIONS,
    SETTINGS,
)
from .extension_settings import EXTENSION_SETTINGS, MODE_FIELD, make_due_settings
from .policy_observation import POLICY_MARK
from .policy_places import THUNDERBIRD, PolicyPlace
from .site_rules import BrowserRules, SiteName, is_covering, list_covering_hosts

if TYPE_CHECKING:
    from ..policy_values import Policies

WEBSITE_FILTER, DNS_OVER_HTTPS, TENANT_DOMAINS = "WebsiteFilter", "DNSOverHTTPS", "AllowedDomainsForApps"
PREFERENCES_POLICY = "Preferences"
# An entry of the menu Help. A blocked page itself cannot show a text or a link.
SUPPORT_MENU_POLICY = "SupportMenu"
# Without this preference, Firefox (153) connects to a site on its command line before it checks the block list. It
# still looks up the name. No known preference prevents that.
NO_SPECULATION_PREFERENCE = {"network.http.speculative-parallel-limit": {"Value": 0, "Status": "locked"}}


class WebsiteFilterLists(NamedTuple):
    """Lists of a WebsiteFilter: blocked patterns, exceptions, and permitted names that no exception can open."""

    blocked_patterns: list[str]
    exception_patterns: list[str]
    # Permitted names that stay closed, each with the blocked name that would open with it.
    closed_names: list[tuple[SiteName, SiteName]]


def make_filter_lists(rules: BrowserRules, foreign_names: Iterable[SiteName] = ()) -> WebsiteFilterLists:
    """Return the rules as a WebsiteFilter of Firefox.

    `foreign_names` are names that the organisation itself blocks: no exception opens them. In Firefox an exception has
    priority over everything below it. So a permitted name with a blocked name below it is opened alone, without the
    hosts below. If the blocked name is a path of the same host, the permitted name stays closed. Paths are compared in
    lower case.
    """
    # No policy of Firefox adds the headers by which Microsoft distinguishes accounts. But private accounts sign in at a
    # separate host. The accounts of the organisation do not need that host.
    private_names = [SiteName(PRIVATE_LOGIN_HOST)] if rules.microsoft_tenants else []
    lowered_names = sorted(
        {
            SiteName(permitted_name.host, permitted_name.path.lower())
            for permitted_name in [*rules.blocked_names, *private_names]
        }
    )
    exceptions, closed_names = [], []
    foreign_blocks = list(foreign_names)
    for permitted in rules.allowed_names:
        permitted_name = SiteName(permitted.host, permitted.path.lower())
        if any(
            blocked_name.host == "*" or is_covering(blocked_name, permitted_name) for blocked_name in foreign_blocks
        ):
            continue
        blocked_names = [*lowered_names, *foreign_blocks]
        blocked_within = [
            blocked_name
            for blocked_name in blocked_names
            if blocked_name.host == permitted_name.host and blocked_name.path.startswith(permitted_name.path)
        ]
        has_blocked_below = any(
            blocked_name.host.endswith("." + permitted_name.host) and _has_common_path(blocked_name, permitted_name)
            for blocked_name in blocked_names
        )
        if blocked_within:
            closed_names.append((permitted, blocked_within[0]))
        else:
            exceptions.append(_format_pattern(permitted_name, include_below=not has_blocked_below))
    return WebsiteFilterLists(
        [
            _format_pattern(permitted_name)
            for permitted_name in _list_uppermost_names(lowered_names, rules.allowed_names)
        ],
        exceptions,
        closed_names,
    )


def _list_uppermost_names(lowered_names: list[SiteName], allowed_names: Iterable[SiteName]) -> list[SiteName]:
    """Return the blocked names that no other blocked name covers.

    Only a path, or a name at or below a permitted host, can be covered.
    """
    known_names = set(lowered_names)
    allowed_suffixes = tuple("." + site_name.host for site_name in allowed_names)
    hosts = {site_name.host for site_name in allowed_names}
    return [
        site_name
        for site_name in lowered_names
        if not (site_name.path or site_name.host in hosts or site_name.host.endswith(allowed_suffixes))
        or not any(
            SiteName(host, site_name.path[:length]) in known_names
            for host in list_covering_hosts(site_name.host)
            for length in range(len(site_name.path) + 1)
            if (host, length) != (site_name.host, len(site_name.path))
        )
    ]


def _has_common_path(first: SiteName, second: SiteName) -> bool:
    return first.path.startswith(second.path) or second.path.startswith(first.path)


def _format_pattern(site_name: SiteName, include_below: bool = True) -> str:
    return f"*://{'*.' if include_below else ''}{site_name.host}{site_name.path or '/'}*"


def list_closing_policies(rules: BrowserRules, place: PolicyPlace) -> dict[str, Policies]:
    """Return, by managed setting, the policies that close it at a place."""
    policies_by_setting: dict[str, Policies] = {}
    for id_, setting_value in rules.settings:
        setting = SETTINGS[id_]
        setting_policies = dict(setting.firefox)
        if not setting.is_applicable(place.browsers) or (
            place.family == THUNDERBIRD and not setting.is_for_thunderbird
        ):
            setting_policies = {}
        elif id_ == EXTENSIONS:
            ids = rules.firefox_extensions
            extension_entries = {
                extension_id: {MODE_FIELD: "blocked"}
                for extension_id in (["*"] if setting_value == ALLOW_LIST else ids)
            }
            if setting_value == ALLOW_LIST:
                extension_entries.update(
                    (extension_id, {MODE_FIELD: "allowed"}) for extension_id in rules.firefox_allowed
                )
            setting_policies = {EXTENSION_SETTINGS: extension_entries} if extension_entries else {}
        elif id_ == PROXY_EXTENSIONS:
            setting_policies = {
                EXTENSION_SETTINGS: make_due_settings({}, rules.firefox_allowed, _list_refused_extensions(rules))
            }
        if setting_policies:
            policies_by_setting[id_] = setting_policies
    if rules.google_domains:
        policies_by_setting[GOOGLE_TENANTS] = {TENANT_DOMAINS: ",".join(rules.google_domains)}
    return policies_by_setting


def _list_refused_extensions(rules: BrowserRules) -> tuple[str, ...]:
    """Return the extensions that are refused by their ids, so that no exception applies to them."""
    return rules.firefox_extensions if dict(rules.settings).get(EXTENSIONS) == BLOCKED else ()


def make_policies(rules: BrowserRules, place: PolicyPlace, filter_lists: WebsiteFilterLists) -> dict[str, object]:
    """Return Proscribe's own part of the policies."""
    own_policies: dict[str, object] = {}
    if filter_lists.blocked_patterns:
        own_policies[WEBSITE_FILTER] = {
            "Block": filter_lists.blocked_patterns,
            **({"Exceptions": filter_lists.exception_patterns} if filter_lists.exception_patterns else {}),
        }
        own_policies[PREFERENCES_POLICY] = dict(NO_SPECULATION_PREFERENCE)
        if rules.request_url:
            own_policies[SUPPORT_MENU_POLICY] = {"Title": "Request an exception", "URL": rules.request_url}
    for closing_policies in list_closing_policies(rules, place).values():
        for (
            name,
            policy_value,
        ) in closing_policies.items():  # several settings may have preferences, or an entry for "*"
            own_policies[name] = (
                join_tables(read_table(own_policies, name), read_table(closing_policies, name))
                if name in own_policies
                else policy_value
            )
    return own_policies


def join_tables(first: Policies, second: Policies) -> dict[str, object]:
    """Join two tables of entries. The fields of a common entry are joined; the fields of `second` have priority."""
    common_entries = {key: {**read_table(first, key), **read_table(second, key)} for key in first if key in second}
    return {**first, **second, **common_entries}


def render_policies(document: Policies) -> bytes:
    """Return the content of a file, with one entry a line.

    The content is strict JSON in ASCII: Firefox would ignore a whole file with anything else.
    """
    return (dump_json(document, indent=1, allow_nan=False) + "\n").encode()


def render_alone(rules: BrowserRules, place: PolicyPlace) -> bytes | None:
    """Return the file with only Proscribe's own part; None if there is nothing to set."""
    own_policies = make_policies(rules, place, make_filter_lists(rules))
    return render_policies({POLICY_MARK: WRITTEN_BY, "policies": own_policies}) if own_policies else None

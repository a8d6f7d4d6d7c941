"""Policies of Firefox: the settings and the text of a policy file.

Firefox reads one file only: the file below /etc or, if /etc has none, the file in the folder of its installation. So
Proscribe merges its policies into the organisation's (firefox_merge.py describes the merge and its removal). A file
that has nothing but Proscribe's policies needs only a comparison (exact_match.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ....base.json_text import dump_json
from ....base.named_tuple import NamedTuple
from ....model.tenants import ALLOWED_APP_DOMAINS
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

WEBSITE_FILTER, DNS_OVER_HTTPS, TENANT_DOMAINS = "WebsiteFilter", "DNSOverHTTPS", ALLOWED_APP_DOMAINS.name
PREFERENCES_POLICY = "Preferences"
# Policy that adds a link to the menu Help, to the organisation's page for requests of exceptions. Firefox's page of a
# blocked site cannot show a text or a link.
SUPPORT_MENU_POLICY = "SupportMenu"
# Without this preference, Firefox (153) connects to a site on its command line before it checks the block list. Even
# with it, Firefox looks up the site's name. No known preference prevents that.
NO_SPECULATION_PREFERENCE = {"network.http.speculative-parallel-limit": {"Value": 0, "Status": "locked"}}


class WebsiteFilterLists(NamedTuple):
    """Lists of Firefox's policy WebsiteFilter, and permitted names that Firefox cannot permit."""

    blocked_patterns: list[str]
    exception_patterns: list[str]
    # (permitted name that stays blocked, blocked name that an exception would permit too)
    closed_names: list[tuple[SiteName, SiteName]]


def make_filter_lists(rules: BrowserRules, foreign_names: Iterable[SiteName] = ()) -> WebsiteFilterLists:
    """Convert the rules to a WebsiteFilter of Firefox.

    `foreign_names` are names that the organisation itself blocks: no exception permits them. In Firefox, an exception
    applies to everything below it, even to a blocked name. So if a blocked name is below a permitted name, the
    exception is for the permitted host alone. If the blocked name is a path of the same host, there is no exception.
    Then the permitted name stays blocked. Paths are compared in lower case.
    """
    # No policy of Firefox adds the headers by which Microsoft distinguishes accounts. So the host where private
    # accounts sign in is blocked. The organisation's accounts do not need that host.
    private_names = [SiteName(PRIVATE_LOGIN_HOST)] if rules.microsoft_tenants else []
    lowered_names = sorted(
        {
            SiteName(blocked_name.host, blocked_name.path.lower())
            for blocked_name in [*rules.blocked_names, *private_names]
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
        # blocked names that the exception would open: paths of the same host, below the permitted path
        blocked_within = [
            blocked_name
            for blocked_name in blocked_names
            if blocked_name.host == permitted_name.host and blocked_name.path.startswith(permitted_name.path)
        ]
        # True if a host below the permitted host is blocked
        has_blocked_below = any(
            blocked_name.host.endswith("." + permitted_name.host) and _has_common_path(blocked_name, permitted_name)
            for blocked_name in blocked_names
        )
        if blocked_within:
            closed_names.append((permitted, blocked_within[0]))
        else:
            exceptions.append(_format_pattern(permitted_name, include_below=not has_blocked_below))
    return WebsiteFilterLists(
        [_format_pattern(blocked_name) for blocked_name in _list_uppermost_names(lowered_names, rules.allowed_names)],
        exceptions,
        closed_names,
    )


def _list_uppermost_names(lowered_names: list[SiteName], allowed_names: Iterable[SiteName]) -> list[SiteName]:
    """Return the blocked names that no other blocked name covers, because a covered name needs no entry.

    The rules have no superfluous names (BrowserRules). So only a path, or a name at or below a permitted host, can be
    covered.
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
    """Return whether the paths of two names have addresses in common: one path is the start of the other."""
    return first.path.startswith(second.path) or second.path.startswith(first.path)


def _format_pattern(site_name: SiteName, include_below: bool = True) -> str:
    """Return the pattern of WebsiteFilter for a name, with or without the hosts below its host."""
    return f"*://{'*.' if include_below else ''}{site_name.host}{site_name.path or '/'}*"


def list_closing_policies(rules: BrowserRules, place: PolicyPlace) -> dict[str, Policies]:
    """Return, by id of a closed bypass, the policies of Firefox or Thunderbird that close the bypass."""
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
            # with ALLOW_LIST, all extensions are blocked but those that the plan allows
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
    if rules.google_tenants:
        app_domains = ALLOWED_APP_DOMAINS.select_values(rules.google_tenants)
        policies_by_setting[GOOGLE_TENANTS] = {TENANT_DOMAINS: ",".join(app_domains)}
    return policies_by_setting


def _list_refused_extensions(rules: BrowserRules) -> tuple[str, ...]:
    """Return the ids of extensions that have a blocking entry each, so that they get no entry as an exception.

    The result is () unless the plan blocks just the extensions of restricted services.
    """
    return rules.firefox_extensions if dict(rules.settings).get(EXTENSIONS) == BLOCKED else ()


def make_policies(rules: BrowserRules, place: PolicyPlace, filter_lists: WebsiteFilterLists) -> dict[str, object]:
    """Return Proscribe's policies for the file of a place, without those of the organisation."""
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
        # Tables are joined, because several settings may have preferences or an entry for "*".
        for name, policy_value in closing_policies.items():
            own_policies[name] = (
                join_tables(read_table(own_policies, name), read_table(closing_policies, name))
                if name in own_policies
                else policy_value
            )
    return own_policies


def join_tables(first: Policies, second: Policies) -> dict[str, object]:
    """Join two tables of entries.

    If both have an entry, its fields are joined. If both have a field, the field of `second` counts.
    """
    common_entries = {key: {**read_table(first, key), **read_table(second, key)} for key in first if key in second}
    return {**first, **second, **common_entries}


def render_policies(document: Policies) -> bytes:
    """Return the content of a policies.json, with one entry on each line.

    The content is strict JSON in ASCII. Firefox would ignore a whole file that has anything else.
    """
    return (dump_json(document, indent=1, allow_nan=False) + "\n").encode()


def render_alone(rules: BrowserRules, place: PolicyPlace) -> bytes | None:
    """Return the content of a policies.json with Proscribe's policies only; None if no policy is to be set."""
    own_policies = make_policies(rules, place, make_filter_lists(rules))
    return render_policies({POLICY_MARK: WRITTEN_BY, "policies": own_policies}) if own_policies else None

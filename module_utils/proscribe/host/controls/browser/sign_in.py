"""Providers of the accounts of browsers, and policies that permit sign-in for an organisation's tenants only.

A browser itself signs in at one provider, whatever accounts its pages use. Only a tenant at that provider has accounts
to permit. Without such a tenant, the policies refuse every sign-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ....model.tenants import CHROME_SIGN_IN, EDGE_SIGN_IN, GOOGLE, MICROSOFT
from .browser_settings import SETTINGS, SIGN_IN

if TYPE_CHECKING:
    from ..policy_values import Policies
    from .policy_places import PolicyPlace
    from .site_rules import BrowserRules

YANDEX = "yandex"
# By browser of the catalogue: the provider of its accounts. Chromium's own code signs in at Google, and so does every
# browser without an entry. Firefox signs in at Mozilla, where no organisation has a tenant: browser_settings.py closes
# that for all accounts.
PROVIDERS = {"microsoft_edge": MICROSOFT, "yandex_browser": YANDEX}
SIGN_IN_PATTERN_POLICY = EDGE_SIGN_IN.name  # Chrome has the same name


def sign_in_policies(rules: BrowserRules, place: PolicyPlace) -> Policies:
    """Return the policies by which a place's browsers accept only accounts of the plan's tenants for sign-in.

    Without a tenant at the provider, the policies refuse every sign-in. The result is {} if the domains of the tenants'
    accounts are unknown.
    """
    providers = _list_providers(place)
    if explain_open_sign_in(rules, place):
        return {}
    domains = [*(CHROME_SIGN_IN.select_values(rules.google_tenants) if GOOGLE in providers else ())]
    if MICROSOFT in providers:
        domains += sorted(EDGE_SIGN_IN.select_values(rules.microsoft_tenants))
    if not domains:
        return SETTINGS[SIGN_IN].chromium
    return {
        SIGN_IN_PATTERN_POLICY: _make_case_sensitive_pattern(domains)
        if MICROSOFT in providers
        else _make_pattern(domains)
    }


def explain_open_sign_in(rules: BrowserRules, place: PolicyPlace) -> str:
    """Return the reason why every account may sign in although the plan restricts sign-in; else "".

    The reason is that the domains of a Microsoft tenant are unknown, so Edge cannot be restricted to them.
    """
    if place.family != "chromium" or MICROSOFT not in _list_providers(place) or SIGN_IN not in dict(rules.settings):
        return ""
    return EDGE_SIGN_IN.explain_missing_value(rules.microsoft_tenants)


def _list_providers(place: PolicyPlace) -> set[str]:
    """Return the providers of accounts of the browsers of a place."""
    return {PROVIDERS.get(browser, GOOGLE) for browser in place.browsers or (place.id,)}


def _make_pattern(domains: Iterable[str]) -> str:
    """Return a regular expression for the accounts of some domains.

    Chromium compares the expression with the whole name of the account, and ignores case.
    """
    return ".*@(" + "|".join(domain.replace(".", "[.]") for domain in domains) + ")"


def _make_case_sensitive_pattern(domains: Iterable[str]) -> str:
    """Return a regular expression for the accounts of some domains, in Edge, which distinguishes case.

    Anchors make the expression match the whole name: Edge's documentation does not guarantee that.
    """
    return "^[^@]+@(" + "|".join("".join(map(_match_letter, domain)) for domain in domains) + ")$"


def _match_letter(character: str) -> str:
    """Return the part of a regular expression that matches a character of a domain, in either case."""
    if character.isalpha():
        return f"[{character.lower()}{character.upper()}]"
    return "[.]" if character == "." else character

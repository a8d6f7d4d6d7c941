"""Providers of the accounts of browsers, and policies that leave sign-in to an organisation's tenants.

A browser signs in at one provider, whatever accounts its pages use. Only a tenant at that provider has accounts to
permit. Without such a tenant, nobody signs in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ....model.tenants import explain_missing_domains
from .settings import SETTINGS, SIGN_IN

if TYPE_CHECKING:
    from ..policy_tables import Policies
    from .places import PolicyPlace
    from .rendering import BrowserRules

GOOGLE, MICROSOFT, YANDEX = "google", "microsoft", "yandex"
# By browser of the catalogue: where it signs in. Chromium's own code signs in at Google, so what is not here does that.
# Firefox signs in at Mozilla, where no organisation has a tenant: settings.py closes that to all accounts.
PROVIDERS = {"microsoft_edge": MICROSOFT, "yandex_browser": YANDEX}
SIGN_IN_PATTERN_POLICY = "RestrictSigninToPattern"


def sign_in_policies(rules: BrowserRules, place: PolicyPlace) -> Policies:
    """Return the policies that let accounts of the tenants sign in a place's browsers, and no others. They are empty
    where these accounts are not known by name.
    """
    providers = _list_providers(place)
    if explain_open_sign_in(rules, place):
        return {}
    domains = [*(rules.google_domains if GOOGLE in providers else ())]
    if MICROSOFT in providers:
        domains += sorted({domain for tenant in rules.microsoft_tenants for domain in tenant.domains})
    if not domains:
        return SETTINGS[SIGN_IN].chromium
    return {
        SIGN_IN_PATTERN_POLICY: _make_case_sensitive_pattern(domains)
        if MICROSOFT in providers
        else _make_pattern(domains)
    }


def explain_open_sign_in(rules: BrowserRules, place: PolicyPlace) -> str:
    """Say why every account may sign in a place's browsers although sign-in is managed; "" where it may not."""
    if place.family != "chromium" or MICROSOFT not in _list_providers(place) or SIGN_IN not in dict(rules.settings):
        return ""
    return explain_missing_domains(rules.microsoft_tenants, SIGN_IN_PATTERN_POLICY)


def _list_providers(place: PolicyPlace) -> set[str]:
    return {PROVIDERS.get(browser, GOOGLE) for browser in place.browsers or (place.id,)}


def _make_pattern(domains: Iterable[str]) -> str:
    """Return a pattern of the accounts of some domains. Chromium compares it with the whole name, in any case."""
    return ".*@(" + "|".join(domain.replace(".", "[.]") for domain in domains) + ")"


def _make_case_sensitive_pattern(domains: Iterable[str]) -> str:
    """Return a pattern of the accounts of some domains for Edge, which distinguishes upper and lower case. Anchors say
    that the whole name counts, since Edge's page does not.
    """
    return "^[^@]+@(" + "|".join("".join(map(_match_letter, domain)) for domain in domains) + ")$"


def _match_letter(character: str) -> str:
    if character.isalpha():
        return f"[{character.lower()}{character.upper()}]"
    return "[.]" if character == "." else character

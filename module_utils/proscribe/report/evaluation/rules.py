"""The rules that controls have besides those of services (settings, gates, files): no plan lists them."""

from __future__ import annotations

from collections.abc import Mapping

from ...controls.apps import install_block
from ...controls.apps.desired import UNMANAGED_BROWSERS
from ...controls.apps.execution import fapolicyd
from ...controls.apps.quarantine import unfinished
from ...controls.apps.requests import command
from ...controls.browser import settings
from ...controls.dns import private_view
from ...controls.firewall import neighbours
from ...controls.firewall.rule_text import OWN_RULES
from ...controls.firewall.ruleset import DNS_OVER_TLS, PLAIN_DNS, QUIC
from ...finding import ON_REQUEST

_BROWSER = {settings.rule(setting) for setting in settings.SETTINGS} | {
    settings.rule(provider) for provider in (settings.GOOGLE_TENANTS, settings.MICROSOFT_TENANTS)
}


def _names(control: str, rules: set[str]) -> frozenset[str]:
    return frozenset(rule.removeprefix(f"{control}/") for rule in rules)


# By control: the name of each such rule, without its control. A test holds it against what the controls make.
OF_CONTROL: Mapping[str, frozenset[str]] = {
    "apps": _names("apps", {install_block.RULE, command.RULE, fapolicyd.RULE, unfinished.RULE, UNMANAGED_BROWSERS}),
    "browser": _names("browser", {*_BROWSER, *ON_REQUEST, "running", "packaged", "policy-file"}),
    "firewall": _names(
        "firewall", {neighbours.RULE, DNS_OVER_TLS, QUIC, PLAIN_DNS, OWN_RULES, "ruleset", "boot", "exemptions"}
    ),
    "dns": _names("dns", {private_view.RULE, "resolver", "sub-domains", "hosts-file"}),
}

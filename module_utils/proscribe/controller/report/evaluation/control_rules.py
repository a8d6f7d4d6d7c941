"""The rules of controls that belong to no service (settings, gates, files): no plan lists them."""

from __future__ import annotations

from collections.abc import Mapping

from ....host.controls.apps import install_block, user_finding_limit
from ....host.controls.apps.desired_apps import UNMANAGED_BROWSERS_ID
from ....host.controls.apps.execution import fapolicyd
from ....host.controls.apps.quarantine import quarantine_rule
from ....host.controls.apps.requests import command
from ....host.controls.browser import browser_settings
from ....host.controls.dns import private_mounts
from ....host.controls.firewall import other_tables
from ....host.controls.firewall.rule_syntax import OWN_RULES
from ....host.controls.firewall.ruleset import DNS_OVER_TLS_RULE, LOCAL_SSH_RULE, PLAIN_DNS_RULE, QUIC_RULE
from ....model.finding import RULES_ON_REQUEST

_BROWSER_RULES = {browser_settings.format_rule_name(setting) for setting in browser_settings.SETTINGS} | {
    browser_settings.format_rule_name(provider)
    for provider in (browser_settings.GOOGLE_TENANTS, browser_settings.MICROSOFT_TENANTS)
}


def _strip_control(control: str, rules: set[str]) -> frozenset[str]:
    return frozenset(rule.removeprefix(f"{control}/") for rule in rules)


# By control: the rules that belong to no service, without the control's prefix. A test compares this table with the
# rules that the controls report.
OWN_RULES_BY_CONTROL: Mapping[str, frozenset[str]] = {
    "apps": _strip_control(
        "apps",
        {
            install_block.INSTALL_BLOCK_RULE,
            command.REQUEST_COMMAND_RULE,
            fapolicyd.EXECUTION_CONTROL_RULE,
            quarantine_rule.QUARANTINE_RULE,
            user_finding_limit.TOO_MANY_FINDINGS_RULE,
            UNMANAGED_BROWSERS_ID,
        },
    ),
    "browser": _strip_control("browser", {*_BROWSER_RULES, *RULES_ON_REQUEST, "running", "packaged", "policy-file"}),
    "firewall": _strip_control(
        "firewall",
        {
            other_tables.NEIGHBOURS_RULE,
            DNS_OVER_TLS_RULE,
            QUIC_RULE,
            PLAIN_DNS_RULE,
            LOCAL_SSH_RULE,
            OWN_RULES,
            "ruleset",
            "boot",
            "exemptions",
        },
    ),
    "dns": _strip_control("dns", {private_mounts.PRIVATE_VIEW_RULE, "resolver", "sub-domains", "hosts-file"}),
}

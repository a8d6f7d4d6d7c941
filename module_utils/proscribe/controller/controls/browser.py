"""The control `browser`: its policies block web pages and extensions in browsers."""

from __future__ import annotations

from .clauses import BAN_CLAUSES, CIS_CONTROLS, NIST, WEB_FILTERING_CLAUSE, Clause
from .declaration import ControlDeclaration


def _list_own_rules() -> frozenset[str]:
    """Return the rules of `browser` that belong to no service.

    Their code is imported only when it is needed.
    """
    from ...host.controls.browser import browser_settings
    from ...host.controls.group_policy.account_restrictions import ACCOUNT_RULES
    from ...model.finding import RULES_ON_REQUEST

    setting_names = (*browser_settings.SETTINGS, browser_settings.GOOGLE_TENANTS, browser_settings.MICROSOFT_TENANTS)
    setting_rules = (browser_settings.format_rule_name(name) for name in setting_names)
    return frozenset({*setting_rules, *RULES_ON_REQUEST, *ACCOUNT_RULES.values(), "running", "packaged", "policy-file"})


DECLARATION = ControlDeclaration(
    action="browser_policy",
    list_own_rules=_list_own_rules,
    clauses=(
        *BAN_CLAUSES,
        Clause(NIST, "AC-20", "Use of external systems", True, "ac-20"),
        Clause(CIS_CONTROLS, "9.3", "Maintain and enforce network-based URL filters", True),
        WEB_FILTERING_CLAUSE,
    ),
    blocked_things="pages in browsers",
    narrowing_keys=("hours",),
    whole_host_reason="browser policies apply to a whole host, whoever uses it",
)

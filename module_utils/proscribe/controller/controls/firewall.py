"""The control `firewall`: it rejects connections to the networks of restricted services."""

from __future__ import annotations

from .clauses import BAN_CLAUSES, BOUNDARY_CLAUSE, WEB_FILTERING_CLAUSE
from .declaration import ControlDeclaration


def _list_own_rules() -> frozenset[str]:
    """Return the rules of the firewall that belong to no service.

    Their code is imported only when it is needed.
    """
    from ...host.controls.firewall import other_tables, ruleset
    from ...host.controls.firewall.rule_syntax import OWN_RULES

    return frozenset(
        {
            other_tables.NEIGHBOURS_RULE,
            ruleset.DNS_OVER_TLS_RULE,
            ruleset.QUIC_RULE,
            ruleset.PLAIN_DNS_RULE,
            ruleset.LOCAL_SSH_RULE,
            OWN_RULES,
            "ruleset",
            "boot",
            "exemptions",
        }
    )


DECLARATION = ControlDeclaration(
    action="host_firewall",
    list_own_rules=_list_own_rules,
    clauses=(
        *BAN_CLAUSES,
        BOUNDARY_CLAUSE,
        WEB_FILTERING_CLAUSE,
    ),
    blocked_things="network addresses",
    narrowing_keys=("hours",),
)

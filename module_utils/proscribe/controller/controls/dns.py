"""The control `dns`: it keeps restricted names from resolving."""

from __future__ import annotations

from .clauses import BAN_CLAUSES, BOUNDARY_CLAUSE, CIS_CONTROLS, WEB_FILTERING_CLAUSE, Clause
from .declaration import ControlDeclaration


def _list_own_rules() -> frozenset[str]:
    """Return the rules of `dns` that belong to no service.

    Their code is imported only when it is needed.
    """
    from ...host.controls.dns import private_mounts

    return frozenset({private_mounts.PRIVATE_VIEW_RULE, "resolver", "sub-domains", "hosts-file"})


DECLARATION = ControlDeclaration(
    action="dns_filter",
    list_own_rules=_list_own_rules,
    clauses=(
        *BAN_CLAUSES,
        BOUNDARY_CLAUSE,
        Clause(CIS_CONTROLS, "9.2", "Use DNS filtering services", True),
        WEB_FILTERING_CLAUSE,
    ),
    blocked_things="names (DNS)",
    narrowing_keys=("hours",),
    whole_host_reason="the DNS filter applies to a whole host, whoever uses it",
)

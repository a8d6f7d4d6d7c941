"""The control `apps`: it removes or blocks restricted programs."""

from __future__ import annotations

from .clauses import BAN_CLAUSES, CIS_CONTROLS, ISO_27001, NIST, NIST_CSF, Clause
from .declaration import ControlDeclaration


def _list_own_rules() -> frozenset[str]:
    """Return the rules of `apps` that belong to no service.

    Their code is imported only when it is needed.
    """
    from ...host.controls.apps import install_block, user_finding_limit
    from ...host.controls.apps.desired_apps import UNMANAGED_BROWSERS_ID
    from ...host.controls.apps.execution import fapolicyd
    from ...host.controls.apps.quarantine import quarantine_rule
    from ...host.controls.apps.requests import command

    return frozenset(
        {
            install_block.INSTALL_BLOCK_RULE,
            command.REQUEST_COMMAND_RULE,
            fapolicyd.EXECUTION_CONTROL_RULE,
            quarantine_rule.QUARANTINE_RULE,
            user_finding_limit.TOO_MANY_FINDINGS_RULE,
            UNMANAGED_BROWSERS_ID,
        }
    )


DECLARATION = ControlDeclaration(
    action="restricted_apps",
    list_own_rules=_list_own_rules,
    clauses=(
        *BAN_CLAUSES,
        Clause(NIST, "CM-10", "Software usage restrictions", False, "cm-10"),
        Clause(NIST, "CM-11", "User-installed software", False, "cm-11"),
        Clause(NIST_CSF, "PR.PS-05", "Unauthorized software is prevented", True),
        Clause(
            CIS_CONTROLS, "2.3", "Address unauthorized software: remove it, or document an exception; monthly", True
        ),
        Clause(ISO_27001, "A.8.19", "Installation of software on operational systems", True),
    ),
    blocked_things="programs",
    narrowing_keys=("versions", "paths"),
)

"""The rules of controls that belong to no service (settings, install blocks, files): no plan lists them."""

from __future__ import annotations

from ...controls import DECLARATIONS


def list_own_rules(control: str) -> frozenset[str]:
    """Return the rules of a control that belong to no service, without the control's prefix.

    The result is empty for a group of rules that is no control. A test compares it with the rules that the control
    reports.
    """
    if control not in DECLARATIONS:
        return frozenset()
    return frozenset(rule.removeprefix(f"{control}/") for rule in DECLARATIONS[control].list_own_rules())

"""The declaration of a control: its Ansible module, its rules beside services, and the clauses that it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .clauses import Clause


class ControlDeclaration(NamedTuple):
    """A control, as callbacks, reports and exports need it."""

    # The Ansible module that enforces and lifts the control. Its role has the same name.
    action: str
    # Returns the rules that belong to no service: settings, install blocks, files. Some have the control's prefix
    # (`apps/`), some do not. The function imports the control's code only when a report needs the rules.
    list_own_rules: Callable[[], frozenset[str]]
    # The clauses of standards that the control serves.
    clauses: tuple[Clause, ...]
    # The things that the control blocks, as messages to users name them.
    blocked_things: str
    # The keys that narrow a waiver in time or to a part of a service, and that the control can apply.
    narrowing_keys: tuple[str, ...] = ()
    # The reason why the control cannot tell users apart; "" if it can. It then also applies waivers for some users.
    whole_host_reason: str = ""

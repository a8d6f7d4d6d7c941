"""The control of a Samba domain controller: Group Policy objects of ours, one for each audience that the plan names.

By them machines of the domain get the policies of their browsers, whether Ansible reaches these machines or not.
`registry_pol.py` and `policies.py` make what an object says, as the export for Windows has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import RuleVerdict
from ...system import Host
from ..base import Changes

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """A verdict for each object. Raises ControlError and Unseen."""
    from .differences import observe_group_policy

    return observe_group_policy(host, plan)


def enforce(host: Host, plan: Plan) -> Changes:
    """What brings the objects in line, and removes those that the plan has no longer. Raises ControlError."""
    from .changes import enforce_group_policy

    return enforce_group_policy(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """What removes the objects, and leaves the domain as if they had never been there. Raises ControlError."""
    from .changes import lift_group_policy

    return lift_group_policy(host, plan)

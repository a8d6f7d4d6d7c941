"""The control of a Samba domain controller: Proscribe's Group Policy objects, one for each audience of the plan.

They give machines of the domain the policies of their browsers, whether or not Ansible reaches these machines.
`registry_pol.py` and `policies.py` make the content of an object, as in the export for Windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import RuleVerdict
from ...system import Host
from ..base import Changes

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Return a verdict for each object. Raises ControlError and ObservationError."""
    from .differences import observe_group_policy

    return observe_group_policy(host, plan)


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that correct the objects, and remove those that the plan has dropped. Raises ControlError."""
    from .changes import enforce_group_policy

    return enforce_group_policy(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove the objects without a trace in the domain. Raises ControlError."""
    from .changes import lift_group_policy

    return lift_group_policy(host, plan)

"""The control of a Samba domain controller: Proscribe's Group Policy objects.

The plan has one object for each group of hosts. The objects give the machines of the domain the policies of their
browsers, whether or not Ansible reaches these machines. `registry_pol.py` and `policies.py` make the content of a Group
Policy object. The export for Windows has the same content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import RuleVerdict
from ...system import Host
from ..base import Changes

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Return a verdict for each of Proscribe's Group Policy objects.

    Raises ControlError and ObservationError.
    """
    from .differences import observe_group_policy

    return observe_group_policy(host, plan)


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that correct Proscribe's Group Policy objects. Raises ControlError.

    Objects that the plan no longer has are removed.
    """
    from .changes import enforce_group_policy

    return enforce_group_policy(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove Proscribe's Group Policy objects without a trace.

    Raises ControlError.
    """
    from .changes import lift_group_policy

    return lift_group_policy(host, plan)

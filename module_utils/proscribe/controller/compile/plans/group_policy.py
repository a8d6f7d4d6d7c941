"""The Group Policy part of a domain controller's plan: for each object, the one policy of its group's hosts.

These hosts count whether Proscribe serves them or not: Windows machines are the usual audience. So their variables are
read and their plans compiled here, and joined as for an export: never wider than the plan of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ....model.types.plan import GroupPolicy, GroupPolicyObject, Plan
from ...enforcement_points.decision import join
from ...enforcement_points.declaration import NotExportable
from ...policy_errors import Described, PolicyError, PolicyErrors, close_to
from ..restrictions import PREFIX
from ..restrictions.group_policy_values import Object as Object

VARIABLE = f"{PREFIX}group_policy"
CONTROL = "browser"

Plans = Mapping[str, Plan]  # by host


def section(
    objects: Iterable[Object], groups: Mapping[str, frozenset[str]], plans_of: Callable[[str], Plans]
) -> GroupPolicy:
    """What a domain controller's plan has: each object with the browser section of its group's joined plan.
    `plans_of` compiles the plans of a group's hosts. Raises PolicyErrors.
    """
    errors: list[PolicyError] = []
    made: list[GroupPolicyObject] = []
    for index, one in enumerate(objects):
        key = f"{VARIABLE}[{index}].group"
        if not groups.get(one.group):
            has_none = one.group in groups
            expected = "a group with a host" if has_none else f"a group of the inventory{close_to(one.group, groups)}"
            where = f"; its machines count although Proscribe does not serve them: add [{one.group}] with one of them"
            errors.append(PolicyError("", key, one.group, expected + where))
            continue
        try:
            plan, _ = join(plans_of(one.group), (CONTROL,))
        except NotExportable as wrong:
            errors.append(PolicyError("", key, Described(one.group), f"a group with one policy: {wrong}"))
            continue
        if CONTROL not in plan["controls"]:
            expected = f"a group whose {PREFIX}controls has {CONTROL}: enforce or audit; it is off there"
            errors.append(PolicyError("", key, one.group, expected))
            continue
        found: GroupPolicyObject = {
            "name": one.name,
            "group": one.group,
            "ous": list(one.ous),
            "enforced": one.enforced,
            "browser": plan["controls"][CONTROL],
        }
        if "request_url" in plan:
            found["request_url"] = plan["request_url"]
        made.append(found)
    if errors:
        raise PolicyErrors(errors)
    return {"objects": made}

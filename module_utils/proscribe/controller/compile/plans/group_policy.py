"""The Group Policy part of a domain controller's plan: for each object, the one policy of its group's hosts, for their
browsers and, by AppLocker, for their programs.

These hosts count whether Proscribe serves them or not: Windows machines are the usual audience. So their variables are
read and their plans compiled here, and joined as for an export: never wider than the plan of any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ....host.controls.group_policy import accounts, applocker
from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import ControlSettings, GroupPolicy, GroupPolicyObject, Plan, PlanEntry, PlanSection
from ...enforcement_points.decision import join
from ...enforcement_points.declaration import NotExportable
from ...policy_errors import Described, PolicyError, PolicyErrors, close_to
from ..restrictions import PREFIX
from ..restrictions.group_policy_values import Object as Object

VARIABLE = f"{PREFIX}group_policy"
CONTROL, APPS = "browser", "apps"

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
        plans = plans_of(one.group)
        needed = (CONTROL, APPS) if _applocker(plans) else (CONTROL,)
        if wrong_waiver := _for_users(plans):
            errors.append(PolicyError("", key, Described(one.group), wrong_waiver))
            continue
        try:
            plan, _ = join(plans, needed)
        except NotExportable as wrong:
            errors.append(PolicyError("", key, Described(one.group), f"a group with one policy: {wrong}"))
            continue
        if CONTROL not in plan["controls"]:
            expected = f"a group whose {PREFIX}controls has {CONTROL}: enforce or audit; it is off there"
            errors.append(PolicyError("", key, one.group, expected))
            continue
        if missing := accounts.explain_missing_ids(plan["controls"][CONTROL], for_users=False):
            errors.append(PolicyError("", key, one.group, f"a group whose tenants have ids: {missing}"))
            continue
        found: GroupPolicyObject = {
            "name": one.name,
            "group": one.group,
            "ous": list(one.ous),
            "enforced": one.enforced,
            "browser": plan["controls"][CONTROL],
        }
        if APPS in needed and (programs := _programs(plan["controls"][APPS]))["services"]:
            found["apps"] = programs
        if "request_url" in plan:
            found["request_url"] = plan["request_url"]
        made.append(found)
    if errors:
        raise PolicyErrors(errors)
    return {"objects": made}


def _applocker(plans: Plans) -> bool:
    """Whether the machines of a group get rules of AppLocker: apps is not off for any of its hosts."""
    sections = [plan["controls"].get(APPS) for plan in plans.values()]
    return any(section is not None and applocker.mode_of(section) != applocker.OFF for section in sections)


def _for_users(plans: Plans) -> str:
    """What was expected where a waiver is for users of programs that AppLocker denies; "" where none is. A rule denies
    to everybody, and none that allows goes before it: no exception for some of them can be had.
    """
    for plan in plans.values():
        section = plan["controls"].get(APPS)
        if section is None or applocker.mode_of(section) != applocker.ENFORCE:
            continue
        for id_, entry in section["services"].items():
            for one in entry.get("exceptions", ()):
                if ("users" in one or "posix_groups" in one) and any(applocker.of_service(id_, entry)):
                    return (
                        f"a group whose waivers are for whole hosts: {one['waiver']} is for users of {id_}, and"
                        " AppLocker denies to all. Waive it for hosts of a group of their own, or set"
                        f" {PREFIX}applocker to audit or off"
                    )
    return ""


def _programs(section: PlanSection) -> PlanSection:
    """Of a section what AppLocker's rules are made of: a domain controller needs nothing else of it."""
    services: dict[str, PlanEntry] = {}
    for id_, entry in section["services"].items():
        if entry["mode"] in RESTRICTED_MODES and any(applocker.of_service(id_, entry)):
            services[id_] = entry.copy()
            for key in entry.keys() - {"name", "mode", *applocker.NAMED}:
                services[id_].pop(key)  # type: ignore[misc]
    settings: ControlSettings = {"applocker": applocker.mode_of(section)}
    return {"mode": section["mode"], "services": services, "settings": settings}

"""The Group Policy part of a domain controller's plan.

Each object has the common policy of its group's hosts for their browsers and, by AppLocker, for their programs. All
hosts count, served by Proscribe or not: Windows machines are the usual audience. So their variables are read and their
plans compiled here. The plans are joined as for an export: never wider than the plan of any of the hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ....host.controls.group_policy import account_restrictions, applocker_rules
from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import ControlSettings, GroupPolicy, GroupPolicyObject, Plan, PlanEntry, PlanSection
from ...enforcement_points.decision import join_plans
from ...enforcement_points.format_declaration import ExportError
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors, propose_similar_names
from ..restrictions import PREFIX
from ..restrictions.group_policy_values import PolicyObjectSetting as PolicyObjectSetting

VARIABLE = f"{PREFIX}group_policy"
CONTROL, APPS = "browser", "apps"

PlansByHost = Mapping[str, Plan]  # key: name of a host


def compile_group_policy(
    objects: Iterable[PolicyObjectSetting],
    groups: Mapping[str, frozenset[str]],
    compile_plans: Callable[[str], PlansByHost],
) -> GroupPolicy:
    """Return the Group Policy part of a domain controller's plan.

    It has an entry for each of `objects`, which are Group Policy objects (GPOs). An entry has the joined browser
    section of the plans of the object's group, and perhaps AppLocker rules. `groups` has the hosts of each group of the
    inventory. `compile_plans` compiles the plans of a group's hosts. Raises PolicyErrors.
    """
    errors: list[PolicyError] = []
    compiled_objects: list[GroupPolicyObject] = []
    for index, policy_object in enumerate(objects):
        key = f"{VARIABLE}[{index}].group"
        if not groups.get(policy_object.group):
            is_empty_group = policy_object.group in groups
            expected = (
                "a group with a host"
                if is_empty_group
                else f"a group of the inventory{propose_similar_names(policy_object.group, groups)}"
            )
            hint = (
                f"; its machines count although Proscribe does not serve them: add [{policy_object.group}] with "
                f"one of them"
            )
            errors.append(PolicyError("", key, policy_object.group, expected + hint))
            continue
        plans = compile_plans(policy_object.group)
        controls = (CONTROL, APPS) if _has_applocker_rules(plans) else (CONTROL,)
        if waiver_problem := _explain_user_waiver(plans):
            errors.append(PolicyError("", key, DescribedValue(policy_object.group), waiver_problem))
            continue
        try:
            plan, _ = join_plans(plans, controls)
        except ExportError as error:
            errors.append(
                PolicyError("", key, DescribedValue(policy_object.group), f"a group with one policy: {error}")
            )
            continue
        if CONTROL not in plan["controls"]:
            expected = f"a group whose {PREFIX}controls has {CONTROL}: enforce or audit; it is off there"
            errors.append(PolicyError("", key, policy_object.group, expected))
            continue
        if missing_ids := account_restrictions.explain_missing_ids(plan["controls"][CONTROL], for_users=False):
            errors.append(PolicyError("", key, policy_object.group, f"a group whose tenants have ids: {missing_ids}"))
            continue
        compiled_object: GroupPolicyObject = {
            "name": policy_object.name,
            "group": policy_object.group,
            "ous": list(policy_object.ous),
            "enforced": policy_object.enforced,
            "browser": plan["controls"][CONTROL],
        }
        if APPS in controls and (programs := _select_programs(plan["controls"][APPS]))["services"]:
            compiled_object["apps"] = programs
        if "request_url" in plan:
            compiled_object["request_url"] = plan["request_url"]
        compiled_objects.append(compiled_object)
    if errors:
        raise PolicyErrors(errors)
    return {"objects": compiled_objects}


def _has_applocker_rules(plans: PlansByHost) -> bool:
    """Return True if AppLocker rules are on for any host of a group."""
    sections = [plan["controls"].get(APPS) for plan in plans.values()]
    return any(
        section is not None and applocker_rules.get_applocker_mode(section) != applocker_rules.OFF_MODE
        for section in sections
    )


def _explain_user_waiver(plans: PlansByHost) -> str:
    """Return a phrase for an error message if a waiver is for users of programs that AppLocker denies; "" otherwise.

    A deny rule applies to everybody and precedes every allow rule. So no exception for some users is possible.
    """
    for plan in plans.values():
        section = plan["controls"].get(APPS)
        if section is None or applocker_rules.get_applocker_mode(section) != applocker_rules.ENFORCE_MODE:
            continue
        for id_, entry in section["services"].items():
            for exception in entry.get("exceptions", ()):
                if ("users" in exception or "posix_groups" in exception) and any(
                    applocker_rules.make_service_rules(id_, entry)
                ):
                    return (
                        f"a group whose waivers are for whole hosts: {exception['waiver']} is for users of {id_}, and"
                        " AppLocker denies to all. Waive it for hosts of a group of their own, or set"
                        f" {PREFIX}applocker to audit or off"
                    )
    return ""


def _select_programs(section: PlanSection) -> PlanSection:
    """Return an `apps` section for a domain controller, with only the keys from which AppLocker rules are made.

    Services without such rules are left out, so `services` may be empty.
    """
    services: dict[str, PlanEntry] = {}
    for id_, entry in section["services"].items():
        if entry["mode"] in RESTRICTED_MODES and any(applocker_rules.make_service_rules(id_, entry)):
            services[id_] = entry.copy()
            for key in entry.keys() - {"name", "mode", *applocker_rules.PROGRAM_KEYS}:
                services[id_].pop(key)  # type: ignore[misc]
    settings: ControlSettings = {"applocker": applocker_rules.get_applocker_mode(section)}
    return {"mode": section["mode"], "services": services, "settings": settings}

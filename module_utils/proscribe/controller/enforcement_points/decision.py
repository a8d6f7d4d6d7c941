"""A single plan for an enforcement point that serves many hosts: the strictest of the hosts' plans.

The plan never permits more than the plan of any host. A point knows no hosts, users or hours. So a service is open
there only with a waiver on every chosen host, for everybody and at all times. Hosts that differ in anything else have
no common decision, so the choice of hosts is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from ...model.plan import CONTROLS, RESTRICTED_MODES, add_digest
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ..report.text.wording import summarise_names
from .format_declaration import BY_TENANT_REASON, ExportDecision, ExportError, ExportOmission

# Keys of a host's plan that are no policy, such as later changes and answers to requests.
HOST_KEYS: tuple[Literal["digest", "later", "waivers", "answers", "group_policy"], ...] = (
    *("digest", "later", "waivers", "answers", "group_policy"),
)
# Keys that waivers change in a service's entry, beside its mode. A waiver changes `allow` also in other services'
# entries.
WAIVER_KEYS: tuple[Literal["waiver", "hours", "otherwise", "opens", "exceptions", "allow"], ...] = (
    *("waiver", "hours", "otherwise", "opens", "exceptions", "allow"),
)
NARROWING_KEYS = {
    "users": "users",
    "posix_groups": "groups of users",
    "versions": "versions",
    "paths": "paths",
    "hours": "hours",
}
MAX_NAMED_HOSTS = 5  # most hosts that are named for a waiver


def make_decision(
    plans: Mapping[str, Plan], compiled_at: datetime, group: str = "", needed_controls: Sequence[str] = CONTROLS
) -> ExportDecision:
    """Return the decision for an export: the joined plan of its hosts.

    `plans` has the plan of each host. `needed_controls` are the controls that the format exports; hosts may differ in
    other controls. Raises ExportError if hosts differ in more than waivers, or if all needed controls are off.
    """
    plan, left_out = join_plans(plans, needed_controls)
    disabled_controls = [control for control in needed_controls if control not in plan["controls"]]
    if len(disabled_controls) == len(needed_controls):
        names = " and ".join(disabled_controls)
        raise ExportError(f"nothing to export: {names} is off in proscribe_controls of {_format_hosts(sorted(plans))}")
    left_out += tuple(
        ExportOmission("", f"the control {control}", "It is off in proscribe_controls.")
        for control in disabled_controls
    )
    # Browsers distinguish accounts. Formats with the browser section report on their own whether they can do so.
    left_out += tuple(
        omission
        for control in needed_controls
        if control != "browser"
        for omission in list_open_for_tenants(plan, control)
    )
    return ExportDecision(
        plan, plan.get("digest", ""), plan.get("catalog", ""), group, tuple(sorted(plans)), compiled_at, left_out
    )


def list_open_for_tenants(plan: Plan, control: str) -> list[ExportOmission]:
    """Return a report entry for each service whose sites a control leaves open to all accounts.

    The organisation has accounts of its own (a tenant) on these sites.
    """
    section = plan["controls"].get(control)
    service_ids = section.get("by_tenant", ()) if section else ()
    return [ExportOmission(f"{control}/{service_id}", "the service", BY_TENANT_REASON) for service_id in service_ids]


def join_plans(
    plans: Mapping[str, Plan], needed_controls: Sequence[str] = CONTROLS
) -> tuple[Plan, tuple[ExportOmission, ...]]:
    """Return the joined plan of hosts with its digest, and the parts of the hosts' plans that it lacks.

    If all hosts have the same plan without partial waivers, this plan itself is returned. Raises ExportError for hosts
    that differ in more than waivers.
    """
    if not plans:
        raise ExportError("no host was chosen")
    hosts_by_digest: dict[str, list[str]] = {}  # key: the digest of the hosts' plan
    for host in sorted(plans):
        hosts_by_digest.setdefault(plans[host].get("digest", ""), []).append(host)
    first_plan, *other_plans = distinct_plans = [plans[group[0]] for group in hosts_by_digest.values()]
    host_groups = list(hosts_by_digest.values())
    for other_plan, other_hosts in zip(other_plans, host_groups[1:]):
        if difference := _find_difference(
            _extract_policy(first_plan, needed_controls), _extract_policy(other_plan, needed_controls)
        ):
            raise ExportError(
                f"the hosts {host_groups[0][0]} and {other_hosts[0]} have different policies: {difference} differs. "
                f"An export is one"
                " decision for all of its hosts: choose hosts that have one policy, with --group or --limit"
            )
    left_out: list[ExportOmission] = []
    joined_plan = first_plan.copy()
    for key in HOST_KEYS:
        joined_plan.pop(key, None)
    joined_plan["controls"] = controls = dict(first_plan["controls"])
    for control, section in first_plan["controls"].items():
        if control in needed_controls:
            controls[control] = _join_sections(
                control, [plan["controls"][control] for plan in distinct_plans], host_groups, left_out
            )
        elif any(plan["controls"].get(control) != section for plan in distinct_plans):
            # The format does not export this control, and the hosts have no common section.
            del controls[control]
    is_same = len(distinct_plans) == 1 and controls == first_plan["controls"]
    return (first_plan if is_same else add_digest(joined_plan)), tuple(left_out)


def _extract_policy(plan: Plan, needed_controls: Sequence[str]) -> dict[str, object]:
    """Return the parts of a plan that must be equal on all hosts: the needed controls without the effect of waivers."""
    sections = {control: section for control, section in plan["controls"].items() if control in needed_controls}
    return {
        **{key: plan_value for key, plan_value in plan.items() if key not in HOST_KEYS},
        "controls": {
            control: {
                **{key: plan_value for key, plan_value in section.items() if key != "nothing_known"},
                "services": {
                    service_id: {
                        **{key: plan_value for key, plan_value in entry.items() if key not in WAIVER_KEYS},
                        "mode": get_unwaived_mode(entry, section),
                    }
                    for service_id, entry in section["services"].items()
                },
            }
            for control, section in sections.items()
        },
    }


def get_unwaived_mode(entry: PlanEntry, section: PlanSection) -> str:
    """Return the mode of a service without its waivers."""
    return entry.get("otherwise", section["mode"]) if entry["mode"] == "waived" else entry["mode"]


def _find_difference(first_part: object, second_part: object) -> str:
    """Return the path to the first difference of two parts of plans, such as `controls.browser.settings.quic`.

    "" means that the parts are equal. "." means that they differ and are no mappings, so there is no path.
    """
    if first_part == second_part:
        return ""
    if isinstance(first_part, Mapping) and isinstance(second_part, Mapping):
        key = next(key for key in sorted({*first_part, *second_part}) if first_part.get(key) != second_part.get(key))
        inner_path = _find_difference(first_part.get(key), second_part.get(key))
        return key if inner_path == "." else f"{key}.{inner_path}"
    return "."


def _join_sections(
    control: str, sections: Sequence[PlanSection], hosts: Sequence[list[str]], left_out: list[ExportOmission]
) -> PlanSection:
    """Return a control's section of the joined plan.

    Add the parts that it lacks to `left_out`. `sections` are the different sections of the hosts. `hosts` has, in the
    same order, the hosts with each section. If nothing changes, the first section itself is returned.
    """
    first_section = sections[0]
    services = {
        service_id: _join_entries(
            f"{control}/{service_id}",
            [(section["services"][service_id], section) for section in sections],
            hosts,
            left_out,
        )
        for service_id in first_section["services"]
    }
    if all(entry is first_section["services"][service_id] for service_id, entry in services.items()):
        return first_section
    return {**first_section, "services": services}


def _join_entries(
    rule: str,
    entries: Sequence[tuple[PlanEntry, PlanSection]],
    hosts: Sequence[list[str]],
    left_out: list[ExportOmission],
) -> PlanEntry:
    """Return a service's entry of the joined plan.

    Add the parts that it lacks to `left_out`. `entries` has the different entries of the service, each with the section
    that has it. `hosts` has, in the same order, the hosts with each entry. The service is waived if it is waived on all
    hosts and at all hours. Otherwise it has its mode without waivers.
    """
    first_entry, section = entries[0]
    mode = get_unwaived_mode(first_entry, section)
    if "only" in first_entry:
        members = summarise_names(first_entry["only"]["posix_groups"], MAX_NAMED_HOSTS)
        reason = (
            f"It is restricted for the members of {members} only. This point knows no users, so it stays open there."
        )
        left_out.append(ExportOmission(rule, "the service", reason))
        return {**first_entry, "mode": "report"}
    if mode == "upcoming":
        left_out.append(
            ExportOmission(rule, "the service", f"It is restricted from {first_entry['effective_from']} on.")
        )
    elif first_entry.get("serves_both"):
        left_out.append(
            ExportOmission(rule, "the programs", "They serve permitted accounts, too, so they are only reported.")
        )
    elif mode not in RESTRICTED_MODES:
        left_out.append(ExportOmission(rule, "the service", "It is reported where it is found, and not restricted."))
    # A waiver of one service may open names below another service. A name stays open only if all hosts have it open.
    permitted_names = set.intersection(*(set(entry.get("allow", ())) for entry, _ in entries))
    joined_entry = first_entry.copy()
    for key in WAIVER_KEYS:
        joined_entry.pop(key, None)
    if "allow" in first_entry:
        joined_entry["allow"] = [name for name in first_entry["allow"] if name in permitted_names]
    if all(entry["mode"] == "waived" and "hours" not in entry for entry, _ in entries):
        joined_entry["mode"], joined_entry["waiver"] = "waived", first_entry["waiver"]
    else:
        joined_entry["mode"] = mode
        left_out.extend(_list_unapplied_waivers(rule, [entry for entry, _ in entries], hosts))
    return first_entry if joined_entry == first_entry else joined_entry


def _list_unapplied_waivers(
    rule: str, entries: Sequence[PlanEntry], hosts: Sequence[list[str]]
) -> Iterator[ExportOmission]:
    """Yield a report entry, with its hosts, for each waiver of a service that the joined plan does not apply."""
    hosts_by_waiver: dict[tuple[str, str], list[str]] = {}
    for entry, entry_hosts in zip(entries, hosts):
        # Only the hours of a service's own waiver are a condition. The entry also has keys such as `paths`, but these
        # are identifiers of the service.
        waiver_reasons = (
            [(entry["waiver"], _explain_unapplied_waiver({"hours": entry.get("hours")}))]
            if entry["mode"] == "waived"
            else []
        )
        for key in (
            *waiver_reasons,
            *((exception["waiver"], _explain_unapplied_waiver(exception)) for exception in entry.get("exceptions", ())),
        ):
            hosts_by_waiver.setdefault(key, []).extend(entry_hosts)
    for (waiver, reason), entry_hosts in sorted(hosts_by_waiver.items()):
        yield ExportOmission(rule, f"waiver {waiver} for {_format_hosts(sorted(entry_hosts))}", reason)


def _explain_unapplied_waiver(waiver_conditions: Mapping[str, object]) -> str:
    """Return the reason why the point does not apply a waiver: its limits, or hosts without it."""
    conditions = [name for key, name in NARROWING_KEYS.items() if waiver_conditions.get(key)]
    if conditions:
        return f"This point does not know {' or '.join(conditions)}, so the service stays blocked for all."
    return "Not every host of this export has the waiver, so the service stays blocked for all."


def _format_hosts(names: Iterable[str]) -> str:
    host_names = list(names)
    return f"host{'s' if len(host_names) > 1 else ''} {summarise_names(host_names, MAX_NAMED_HOSTS)}"


def map_waived_rules(decision: ExportDecision, controls: Iterable[str]) -> dict[str, str]:
    """Return the rules that waivers open at the point, each with the id of its waiver."""
    return {
        f"{control}/{service_id}": entry["waiver"]
        for control in decision.plan["controls"].keys() & set(controls)
        for service_id, entry in decision.plan["controls"][control]["services"].items()
        if entry["mode"] == "waived"
    }

"""Host record of a Windows host, made from its answer.

The controller judges the same rules as on other hosts.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from ...base.timestamps import format_timestamp
from ...host.controls import observe_only_record
from ...host.host_operations import apply_gate
from ...model.finding import NONCOMPLIANT, UNKNOWN, RuleVerdict
from ...model.plan import check_plan
from ...model.plan_hours import resolve_hours
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ...model.types.record import ObservedRecord
from . import applocker, apps, browsers, installed_programs, program_accounts
from .answer_reader import WindowsAnswer

# Local time on the host, which is unknown. Day 7 is in no weekly window, so a waiver that applies only at some hours
# does not apply.
UNKNOWN_TIME = time.struct_time((1970, 1, 1, 0, 0, 0, 7, 1, 0))
PARTIAL_WAIVER_REASON = "a waiver ({}) opens it at some hours or to a group, which is not known of a Windows host"


def observe_windows_host(
    plan: Plan, answer: WindowsAnswer, control_names: Collection[str], started: float
) -> ObservedRecord:
    """Return the host record of a Windows host from its answer.

    `control_names` are the controls to observe; if it is empty, all controls of the plan are. `started` is the time
    when the query began, by the monotonic clock. Raises ValueError for an unusable plan.
    """
    check_plan(plan)
    compiled_controls, plan = plan["controls"], resolve_hours(plan, UNKNOWN_TIME)
    software = installed_programs.find_software(answer)
    installed_browsers = browsers.find_browsers(answer, software)
    names = observe_only_record.choose_controls(plan, control_names)

    def observe_app_rules() -> list[RuleVerdict]:
        section = plan["controls"]["apps"]
        verdicts = _apply_partial_waivers(apps.observe_apps(section, answer, software), compiled_controls["apps"])
        return [*verdicts, *applocker.observe_applocker(section, answer)]

    def observe_browser_rules() -> list[RuleVerdict]:
        verdicts = _apply_partial_waivers(
            browsers.observe_browsers(plan, answer, installed_browsers), compiled_controls["browser"]
        )
        return [*verdicts, *program_accounts.observe_program_accounts(plan, answer.registry)]

    observers = {"apps": observe_app_rules, "browser": observe_browser_rules}
    platform = {"os": "windows", "version": answer.version, "architecture": answer.architecture}
    record = observe_only_record.make_observed_record(
        plan, names, observers, platform, format_timestamp(time.time()), started
    )
    if "browser" in names:
        record["browsers"] = sorted(program.id for program in installed_browsers.known_browsers)
    return record


def _apply_partial_waivers(verdicts: Iterable[RuleVerdict], section: PlanSection) -> list[RuleVerdict]:
    """Return the verdicts, with noncompliant verdicts changed to unknown if a waiver may cover them.

    `section` is the compiled section of the control, with the hours of waivers. Such a waiver is for some hours or
    groups. Only the host could decide whether the waiver applies.
    """
    new_verdicts = []
    for verdict in verdicts:
        entry = section["services"].get(verdict.rule.partition("/")[2])
        waivers = _list_partial_waivers(entry) if entry else []
        if waivers and verdict.state == NONCOMPLIANT:
            verdict = verdict._replace(state=UNKNOWN, reason=PARTIAL_WAIVER_REASON.format(", ".join(waivers)))
        new_verdicts.append(verdict)
    return new_verdicts


def _list_partial_waivers(entry: PlanEntry) -> list[str]:
    """Return the ids of the service's waivers that apply only at some hours, or only to groups of users."""
    partial_waivers = [
        exception["waiver"]
        for exception in entry.get("exceptions", ())
        if "hours" in exception or "posix_groups" in exception
    ]
    return [*([entry["waiver"]] if "hours" in entry and "waiver" in entry else []), *partial_waivers]


def make_module_result(record: ObservedRecord, exit_gate: str) -> Mapping[str, object]:
    """Return the result of the Ansible task that observes the host: {changed, record, drifted, privileged}.

    `drifted` is empty and `privileged` False, because Windows hosts are never corrected. {failed, msg} are added if the
    host does not pass `exit_gate`.
    """
    return apply_gate({"changed": False, "record": record, "drifted": [], "privileged": False}, exit_gate)

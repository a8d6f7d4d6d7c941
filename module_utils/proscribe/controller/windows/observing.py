"""The record of a Windows host, out of its answer: the same rules as of any other host, judged on the controller."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from ...base.moments import format_timestamp
from ...host.controls import observe_only
from ...host.run import apply_gate
from ...model.finding import NONCOMPLIANT, UNKNOWN, RuleVerdict
from ...model.plan import check_plan
from ...model.plan_hours import resolve_hours
from ...model.types.plan import Plan, PlanEntry, PlanSection
from ...model.types.record import ObservedRecord
from . import applocker, apps, browsers, installed
from .answer import Answer

# No opening of a week has this day: nobody knows the hour on the host's clock, so what waivers open by it is closed.
NEVER = time.struct_time((1970, 1, 1, 0, 0, 0, 7, 1, 0))
IN_PART = "a waiver ({}) opens it at some hours or to a group, which is not known of a Windows host"


def observe(plan: Plan, answer: Answer, only: Collection[str], started: float) -> ObservedRecord:
    """The host's record. `only` names the controls to observe; empty means all that the plan has. `started` is when the
    host was asked, by the monotonic clock. Raises ValueError for an unusable plan.
    """
    check_plan(plan)
    compiled, plan = plan["controls"], resolve_hours(plan, NEVER)
    seen = installed.find(answer)
    here = browsers.find_browsers(answer, seen.programs)
    names = observe_only.choose_controls(plan, only)

    def of_apps() -> list[RuleVerdict]:
        section = plan["controls"]["apps"]
        verdicts = _in_doubt(apps.observe(section, answer, seen), compiled["apps"])
        return [*verdicts, *applocker.observe(section, answer)]

    observers = {
        "apps": of_apps,
        "browser": lambda: _in_doubt(browsers.observe(plan, answer, here), compiled["browser"]),
    }
    platform = {"os": "windows", "version": answer.version, "architecture": answer.architecture}
    record = observe_only.make_observed_record(plan, names, observers, platform, format_timestamp(time.time()), started)
    if "browser" in names:
        record["browsers"] = sorted(one.id for one in here.known)
    return record


def _in_doubt(verdicts: Iterable[RuleVerdict], section: PlanSection) -> list[RuleVerdict]:
    """The verdicts, unknown where something counts that a waiver may cover which only the host could resolve."""
    found = []
    for verdict in verdicts:
        entry = section["services"].get(verdict.rule.partition("/")[2])
        waivers = _resolved_on_hosts(entry) if entry else []
        if waivers and verdict.state == NONCOMPLIANT:
            verdict = verdict._replace(state=UNKNOWN, reason=IN_PART.format(", ".join(waivers)))
        found.append(verdict)
    return found


def _resolved_on_hosts(entry: PlanEntry) -> list[str]:
    """The waivers of an entry that have hours, or groups of the host's."""
    in_part = [one["waiver"] for one in entry.get("exceptions", ()) if "hours" in one or "posix_groups" in one]
    return [*([entry["waiver"]] if "hours" in entry and "waiver" in entry else []), *in_part]


def answered(record: ObservedRecord, gate: str) -> Mapping[str, object]:
    """What the module that observes answers: {changed, record, drifted, privileged}, and {failed, msg} where the gate
    makes the host fail. Nothing is ever corrected.
    """
    return apply_gate({"changed": False, "record": record, "drifted": [], "privileged": False}, gate)

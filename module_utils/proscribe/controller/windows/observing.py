"""The record of a Windows host, out of its answer: the same rules as of any other host, judged on the controller."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ...base.moments import stamp
from ...host.run import gated
from ...host.system import ControlError
from ...model.finding import ERROR, NONCOMPLIANT, UNKNOWN, Verdict, host_record
from ...model.plan import CONTROLS, check
from ...model.plan_hours import at
from ...model.types.plan import Plan
from ...model.types.record import Record
from . import apps, browsers
from .answer import Answer

SYSTEM = "windows"
# No opening of a week has this day: nobody knows the hour on the host's clock, so what waivers open by it is closed.
NEVER = time.struct_time((1970, 1, 1, 0, 0, 0, 7, 1, 0))
NOT_OBSERVED = "{} is not observed on Windows"
IN_PART = "a waiver ({}) opens it at some hours or to a group, which is not known of a Windows host"


def observe(plan: Plan, answer: Answer, only: Collection[str], started: float) -> dict[str, Any]:
    """The host's record. `only` names the controls to observe; empty means all that the plan has. `started` is when the
    host was asked, by the monotonic clock. Raises ValueError for an unusable plan.
    """
    check(plan)
    compiled, plan = plan, at(plan, NEVER)
    verdicts: list[Verdict] = []
    errors: list[dict[str, str]] = []
    seen = apps.find(answer)
    here = browsers.find_browsers(answer, seen.programs)
    names = [name for name in CONTROLS if name in plan["controls"] and name in (only or CONTROLS)]
    for name in names:
        section = plan["controls"][name]
        try:
            if name == "apps":
                found = apps.observe(section, answer, seen)
            elif name == "browser":
                found = browsers.observe(plan, answer, here)
            else:
                why = NOT_OBSERVED.format(name)
                found = [Verdict(f"{name}/{id_}", UNKNOWN, reason=why) for id_ in section["services"]]
        except ControlError as error:
            errors.append({"control": name, "message": str(error)})
            found = [Verdict(f"{name}/{id_}", ERROR, reason=str(error)) for id_ in section["services"]]
        verdicts += _in_doubt(found, compiled["controls"][name])
    record = host_record(
        plan_digest=plan["digest"],
        checked_at=stamp(time.time()),
        platform={"os": SYSTEM, "version": answer.version, "architecture": answer.architecture},
        verdicts=[verdict._replace(drifted=False) for verdict in verdicts],
        errors=errors,
        duration_ms=round((time.monotonic() - started) * 1000),
        nothing_known={name: len(plan["controls"][name].get("nothing_known", ())) for name in names},
    )
    if "browser" in names:
        record["browsers"] = list(browsers.managers(here))
    return {**record, "catalog": plan["catalog"]} if "catalog" in plan else record


def _in_doubt(verdicts: Iterable[Verdict], section: Mapping[str, Any]) -> list[Verdict]:
    """The verdicts, unknown where something counts that a waiver may cover which only the host could resolve."""
    found = []
    for verdict in verdicts:
        entry = section["services"].get(verdict.rule.partition("/")[2], {})
        waivers = _resolved_on_hosts(entry)
        if waivers and verdict.state == NONCOMPLIANT:
            verdict = verdict._replace(state=UNKNOWN, reason=IN_PART.format(", ".join(waivers)))
        found.append(verdict)
    return found


def _resolved_on_hosts(entry: Mapping[str, Any]) -> list[str]:
    """The waivers of an entry that have hours, or groups of the host's."""
    return [
        str(one["waiver"])
        for one in (entry, *entry.get("exceptions", ()))
        if "waiver" in one and ("hours" in one or "posix_groups" in one)
    ]


def answered(record: Record, gate: str) -> dict[str, Any]:
    """What the module that observes answers: {changed, record, drifted, privileged}, and {failed, msg} where the gate
    makes the host fail. Nothing is ever corrected.
    """
    return gated({"changed": False, "record": dict(record), "drifted": [], "privileged": False}, gate)

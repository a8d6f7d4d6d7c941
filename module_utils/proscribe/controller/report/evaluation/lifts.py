"""Hosts from which the ban was lifted, and a report as it stands after that. Pure.

A lift observes nothing. After it, what runs observed before says nothing of the controls that it lifted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, LIFTED, UNKNOWN, find_worst_state
from ....model.plan import CONTROLS
from ....model.types.record import ControlRecord, HostRecord, RuleRecord
from ....model.types.report import FleetReport
from ..text.wording import moment
from . import since_last_run
from .arithmetic import by_rule, summarise
from .modes import OFF, by_control


class LiftResult(NamedTuple):
    """The result of a lift on one host."""

    lifted: tuple[str, ...] = ()  # controls
    unsure: tuple[str, ...] = ()  # controls whose lift failed or gave no answer


class Lift(NamedTuple):
    """When a control was lifted (UTC), and by which run."""

    at: str
    run: str


Lifts = Mapping[str, Mapping[str, Lift]]  # by host and control


def make_lift_rule(control: str) -> str:
    """Return the rule that stands for a lifted control, in the history and in a report."""
    return f"{control}/{LIFTED}"


def describe_lifts(lifts: Mapping[str, Lift]) -> str:
    """Describe the lifts of one host: `lifted 2026-11-25 08:00 UTC by RUN`, with the controls where they differ."""
    groups = _group_by_lift(lifts)
    whole = len(groups) == 1 and set(CONTROLS) <= lifts.keys()
    texts = [
        f"lifted {moment(lift.at)} by {lift.run}" + ("" if whole else f" ({', '.join(controls)})")
        for lift, controls in groups.items()
    ]
    return "; ".join(texts)


def apply_lifts(
    report: FleetReport, records: Sequence[HostRecord], lifts: Lifts
) -> tuple[FleetReport, Sequence[HostRecord]]:
    """Return a report and its records without what was observed of controls that were lifted since."""
    concerned = [record["host"] for record in records if record["host"] in lifts]
    if not concerned:
        return report, records
    after = [
        _drop_lifted_rules(record, lifts[record["host"]]) if record["host"] in lifts else record for record in records
    ]
    services = {one["rule"].partition("/")[2] for one in report["rules"] if one.get("kind") == "service"}
    kinds_known = not report["rules"] or any("kind" in one for one in report["rules"])
    made: FleetReport = {
        **report,
        "summary": {**summarise(after, len(report.get("not_served") or ())), "controls": by_control(after)},
        "rules": by_rule(after, services if kinds_known else None),
        "watch": since_last_run.count(after),
        "requests": since_last_run.count_requests(after),
        "lifted": [
            {"host": host, "controls": controls, "at": lift.at, "run": lift.run}
            for host in concerned
            for lift, controls in _group_by_lift(lifts[host]).items()
        ],
    }
    return made, after


def _group_by_lift(lifts: Mapping[str, Lift]) -> dict[Lift, list[str]]:
    """Return the controls of each lift of a host."""
    groups: dict[Lift, list[str]] = {}
    for control, lift in lifts.items():
        groups.setdefault(lift, []).append(control)
    return groups


def _drop_lifted_rules(record: HostRecord, lifts: Mapping[str, Lift]) -> HostRecord:
    """Return a record without the rules of lifted controls."""
    controls = record.get("controls") or {}
    on = {name for name, control in controls.items() if control.get("mode") != OFF and control.get("state")}
    observed = on or set(CONTROLS)  # a report of an earlier version does not name them
    return (
        _make_lifted_record(record, lifts)
        if observed <= lifts.keys()
        else _make_partly_lifted_record(record, lifts, observed)
    )


def _make_lifted_record(record: HostRecord, lifts: Mapping[str, Lift]) -> HostRecord:
    """Return the record of a host of which no observation counts any more."""
    words = f"{describe_lifts(lifts)}; not observed since"
    made: HostRecord = {
        **record,
        "state": UNKNOWN,
        "reason": f"{record['reason']}; {words}" if record.get("reason") else words,
        "rules_evaluated": 0,
        "rules_not_applicable": 0,
        "controls": {name: _forget_control(control) for name, control in (record.get("controls") or {}).items()},
        "rules": [],
        "attempts": {},
        "errors": [],
    }
    made.pop("watch", None)
    return made


def _make_partly_lifted_record(record: HostRecord, lifts: Mapping[str, Lift], observed: Collection[str]) -> HostRecord:
    """Return the record of a host of which some controls were lifted. One unknown rule stands for each of them."""
    controls = dict(record.get("controls") or {})
    evaluated, idle = record["rules_evaluated"], record.get("rules_not_applicable", 0)
    rules = [rule for rule in record["rules"] if rule["rule"].partition("/")[0] not in lifts]
    for name in filter(observed.__contains__, lifts):
        reason = f"lifted {moment(lifts[name].at)} by {lifts[name].run}; not observed since"
        rule: RuleRecord = {
            "rule": make_lift_rule(name),
            "state": UNKNOWN,
            "waiver": None,
            "reason": reason,
            "findings": [],
        }
        if before := controls.get(name):
            evaluated += 1 - before["evaluated"]
            idle -= before["not_applicable"]
            controls[name] = {**_forget_control(before), "evaluated": 1}
            rule["mode"] = before.get("mode")
        rules.append(rule)
    errors = [error for error in record["errors"] if error["control"] not in lifts]
    failed = record["state"] == ERROR and any("refused" not in error for error in errors)
    return {
        **record,
        "state": find_worst_state([*(rule["state"] for rule in rules), *[ERROR][:failed]]),
        "rules_evaluated": max(evaluated, len(rules)),
        "rules_not_applicable": max(idle, 0),
        "controls": controls,
        "rules": rules,
        "attempts": {rule: n for rule, n in record.get("attempts", {}).items() if rule.partition("/")[0] not in lifts},
        "errors": errors,
    }


def _forget_control(control: ControlRecord) -> ControlRecord:
    """Return what a record says of a control that nobody has observed; what is off stays so."""
    state = UNKNOWN if control.get("state") and control.get("mode") != OFF else control.get("state")
    return {**control, "state": state, "evaluated": 0, "not_applicable": 0}

"""Hosts from which the ban was lifted, and a report after the lift. Pure.

A lift observes nothing. After it, earlier observations do not describe the lifted controls any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, LIFTED, UNKNOWN, find_worst_state
from ....model.plan import CONTROLS
from ....model.types.record import ControlRecord, HostRecord, RuleRecord
from ....model.types.report import FleetReport
from ..text.wording import format_readable_time
from . import watch_remark_groups
from .arithmetic import count_by_rule, summarise_records
from .control_modes import OFF, count_by_control


class LiftResult(NamedTuple):
    """The result of a lift (the removal of the ban from a host), by the names of the controls."""

    lifted: tuple[str, ...] = ()  # controls from which the ban was removed
    unsure: tuple[str, ...] = ()  # controls whose lift failed, or where the host gave no answer


class Lift(NamedTuple):
    """The removal of the ban of a control from a host: its time (UTC), and the id of the run that did it."""

    lifted_at: str
    run_id: str


Lifts = Mapping[str, Mapping[str, Lift]]  # host -> control -> the last lift


def make_lift_rule(control: str) -> str:
    """Return the name of the rule that stands for a lifted control in the history and in a report."""
    return f"{control}/{LIFTED}"


def describe_lifts(lifts: Mapping[str, Lift]) -> str:
    """Describe the lifts of a host: `lifted 2026-11-25 08:00 UTC by RUN`.

    The controls of each lift follow, unless a single lift removed the whole ban.
    """
    groups = _group_by_lift(lifts)
    is_whole_ban = len(groups) == 1 and set(CONTROLS) <= lifts.keys()
    texts = [
        f"lifted {format_readable_time(lift.lifted_at)} by {lift.run_id}"
        + ("" if is_whole_ban else f" ({', '.join(controls)})")
        for lift, controls in groups.items()
    ]
    return "; ".join(texts)


def apply_lifts(
    report: FleetReport, records: Sequence[HostRecord], lifts: Lifts
) -> tuple[FleetReport, Sequence[HostRecord]]:
    """Return a report and its records without observations that a later lift has made invalid.

    A lift removes the ban from controls of a host and observes nothing. `lifts` has the lifts after the run of the
    report.
    """
    lifted_hosts = [record["host"] for record in records if record["host"] in lifts]
    if not lifted_hosts:
        return report, records
    updated_records = [
        _drop_lifted_rules(record, lifts[record["host"]]) if record["host"] in lifts else record for record in records
    ]
    services = {rule["rule"].partition("/")[2] for rule in report["rules"] if rule.get("kind") == "service"}
    # without kinds, the report does not show which rules belong to services
    has_kinds = not report["rules"] or any("kind" in rule for rule in report["rules"])
    updated_report: FleetReport = {
        **report,
        "summary": {
            **summarise_records(updated_records, len(report.get("not_served") or ())),
            "controls": count_by_control(updated_records),
        },
        "rules": count_by_rule(updated_records, services if has_kinds else None),
        "watch": watch_remark_groups.count_watch_events(updated_records),
        "requests": watch_remark_groups.count_requests(updated_records),
        "lifted": [
            {"host": host, "controls": controls, "at": lift.lifted_at, "run": lift.run_id}
            for host in lifted_hosts
            for lift, controls in _group_by_lift(lifts[host]).items()
        ],
    }
    return updated_report, updated_records


def _group_by_lift(lifts: Mapping[str, Lift]) -> dict[Lift, list[str]]:
    """Return the lifted controls of a host, grouped by the lift that removed their ban."""
    groups: dict[Lift, list[str]] = {}
    for control, lift in lifts.items():
        groups.setdefault(lift, []).append(control)
    return groups


def _drop_lifted_rules(record: HostRecord, lifts: Mapping[str, Lift]) -> HostRecord:
    """Return a host's record without the rules of its lifted controls."""
    controls = record.get("controls") or {}
    active_controls = {
        name for name, control in controls.items() if control.get("mode") != OFF and control.get("state")
    }
    observed_controls = active_controls or set(CONTROLS)  # a record of an earlier version does not list its controls
    return (
        _make_lifted_record(record, lifts)
        if observed_controls <= lifts.keys()
        else _make_partly_lifted_record(record, lifts, observed_controls)
    )


def _make_lifted_record(record: HostRecord, lifts: Mapping[str, Lift]) -> HostRecord:
    """Return the record of a host from which the whole ban was lifted, with the state unknown and without rules."""
    reason = f"{describe_lifts(lifts)}; not observed since"
    lifted_record: HostRecord = {
        **record,
        "state": UNKNOWN,
        "reason": f"{record['reason']}; {reason}" if record.get("reason") else reason,
        "rules_evaluated": 0,
        "rules_not_applicable": 0,
        "controls": {name: _forget_control(control) for name, control in (record.get("controls") or {}).items()},
        "rules": [],
        "attempts": {},
        "errors": [],
    }
    lifted_record.pop("watch", None)
    return lifted_record


def _make_partly_lifted_record(
    record: HostRecord, lifts: Mapping[str, Lift], observed_controls: Collection[str]
) -> HostRecord:
    """Return the record of a host from which a part of the ban was lifted.

    A rule with the state unknown stands for each lifted control. `observed_controls` are the controls that the record
    describes.
    """
    controls = dict(record.get("controls") or {})
    evaluated_count, not_applicable_count = record["rules_evaluated"], record.get("rules_not_applicable", 0)
    rules = [rule for rule in record["rules"] if rule["rule"].partition("/")[0] not in lifts]
    for name in filter(observed_controls.__contains__, lifts):
        reason = f"lifted {format_readable_time(lifts[name].lifted_at)} by {lifts[name].run_id}; not observed since"
        rule: RuleRecord = {
            "rule": make_lift_rule(name),
            "state": UNKNOWN,
            "waiver": None,
            "reason": reason,
            "findings": [],
        }
        # the rule of the lift replaces all rules of the control
        if previous := controls.get(name):
            evaluated_count += 1 - previous["evaluated"]
            not_applicable_count -= previous["not_applicable"]
            controls[name] = {**_forget_control(previous), "evaluated": 1}
            rule["mode"] = previous.get("mode")
        rules.append(rule)
    errors = [error for error in record["errors"] if error["control"] not in lifts]
    # a change that the host refused is listed as an error, but it is no failure
    has_failed = record["state"] == ERROR and any("refused" not in error for error in errors)
    return {
        **record,
        "state": find_worst_state([*(rule["state"] for rule in rules), *[ERROR][:has_failed]]),
        "rules_evaluated": max(evaluated_count, len(rules)),
        "rules_not_applicable": max(not_applicable_count, 0),
        "controls": controls,
        "rules": rules,
        "attempts": {
            rule: count for rule, count in record.get("attempts", {}).items() if rule.partition("/")[0] not in lifts
        },
        "errors": errors,
    }


def _forget_control(control: ControlRecord) -> ControlRecord:
    """Return the summary of a control with the state unknown and without counts.

    A control that is off, or that the run did not observe, keeps its state.
    """
    state = UNKNOWN if control.get("state") and control.get("mode") != OFF else control.get("state")
    return {**control, "state": state, "evaluated": 0, "not_applicable": 0}

"""Reconciliation of the expected hosts with the received records: every expected host gets exactly one record.

Pure. A host without an answer is never compliant. An answer for another plan counts as no answer, and so does an old
answer. A record of an unexpected host is reported and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_duration, parse_moment
from ....model.finding import NO_IDENTIFIERS_REASON, NOT_OBSERVABLE_REASON, OPEN_STATES
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, RolloutReport
from ....model.types.run import CompiledRun, ReportFacts, RunWaiver
from ....model.vocabulary import NOTE_KINDS, REPORT_SCHEMA
from ....wire.answers.record import make_silent_record
from ..text.wording import count_days_left, summarise_names
from . import watch_remark_groups
from .arithmetic import count_by_rule, count_unsearchable_rules, summarise_records
from .baseline import BaselineDeviation
from .control_modes import ControlModes, count_by_control
from .scope import count_left_out_hosts, is_whole_run

# Most seconds that a host's clock may be ahead of the controller's clock without a warning.
MAX_CLOCK_LEAD_SECONDS = 300

# The kinds of a RecordNote.
UNKNOWN_HOST, DUPLICATE, OTHER_PLAN, TOO_FEW, STALE, NO_TIME, CLOCK_AHEAD, CHANGED = NOTE_KINDS


class RecordNote(NamedTuple):
    """A note about an unexpected property of a host's answer."""

    host: str
    kind: str  # one of NOTE_KINDS
    detail: str  # the property in words; for CLOCK_AHEAD, how far the host's clock is ahead


class StaleLimits(NamedTuple):
    """The ages above which a host's record is too old (stale)."""

    now: str  # the controller's time: 2026-11-25T08:00:00Z
    usual_seconds: int  # seconds for which the record of most hosts is valid
    # by host: seconds for which its record is valid, where they differ from `usual_seconds`
    host_seconds: Mapping[str, int]

    @classmethod
    def make_stale_limits(cls, run: CompiledRun, now: str) -> StaleLimits | None:
        """Make the limits for the records of a run; None if the age of records is not limited.

        `run` is the result of `compile_plans`. `now` is the controller's time (UTC).
        """
        stale_after = run.get("stale_after")
        return cls(now, stale_after["usual"], stale_after["hosts"]) if stale_after else None

    def measure_age(self, record: HostRecord) -> float | None:
        """Return how many seconds ago a host was observed; None if its record has no valid time.

        The result is negative if the host's clock is ahead of the controller's clock.
        """
        try:
            return (parse_moment(self.now) - parse_moment(record["checked_at"] or "")).total_seconds()
        except ValueError:
            return None


class Fleet(NamedTuple):
    """The records of the expected hosts, and the notes about the answers."""

    records: Sequence[HostRecord]  # a record for each expected host, in the order of the plans
    unexpected: Sequence[str] = ()  # names of hosts that answered although the run did not expect them
    warnings: Sequence[str] = ()
    notes: Sequence[RecordNote] = ()


def reconcile_records(
    expected_plans: Mapping[str, str],
    records: Iterable[HostRecord],
    reasons: Mapping[str, str] | None = None,
    stale_limits: StaleLimits | None = None,
    rule_counts: Mapping[str, int] | None = None,
    modes: ControlModes | None = None,
) -> Fleet:
    """Return the fleet: a single record for every expected host, and notes about the answers.

    - `expected_plans`: by host, the digest of its plan
    - `records`: host records as wire/answers/record.py reads them, in the order in which they came
    - `reasons`: by host, why it did not answer; hosts whose reason is unknown are not in it
    - `stale_limits`: the ages above which a record is too old; None without a limit
    - `rule_counts`: by the digest of a plan, the least number of rules that its hosts have to evaluate
    - `modes`: the modes of the controls; None if unknown
    """
    modes = modes or ControlModes({}, CONTROLS)
    answers: dict[str, HostRecord] = {}
    unexpected_hosts: list[str] = []
    duplicate_hosts: list[str] = []
    for record in records:
        host = record["host"]
        if host not in expected_plans:
            unexpected_hosts.append(host)
        elif host not in answers:
            answers[host] = record
        else:
            duplicate_hosts.append(host)
            # All times are UTC in the same form, so texts can be compared. At equal times, the record that came later
            # counts.
            if (record["checked_at"] or "") >= (answers[host]["checked_at"] or ""):
                answers[host] = record
    unexpected_hosts = list(dict.fromkeys(unexpected_hosts))
    notes = [
        *(
            RecordNote(host, DUPLICATE, "answered more than once; its last record counts")
            for host in dict.fromkeys(duplicate_hosts)
        ),
        *(
            RecordNote(host, UNKNOWN_HOST, "answered and was not expected; its record is left out")
            for host in unexpected_hosts
        ),
    ]
    warnings = [f"{note.host} {note.detail}" for note in notes]
    settled_records: list[HostRecord] = []
    for host, digest in expected_plans.items():
        settled_record, note = _settle_record(host, digest, answers.get(host), (reasons or {}).get(host), stale_limits)
        # Only a record without another note is checked for missing rules. 0: the plan's number of rules is unknown.
        if note is None and settled_record["rules_evaluated"] and (rule_count := (rule_counts or {}).get(digest, 0)):
            settled_record, note = _check_completeness(settled_record, rule_count)
        settled_records.append(modes.add_modes(settled_record, digest))
        notes += [note] if note else []
    if leading_clocks := [f"{note.host} by {note.detail}" for note in notes if note.kind == CLOCK_AHEAD]:
        warnings.append(
            f"clocks are ahead of the controller's: {summarise_names(leading_clocks, 3)}; their times cannot be "
            f"relied on"
        )
    return Fleet(settled_records, unexpected_hosts, warnings, notes)


def _settle_record(
    host: str, digest: str, record: HostRecord | None, silence_reason: str | None, stale_limits: StaleLimits | None
) -> tuple[HostRecord, RecordNote | None]:
    """Return the record that counts for a host, and a note if the received record has a defect.

    A record that is missing, too old or for another plan is replaced by a record with the state unknown. `digest` is
    the digest of the host's plan. `silence_reason` is why the host sent no record, None if unknown. The note is None
    for a missing record and for a record without a defect.
    """
    if record is None:
        return make_silent_record(host, silence_reason or "no answer"), None
    if record["plan"] != digest:
        reason = f"answered for another plan ({str(record['plan'])[:19]}), not for its own ({digest[:19]})"
        return _make_void_record(record, reason), RecordNote(host, OTHER_PLAN, reason)
    if not record["rules_evaluated"]:
        return {**record, "reason": "no rule was evaluated"}, None
    if stale_limits is None:
        return record, None
    age_seconds = stale_limits.measure_age(record)
    if age_seconds is None:
        reason = f"its record does not say when it was checked, but {str(record['checked_at'])[:40]!r}"
        return _make_void_record(record, reason), RecordNote(host, NO_TIME, reason)
    if age_seconds > stale_limits.host_seconds.get(host, stale_limits.usual_seconds):
        reason = (
            f"stale: its record is {format_duration(age_seconds)} old ({record['checked_at']}), or its clock is wrong"
        )
        return _make_void_record(record, reason), RecordNote(host, STALE, reason)
    return record, RecordNote(
        host, CLOCK_AHEAD, format_duration(-age_seconds)
    ) if age_seconds < -MAX_CLOCK_LEAD_SECONDS else None


def _check_completeness(record: HostRecord, rule_count: int) -> tuple[HostRecord, RecordNote | None]:
    """Return the record that counts, and a note if the host evaluated fewer rules than its plan has.

    Such an incomplete record of a compliant host is replaced by a record with the state unknown. If the host is not
    compliant, the record stays, because its findings count. `rule_count` is the number of rules in the plan.
    """
    if record["rules_evaluated"] >= rule_count:
        return record, None
    reason = f"evaluated {record['rules_evaluated']:,} of its {rule_count:,} rules"
    is_open = record["state"] in OPEN_STATES
    return record if is_open else _make_void_record(record, reason), RecordNote(record["host"], TOO_FEW, reason)


def _make_void_record(record: HostRecord, reason: str) -> HostRecord:
    """Make the record, with the state unknown, of a host whose answer does not describe its present state.

    `record` is the answer; its plan, time, platform and errors remain.
    """
    return {
        **make_silent_record(record["host"], reason),
        "plan": record["plan"],
        "checked_at": record["checked_at"],
        "platform": record["platform"],
        "errors": record["errors"],
    }


def make_run_report(
    run: CompiledRun,
    fleet: Fleet,
    finished: str,
    deviations: Sequence[BaselineDeviation] | None = None,
    rollout: RolloutReport | None = None,
) -> FleetReport:
    """Make the fleet report (report.json) from the result of `compile_plans` and the reconciled records.

    `finished` is a UTC time: 2026-11-25T08:00:00Z. For `deviations` and `rollout` see `build_report`.
    """
    stale_after = run.get("stale_after")
    report_run: ReportRun = {
        "id": run.get("id"),
        "playbook": run.get("playbook"),
        "command": run.get("command"),
        "started": run.get("started"),
        "mode": run.get("mode"),
        "version": run.get("version"),
        "catalog_version": run.get("catalog_version"),
        "catalog": run.get("catalog"),
        "inventory": run.get("inventory"),
        "limit": run.get("limit"),
        "pattern": run.get("pattern"),
        "controls": run.get("controls"),
        "history": run.get("history"),
        "exports": run.get("exports"),
        "exports_fed": run.get("exports_fed"),
        "events": run.get("events"),
        "finished": finished,
        "baseline": Path(run["baseline"]).name if run.get("baseline") else None,
        "stale_after": stale_after["usual"] if stale_after else None,
        "expected_hosts": len(fleet.records),
        "whole": is_whole_run(run),
        "left_out": count_left_out_hosts(run),
        "interrupted": run.get("interrupted"),
        "verdict": None,
    }
    if stale_catalog := run.get("stale_catalog"):
        report_run["stale_catalog"] = stale_catalog
    if round_id := run.get("round"):
        report_run["round"] = round_id
    return build_report(report_run, run, fleet, deviations, rollout)


def build_report(
    run: ReportRun,
    facts: ReportFacts,
    fleet: Fleet,
    deviations: Sequence[BaselineDeviation] | None,
    rollout: RolloutReport | None,
) -> FleetReport:
    """Build the fleet report of a run, or of several merged runs.

    `deviations` are the defects that an earlier run, the baseline, did not have (None: no baseline). `rollout` is the
    progress of the corrections (None: no corrections).
    """
    services, not_served = facts.get("services"), facts.get("not_served") or {}
    return {
        "schema": REPORT_SCHEMA,
        "run": run,
        "summary": {**summarise_records(fleet.records, len(not_served)), "controls": count_by_control(fleet.records)},
        "rules": count_by_rule(fleet.records, None if services is None else frozenset(services)),
        "waivers": [_add_days_left(waiver, run["finished"]) for waiver in facts.get("waivers", ())],
        "upcoming": list(facts.get("upcoming", ())),
        "nothing_known": count_unsearchable_rules(
            fleet.records, NO_IDENTIFIERS_REASON, facts.get("nothing_known") or {}
        ),
        "not_observable": count_unsearchable_rules(fleet.records, NOT_OBSERVABLE_REASON),
        "not_served": [{"host": host, "why": reason} for host, reason in not_served.items()],
        "unexpected_hosts": list(fleet.unexpected),
        "unexpected": [{"host": note.host, "kind": note.kind, "detail": note.detail} for note in fleet.notes],
        "rollout": rollout,
        "new": None if deviations is None else [deviation.make_problem() for deviation in deviations],
        "departments": dict(facts.get("departments") or {}),
        "watch": watch_remark_groups.count_watch_events(fleet.records),
        "requests": watch_remark_groups.count_requests(fleet.records),
        "warnings": [*facts.get("warnings", ()), *fleet.warnings],
    }


def _add_days_left(waiver: RunWaiver, finished: str) -> RunWaiver:
    """Return a waiver with `days_left`, its remaining days at the end of the run."""
    try:
        return {**waiver, "days_left": count_days_left(waiver, finished)}
    except ValueError:  # the times of the run cannot be parsed
        return waiver

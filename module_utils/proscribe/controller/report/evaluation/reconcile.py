"""The expected hosts times the records that came: one record for every expected host, whatever happened.

Pure. A host without an answer is never compliant. An answer for another plan, or an old one, is no answer. A record
that nobody asked for is reported and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_duration, parse_moment
from ....model.finding import OPEN_STATES
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, RolloutReport
from ....model.types.run import CompiledRun, ReportFacts, RunWaiver
from ....model.words import NOTE_KINDS, REPORT_SCHEMA
from ....wire.replies.record import make_silent_record
from ..text.wording import days_left, some
from . import since_last_run
from .arithmetic import by_rule, nothing_known, summarise
from .baseline import New
from .modes import Modes, by_control
from .scope import is_whole, left_out

# So many seconds a host's clock may be ahead of ours before the report warns of it.
AHEAD = 300

# The kinds of a Note.
UNKNOWN_HOST, DUPLICATE, OTHER_PLAN, TOO_FEW, STALE, NO_TIME, CLOCK_AHEAD, CHANGED = NOTE_KINDS


class Note(NamedTuple):
    """Something about a host's answer that is not as expected."""

    host: str
    kind: str
    detail: str


class Clock(NamedTuple):
    """What makes a record too old."""

    now: str  # the controller's time: 2026-11-25T08:00:00Z
    usual: int  # seconds that a record is good for
    hosts: Mapping[str, int]  # the same, where it is not as usual

    @classmethod
    def of(cls, run: CompiledRun, now: str) -> Clock | None:
        """The clock of a run, as `compile_plans` said of it; None where it said nothing of old records."""
        usual = run.get("stale_after")
        return cls(now, usual["usual"], usual["hosts"]) if usual else None

    def age(self, record: HostRecord) -> float | None:
        """How many seconds ago a host was observed; None where its record has no time."""
        try:
            return (parse_moment(self.now) - parse_moment(record["checked_at"] or "")).total_seconds()
        except ValueError:
            return None


class Fleet(NamedTuple):
    """What is known of the expected hosts."""

    records: Sequence[HostRecord]  # one for each expected host, in their order
    unexpected: Sequence[str] = ()  # hosts that answered and were not expected
    warnings: Sequence[str] = ()
    notes: Sequence[Note] = ()


def reconcile(
    expected: Mapping[str, str],
    records: Iterable[HostRecord],
    reasons: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    rules: Mapping[str, int] | None = None,
    modes: Modes | None = None,
) -> Fleet:
    """Give every expected host its record.

    - `expected`: the digest of each host's plan;
    - `records`: host records as wire/replies/record.py reads them, in the order in which they came;
    - `reasons`: why a host did not answer, where that is known;
    - `clock`: without one, no record is too old;
    - `rules`: how many rules have to be evaluated at the least, by the digest of a plan;
    - `modes`: what is enforced, and what only audited (None: that is not known).
    """
    modes = modes or Modes({}, CONTROLS)
    answers: dict[str, HostRecord] = {}
    unexpected: list[str] = []
    twice: list[str] = []
    for record in records:
        host = record["host"]
        if host not in expected:
            unexpected.append(host)
        elif host not in answers:
            answers[host] = record
        else:
            twice.append(host)
            # Times are UTC in one spelling, so their order is that of the text; at one time the later comer wins.
            if (record["checked_at"] or "") >= (answers[host]["checked_at"] or ""):
                answers[host] = record
    unexpected = list(dict.fromkeys(unexpected))
    notes = [
        *(Note(host, DUPLICATE, "answered more than once; its last record counts") for host in dict.fromkeys(twice)),
        *(Note(host, UNKNOWN_HOST, "answered and was not expected; its record is left out") for host in unexpected),
    ]
    warnings = [f"{note.host} {note.detail}" for note in notes]
    settled: list[HostRecord] = []
    for host, digest in expected.items():
        settled_, note = _settled(host, digest, answers.get(host), (reasons or {}).get(host), clock)
        if note is None and settled_["rules_evaluated"] and (total := (rules or {}).get(digest, 0)):
            settled_, note = _complete(settled_, total)
        settled.append(modes.given(settled_, digest))
        notes += [note] if note else []
    if ahead := [f"{note.host} by {note.detail}" for note in notes if note.kind == CLOCK_AHEAD]:
        warnings.append(f"clocks are ahead of the controller's: {some(ahead, 3)}; their times cannot be relied on")
    return Fleet(settled, unexpected, warnings, notes)


def _settled(
    host: str, digest: str, record: HostRecord | None, reason: str | None, clock: Clock | None
) -> tuple[HostRecord, Note | None]:
    """The record that counts for a host, and what is not as expected about the one that came."""
    if record is None:
        return make_silent_record(host, reason or "no answer"), None
    if record["plan"] != digest:
        reason = f"answered for another plan ({str(record['plan'])[:19]}), not for its own ({digest[:19]})"
        return _void(record, reason), Note(host, OTHER_PLAN, reason)
    if not record["rules_evaluated"]:
        return {**record, "reason": "no rule was evaluated"}, None
    if clock is None:
        return record, None
    age = clock.age(record)
    if age is None:
        reason = f"its record does not say when it was checked, but {str(record['checked_at'])[:40]!r}"
        return _void(record, reason), Note(host, NO_TIME, reason)
    if age > clock.hosts.get(host, clock.usual):
        reason = f"stale: its record is {format_duration(age)} old ({record['checked_at']}), or its clock is wrong"
        return _void(record, reason), Note(host, STALE, reason)
    return record, Note(host, CLOCK_AHEAD, format_duration(-age)) if age < -AHEAD else None


def _complete(record: HostRecord, total: int) -> tuple[HostRecord, Note | None]:
    """A record, if it is about all rules of its plan. Else what it found counts, and what it did not says nothing."""
    if record["rules_evaluated"] >= total:
        return record, None
    reason = f"evaluated {record['rules_evaluated']:,} of its {total:,} rules"
    bad = record["state"] in OPEN_STATES
    return record if bad else _void(record, reason), Note(record["host"], TOO_FEW, reason)


def _void(record: HostRecord, reason: str) -> HostRecord:
    """A record that says nothing of how its host stands now, but came."""
    return {
        **make_silent_record(record["host"], reason),
        "plan": record["plan"],
        "checked_at": record["checked_at"],
        "platform": record["platform"],
        "errors": record["errors"],
    }


def fleet_report(
    run: CompiledRun,
    fleet: Fleet,
    finished: str,
    new: Sequence[New] | None = None,
    rollout: RolloutReport | None = None,
) -> FleetReport:
    """The fleet report (report.json) of a run that was compiled. `finished` is a UTC time: 2026-11-25T08:00:00Z."""
    stale_after = run.get("stale_after")
    made: ReportRun = {
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
        "whole": is_whole(run),
        "left_out": left_out(run),
        "interrupted": run.get("interrupted"),
        "verdict": None,
    }
    if stale_catalog := run.get("stale_catalog"):
        made["stale_catalog"] = stale_catalog
    if round_ := run.get("round"):
        made["round"] = round_
    return report_of(made, run, fleet, new, rollout)


def report_of(
    run: ReportRun, facts: ReportFacts, fleet: Fleet, new: Sequence[New] | None, rollout: RolloutReport | None
) -> FleetReport:
    """The fleet report of a run, or of several that are merged.

    `new` is what was not there in the baseline (None: there is none). `rollout` is how far the correcting came (None:
    nothing was to be corrected).
    """
    services, not_served = facts.get("services"), facts.get("not_served") or {}
    return {
        "schema": REPORT_SCHEMA,
        "run": run,
        "summary": {**summarise(fleet.records, len(not_served)), "controls": by_control(fleet.records)},
        "rules": by_rule(fleet.records, None if services is None else frozenset(services)),
        "waivers": [_dated(waiver, run["finished"]) for waiver in facts.get("waivers", ())],
        "upcoming": list(facts.get("upcoming", ())),
        "nothing_known": nothing_known(fleet.records, facts.get("nothing_known") or {}),
        "not_served": [{"host": host, "why": why} for host, why in not_served.items()],
        "unexpected_hosts": list(fleet.unexpected),
        "unexpected": [{"host": note.host, "kind": note.kind, "detail": note.detail} for note in fleet.notes],
        "rollout": rollout,
        "new": None if new is None else [one.as_dict() for one in new],
        "departments": dict(facts.get("departments") or {}),
        "watch": since_last_run.count(fleet.records),
        "requests": since_last_run.count_requests(fleet.records),
        "warnings": [*facts.get("warnings", ()), *fleet.warnings],
    }


def _dated(waiver: RunWaiver, finished: str) -> RunWaiver:
    """A waiver with its days, counted from the end of the run."""
    try:
        return {**waiver, "days_left": days_left(waiver, finished)}
    except ValueError:  # of a run whose times nobody can read
        return waiver

"""The expected hosts times the records that came: one record for every expected host, whatever happened.

Pure. A host without an answer is never compliant. An answer for another plan, or an old one, is no answer. A record
that nobody asked for is reported and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....base.duration import moment_of, shown
from ....model.finding import OPEN
from ....model.plan import CONTROLS
from ....model.types.record import Record
from ....model.types.run import CompiledRun
from ....wire.replies.record import silent
from ..text.wording import some
from . import since_last_run
from .arithmetic import by_rule, nothing_known, summarise
from .baseline import New
from .modes import Modes, by_control
from .scope import is_whole, left_out

REPORT_SCHEMA = "proscribe/report/1"


# So many seconds a host's clock may be ahead of ours before the report warns of it.
AHEAD = 300

# What a host can do that is not expected of it: the kinds of a Note.
UNKNOWN_HOST = "unknown_host"  # it answered and was not asked; its record is left out
DUPLICATE = "duplicate"  # it answered more than once; its last record counts
OTHER_PLAN = "other_plan"  # it answered for another plan than its own; it is unknown
STALE = "stale"  # its record is too old; it is unknown
TOO_FEW = "too_few_rules"  # it evaluated fewer rules than its plan has; it is unknown, if not worse
NO_TIME = "no_time"  # its record does not say when it was checked; it is unknown
CLOCK_AHEAD = "clock_ahead"  # its record comes from the future; it counts
CHANGED = "changed"  # it was changed in a run that only audits; it is in error
UNEXPECTED = (UNKNOWN_HOST, DUPLICATE, OTHER_PLAN, TOO_FEW, STALE, NO_TIME, CLOCK_AHEAD, CHANGED)


class Note(NamedTuple):
    """Something about a host's answer that is not as expected."""

    host: str
    kind: str
    detail: str


class Clock(NamedTuple):
    """What makes a record too old: the controller's time (2026-11-25T08:00:00Z), and how many seconds a record is good
    for, usually and on hosts that say otherwise.
    """

    now: str
    usual: int
    hosts: Mapping[str, int]

    @classmethod
    def of(cls, run: CompiledRun, now: str) -> Clock | None:
        """The clock of a run, as `compile_plans` said of it; None where it said nothing of old records."""
        usual = run.get("stale_after")
        return cls(now, usual["usual"], usual["hosts"]) if usual else None

    def age(self, record: Record) -> float | None:
        """How many seconds ago a host was observed; None where its record has no time."""
        try:
            return (moment_of(self.now) - moment_of(record["checked_at"])).total_seconds()
        except ValueError:
            return None


class Fleet(NamedTuple):
    """What is known of the expected hosts."""

    records: Sequence[Record]  # one for each expected host, in their order
    unexpected: Sequence[str] = ()  # hosts that answered and were not expected
    warnings: Sequence[str] = ()
    notes: Sequence[Note] = ()


def reconcile(
    expected: Mapping[str, str],
    records: Iterable[Record],
    reasons: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    rules: Mapping[str, int] | None = None,
    modes: Modes | None = None,
) -> Fleet:
    """Give every expected host its record.

    `expected` maps a host to the digest of its plan; `records` are host records as `answer.read` returns them, in the
    order in which they came; `reasons` says why a host did not answer, where that is known; without a `clock` no record
    is too old. `rules` says for the digest of a plan how many rules have to be evaluated at the least,
    `modes` what is enforced there, and what only audited (None: that is not known).
    """
    modes = modes or Modes({}, CONTROLS)
    answers: dict[str, Mapping[str, Any]] = {}
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
            if record["checked_at"] >= answers[host]["checked_at"]:
                answers[host] = record
    unexpected = list(dict.fromkeys(unexpected))
    notes = [
        *(Note(host, DUPLICATE, "answered more than once; its last record counts") for host in dict.fromkeys(twice)),
        *(Note(host, UNKNOWN_HOST, "answered and was not expected; its record is left out") for host in unexpected),
    ]
    warnings = [f"{note.host} {note.detail}" for note in notes]
    settled: list[Mapping[str, Any]] = []
    for host, digest in expected.items():
        record_, note = _settled(host, digest, answers.get(host), (reasons or {}).get(host), clock)
        if note is None and record_["rules_evaluated"] and (total := (rules or {}).get(digest, 0)):
            record_, note = _complete(record_, total)
        settled.append(modes.given(record_, digest))
        notes += [note] if note else []
    if ahead := [f"{note.host} by {note.detail}" for note in notes if note.kind == CLOCK_AHEAD]:
        warnings.append(f"clocks are ahead of the controller's: {some(ahead, 3)}; their times cannot be relied on")
    return Fleet(settled, unexpected, warnings, notes)


def _settled(
    host: str, digest: str, record: Record | None, reason: str | None, clock: Clock | None
) -> tuple[Mapping[str, Any], Note | None]:
    """The record that counts for a host, and what is not as expected about the one that came."""
    if record is None:
        return silent(host, reason or "no answer"), None
    if record["plan"] != digest:
        reason = f"answered for another plan ({record['plan'][:19]}), not for its own ({digest[:19]})"
        return _void(record, reason), Note(host, OTHER_PLAN, reason)
    if not record["rules_evaluated"]:
        return {**record, "reason": "no rule was evaluated"}, None
    if clock is None:
        return record, None
    age = clock.age(record)
    if age is None:
        reason = f"its record does not say when it was checked, but {record['checked_at'][:40]!r}"
        return _void(record, reason), Note(host, NO_TIME, reason)
    if age > clock.hosts.get(host, clock.usual):
        reason = f"stale: its record is {shown(age)} old ({record['checked_at']}), or its clock is wrong"
        return _void(record, reason), Note(host, STALE, reason)
    return record, Note(host, CLOCK_AHEAD, shown(-age)) if age < -AHEAD else None


def _complete(record: Record, total: int) -> tuple[Mapping[str, Any], Note | None]:
    """A record, if it is about all rules of its plan. Else what it found counts, and what it did not says nothing."""
    if record["rules_evaluated"] >= total:
        return record, None
    reason = f"evaluated {record['rules_evaluated']:,} of its {total:,} rules"
    bad = record["state"] in OPEN
    return record if bad else _void(record, reason), Note(record["host"], TOO_FEW, reason)


def _void(record: Record, reason: str) -> Mapping[str, Any]:
    """A record that says nothing of how its host stands now, but came."""
    facts = {key: record[key] for key in ("plan", "checked_at", "platform", "errors")}
    return {**silent(record["host"], reason), **facts}


def fleet_report(
    run: CompiledRun,
    fleet: Fleet,
    finished: str,
    new: Sequence[New] | None = None,
    rollout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The fleet report (report.json) of a run: its facts, its numbers, its rules and waivers.

    `run` is what the compiler said of it, `finished` a UTC time as 2026-11-25T08:00:00Z, `new` what was not there in
    the run's baseline (None: it has none), `rollout` how far the correcting came (None: nothing was to be corrected).
    """
    facts = (
        "id",
        "playbook",
        "command",
        "started",
        "mode",
        "catalog_version",
        "catalog",
        "inventory",
        "limit",
        "pattern",
        "controls",
        "history",
        "exports",
        "exports_fed",
        "events",
    )
    services = run.get("services")
    return {
        "schema": REPORT_SCHEMA,
        "run": {
            **{key: run.get(key) for key in facts},
            "finished": finished,
            "baseline": Path(run["baseline"]).name if run.get("baseline") else None,
            "stale_after": (run.get("stale_after") or {}).get("usual"),
            "expected_hosts": len(fleet.records),
            "whole": is_whole(run),
            "left_out": left_out(run),
            "interrupted": run.get("interrupted"),
            "verdict": None,
        },
        "summary": {
            **summarise(fleet.records, len(run.get("not_served") or {})),
            "controls": by_control(fleet.records),
        },
        "rules": by_rule(fleet.records, None if services is None else frozenset(services)),
        "waivers": [dict(waiver) for waiver in run.get("waivers", ())],
        "upcoming": [dict(item) for item in run.get("upcoming", ())],
        "nothing_known": nothing_known(fleet.records, run.get("nothing_known") or {}),
        "not_served": [{"host": host, "why": why} for host, why in (run.get("not_served") or {}).items()],
        "unexpected_hosts": list(fleet.unexpected),
        "unexpected": [note._asdict() for note in fleet.notes],
        "rollout": None if rollout is None else dict(rollout),
        "new": None if new is None else [one._asdict() for one in new],
        "departments": dict(run.get("departments") or {}),
        "watch": watch._asdict() if (watch := since_last_run.count(fleet.records)) else None,
        "requests": since_last_run.count_requests(fleet.records),
        "warnings": [*run.get("warnings", ()), *fleet.warnings],
    }

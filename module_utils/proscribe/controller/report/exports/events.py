"""events.jsonl: what a run observed and did, as events for a SIEM: one JSON object a line, of one schema.

There is an event for each host, each rule that its record lists, each action, the gate and the run itself. With the
history each host and rule also has its state before, and whether that changed. `sending` sends the same lines.

A line is ASCII, has no control character and at most LONGEST bytes, whatever a host says (event_texts.py).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO

from ....model.finding import BESIDE, COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, worst
from ....model.plan import CONTROLS
from ....model.types.event import (
    ActionEvent,
    BetweenEvent,
    Common,
    GateEvent,
    HostEvent,
    RequestEvent,
    RuleEvent,
    RuleState,
    RunEvent,
)
from ....model.types.record import Action, RecordError, Request
from ....model.types.report import Report
from ..evaluation.observed import observed_at
from ..evaluation.scope import cut_short
from ..evaluation.since_last_run import ENDED, Remark, remarks
from ..history.since_last_run import identity
from ..history.since_last_run import of as identity_of
from ..history.tables import GONE
from ..history.transitions import Span, Transitions
from ..text.wording import clean
from .event_changes import Before
from .event_kinds import (
    ACTION,
    BETWEEN,
    COUNTED,
    ERROR_KEYS,
    EVENT_STATES,
    GATE,
    HOST,
    INFORMATION,
    NOTEWORTHY,
    REQUEST,
    RULE,
    RUN,
    SCHEMA,
    SEVERITY,
    Event,
)
from .event_texts import LISTED_MOST, NAME_MOST, SHORT_MOST, TEXT_MOST, cut, cut_or_none, encoded, items, names
from .format import Format
from .record_lines import NOT_SERVED, Answer, Line

AnyEvent = HostEvent | RuleEvent | ActionEvent | BetweenEvent | RequestEvent | GateEvent | RunEvent


class Events:
    """Makes the events of a report, host after host, and hands each to `emit`.

    `changes` are those of the run by the history (None: not known). With `only_changed`, what did not change, or is not
    known to have changed, is not made at all. Beyond `limit`, events are only counted (`left_out`), but for those of
    the gate and the run.
    """

    def __init__(
        self,
        report: Report,
        changes: Transitions | None,
        emit: Callable[[Event], None],
        only_changed: bool = False,
        limit: float = math.inf,
    ) -> None:
        self._report, self._run = report, report["run"]
        self._changes, self._emit, self._only_changed = changes, emit, only_changed
        self._id = clean(self._run["id"])
        self._short_id = cut(self._id, SHORT_MOST)
        release = self._run.get("catalog")
        self._catalog = cut_or_none((release and release["version"]) or None, SHORT_MOST)
        self._done = self._run["mode"] == "enforce" and not self._run.get("parts")
        # `changed` of what the history shows as unchanged: that, or not known.
        self._unchanged = None if changes is None else False
        self._limit, self._made, self.left_out = limit, 0, 0
        self._counts: Counter[str] = Counter()
        self._seen: set[str] = set()

    def add(self, answer: Answer) -> None:
        """The events of one expected host."""
        record = answer.record
        name = record["host"]  # the history has names as the inventory has them
        spans: Sequence[Span] = ()
        brought: frozenset[str] = frozenset()
        if self._changes is not None:
            spans, brought = self._changes.of(name), self._changes.between(name)
            if spans or brought:
                self._seen.add(name)
        actions = record.get("actions") or ()
        if self._only_changed and not spans and not actions and not brought:
            return
        before = Before.of(spans)
        at = observed_at(record, self._run["started"], self._run["finished"])
        host, plan = answer.host, cut_or_none(record["plan"], SHORT_MOST)
        self._host(answer, before, at, plan)
        rules = answer.lines[: len(record["rules"])]
        for line in rules:
            self._rule(host, line, before, at, plan)
        listed = {line.rule for line in rules}
        for rule in sorted(before.ended.keys() - listed - {""}):
            state = before.ended[rule]
            self._rule(host, Line(rule, state if state in EVENT_STATES else UNKNOWN), before, at, plan)
        for index, action in enumerate(actions):
            self._action(host, index, action, at, plan)
        for remark in remarks(record):
            self._between(host, remark, brought, at, plan)
        for request in record.get("requests") or ():
            self._request(host, request, brought, at, plan)

    def not_served(self, host: str, why: str) -> None:
        """The event of a host that is not served."""
        self._put_host(clean(host), NOT_SERVED, None, self._unchanged, self._run["finished"], reason=why)

    def finish(self) -> None:
        """The events of hosts that have left the inventory, of the gate, and of the run."""
        if self._changes is not None:
            for host in self._changes.hosts():
                if host not in self._seen:
                    previous = worst(span.state for span in self._changes.of(host))
                    self._put_host(clean(host), GONE, previous, True, self._run["finished"])
        self._gate()
        self._summary()

    # -- one kind each -------------------------------------------------------------------------------------------------

    def _skipped(self, kind: str, changed: bool | None) -> bool:
        """Whether an event is not to be made; one above the limit is counted."""
        if self._only_changed and not changed:
            return True
        if changed:
            self._counts[kind] += 1
        if self._made >= self._limit:
            self.left_out += 1
            return True
        self._made += 1
        return False

    def _observed(self, rule: str) -> bool:
        """Whether the run observed a rule."""
        controls = self._run.get("controls")
        if not rule or controls is None:
            return True
        control = rule.partition("/")[0]
        # What is beside the controls is observed with all of them together.
        return control in controls or (control in BESIDE and set(CONTROLS) <= {*controls})

    def _host(self, answer: Answer, before: Before, at: str, plan: str | None) -> None:
        record, state = answer.record, answer.state
        previous, changed = None, self._unchanged
        if before.changed:
            states = [found for rule, found in before.previous.items() if self._observed(rule)]
            # While a host does not answer, what was observed before goes on in the history; the host is unknown.
            previous = before.previous.get("") or (worst(states) if states else None)
            changed = state != previous if previous else state not in (COMPLIANT, NOT_APPLICABLE)
        counted = record["rules_evaluated"]
        self._put_host(answer.host, state, previous, changed, at, plan, record["reason"], record["errors"], counted)

    def _put_host(
        self,
        host: str,
        state: str,
        previous: str | None,
        changed: bool | None,
        at: str,
        plan: str | None = None,
        reason: str | None = None,
        errors: Sequence[RecordError] = (),
        evaluated: int = 0,
    ) -> None:
        if self._skipped(HOST, changed):
            return
        listed, left_out = items(errors, ERROR_KEYS)
        event: HostEvent = {
            **self._common(HOST, at, changed, host),
            "state": state,
            "previous": previous,
            "reason": cut_or_none(reason, TEXT_MOST),
            "plan": plan,
            "controls": self._run.get("controls"),
            "rules_evaluated": evaluated,
            "errors": listed,
            "errors_left_out": left_out,
        }
        self._put(event, SEVERITY.get(state, INFORMATION), host, state=state)

    def _rule(self, host: str, line: Line, before: Before, at: str, plan: str | None) -> None:
        changed = True if line.rule in before.changed else self._unchanged
        if self._skipped(RULE, changed):
            return
        event: RuleEvent = {
            **self._common(RULE, at, changed, host, line.rule),
            **line.once("events", _of_line),
            "previous": before.previous.get(line.rule) if changed else None,
            "since": before.since.get(line.rule) if changed else None,
            "plan": plan,
        }
        self._put(event, SEVERITY.get(line.state, INFORMATION), host, line.rule, line.state)

    def _action(self, host: str, index: int, action: Action, at: str, plan: str | None) -> None:
        if self._skipped(ACTION, self._done):
            return
        event: ActionEvent = {
            **self._common(ACTION, at, self._done, host, about=str(index)),
            "control": cut(action["control"], SHORT_MOST),
            "action": cut(action["action"], LISTED_MOST),
            "quarantine_id": cut_or_none(action.get("quarantine_id"), SHORT_MOST),
            "plan": plan,
        }
        self._put(event, NOTEWORTHY, host)

    def _between(self, host: str, remark: Remark, brought: frozenset[str], at: str, plan: str | None) -> None:
        id_ = identity_of(remark)
        changed = True if id_ in brought else self._unchanged
        if self._skipped(BETWEEN, changed):
            return
        users, left_out = names(remark.users)
        event: BetweenEvent = {
            **self._common(BETWEEN, at, changed, host, about=id_),
            "what": remark.kind,
            "rule": cut_or_none(remark.rule or None, NAME_MOST),
            "program": cut_or_none(remark.program or None, TEXT_MOST),
            "user": cut_or_none(remark.user or None, SHORT_MOST),
            "first": remark.first or None,
            "last": remark.last or None,
            "times": remark.times,
            "corrected": remark.corrected,
            "users": users,
            "users_left_out": left_out,
            "until": remark.until or None,
            "reason": cut_or_none(remark.reason or None, TEXT_MOST),
            "plan": plan,
        }
        self._put(event, NOTEWORTHY if remark.kind == ENDED else SEVERITY[NONCOMPLIANT], host)

    def _request(self, host: str, request: Request, brought: frozenset[str], at: str, plan: str | None) -> None:
        id_ = identity(REQUEST, request["service"], request["id"], request["user"])
        changed = True if id_ in brought else self._unchanged
        if self._skipped(REQUEST, changed):
            return
        event: RequestEvent = {
            **self._common(REQUEST, at, changed, host, about=id_),
            "request": cut(request["id"], SHORT_MOST),
            "user": cut(request["user"], SHORT_MOST),
            "service": cut(request["service"], SHORT_MOST),
            "reason": cut(request["reason"], TEXT_MOST),
            "requested": request["at"],
            "plan": plan,
        }
        self._put(event, NOTEWORTHY, host)

    def _gate(self) -> None:
        verdict = self._run.get("verdict")
        if not verdict or (not verdict["gate"] and verdict["exit"] is None):
            return
        event: GateEvent = {
            **self._common(GATE, self._run["finished"], True),
            "gate": verdict["gate"],
            "passed": verdict["passed"],
            "exit": verdict["exit"],
            "reason": cut_or_none(verdict["reason"], TEXT_MOST),
        }
        self._put(event, INFORMATION if verdict["passed"] else SEVERITY[ERROR])

    def _summary(self) -> None:
        run, summary = self._run, self._report["summary"]
        event: RunEvent = {
            **self._common(RUN, run["finished"], True),
            "playbook": cut(run["playbook"], NAME_MOST),
            "started": cut(run["started"], NAME_MOST),
            "finished": cut(run["finished"], NAME_MOST),
            "inventory": cut(", ".join(map(str, run.get("inventory") or ())), NAME_MOST),
            "limit": cut_or_none(run.get("limit") or None, NAME_MOST),
            "catalog_version": cut(run["catalog_version"], NAME_MOST),
            "stopped": cut_or_none(cut_short(self._report) or None, NAME_MOST),
            "whole": bool(run.get("whole")),
            "controls": run.get("controls"),
            "expected_hosts": run["expected_hosts"],
            "hosts": summary["hosts"],
            "rules": summary["rules"],
            "not_served": summary.get("not_served", 0),
            "coverage": summary["coverage"],
            "compliance_strict": summary["compliance_strict"],
            "compliance_with_waivers": summary["compliance_with_waivers"],
            # What did not change is no event of a run whose changes alone are sent, and is not counted in either case.
            "events": None if self._changes is None else {kind: self._counts[kind] for kind in COUNTED},
            "events_left_out": self.left_out,
            "warnings": len(self._report.get("warnings") or ()),
        }
        self._put(event, INFORMATION)

    def _common(
        self, kind: str, at: str, changed: bool | None, host: str = "", rule: str = "", about: str = ""
    ) -> Common:
        id_ = hashlib.sha256("\0".join((self._id, kind, host, rule, about)).encode()).hexdigest()[:32]
        return {
            "schema": SCHEMA,
            "kind": kind,
            "id": id_,
            "time": cut(at, SHORT_MOST),
            "run": self._short_id,
            "mode": self._run["mode"],
            "catalog": self._catalog,
            "host": cut_or_none(host or None, NAME_MOST),
            "changed": changed,
        }

    def _put(self, event: AnyEvent, severity: int, host: str = "", rule: str = "", state: str = "") -> None:
        self._emit(Event(encoded(event), event["kind"], host, rule, state, event["changed"], severity))


def _of_line(line: Line) -> RuleState:
    """What hosts with the same findings share."""
    findings, left_out = items(line.findings, Finding._fields)
    return {
        "rule": cut(line.rule, NAME_MOST),
        "control_mode": line.mode or None,
        "state": line.state,
        "waiver": cut_or_none(line.waiver or None, SHORT_MOST),
        "reason": cut_or_none(line.reason or None, TEXT_MOST),
        "findings": findings,
        "findings_left_out": left_out,
    }


class Export:
    """All events of a report, changed or not."""

    def __init__(self, stream: TextIO, report: Report, changes: Transitions | None = None) -> None:
        self._events = Events(report, changes, self._write)
        self._stream = stream

    def add(self, answer: Answer) -> None:
        self._events.add(answer)

    def not_served(self, host: str, why: str) -> None:
        self._events.not_served(host, why)

    def finish(self) -> None:
        self._events.finish()

    def _write(self, event: Event) -> None:
        self._stream.write(event.line + "\n")


FORMATS = (Format("events", "events.jsonl", "SIEM: one event a line", Export, make_from_history=Export, usual=False),)

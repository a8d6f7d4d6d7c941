"""Makes the events of a report, host after host: one function for each kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from ....model.finding import (
    COMPLIANT,
    ERROR,
    EXTRA_RULE_GROUPS,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    UNKNOWN,
    find_worst_state,
)
from ....model.plan import CONTROLS
from ....model.types import event as types
from ....model.types.record import RecordedAction, RecordError, UserRequest
from ....model.types.report import FleetReport
from ....model.words import EVENT_SCHEMA, EVENT_STATES
from ..evaluation.observed import read_observation_time
from ..evaluation.scope import describe_interruption
from ..evaluation.since_last_run import ENDED, WatchRemark, list_remarks
from ..history.since_last_run import hash_names
from ..history.since_last_run import identify_remark as identity_of
from ..history.tables import GONE
from ..history.transitions import IncidentSpan, RunTransitions
from ..text.wording import clean, host_label
from . import event_kinds as kinds
from .event_changes import Before, grouped
from .event_texts import (
    LISTED_MOST,
    NAME_MOST,
    SHORT_MOST,
    TEXT_MOST,
    Seen,
    cut,
    cut_or_none,
    errors_of,
    names,
    state_of,
)
from .format import encoded
from .record_lines import NOT_SERVED, Answer, Line

AnyEvent = (
    types.HostEvent
    | types.RuleEvent
    | types.ActionEvent
    | types.BetweenEvent
    | types.RequestEvent
    | types.GateEvent
    | types.RunEvent
)


class Events:
    """Makes the events of a report, host after host, and hands each to `emit`.

    `changes` are those of the run by the history (None: not known). With `only_changed`, what did not change, or is not
    known to have changed, is not made at all. Beyond `limit`, events are only counted (`left_out`), but for those of
    the gate and the run.
    """

    def __init__(
        self,
        report: FleetReport,
        changes: RunTransitions | None,
        emit: Callable[[kinds.Event], object],
        only_changed: bool = False,
        limit: float = math.inf,
    ) -> None:
        self._report, self._run = report, report["run"]
        self._changes, self._emit, self._only_changed = changes, emit, only_changed
        self._id = clean(self._run["id"])
        self._short_id = cut(self._id, SHORT_MOST)
        release = self._run.get("catalog")
        self._catalog = cut_or_none(release and release["version"], SHORT_MOST)
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
        spans: Sequence[IncidentSpan] = ()
        brought: frozenset[str] = frozenset()
        if self._changes is not None:
            spans, brought = self._changes.list_spans(name), self._changes.list_new_remark_ids(name)
            if spans or brought:
                self._seen.add(name)
        actions = record.get("actions") or ()
        if self._only_changed and not spans and not actions and not brought:
            return
        before = Before.of(spans)
        at = read_observation_time(record, self._run["started"], self._run["finished"])
        seen = Seen.of(answer.host, at, record["plan"])
        self._host(answer, before, seen)
        rules = answer.lines[: len(record["rules"])]
        listed = {line.rule for line in rules}
        ended = [
            Line(rule, state if (state := before.ended[rule]) in EVENT_STATES else UNKNOWN)
            for rule in sorted(before.ended.keys() - listed - {""})
        ]
        for lines in (rules, ended):
            for line, *same_cause in grouped(lines, before):
                self._rule(seen, line, before, same_cause)
        for index, action in enumerate(actions):
            self._action(seen, index, action)
        for remark in list_remarks(record):
            self._between(seen, remark, brought)
        for request in record.get("requests") or ():
            self._request(seen, request, brought)

    def not_served(self, host: str, why: str) -> None:
        """The event of a host that is not served."""
        self._put_host(Seen.of(host_label(host), self._run["finished"]), NOT_SERVED, None, self._unchanged, why)

    def finish(self) -> None:
        """The events of hosts that have left the inventory, of the gate, and of the run."""
        if self._changes is not None:
            for host in self._changes.iterate_hosts():
                if host not in self._seen:
                    previous = find_worst_state(span.state for span in self._changes.list_spans(host))
                    self._put_host(Seen.of(host_label(host), self._run["finished"]), GONE, previous, True)
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
        return control in controls or (control in EXTRA_RULE_GROUPS and set(CONTROLS) <= {*controls})

    def _host(self, answer: Answer, before: Before, seen: Seen) -> None:
        record, state = answer.record, answer.state
        previous, changed = None, self._unchanged
        if before.changed:
            states = [found for rule, found in before.previous.items() if self._observed(rule)]
            # While a host does not answer, what was observed before goes on in the history; the host is unknown.
            previous = before.previous.get("") or (find_worst_state(states) if states else None)
            changed = state != previous if previous else state not in (COMPLIANT, NOT_APPLICABLE)
        counted = record["rules_evaluated"]
        self._put_host(seen, state, previous, changed, record["reason"], record["errors"], counted)

    def _put_host(
        self,
        seen: Seen,
        state: str,
        previous: str | None,
        changed: bool | None,
        reason: str | None = None,
        errors: Sequence[RecordError] = (),
        evaluated: int = 0,
    ) -> None:
        if self._skipped(kinds.HOST, changed):
            return
        listed, left_out = errors_of(errors)
        event: types.HostEvent = {
            **self._common(kinds.HOST, seen, changed),
            "state": state,
            "previous": previous,
            "reason": cut_or_none(reason, TEXT_MOST),
            "plan": seen.plan,
            "controls": self._run.get("controls"),
            "rules_evaluated": evaluated,
            "errors": listed,
            "errors_left_out": left_out,
        }
        self._put(event, kinds.SEVERITY.get(state, kinds.INFORMATION), seen.host, state=state)

    def _rule(self, seen: Seen, line: Line, before: Before, same_cause: Sequence[Line]) -> None:
        changed = True if line.rule in before.changed else self._unchanged
        if self._skipped(kinds.RULE, changed):
            return
        more, left_out = names([one.rule for one in same_cause], SHORT_MOST)
        event: types.RuleEvent = {
            **self._common(kinds.RULE, seen, changed, line.rule),
            **line.once("events", state_of),
            "same_cause": more,
            "same_cause_left_out": left_out,
            "previous": before.previous.get(line.rule) if changed else None,
            "since": before.since.get(line.rule) if changed else None,
            "plan": seen.plan,
        }
        self._put(event, kinds.SEVERITY.get(line.state, kinds.INFORMATION), seen.host, line.rule, line.state)

    def _action(self, seen: Seen, index: int, action: RecordedAction) -> None:
        if self._skipped(kinds.ACTION, self._done):
            return
        event: types.ActionEvent = {
            **self._common(kinds.ACTION, seen, self._done, about=str(index)),
            "control": cut(action["control"], SHORT_MOST),
            "action": cut(action["action"], LISTED_MOST),
            "quarantine_id": cut_or_none(action.get("quarantine_id"), SHORT_MOST),
            "plan": seen.plan,
        }
        self._put(event, kinds.NOTEWORTHY, seen.host)

    def _between(self, seen: Seen, remark: WatchRemark, brought: frozenset[str]) -> None:
        id_ = identity_of(remark)
        changed = True if id_ in brought else self._unchanged
        if self._skipped(kinds.BETWEEN, changed):
            return
        users, left_out = names(remark.users)
        event: types.BetweenEvent = {
            **self._common(kinds.BETWEEN, seen, changed, about=id_),
            "what": remark.kind,
            "rule": cut_or_none(remark.rule, NAME_MOST),
            "program": cut_or_none(remark.program, TEXT_MOST),
            "user": cut_or_none(remark.user, SHORT_MOST),
            "first": remark.first or None,
            "last": remark.last or None,
            "times": remark.times,
            "corrected": remark.corrected,
            "users": users,
            "users_left_out": left_out,
            "until": remark.until or None,
            "reason": cut_or_none(remark.reason, TEXT_MOST),
            "plan": seen.plan,
        }
        self._put(event, kinds.NOTEWORTHY if remark.kind == ENDED else kinds.SEVERITY[NONCOMPLIANT], seen.host)

    def _request(self, seen: Seen, request: UserRequest, brought: frozenset[str]) -> None:
        id_ = hash_names(kinds.REQUEST, request["service"], request["id"], request["user"])
        changed = True if id_ in brought else self._unchanged
        if self._skipped(kinds.REQUEST, changed):
            return
        event: types.RequestEvent = {
            **self._common(kinds.REQUEST, seen, changed, about=id_),
            "request": cut(request["id"], SHORT_MOST),
            "user": cut(request["user"], SHORT_MOST),
            "service": cut(request["service"], SHORT_MOST),
            "reason": cut(request["reason"], TEXT_MOST),
            "requested": request["at"],
            "plan": seen.plan,
        }
        self._put(event, kinds.NOTEWORTHY, seen.host)

    def _gate(self) -> None:
        verdict = self._run.get("verdict")
        if not verdict or (not verdict["gate"] and verdict["exit"] is None):
            return
        event: types.GateEvent = {
            **self._common(kinds.GATE, Seen.of("", self._run["finished"]), True),
            "gate": verdict["gate"],
            "passed": verdict["passed"],
            "exit": verdict["exit"],
            "reason": cut_or_none(verdict["reason"], TEXT_MOST),
        }
        self._put(event, kinds.INFORMATION if verdict["passed"] else kinds.SEVERITY[ERROR])

    def _summary(self) -> None:
        run, summary = self._run, self._report["summary"]
        event: types.RunEvent = {
            **self._common(kinds.RUN, Seen.of("", run["finished"]), True),
            "playbook": cut(run["playbook"], NAME_MOST),
            "started": cut(run["started"], NAME_MOST),
            "finished": cut(run["finished"], NAME_MOST),
            "inventory": cut(", ".join(map(str, run.get("inventory") or ())), NAME_MOST),
            "limit": cut_or_none(run.get("limit"), NAME_MOST),
            "catalog_version": cut(run["catalog_version"], NAME_MOST),
            "stopped": cut_or_none(describe_interruption(self._report), NAME_MOST),
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
            "events": None if self._changes is None else self._counted(),
            "events_left_out": self.left_out,
            "warnings": len(self._report.get("warnings") or ()),
        }
        self._put(event, kinds.INFORMATION)

    def _counted(self) -> types.EventCounts:
        counts = self._counts
        return {
            "host": counts[kinds.HOST],
            "rule": counts[kinds.RULE],
            "action": counts[kinds.ACTION],
            "between": counts[kinds.BETWEEN],
            "request": counts[kinds.REQUEST],
        }

    def _common(self, kind: str, seen: Seen, changed: bool | None, rule: str = "", about: str = "") -> types.EventLine:
        return {
            "schema": EVENT_SCHEMA,
            "kind": kind,
            "id": hash_names(self._id, kind, seen.host, rule, about),
            "time": seen.time,
            "run": self._short_id,
            "mode": self._run["mode"],
            "catalog": self._catalog,
            "host": cut_or_none(seen.host, NAME_MOST),
            "changed": changed,
        }

    def _put(self, event: AnyEvent, severity: int, host: str = "", rule: str = "", state: str = "") -> None:
        self._emit(kinds.Event(encoded(event), event["kind"], host, rule, state, event["changed"], severity))

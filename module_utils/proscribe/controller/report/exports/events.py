"""events.jsonl: what a run observed and did, as events for a SIEM: one JSON object a line, of one schema.

There is an event for each host, each rule that its record lists, each action, the gate and the run itself. With the
history each host and rule also has its state before, and whether that changed. `sending` sends the same lines.

A line is ASCII, has no control character and at most LONGEST bytes, whatever a host says. Texts are cut with `...`, and
lists end with the number of the items that were left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from ....model.finding import (
    BESIDE,
    COMPLIANT,
    ERROR,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    REPAIRED,
    STATES,
    UNKNOWN,
    WAIVED,
    Finding,
    worst,
)
from ....model.plan import CONTROLS
from ....model.types.report import Report
from ..evaluation.observed import observed_at
from ..evaluation.scope import cut_short
from ..evaluation.since_last_run import ENDED, Remark, remarks
from ..history.recording import GONE, WITHDRAWN
from ..history.since_last_run import identity
from ..history.since_last_run import of as identity_of
from ..history.transitions import Span, Transitions
from ..text.wording import clean
from .format import Format
from .record_lines import NOT_SERVED, Answer, Line

SCHEMA = "proscribe/event/1"

# The kinds of events.
HOST, RULE, ACTION, BETWEEN, REQUEST, GATE, RUN = "host", "rule", "action", "between", "request", "gate", "run"
KINDS = (HOST, RULE, ACTION, BETWEEN, REQUEST, GATE, RUN)

COUNTED = (HOST, RULE, ACTION, BETWEEN, REQUEST)  # of which a run says how many changed

# Beside the states of rules: how an incident ends that nobody observes any more, and a host that is not served.
EVENT_STATES = (*STATES, WITHDRAWN, GONE, NOT_SERVED)

# Of a line, in bytes. rsyslog cuts a message at 8 KiB with its header; a datagram has to take it whole.
LONGEST = 7_680
NAME_MOST, TEXT_MOST, SHORT_MOST, LISTED_MOST = 600, 1_000, 300, 4_000

# How bad an event is, as syslog counts it: 3 is an error, 4 a warning, 5 a notice, 6 an information.
SEVERITY = {ERROR: 3, NONCOMPLIANT: 4, UNKNOWN: 4, WAIVED: 5, REPAIRED: 5, GONE: 5, COMPLIANT: 6, NOT_APPLICABLE: 6}
NOTEWORTHY, INFORMATION = 5, 6
ERROR_KEYS = ("control", "message", "refused")


class Event(NamedTuple):
    """One event. `line` is the whole of it, without a line end; the rest is what a transport sorts by."""

    line: str
    kind: str
    host: str = ""
    rule: str = ""
    state: str = ""
    changed: bool | None = None  # None where the history does not say
    severity: int = INFORMATION


class Before(NamedTuple):
    """What the history has of the rules of a host on which something changed; rule "" is the host as a whole."""

    changed: frozenset[str]
    previous: Mapping[str, str]  # the state before, where one is known
    since: Mapping[str, str]  # when the incident began that goes on, or ended
    ended: Mapping[str, str]  # how, of those that ended

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Before:
        changed: set[str] = set()
        continuing: dict[str, str] = {}
        previous: dict[str, str] = {}
        since: dict[str, str] = {}
        ended: dict[str, str] = {}
        for span in spans:  # oldest first, so that the newest state is the one before
            for rule in span.rules:
                since.setdefault(rule, span.opened)
                if span.began or span.ended:
                    changed.add(rule)
                if span.ended:
                    ended[rule] = span.ended
                if not span.began:
                    (previous if span.ended else continuing)[rule] = span.state
        return cls(frozenset(changed), {**continuing, **previous}, since, ended)


NOTHING_CHANGED = Before(frozenset(), {}, {}, {})


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
        self._done = self._run["mode"] == "enforce" and not self._run.get("parts")
        controls = self._run.get("controls")
        self._controls = None if controls is None else frozenset(controls)
        self._controls_json = _word(controls)
        # What all events of a run share.
        catalog = (self._run.get("catalog") or {}).get("version") or None
        run = f'"run":{_text(self._id, SHORT_MOST)},"mode":{_word(self._run["mode"])}'
        self._shared = f'{run},"catalog":{_text(catalog, SHORT_MOST)}'
        self._limit, self._made, self.left_out = limit, 0, 0
        self._counts: Counter[str] = Counter()
        self._seen: set[str] = set()

    def add(self, answer: Answer) -> None:
        """The events of one expected host."""
        record = answer.record
        spans: Sequence[Span] = ()
        if self._changes is not None:
            # The history has names as the inventory has them.
            spans = self._changes.of(record["host"])
            if spans:
                self._seen.add(record["host"])
        actions = record.get("actions") or ()
        brought = self._changes.between(record["host"]) if self._changes is not None else frozenset()
        if brought:
            self._seen.add(record["host"])
        if self._only_changed and not spans and not actions and not brought:
            return
        before = Before.of(spans) if spans else NOTHING_CHANGED
        at = observed_at(record, self._run["started"], self._run["finished"])
        plan = _text(record["plan"], SHORT_MOST)
        self._host(answer, before, at, plan)
        rules = answer.lines[: len(record["rules"])]
        for line in rules:
            self._rule(answer.host, line, before, at, plan)
        listed = {line.rule for line in rules}
        for rule in sorted(before.ended.keys() - listed - {""}):
            state = before.ended[rule]
            self._rule(answer.host, Line(rule, state if state in EVENT_STATES else UNKNOWN), before, at, plan)
        for index, action in enumerate(actions):
            self._action(answer.host, index, action, at, plan)
        for remark in remarks(record):
            self._between(answer.host, remark, brought, at, plan)
        for request in record.get("requests") or ():
            self._request(answer.host, request, brought, at, plan)

    def not_served(self, host: str, why: str) -> None:
        """The event of a host that is not served."""
        self._put_host(clean(host), NOT_SERVED, None, self._unchanged, self._run["finished"], "null", why, (), 0)

    def finish(self) -> None:
        """The events of hosts that have left the inventory, of the gate, and of the run."""
        if self._changes is not None:
            for host in self._changes.hosts():
                if host not in self._seen:
                    self._gone(host, self._changes.of(host))
        self._gate()
        self._summary()

    # -- one kind each -------------------------------------------------------------------------------------------------

    @property
    def _unchanged(self) -> bool | None:
        """`changed` of what the history shows as unchanged: that, or not known."""
        return None if self._changes is None else False

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
        if not rule or self._controls is None:
            return True
        control = rule.partition("/")[0]
        # What is beside the controls is observed with all of them together.
        return control in self._controls or (control in BESIDE and self._controls.issuperset(CONTROLS))

    def _host(self, answer: Answer, before: Before, at: str, plan: str) -> None:
        record, state = answer.record, answer.state
        previous, changed = None, self._unchanged
        if before.changed:
            states = [found for rule, found in before.previous.items() if self._observed(rule)]
            # While a host does not answer, what was observed before goes on in the history; the host is unknown.
            previous = before.previous.get("") or (worst(states) if states else None)
            changed = state != previous if previous else state not in (COMPLIANT, NOT_APPLICABLE)
        self._put_host(
            answer.host,
            state,
            previous,
            changed,
            at,
            plan,
            record["reason"],
            record["errors"],
            record["rules_evaluated"],
        )

    def _put_host(
        self,
        host: str,
        state: str,
        previous: str | None,
        changed: bool | None,
        at: str,
        plan: str,
        reason: object,
        errors: Iterable[Mapping[str, Any]],
        evaluated: int,
    ) -> None:
        if self._skipped(HOST, changed):
            return
        listed, left_out = _listed(errors, ERROR_KEYS)
        self._put(
            HOST,
            at,
            host,
            "",
            state,
            changed,
            f'"state":"{state}","previous":{_word(previous)},"reason":{_text(reason, TEXT_MOST)},"plan":{plan},'
            f'"controls":{self._controls_json},"rules_evaluated":{evaluated:d},"errors":{listed},'
            f'"errors_left_out":{left_out}',
        )

    def _gone(self, host: str, spans: Sequence[Span]) -> None:
        previous = worst(span.state for span in spans)
        self._put_host(clean(host), GONE, previous, True, self._run["finished"], "null", None, (), 0)

    def _rule(self, host: str, line: Line, before: Before, at: str, plan: str) -> None:
        changed = True if line.rule in before.changed else self._unchanged
        if self._skipped(RULE, changed):
            return
        previous = before.previous.get(line.rule) if changed else None
        since = before.since.get(line.rule) if changed else None
        self._put(
            RULE,
            at,
            host,
            line.rule,
            line.state,
            changed,
            f'{line.once("events", _of_line)},"previous":{_word(previous)},"since":{_word(since)},"plan":{plan}',
        )

    def _action(self, host: str, index: int, action: Mapping[str, Any], at: str, plan: str) -> None:
        if self._skipped(ACTION, self._done):
            return
        self._put(
            ACTION,
            at,
            host,
            "",
            "",
            self._done,
            f'"control":{_text(action["control"], SHORT_MOST)},"action":{_text(action["action"], LISTED_MOST)},'
            f'"quarantine_id":{_text(action.get("quarantine_id"), SHORT_MOST)},"plan":{plan}',
            about=str(index),
        )

    def _between(self, host: str, remark: Remark, brought: frozenset[str], at: str, plan: str) -> None:
        id_ = identity_of(remark)
        changed = True if id_ in brought else self._unchanged
        if self._skipped(BETWEEN, changed):
            return
        users, left_out = _names(remark.users)
        self._put(
            BETWEEN,
            at,
            host,
            "",
            "",
            changed,
            f'"what":"{remark.kind}","rule":{_text(remark.rule or None, NAME_MOST)},'
            f'"program":{_text(remark.program or None, TEXT_MOST)},"user":{_text(remark.user or None, SHORT_MOST)},'
            f'"first":{_word(remark.first or None)},"last":{_word(remark.last or None)},"times":{remark.times:d},'
            f'"corrected":{remark.corrected:d},"users":{users},"users_left_out":{left_out},'
            f'"until":{_word(remark.until or None)},"reason":{_text(remark.reason or None, TEXT_MOST)},"plan":{plan}',
            about=id_,
            severity=NOTEWORTHY if remark.kind == ENDED else SEVERITY[NONCOMPLIANT],
        )

    def _request(self, host: str, request: Mapping[str, str], brought: frozenset[str], at: str, plan: str) -> None:
        id_ = identity(REQUEST, request["service"], request["id"], request["user"])
        changed = True if id_ in brought else self._unchanged
        if self._skipped(REQUEST, changed):
            return
        self._put(
            REQUEST,
            at,
            host,
            "",
            "",
            changed,
            f'"request":{_text(request["id"], SHORT_MOST)},"user":{_text(request["user"], SHORT_MOST)},'
            f'"service":{_text(request["service"], SHORT_MOST)},"reason":{_text(request["reason"], TEXT_MOST)},'
            f'"requested":{_word(request["at"])},"plan":{plan}',
            about=id_,
            severity=NOTEWORTHY,
        )

    def _gate(self) -> None:
        verdict = self._run.get("verdict") or {}
        if not verdict.get("gate") and verdict.get("exit") is None:
            return
        facts = {"gate": verdict["gate"], "passed": verdict["passed"], "exit": verdict["exit"]}
        severity = INFORMATION if verdict["passed"] else SEVERITY[ERROR]
        reason = _text(verdict["reason"], TEXT_MOST)
        self._put(
            GATE, self._run["finished"], "", "", "", True, f'{_inside(facts)},"reason":{reason}', severity=severity
        )

    def _summary(self) -> None:
        run, summary = self._run, self._report["summary"]
        shares = ("coverage", "compliance_strict", "compliance_with_waivers")
        facts = {
            "whole": bool(run.get("whole")),
            "controls": run.get("controls"),
            "expected_hosts": run["expected_hosts"],
            "hosts": summary["hosts"],
            "rules": summary["rules"],
            "not_served": summary.get("not_served", 0),
            **{key: summary[key] for key in shares},
            # What did not change is no event of a run whose changes alone are sent, and is not counted in either case.
            "events": None if self._changes is None else {kind: self._counts[kind] for kind in COUNTED},
            "events_left_out": self.left_out,
            "warnings": len(self._report.get("warnings") or ()),
        }
        texts = {
            "playbook": run["playbook"],
            "started": run["started"],
            "finished": run["finished"],
            "inventory": ", ".join(map(str, run.get("inventory") or ())),
            "limit": run.get("limit") or None,
            "catalog_version": run["catalog_version"],
            "stopped": cut_short(self._report) or None,
        }
        words = ",".join(f'"{key}":{_text(value, NAME_MOST)}' for key, value in texts.items())
        self._put(RUN, run["finished"], "", "", "", True, f"{words},{_inside(facts)}")

    def _put(
        self,
        kind: str,
        at: str,
        host: str,
        rule: str,
        state: str,
        changed: bool | None,
        rest: str,
        about: str = "",
        severity: int | None = None,
    ) -> None:
        id_ = hashlib.sha256("\0".join((self._id, kind, host, rule, about)).encode()).hexdigest()[:32]
        line = (
            f'{{"schema":"{SCHEMA}","kind":"{kind}","id":"{id_}","time":{_text(at, SHORT_MOST)},'
            f'{self._shared},"host":{_text(host or None, NAME_MOST)},"changed":{_word(changed)},{rest}}}'
        )
        if severity is None:
            severity = SEVERITY.get(state, NOTEWORTHY if kind == ACTION else INFORMATION)
        self._emit(Event(line, kind, host, rule, state, changed, severity))


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


# -- texts -------------------------------------------------------------------------------------------------------------


def _of_line(line: Line) -> str:
    """What hosts with the same findings share."""
    findings, left_out = _listed(line.findings, Finding._fields)
    return (
        f'"rule":{_text(line.rule, NAME_MOST)},"control_mode":{_word(line.mode or None)},"state":"{line.state}",'
        f'"waiver":{_text(line.waiver or None, SHORT_MOST)},"reason":{_text(line.reason or None, TEXT_MOST)},'
        f'"findings":{findings},"findings_left_out":{left_out}'
    )


def _names(names: Sequence[str]) -> tuple[str, int]:
    """Names as a JSON list of at most LISTED_MOST bytes, and how many were left out."""
    shown: list[str] = []
    size = 2
    for name in names:
        text = _text(name, SHORT_MOST)
        if size + len(text) + 1 > LISTED_MOST:
            break
        shown.append(text)
        size += len(text) + 1
    return f"[{','.join(shown)}]", len(names) - len(shown)


def _listed(items: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> tuple[str, int]:
    """Items with these keys as a JSON list of at most LISTED_MOST bytes, and how many were left out. The first is in it
    in any case, with its texts cut where they have to be.
    """
    shown: list[str] = []
    size, count = 2, 0
    for count, item in enumerate(items, 1):
        if len(shown) < count - 1:
            continue
        text = _item(item, keys, LISTED_MOST)
        if not shown and len(text) + size > LISTED_MOST:
            text = _item(item, keys, LISTED_MOST // len(keys) - 20)
        if len(text) + 1 + size <= LISTED_MOST:
            shown.append(text)
            size += len(text) + 1
    return f"[{','.join(shown)}]", count - len(shown)


def _item(item: Mapping[str, Any], keys: Sequence[str], most: int) -> str:
    return "{" + ",".join(f'"{key}":{_text(item.get(key) or None, most)}' for key in keys) + "}"


def _text(value: object, most: int) -> str:
    """A text as JSON, of at most so many bytes."""
    if value is None:
        return "null"
    # Each character takes a byte or more.
    full = clean(str(value)[: most + 1])
    text = json.dumps(full)
    shown = full
    while len(text) > most:
        shown = shown[: max(0, len(shown) * most // len(text) - 4)]
        text = json.dumps(f"{shown}...")
    return text


def _word(value: object) -> str:
    """One of our own words, a flag, or null."""
    return json.dumps(value)


def _inside(facts: Mapping[str, Any]) -> str:
    """A mapping of ours as JSON, without its braces."""
    return json.dumps(facts, separators=(",", ":"))[1:-1]


FORMATS = (Format("events", "events.jsonl", "SIEM: one event a line", Export, make_from_history=Export, usual=False),)

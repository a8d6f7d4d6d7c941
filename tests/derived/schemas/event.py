"""A line of events.jsonl (controller/report/exports/events.py): what all have, and what each kind has beside it."""

from __future__ import annotations

from proscribe.controller.report.evaluation import since_last_run
from proscribe.controller.report.evaluation.arithmetic import share
from proscribe.controller.report.evaluation.modes import AUDIT, ENFORCE, OFF
from proscribe.controller.report.exports.event_kinds import (
    ACTION,
    BETWEEN,
    EVENT_STATES,
    GATE,
    HOST,
    KINDS,
    REQUEST,
    RULE,
    RUN,
    SCHEMA,
)
from proscribe.controller.report.exports.event_texts import LONGEST
from proscribe.model.types.event import (
    ActionEvent,
    BetweenEvent,
    EventCounts,
    EventError,
    EventFinding,
    GateEvent,
    HostEvent,
    RequestEvent,
    RuleEvent,
    RunEvent,
)

from .shapes import CONTROL, COUNT, FLAG, STATE, TEXT, TEXTS, TIME, Shape, about, by, keyed, listed, made, maybe, one_of

COMMON = {
    "schema": {"const": SCHEMA},
    "kind": {},
    "id": about({"type": "string", "pattern": "^[0-9a-f]{32}$"}, "The same for the same event of the same run"),
    "time": about(TIME, "UTC: when the host was observed, as far as its clock lies within the run; else the run's end"),
    "run": about(TEXT, "The id of the run"),
    "mode": one_of(("audit", "enforce", "check")),
    "catalog": about(maybe(TEXT), "The release of the catalogue"),
    "host": about(maybe(TEXT), "The inventory name; null for the run and its gate"),
    "changed": about(
        maybe(FLAG), "Whether this is new since the observation before, by the history; null where it does not tell"
    ),
}
PLAN = about(maybe(TEXT), "The digest of the plan that the host answered for")
EVENT_STATE = one_of(EVENT_STATES)
PREVIOUS = about(
    maybe(STATE),
    "The state before, where something changed and the history has one: error, noncompliant, unknown or waived. Null "
    "for what was compliant, did not apply, was not in the plan, or was never observed: the history does not tell "
    "these apart",
)
LEFT_OUT = about(COUNT, "How many more there were, for which the line had no room")
SHARE = keyed(dict(zip(share(0, 0), (COUNT, COUNT, {"type": ["number", "null"]}))))

OF_KIND: dict[str, dict[str, Shape]] = {
    HOST: {
        "state": about(EVENT_STATE, "The worst state of the rules that the run observed; gone: left the inventory"),
        "previous": PREVIOUS,
        "reason": about(maybe(TEXT), "Why there is no answer that counts, or why the host is not served"),
        "plan": PLAN,
        "controls": about(maybe(listed(CONTROL)), "The controls that the run observed: the state is about no other"),
        "rules_evaluated": COUNT,
        "errors": about(
            listed(keyed(dict.fromkeys(EventError.__annotations__, maybe(TEXT)))),
            "What failed, or was refused, as in hosts.jsonl",
        ),
        "errors_left_out": LEFT_OUT,
    },
    RULE: {
        "rule": about(TEXT, "<control>/<service> or <control>/<setting>"),
        "control_mode": about(maybe(one_of((ENFORCE, AUDIT, OFF))), "Of its control on this host"),
        "state": about(EVENT_STATE, "withdrawn: the plan does not have the rule any more"),
        "waiver": about(maybe(TEXT), "The waiver's id"),
        "reason": maybe(TEXT),
        "findings": about(
            listed(keyed(dict.fromkeys(EventFinding.__annotations__, maybe(TEXT)))),
            "The evidence, with the keys of hosts.jsonl",
        ),
        "findings_left_out": LEFT_OUT,
        "previous": PREVIOUS,
        "since": about(maybe(TIME), "Where something changed: when the incident began that goes on, or ended"),
        "plan": PLAN,
    },
    ACTION: {
        "control": TEXT,
        "action": about(TEXT, "What was done; in check mode (changed is false) what would be"),
        "quarantine_id": about(maybe(TEXT), "Where something was moved into the quarantine: the id to restore it by"),
        "plan": PLAN,
    },
    BETWEEN: {
        "what": about(
            one_of(since_last_run.KINDS),
            "What the host did between two runs, or what is to be known of its watcher: incident (it was open), ended "
            "(a restricted program), frozen (by root), stale (no run renews its plan), unobserved (by its own watcher)",
        ),
        "rule": about(maybe(TEXT), "Of an incident and of an ended program"),
        "program": maybe(TEXT),
        "user": about(maybe(TEXT), "Whose program was ended, or who froze the watcher"),
        "first": about(maybe(TEXT), "UTC, by the host's clock"),
        "last": about(maybe(TEXT), "UTC, by the host's clock"),
        "times": COUNT,
        "corrected": about(COUNT, "How many of these times the host closed it again by itself"),
        "users": about(TEXTS, "Who was logged in"),
        "users_left_out": LEFT_OUT,
        "until": about(maybe(TEXT), "Until when the watcher is frozen"),
        "reason": maybe(TEXT),
        "plan": PLAN,
    },
    REQUEST: {
        "request": about(TEXT, "The id of the request"),
        "user": TEXT,
        "service": about(TEXT, "As the user typed it"),
        "reason": about(TEXT, "As the user typed it"),
        "requested": about(TIME, "By the host's clock"),
        "plan": PLAN,
    },
    GATE: {
        "gate": about(maybe(TEXT), "The strictest gate of the run's hosts; null where the run failed without one"),
        "passed": FLAG,
        "exit": about({"type": ["integer", "null"]}, "What the launcher ends with; null for Ansible's own code"),
        "reason": maybe(TEXT),
    },
    RUN: {
        "playbook": TEXT,
        "started": TIME,
        "finished": TIME,
        "inventory": about(TEXT, "Its sources, with commas"),
        "limit": about(maybe(TEXT), "--limit"),
        "catalog_version": about(TEXT, "The digest of the catalogue"),
        "stopped": about(maybe(TEXT), "Why a run did not come to its end"),
        "whole": about(FLAG, "Whether every host of the inventory was expected, for every control"),
        "controls": about(maybe(listed(CONTROL)), "The controls that the run observed"),
        "expected_hosts": COUNT,
        "hosts": about(by(COUNT, STATE), "Expected hosts by state"),
        "rules": about(by(COUNT, STATE), "Evaluated rules by state"),
        "not_served": about(COUNT, "Hosts that cannot be observed; they are no expected hosts"),
        "coverage": about(SHARE, "Hosts that were evaluated at all"),
        "compliance_strict": about(SHARE, "Hosts that meet the ban"),
        "compliance_with_waivers": about(SHARE, "Hosts that meet it, or have an approved exception"),
        "events": about(
            maybe(keyed(dict.fromkeys(EventCounts.__annotations__, COUNT))),
            "How many events of these kinds changed, sent or not; null where the history does not tell",
        ),
        "events_left_out": about(COUNT, "How many events above the limit were not sent"),
        "warnings": about(COUNT, "Warnings of the report until then"),
    },
}

TYPES = {
    HOST: HostEvent,
    RULE: RuleEvent,
    ACTION: ActionEvent,
    BETWEEN: BetweenEvent,
    REQUEST: RequestEvent,
    GATE: GateEvent,
    RUN: RunEvent,
}


def event() -> Shape:
    texts = f"A line of events.jsonl: ASCII, at most {LONGEST:,} bytes; what is cut ends with ... or has a count"
    kinds = [made(TYPES[kind].__annotations__, {**COMMON, "kind": {"const": kind}, **OF_KIND[kind]}) for kind in KINDS]
    return {"title": "Event", "description": texts, "type": "object", "oneOf": kinds}

"""A line of events.jsonl (controller/report/exports/events.py). Texts are cut where a line has no room for them."""

from __future__ import annotations

from typing import TypedDict

from .report import Share


class Event(TypedDict):
    """What all events have."""

    schema: str
    kind: str
    id: str
    time: str
    run: str
    mode: str
    catalog: str | None
    host: str | None
    changed: bool | None


class EventError(TypedDict):
    """An error of a host."""

    control: str | None
    message: str | None
    refused: str | None


class EventFinding(TypedDict):
    """A finding of a rule."""

    kind: str | None
    id: str | None
    manager: str | None
    version: str | None
    scope: str | None
    path: str | None
    detail: str | None


class HostEvent(Event):
    """A host, by the worst state of its rules."""

    state: str
    previous: str | None
    reason: str | None
    plan: str | None
    controls: list[str] | None
    rules_evaluated: int
    errors: list[EventError]
    errors_left_out: int


class RuleEvent(Event):
    """A rule that the record of a host lists."""

    rule: str
    control_mode: str | None
    state: str
    waiver: str | None
    reason: str | None
    findings: list[EventFinding]
    findings_left_out: int
    previous: str | None
    since: str | None
    plan: str | None


class ActionEvent(Event):
    """Something that the run did, or in check mode would do."""

    control: str
    action: str
    quarantine_id: str | None
    plan: str | None


class BetweenEvent(Event):
    """What a host did between two runs."""

    what: str
    rule: str | None
    program: str | None
    user: str | None
    first: str | None
    last: str | None
    times: int
    corrected: int
    users: list[str]
    users_left_out: int
    until: str | None
    reason: str | None
    plan: str | None


class RequestEvent(Event):
    """What a user of a host requests."""

    request: str
    user: str
    service: str
    reason: str
    requested: str
    plan: str | None


class GateEvent(Event):
    """How the run ended by its gate."""

    gate: str | None
    passed: bool
    exit: int | None
    reason: str | None


class EventCounts(TypedDict):
    """How many events of each kind changed."""

    host: int
    rule: int
    action: int
    between: int
    request: int


class RunEvent(Event):
    """The run, in numbers."""

    playbook: str
    started: str
    finished: str
    inventory: str
    limit: str | None
    catalog_version: str
    stopped: str | None
    whole: bool
    controls: list[str] | None
    expected_hosts: int
    hosts: dict[str, int]
    rules: dict[str, int]
    not_served: int
    coverage: Share
    compliance_strict: Share
    compliance_with_waivers: Share
    events: EventCounts | None
    events_left_out: int
    warnings: int

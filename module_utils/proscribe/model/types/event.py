"""Types of the lines of events.jsonl (controller/report/exports/events.py), by kind of event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict
from .report import CountShare

if TYPE_CHECKING:
    from typing import Annotated

    from ..vocabulary import BETWEEN_RUN_EVENTS, EVENT_SCHEMA
    from .annotations import (
        Control,
        ControlMode,
        Count,
        EventState,
        LeftOutOfEvent,
        Moment,
        PlanOfHost,
        PreviousState,
        RuleName,
        RunMode,
        SchemaKeywords,
        State,
        WaiverId,
    )


class EventLine(TypedDict):
    """The keys that all events have."""

    schema: Annotated[str, SchemaKeywords(const=EVENT_SCHEMA)]
    kind: str
    id: Annotated[str, "The same for the same event of the same run", SchemaKeywords(pattern="^[0-9a-f]{32}$")]
    time: Annotated[
        Moment, "UTC: when the host was observed, as far as its clock lies within the run; else the run's end"
    ]
    run: Annotated[str, "The id of the run"]
    mode: RunMode
    catalog: Annotated[str | None, "The release of the catalogue"]
    host: Annotated[str | None, "The inventory name; null for the run and its gate"]
    changed: Annotated[
        bool | None,
        "Whether this is new since the observation before, by the history; null where it does not tell",
    ]


class EventError(TypedDict):
    """Failure on a host, or a change that the host refused."""

    control: str | None
    message: str | None
    refused: str | None


class EventFinding(TypedDict):
    """Finding: a piece of evidence for the state of a rule."""

    kind: str | None
    id: str | None
    manager: str | None
    version: str | None
    scope: str | None
    path: str | None
    detail: str | None


class HostEvent(EventLine):
    """Event about the state of a host."""

    state: Annotated[EventState, "The worst state of the rules that the run observed; gone: left the inventory"]
    previous: PreviousState
    reason: Annotated[str | None, "Why there is no answer that counts, or why the host is not served"]
    plan: PlanOfHost
    controls: Annotated[list[Control] | None, "The controls that the run observed: the state is about no other"]
    rules_evaluated: Count
    errors: Annotated[list[EventError], "What failed, or was refused, as in hosts.jsonl"]
    errors_left_out: LeftOutOfEvent


class RuleEvent(EventLine):
    """Event about the state of a rule on a host."""

    rule: RuleName
    same_cause: Annotated[list[RuleName], "More rules that changed in the same way by the same files"]
    same_cause_left_out: LeftOutOfEvent
    control_mode: Annotated[ControlMode | None, "Of its control on this host"]
    state: Annotated[EventState, "withdrawn: the plan does not have the rule any more"]
    waiver: WaiverId | None
    reason: str | None
    findings: Annotated[list[EventFinding], "The evidence, with the keys of hosts.jsonl"]
    findings_left_out: LeftOutOfEvent
    previous: PreviousState
    since: Annotated[Moment | None, "Where something changed: when the incident began that goes on, or ended"]
    plan: PlanOfHost


class ActionEvent(EventLine):
    """Event about a change that a run made on a host."""

    control: str
    action: Annotated[str, "What was done; in check mode (changed is false) what would be"]
    quarantine_id: Annotated[str | None, "Where something was moved into the quarantine: the id to restore it by"]
    plan: PlanOfHost


class BetweenEvent(EventLine):
    """Event on a host between two runs, or a fact about the watch on the host."""

    what: Annotated[
        str,
        "What the host did between two runs, or what is to be known of its watcher: incident (it was open), ended "
        "(a restricted program), frozen (by root), stale (no run renews its plan), unobserved (by its own watcher)",
        SchemaKeywords(enum=BETWEEN_RUN_EVENTS),
    ]
    rule: Annotated[str | None, "Of an incident and of an ended program"]
    program: str | None
    user: Annotated[str | None, "Whose program was ended, or who froze the watcher"]
    first: Annotated[str | None, "UTC, by the host's clock"]
    last: Annotated[str | None, "UTC, by the host's clock"]
    times: Count
    corrected: Annotated[Count, "How many of these times the host closed it again by itself"]
    users: Annotated[list[str], "Who was logged in"]
    users_left_out: LeftOutOfEvent
    until: Annotated[str | None, "Until when the watcher is frozen"]
    reason: str | None
    plan: PlanOfHost


class RequestEvent(EventLine):
    """Event about a user's request for an exception."""

    request: Annotated[str, "The id of the request"]
    user: str
    service: Annotated[str, "As the user typed it"]
    reason: Annotated[str, "As the user typed it"]
    requested: Annotated[Moment, "By the host's clock"]
    plan: PlanOfHost


class GateEvent(EventLine):
    """Event about a run's gate: whether the run passed or failed."""

    gate: Annotated[str | None, "The strictest gate of the run's hosts; null where the run failed without one"]
    passed: bool
    exit: Annotated[int | None, "What the launcher ends with; null for Ansible's own code"]
    reason: str | None


class EventCounts(TypedDict):
    """The number of changed events of each kind."""

    host: Count
    rule: Count
    action: Count
    between: Count
    request: Count


class RunEvent(EventLine):
    """Event about a run as a whole."""

    playbook: str
    started: Moment
    finished: Moment
    inventory: Annotated[str, "Its sources, with commas"]
    limit: Annotated[str | None, "--limit"]
    catalog_version: Annotated[str, "The digest of the catalogue"]
    stopped: Annotated[str | None, "Why a run did not come to its end"]
    whole: Annotated[bool, "Whether every host of the inventory was expected, for every control"]
    controls: Annotated[list[Control] | None, "The controls that the run observed"]
    expected_hosts: Count
    hosts: Annotated[dict[State, Count], "Expected hosts by state"]
    rules: Annotated[dict[State, Count], "Evaluated rules by state"]
    not_served: Annotated[Count, "Hosts that cannot be observed; they are no expected hosts"]
    coverage: Annotated[CountShare, "Hosts that were evaluated at all"]
    compliance_strict: Annotated[CountShare, "Hosts that meet the ban"]
    compliance_with_waivers: Annotated[CountShare, "Hosts that meet it, or have an approved exception"]
    events: Annotated[
        EventCounts | None,
        "How many events of these kinds changed, sent or not; null where the history does not tell",
    ]
    events_left_out: Annotated[Count, "How many events above the limit were not sent"]
    warnings: Annotated[Count, "Warnings of the report until then"]

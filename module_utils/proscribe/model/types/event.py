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
    id: Annotated[
        str,
        "Id of the event. If the same event of a run arrives twice, both copies have the same id.",
        SchemaKeywords(pattern="^[0-9a-f]{32}$"),
    ]
    time: Annotated[
        Moment,
        "Time of the host's observation: ISO 8601, UTC. The host's clock counts, limited to the time of "
        "the run. Without an observation, the time is the end of the run.",
    ]
    run: Annotated[str, "Id of the run"]
    mode: RunMode
    catalog: Annotated[str | None, "Release of the catalogue of services; null if the catalogue has none"]
    host: Annotated[str | None, "Name of the host in the inventory; null for events of kind run and gate"]
    changed: Annotated[
        bool | None,
        "True if the event is new since the previous observation, by the history of runs. Null if the "
        "history does not have the run.",
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

    state: Annotated[
        EventState,
        "Worst state of the rules that the run observed. `gone`: the host left the inventory. "
        "`not_served`: Proscribe cannot observe the host.",
    ]
    previous: PreviousState
    reason: Annotated[
        str | None, "Reason why the host has no valid answer, or is not served; null for a host with a valid answer"
    ]
    plan: PlanOfHost
    controls: Annotated[
        list[Control] | None,
        "Controls that the run observed. The state is about these controls only. Null or empty means all controls.",
    ]
    rules_evaluated: Count
    errors: Annotated[
        list[EventError], "Failures on the host and refused changes, with the keys of `errors` in hosts.jsonl"
    ]
    errors_left_out: LeftOutOfEvent


class RuleEvent(EventLine):
    """Event about the state of a rule on a host."""

    rule: RuleName
    same_cause: Annotated[
        list[RuleName],
        "Names of further rules that changed in the same way because of the same files. This event is "
        "about all of them.",
    ]
    same_cause_left_out: LeftOutOfEvent
    control_mode: Annotated[ControlMode | None, "Mode of the rule's control on this host; null if unknown"]
    state: Annotated[
        EventState,
        "State of the rule on the host. `withdrawn`: the plan no longer has the rule. `gone`: the host "
        "left the inventory. `lifted`: the ban of the rule's control was removed from the host.",
    ]
    waiver: WaiverId | None
    reason: str | None
    findings: Annotated[list[EventFinding], "Evidence for the state, with the keys of `findings` in hosts.jsonl"]
    findings_left_out: LeftOutOfEvent
    previous: PreviousState
    since: Annotated[
        Moment | None,
        "Start of the incident that began, continues or ended with this change: ISO 8601, UTC. Null without a change.",
    ]
    plan: PlanOfHost


class ActionEvent(EventLine):
    """Event about a change that a run made on a host."""

    control: str
    action: Annotated[
        str, "Change that the run made. In check mode (`changed` is false): change that the run would make."
    ]
    quarantine_id: Annotated[
        str | None,
        "Id by which the moved item can be restored from the quarantine; null if the action moved nothing there",
    ]
    plan: PlanOfHost


class BetweenEvent(EventLine):
    """Event on a host between two runs, or a fact about the watch on the host."""

    what: Annotated[
        str,
        "Kind of the event between two runs. `incident`: rules were not compliant. `ended`: a restricted "
        "program was ended at its start. `frozen`: root paused the host's watch, the service that "
        "observes and corrects the host. `stale`: no run has renewed the host's plan in time. "
        "`unobserved`: the watch has not observed the host in time.",
        SchemaKeywords(enum=BETWEEN_RUN_EVENTS),
    ]
    rule: Annotated[
        str | None,
        "Rule of an incident or of an ended program. For an incident of several rules: the control. Null "
        "for other events.",
    ]
    program: str | None
    user: Annotated[str | None, "User whose program was ended, or account that paused the watch; null for other events"]
    first: Annotated[
        str | None,
        "First time by the host's clock: ISO 8601, UTC. For `frozen`: end of the pause. For `stale`: last "
        "renewal of the plan. For `unobserved`: last observation. Null if never.",
    ]
    last: Annotated[
        str | None, "Last time by the host's clock: ISO 8601, UTC. Null unless `what` is `incident` or `ended`."
    ]
    times: Count
    corrected: Annotated[Count, "Number of these times at which the host corrected the rules itself"]
    users: Annotated[list[str], "Users who were logged in when the host observed the incident"]
    users_left_out: LeftOutOfEvent
    until: Annotated[str | None, "End of the pause of the watch: ISO 8601, UTC. Null unless `what` is `frozen`."]
    reason: str | None
    plan: PlanOfHost


class RequestEvent(EventLine):
    """Event about a user's request for an exception."""

    request: Annotated[str, "Id of the request"]
    user: str
    service: Annotated[str, "Service, as the user typed it"]
    reason: Annotated[str, "Reason for the request, as the user typed it"]
    requested: Annotated[Moment, "Time of the request by the host's clock: ISO 8601, UTC"]
    plan: PlanOfHost


class GateEvent(EventLine):
    """Event about a run's gate: whether the run passed or failed."""

    gate: Annotated[str | None, "Strictest compliance gate of the run's hosts; null if the run failed without a gate"]
    passed: bool
    exit: Annotated[int | None, "Exit code of the launcher `./proscribe`; null if it exits with Ansible's own code"]
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
    inventory: Annotated[str, "Sources of the inventory, separated by commas"]
    limit: Annotated[str | None, "Value of the option --limit, which selects hosts; null without the option"]
    catalog_version: Annotated[str, "Digest of the catalogue's content"]
    stopped: Annotated[str | None, "Reason why the run ended early; null for a complete run"]
    whole: Annotated[
        bool, "True if the run covered every host of the inventory and every control, and was not interrupted"
    ]
    controls: Annotated[list[Control] | None, "Controls that the run observed. Null or empty means all controls."]
    expected_hosts: Count
    hosts: Annotated[dict[State, Count], "Number of expected hosts in each state"]
    rules: Annotated[dict[State, Count], "Number of evaluated rules in each state, on all expected hosts"]
    not_served: Annotated[
        Count, "Number of hosts that Proscribe cannot observe. They are not among the expected hosts."
    ]
    coverage: Annotated[
        CountShare, "Share of hosts that were evaluated, of the expected hosts and the hosts that are not served"
    ]
    compliance_strict: Annotated[
        CountShare, "Share of compliant and repaired hosts, of the expected hosts to which the ban applies"
    ]
    compliance_with_waivers: Annotated[
        CountShare, "Share of compliant, repaired and waived hosts, of the expected hosts to which the ban applies"
    ]
    events: Annotated[
        EventCounts | None,
        "Number of events with a change, by kind, sent or not. Null if the history does not have the run.",
    ]
    events_left_out: Annotated[
        Count, "Number of events that were left out because the run's limit of events was reached"
    ]
    warnings: Annotated[Count, "Number of warnings in the report when this event was made"]

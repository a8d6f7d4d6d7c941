"""Types of a host record: all that a run knows about a host (model/finding.py, wire/answers/record.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import Annotated, NotRequired

    from ..vocabulary import (
        MAX_CAUSE_LENGTH,
        MAX_ENDED_PROGRAMS,
        MAX_INCIDENT_RULES,
        MAX_INCIDENT_USERS,
        MAX_INCIDENTS,
        MAX_QUARANTINE_USERS,
        MAX_REQUEST_REASON_LENGTH,
        MAX_REQUESTS,
        RECORD_SCHEMA,
        REQUEST_ANSWERS,
    )
    from .annotations import (
        CLOSED_MAPPING,
        AnyControl,
        ControlMode,
        Count,
        HostMoment,
        LeftOutCounts,
        Moment,
        Platform,
        PositiveCount,
        QuarantineId,
        RequestId,
        RuleName,
        SchemaKeywords,
        State,
        WaiverId,
    )


class FindingRecord(TypedDict):
    """A finding (a piece of evidence on the host) in a host record."""

    kind: str
    id: str
    manager: str | None
    version: str | None
    scope: str | None
    path: str | None
    detail: str | None


class RuleRecord(TypedDict):
    """The state of a rule on a host, with the evidence."""

    rule: RuleName
    state: State
    waiver: WaiverId | None
    reason: str | None
    findings: list[FindingRecord]
    mode: NotRequired[
        Annotated[ControlMode | None, "Of its control on this host: no run corrects what is only audited"]
    ]


class RecordError(TypedDict):
    """A failure on a host, or a change that was refused."""

    control: Annotated[str, "A control, or run"]
    message: str
    refused: NotRequired[
        Annotated[str, "Only of what was left as it is, which is no failure: the rule that it is about"]
    ]


class ControlRecord(TypedDict):
    """The summary of a control in a host record. The controller adds the control's mode, policy and state."""

    mode: NotRequired[Annotated[ControlMode | None, "What the plan has it do; null where that is not known"]]
    policy: NotRequired[Annotated[str | None, "The digest of all that the plan makes it from"]]
    state: NotRequired[
        Annotated[State | None, "The worst state of its rules; null where the run did not observe it, or it is off"]
    ]
    evaluated: Count
    not_applicable: Count


class OtherHostTurn(TypedDict):
    """Another process that held the host's lock, and the seconds that this run waited for it."""

    by: str
    since: str
    waited: Count


class OtherRun(OtherHostTurn):
    """Another run that changed the host during this run."""

    control: str


class RecordedAction(TypedDict):
    """A change that a run made, or in check mode would make."""

    control: str
    action: str
    quarantine_id: NotRequired[
        Annotated[QuarantineId, "Only where something was moved into the quarantine: the id to restore it by"]
    ]


class FullScan(TypedDict):
    """The last full scan of a host's home directories, and the number of enforcing runs since."""

    at: Annotated[str, "When, by the host's clock"]
    runs: Annotated[Count, "How many enforcing runs have begun with it or since"]


class QuarantineTotals(TypedDict):
    """The number and size of the items in a host's quarantine."""

    items: Count
    bytes: Annotated[Count, "What it takes on the disk"]
    oldest: Annotated[str, "When the oldest item was taken, by the host's clock; empty if no item has a time"]
    owners: Annotated[
        dict[str, Count],
        "Bytes by the account that the items were taken from, those with most",
        SchemaKeywords(maxProperties=MAX_QUARANTINE_USERS),
    ]


class WatchIncident(TypedDict):
    """An incident that the host observed between two runs: rules that were not compliant for some time."""

    control: AnyControl
    cause: Annotated[
        str, "What was found; empty where the journal does not reach it", SchemaKeywords(maxLength=MAX_CAUSE_LENGTH)
    ]
    rules: Annotated[list[str], "What was open by it", SchemaKeywords(minItems=1, maxItems=MAX_INCIDENT_RULES)]
    rules_left_out: Annotated[Count, "How many more rules were"]
    first: HostMoment
    last: HostMoment
    times: Annotated[PositiveCount, "How often the host found it open"]
    corrected: Annotated[Count, "How many of these times the host closed it again by itself"]
    users: Annotated[list[str], "Who was logged in", SchemaKeywords(maxItems=MAX_INCIDENT_USERS)]


class EndedProgram(TypedDict):
    """Restricted program that the watch on the host terminated when it was started."""

    rule: str
    program: Annotated[str, "Its path"]
    user: str
    first: HostMoment
    last: HostMoment
    times: Annotated[PositiveCount, "How often it was started and ended"]


class WatchPause(TypedDict):
    """The time until which root has paused the watch, with the reason, and the account that paused it."""

    until: HostMoment
    reason: str
    by: str


class WatchRecord(TypedDict):
    """The events of the watch between two runs, on a host that observes and corrects itself."""

    every: Annotated[Count, "Seconds between two observations of its own"]
    renewed: Annotated[Moment | None, "When a run last renewed the plan that the host holds"]
    stale: Annotated[bool, "Whether that was longer ago than proscribe_watch_max_age"]
    last: Annotated[Moment | None, "When the host last observed itself; null for never"]
    since: Annotated[Moment | None, "How far back its journal reaches"]
    frozen: NotRequired[Annotated[WatchPause, "Only where root has frozen it", CLOSED_MAPPING]]
    incidents: Annotated[list[WatchIncident], SchemaKeywords(maxItems=MAX_INCIDENTS)]
    ended: Annotated[list[EndedProgram], SchemaKeywords(maxItems=MAX_ENDED_PROGRAMS)]
    left_out: LeftOutCounts


class UserRequest(TypedDict):
    """A request for an exception by a user of a host."""

    id: Annotated[RequestId, "Made by the host"]
    user: Annotated[str, "The account that requests it"]
    service: Annotated[str, "As the user typed it"]
    reason: Annotated[str, "As the user typed it", SchemaKeywords(maxLength=MAX_REQUEST_REASON_LENGTH)]
    at: HostMoment
    answer: NotRequired[
        Annotated[
            str,
            "Only where the plan of the host answers it: then it does not wait",
            SchemaKeywords(enum=REQUEST_ANSWERS),
        ]
    ]


class RecordDetails(TypedDict, total=False):
    """The keys that controls add to a host record in addition to their rules."""

    package_systems: Annotated[
        list[str], "The package systems that the host has for all of it; where apps was observed"
    ]
    user_package_systems: Annotated[
        list[str], "The package systems that its users have brought along; only where all of all users was seen"
    ]
    browsers: Annotated[
        list[str],
        "The browsers that are installed for the whole host and that a policy reaches, each by the id of the place "
        "that it reads; where browser was observed",
    ]
    full_scan: Annotated[
        FullScan,
        "Where homes were searched: the last time that all of them were read; since then, only what changed was",
        CLOSED_MAPPING,
    ]
    quarantine: Annotated[
        QuarantineTotals, "Where there is something in the quarantine of the host: what it comes to", CLOSED_MAPPING
    ]
    requests: Annotated[
        list[UserRequest], "Only where users of the host request something", SchemaKeywords(maxItems=MAX_REQUESTS)
    ]
    requests_left_out: Annotated[Count, "Beside requests: how many more there were"]


class ObservedRecord(RecordDetails):
    """A host record as the host returns it: without the host's inventory name, which the host does not know."""

    schema: Annotated[str, SchemaKeywords(const=RECORD_SCHEMA)]
    state: Annotated[State, "The worst state of its rules; unknown without an answer that counts"]
    reason: NotRequired[Annotated[str | None, "Why there is no answer that counts"]]
    plan: Annotated[str | None, "The digest of the plan that the host answered for"]
    checked_at: Annotated[str | None, "When the host was observed, by its own clock: UTC, such as 2026-11-25T00:30:05Z"]
    platform: Annotated[Platform, "What the host runs"]
    rules_evaluated: Count
    rules_not_applicable: Count
    controls: NotRequired[
        Annotated[
            dict[AnyControl, ControlRecord],
            "Each control: its mode, its state, and how many rules of it were evaluated",
        ]
    ]
    rules: Annotated[list[RuleRecord], "Rules that are not plainly compliant; the rest are only counted"]
    attempts: NotRequired[
        Annotated[dict[str, Count], "Packets that the host's firewall refused, by rule, since its counters began"]
    ]
    errors: list[RecordError]
    duration_ms: Count | None
    actions: NotRequired[
        Annotated[
            list[RecordedAction], "In a run that changes hosts: what was done, or in check mode would be, in order"
        ]
    ]
    not_observed_again: NotRequired[
        Annotated[
            list[AnyControl], "Only of a host that the run corrected and could not observe afterwards: these controls"
        ]
    ]
    other_runs: NotRequired[
        Annotated[
            list[OtherRun],
            "Only where other runs changed the host meanwhile: who, since when, and how many seconds this run waited "
            "for them; 0 for one that came between two changes of this run",
        ]
    ]
    found_at: NotRequired[
        Annotated[
            str,
            "Only where rules are repaired: when they were seen to be wrong; checked_at is when they were seen to hold "
            "again",
        ]
    ]
    catalog: NotRequired[Annotated[str, "The release of the catalogue that the host's plan was compiled from"]]
    watch: NotRequired[
        Annotated[WatchRecord, "Only of a host that keeps itself in line: what it did between two runs", CLOSED_MAPPING]
    ]
    logged_in: NotRequired[
        Annotated[list[str], "Only where something had drifted: the users who were logged in when it was found"]
    ]
    commit: NotRequired[Annotated[str, "Only of a host that runs by itself: the commit of the policy that it ran"]]
    commit_trust: NotRequired[
        Annotated[str, "Only where nothing but that the host saw it first speaks for that commit: first use"]
    ]


class HostRecord(ObservedRecord):
    """A line of hosts.jsonl: the record of an expected host."""

    host: Annotated[str, "The inventory name"]

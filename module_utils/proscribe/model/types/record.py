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
        CONTROLLER_KEY,
        MAX_LIST_ITEMS,
        NOT_NULL,
        RULE_GROUPS,
        RUN_ERROR,
        AnswerKeywords,
        AnyControl,
        ControlMode,
        Count,
        FindingText,
        HostMoment,
        LeftOutCounts,
        Line,
        Moment,
        Name,
        Platform,
        PositiveCount,
        QuarantineId,
        ReportedRule,
        RequestId,
        RuleName,
        SchemaKeywords,
        SoftwareNames,
        State,
        Token,
        WaiverId,
    )


class FindingRecord(TypedDict):
    """A finding (a piece of evidence on the host) in a host record."""

    kind: Token
    id: FindingText
    manager: Token | None
    version: Token | None
    scope: FindingText | None
    path: Name | None
    detail: Line | None


class RuleRecord(TypedDict):
    """The state of a rule on a host, with the evidence."""

    rule: RuleName
    state: State
    waiver: WaiverId | None
    reason: Line | None
    findings: Annotated[list[FindingRecord], AnswerKeywords(item="a finding")]
    mode: NotRequired[
        Annotated[
            ControlMode | None,
            "Mode of the rule's control on this host; null if unknown. No run corrects a control with mode `audit`.",
            CONTROLLER_KEY,
        ]
    ]


class RecordError(TypedDict):
    """A failure on a host, or a change that was refused."""

    control: Annotated[
        str,
        "Control that failed or refused; `run` for a failure that belongs to no control",
        AnswerKeywords(enum=(*RULE_GROUPS, RUN_ERROR)),
    ]
    message: Line
    refused: NotRequired[
        Annotated[
            str,
            "Name of the rule of a refused change. A refused change leaves the host as it is and is no "
            "failure. The key is missing for a failure.",
            CONTROLLER_KEY,
        ]
    ]


class ControlRecord(TypedDict):
    """The summary of a control in a host record.

    The host counts its rules. The controller adds the control's mode, policy and state.
    """

    mode: NotRequired[
        Annotated[ControlMode | None, "Mode of the control by the host's plan; null if unknown", CONTROLLER_KEY]
    ]
    policy: NotRequired[
        Annotated[
            str | None,
            "Digest of all parts of the plan that determine the control; null if unknown or if the control is off",
            CONTROLLER_KEY,
        ]
    ]
    state: NotRequired[
        Annotated[
            State | None,
            "Worst state of the control's rules; null if the run did not observe the control, or if it is off",
            CONTROLLER_KEY,
        ]
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
        Annotated[
            QuarantineId,
            "Id by which the moved item can be restored from the quarantine. The key is missing if the action "
            "moved nothing there.",
        ]
    ]


class FullScan(TypedDict):
    """The last full scan of a host's home directories, and the number of enforcing runs since."""

    at: Annotated[Token, "Time of the full scan by the host's clock: ISO 8601, UTC"]
    runs: Annotated[Count, "Number of enforcing runs since the full scan, including the run of the full scan"]


class QuarantineTotals(TypedDict):
    """The number and size of the items in a host's quarantine."""

    items: Count
    bytes: Annotated[Count, "Size of all items on disk, in bytes"]
    oldest: Annotated[
        Token,
        "Time at which the oldest item was taken, by the host's clock: ISO 8601, UTC. Empty if no item has a time.",
    ]
    owners: Annotated[
        dict[Token, Count],
        "Bytes on disk, by the account from which the items were taken. Only the accounts with most bytes are listed.",
        SchemaKeywords(maxProperties=MAX_QUARANTINE_USERS),
    ]


class WatchIncident(TypedDict):
    """An incident that the host observed between two runs: rules that were not compliant for some time."""

    control: Annotated[AnyControl, CONTROLLER_KEY]
    cause: Annotated[
        Line,
        "Evidence that the host recorded when the incident began; empty if the journal no longer has that line",
        SchemaKeywords(maxLength=MAX_CAUSE_LENGTH),
    ]
    rules: Annotated[
        list[ReportedRule],
        "Names of the rules that were not compliant because of this cause",
        SchemaKeywords(minItems=1, maxItems=MAX_INCIDENT_RULES),
        AnswerKeywords(item="rule", maxItems=MAX_LIST_ITEMS),
    ]
    rules_left_out: Annotated[
        Count, "Number of further rules of the incident that are not listed", AnswerKeywords(default=0)
    ]
    first: HostMoment
    last: HostMoment
    times: Annotated[PositiveCount, "Number of times at which the host observed the incident"]
    corrected: Annotated[Count, "Number of these times at which the host corrected the rules itself"]
    users: Annotated[
        list[Token],
        "Users who were logged in when the host observed the incident",
        SchemaKeywords(maxItems=MAX_INCIDENT_USERS),
        AnswerKeywords(is_cut=True, default=()),
    ]


class EndedProgram(TypedDict):
    """Restricted program that the watch on the host terminated when it was started."""

    rule: ReportedRule
    program: Annotated[Name, "Path of the program"]
    user: Token
    first: HostMoment
    last: HostMoment
    times: Annotated[PositiveCount, "Number of starts of the program that the host ended"]


class WatchPause(TypedDict):
    """The time until which root has paused the watch, with the reason, and the account that paused it."""

    until: HostMoment
    reason: Annotated[Line, AnswerKeywords(maxLength=MAX_REQUEST_REASON_LENGTH)]
    by: Token


class WatchRecord(TypedDict):
    """The events of the watch between two runs, on a host that observes and corrects itself."""

    every: Annotated[Count, "Seconds between two observations by the host itself"]
    renewed: Annotated[
        Moment | None, "Time at which a run last renewed the host's plan: ISO 8601, UTC. Null if unknown."
    ]
    stale: Annotated[bool, "True if the last renewal of the plan is longer ago than proscribe_watch_max_age permits"]
    last: Annotated[
        Moment | None,
        "Time of the last observation by the host itself: ISO 8601, UTC. Null if it never observed itself.",
    ]
    since: Annotated[
        Moment | None, "Time of the oldest line in the journal of the watch: ISO 8601, UTC. Null for an empty journal."
    ]
    frozen: NotRequired[
        Annotated[
            WatchPause, "Pause of the watch. The key exists only while root has paused the watch.", CLOSED_MAPPING
        ]
    ]
    incidents: Annotated[
        list[WatchIncident],
        SchemaKeywords(maxItems=MAX_INCIDENTS),
        AnswerKeywords(item="an incident", is_cut=True, default=()),
    ]
    ended: Annotated[
        list[EndedProgram],
        SchemaKeywords(maxItems=MAX_ENDED_PROGRAMS),
        AnswerKeywords(item="an ended program", is_cut=True, default=()),
    ]
    left_out: Annotated[LeftOutCounts, CONTROLLER_KEY]


class UserRequest(TypedDict):
    """A request for an exception by a user of a host."""

    id: Annotated[RequestId, "Id of the request, which the host made"]
    user: Annotated[Token, "Account that makes the request"]
    service: Annotated[Token, "Service, as the user typed it"]
    reason: Annotated[Line, "Reason, as the user typed it", SchemaKeywords(maxLength=MAX_REQUEST_REASON_LENGTH)]
    at: HostMoment
    answer: NotRequired[
        Annotated[
            str,
            "Answer to the request in the host's plan. The key is missing while the request waits for an answer.",
            SchemaKeywords(enum=REQUEST_ANSWERS),
            AnswerKeywords(noun="answer to a request"),
        ]
    ]


class RecordDetails(TypedDict, total=False):
    """The keys that controls add to a host record in addition to their rules."""

    package_systems: Annotated[
        SoftwareNames,
        "Package systems that are installed for the whole host; only if the run observed the control apps",
    ]
    user_package_systems: Annotated[
        SoftwareNames,
        "Package systems that users of the host have installed themselves. The key exists only if all "
        "files of all users could be read.",
    ]
    browsers: Annotated[
        SoftwareNames,
        "Browsers that are installed for the whole host and that a policy reaches. Each is the id of the "
        "place from which the browser reads its policy. The key exists only if the run observed the "
        "control browser.",
    ]
    full_scan: Annotated[
        FullScan,
        "Last full scan of all home directories. Scans after it read only changed directories. The key "
        "exists only if home directories were searched.",
        CLOSED_MAPPING,
    ]
    quarantine: Annotated[
        QuarantineTotals,
        "Totals of the host's quarantine. The key is missing if the quarantine is empty.",
        CLOSED_MAPPING,
    ]
    requests: Annotated[
        list[UserRequest],
        "Requests of the host's users for an exception. The key is missing if there are none.",
        SchemaKeywords(maxItems=MAX_REQUESTS),
        AnswerKeywords(item="a request", is_cut=True),
        CONTROLLER_KEY,
    ]
    requests_left_out: Annotated[
        Count, "Number of further requests that are not listed; only together with `requests`", CONTROLLER_KEY
    ]


class ObservedRecord(RecordDetails):
    """A host record as the host returns it: without the host's inventory name, which the host does not know."""

    schema: Annotated[str, SchemaKeywords(const=RECORD_SCHEMA)]
    state: Annotated[State, "Worst state of the host's rules; `unknown` if the host has no valid answer"]
    reason: NotRequired[
        Annotated[
            str | None, "Reason why the host has no valid answer; null for a host with a valid answer", CONTROLLER_KEY
        ]
    ]
    plan: Annotated[Token | None, "Digest of the plan for which the host answered; null without an answer", NOT_NULL]
    checked_at: Annotated[
        Token | None,
        "Time of the observation by the host's clock: ISO 8601, UTC, such as 2026-11-25T00:30:05Z. Null "
        "without an answer.",
        NOT_NULL,
    ]
    platform: Annotated[
        Platform,
        "Operating system and its version, kernel release, processor architecture and Python version of the host",
    ]
    rules_evaluated: Count
    rules_not_applicable: Annotated[Count, AnswerKeywords(default=0)]
    controls: NotRequired[
        Annotated[
            dict[AnyControl, ControlRecord],
            "Controls by name, each with its mode, its state and the number of its evaluated rules",
            AnswerKeywords(default={}, maxProperties=len(RULE_GROUPS)),
        ]
    ]
    rules: Annotated[
        list[RuleRecord],
        "Rules that are not simply compliant. All other rules are only counted.",
        AnswerKeywords(item="a rule", maxItems=MAX_LIST_ITEMS),
    ]
    attempts: NotRequired[
        Annotated[
            dict[Annotated[Token, AnswerKeywords(label="a rule of attempts")], Count],
            "Refused attempts by name of the rule: packets that the firewall refused, or queries that the DNS "
            "filter refused. The numbers begin with the host's counters.",
            AnswerKeywords(default={}),
        ]
    ]
    errors: Annotated[list[RecordError], AnswerKeywords(item="an error", maxItems=100)]
    duration_ms: Annotated[Count | None, NOT_NULL]
    actions: NotRequired[
        Annotated[
            list[RecordedAction],
            "Changes that an enforcing run made on the host, in order. In check mode: changes that the run would make.",
            CONTROLLER_KEY,
        ]
    ]
    not_observed_again: NotRequired[
        Annotated[
            list[AnyControl],
            "Controls that the run corrected and could not observe afterwards. The key is missing if there are none.",
            CONTROLLER_KEY,
        ]
    ]
    other_runs: NotRequired[
        Annotated[
            list[OtherRun],
            "Other runs that changed the host during this run: who, since when, and how many seconds this run "
            "waited. The waiting time is 0 for a run between two changes of this run. The key is missing if "
            "there are none.",
            CONTROLLER_KEY,
        ]
    ]
    found_at: NotRequired[
        Annotated[
            Token,
            "Time at which the repaired rules were observed before their correction: ISO 8601, UTC. Then "
            "`checked_at` is the time at which they were observed as compliant. The key exists only if rules "
            "are repaired.",
        ]
    ]
    catalog: NotRequired[
        Annotated[Token, "Release of the catalogue of services from which the host's plan was compiled"]
    ]
    watch: NotRequired[
        Annotated[
            WatchRecord,
            "Events between two runs, on a host whose watch observes and corrects the host itself. The key is "
            "missing for a host without a watch.",
            CLOSED_MAPPING,
            CONTROLLER_KEY,
        ]
    ]
    logged_in: NotRequired[
        Annotated[
            list[Token],
            "Users who were logged in when the host observed drift. The key is missing without drift.",
            AnswerKeywords(maxItems=1000, is_cut=True),
        ]
    ]
    commit: NotRequired[
        Annotated[
            Token,
            "Git commit of the policy that the host applied. The key exists only for a host that fetches the "
            "policy itself.",
        ]
    ]
    commit_trust: NotRequired[
        Annotated[
            Token,
            "`first use` if the host trusts the commit only because it is the first that the host fetched. "
            "Otherwise the key is missing.",
        ]
    ]


class HostRecord(ObservedRecord):
    """A line of hosts.jsonl: the record of an expected host."""

    host: Annotated[str, "Name of the host in the inventory", CONTROLLER_KEY]

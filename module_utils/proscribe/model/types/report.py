"""The types of a fleet report: report.json (controller/report/evaluation/reconciliation.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict
from .run import EventSettings, Run, RunWaiver, ScheduledExport, UpcomingRestriction

if TYPE_CHECKING:
    from typing import Annotated, NotRequired

    from ..vocabulary import POINT_STATES, REPORT_SCHEMA
    from .annotations import (
        CLOSED_MAPPING,
        AnyControl,
        ControlMode,
        Count,
        FailedGate,
        Moment,
        NoteKind,
        PositiveCount,
        SchemaKeywords,
        State,
    )


class ReportVerdict(TypedDict):
    """The result of a run at its gate: whether the run passed, and its exit code."""

    gate: Annotated[FailedGate | None, "The strictest gate of the run's hosts; null where there was none to pass"]
    passed: bool
    exit: Annotated[int | None, "What the launcher ends with; null for Ansible's own code"]
    reason: str | None


class ReportRun(Run):
    """The facts about the run in its report."""

    finished: Moment
    expected_hosts: Count
    history: NotRequired[Annotated[str | None, "Where the run is remembered"]]
    round: NotRequired[Annotated[str, "The id of the round that the run is a slice of: proscribe_round"]]
    exports: NotRequired[Annotated[list[str] | None, "The exports that were asked for"]]
    exports_fed: NotRequired[
        Annotated[
            list[ScheduledExport] | None,
            "The exports to points that scheduled runs keep up to date: proscribe_exports_fed",
        ]
    ]
    events: NotRequired[
        Annotated[EventSettings | None, "How the run sent its events: proscribe_events; empty where it sent none"]
    ]
    baseline: NotRequired[Annotated[str | None, "The run that this one was compared with"]]
    stale_after: NotRequired[Annotated[int | None, "How old a record may be, in seconds"]]
    whole: NotRequired[
        Annotated[
            bool, "Whether every host of the inventory was asked for every control; else it says nothing of the rest"
        ]
    ]
    left_out: NotRequired[
        Annotated[Count | None, "Hosts of the inventory that were not asked; null where that is not known"]
    ]
    verdict: NotRequired[Annotated[ReportVerdict | None, "How the run ended by its gate"]]
    parts: NotRequired[Annotated[list[str], "Only of a merged report: the runs that it was made from"]]


class CountShare(TypedDict):
    """A part of a total, with its percentage rounded down.

    The percentage is 100 only for the whole, and None for a total of 0.
    """

    numerator: Count
    denominator: Count
    percent: Annotated[
        float | None,
        "Floored to one decimal; 100 only when all count; null when there is nothing to count",
        SchemaKeywords(minimum=0, maximum=100),
    ]


class ReportSummary(TypedDict):
    """Counts of hosts and rules by state, and the shares of compliant hosts."""

    hosts: Annotated[dict[State, Count], "Expected hosts by state"]
    rules: Annotated[dict[State, Count], "Evaluated rules by state"]
    not_served: NotRequired[Annotated[Count, "Hosts that cannot be observed; they are no expected hosts"]]
    coverage: Annotated[CountShare, "Hosts that were evaluated at all"]
    compliance_strict: Annotated[CountShare, "Hosts that meet the ban"]
    compliance_with_waivers: Annotated[CountShare, "Hosts that meet it, or have an approved exception"]
    controls: NotRequired[
        Annotated[
            dict[AnyControl, dict[ControlMode, dict[str, Count]]],
            "Hosts by the mode and the state of each control, not_looked_at where the run left it out, off where it is "
            "off",
        ]
    ]


class RuleCounts(TypedDict):
    """Counts for a rule: how many hosts list it, by the rule's state on the host."""

    rule: str
    counts: Annotated[dict[State, Count], "Hosts that list the rule, by its state there"]
    kind: NotRequired[
        Annotated[
            str,
            SchemaKeywords(enum=("service", "setting")),
            "What the rule is about; not there where that is not known",
        ]
    ]
    audited: NotRequired[Annotated[PositiveCount, "How many of these hosts only audit its control; not there for none"]]


class UnidentifiedRule(TypedDict):
    """A rule for which the catalogue has no identifiers, and the number of hosts whose plan has the rule."""

    rule: str
    hosts: PositiveCount


class HostReason(TypedDict):
    """A host with a reason, for example why it is not observed."""

    host: str
    why: str


class HostNote(TypedDict):
    """A note about something unexpected in the answer of a host."""

    host: str
    kind: NoteKind
    detail: str


class RolloutReport(TypedDict):
    """The progress of an enforcing run through the hosts: the batches, and the hosts that were not corrected."""

    to_correct: Annotated[Count, "Hosts of which controls had drifted"]
    batches: Annotated[list[PositiveCount], "The sizes of the batches in which they were to be corrected"]
    not_reached: Annotated[
        Count, "Those whose turn did not come, because the run was stopped; not_reached.txt names them"
    ]
    why: Annotated[str | None, "Why it was stopped"]
    allow: Annotated[
        dict[str, int | str], "What proscribe_max_change has to be for all of them, where that was the reason"
    ]
    set_aside: NotRequired[
        Annotated[
            list[HostReason],
            "The hosts that were left as found, so that the others could be corrected; set_aside.txt names them",
        ]
    ]


class WatchCounts(TypedDict):
    """Counts of hosts by the result of their watch between two runs.

    `incidents` and `ended` count events instead.
    """

    hosts: Annotated[PositiveCount, "Hosts that keep themselves in line"]
    opened: Annotated[Count, "Hosts of these on which something was open in between"]
    closed_again: Annotated[Count, "Hosts on which some of that is closed now"]
    incidents: Annotated[Count, "How often something was open"]
    ended: Annotated[Count, "How often they ended a restricted program at its start"]
    ended_on: Annotated[Count, "On how many hosts"]
    frozen: Annotated[Count, "Hosts that root has frozen"]
    stale: Annotated[Count, "Hosts of which no run has renewed the plan for too long"]
    unobserved: Annotated[Count, "Hosts that have not observed themselves, or not for long"]
    left_out: Annotated[Count, "What their records have no room for"]


class RequestCounts(TypedDict):
    """Counts of users' requests that wait for an answer, and of hosts with such requests.

    `left_out` is the number of requests for which host records had no room.
    """

    waiting: Count
    hosts: Count
    left_out: Count


class LastFetch(TypedDict):
    """The last time that a network address fetched a file of an export."""

    address: str
    at: Moment
    file: str


class ExportReader(TypedDict):
    """The network addresses that fetched an export, according to the web server's access log."""

    since: Annotated[Moment | None, "From when on the log was read; null for a log without a request"]
    addresses: Annotated[Count, "How many addresses fetched a file of it"]
    last: Annotated[list[LastFetch], "The last time of each of these, the newest first, at most 20"]


class ReportedExport(ScheduledExport):
    """An export that scheduled runs keep up to date.

    Its state is that before this run writes the export again.
    """

    state: Annotated[str, "The worst that is so", SchemaKeywords(enum=POINT_STATES)]
    why: Annotated[list[str], "All that is wrong, or not known, in words"]
    written: Annotated[Moment | None, "By its manifest, as are the next two; null where that is not known"]
    plan: Annotated[str | None, "The digest of the plan that it is from"]
    valid_until: Annotated[Moment | None, "When something of it begins or ends next; null for nothing known"]
    older: Annotated[bool | None, "Whether it is from another plan than that of this run"]
    expired: Annotated[bool | None, "Whether it was valid until a moment before the end of this run"]
    signed_with: Annotated[str | None, "The key, where a signature counts"]
    fetched_by: Annotated[ExportReader | None, "Null where that is not known"]
    fetched_by_unknown: Annotated[str, "Why it is not known; empty where it is"]


class NewProblem(TypedDict):
    """A problem that the baseline (the earlier run to compare with) did not have.

    `rule` is "" for the host as a whole.
    """

    host: str
    rule: str
    state: str
    what: str


class LiftedHost(TypedDict):
    """The controls of a host that were lifted (all that Proscribe did was removed) after the report's run."""

    host: str
    controls: list[AnyControl]
    at: Moment
    run: Annotated[str, "The run that lifted them"]


class ReportDepartment(TypedDict):
    """The department in a report that is about this department alone."""

    name: str
    missing: Annotated[list[str], "Hosts of it of which the run has no record"]
    partial: Annotated[bool, "Whether the run left out hosts, of which some may be of this department"]
    left_out: Annotated[str, "What such a report does not have, in words"]


class FleetReport(TypedDict):
    """The content of report.json. Reports of earlier versions lack the keys that are not required."""

    schema: Annotated[str, SchemaKeywords(const=REPORT_SCHEMA)]
    run: ReportRun
    summary: ReportSummary
    rules: Annotated[list[RuleCounts], "Rules that some host lists"]
    waivers: list[RunWaiver]
    upcoming: Annotated[list[UpcomingRestriction], "In a plan and not in force yet"]
    nothing_known: NotRequired[
        Annotated[list[UnidentifiedRule], "Rules of which nothing is known to look for, on so many hosts"]
    ]
    not_served: NotRequired[Annotated[list[HostReason], "Network devices and Windows hosts: nobody connects to them"]]
    unexpected_hosts: Annotated[list[str], "Hosts that answered and were not asked"]
    unexpected: NotRequired[Annotated[list[HostNote], "What was not as expected about an answer"]]
    new: NotRequired[
        Annotated[list[Annotated[NewProblem, dict]] | None, "What was not there in the baseline; null without one"]
    ]
    rollout: NotRequired[
        Annotated[RolloutReport | None, "How far an enforcing run came; null in any other", CLOSED_MAPPING]
    ]
    departments: NotRequired[Annotated[dict[str, list[str]], "Hosts by department"]]
    department: NotRequired[
        Annotated[
            ReportDepartment, "Only of what report --group shows: the department that it is about alone", CLOSED_MAPPING
        ]
    ]
    lifted: NotRequired[
        Annotated[
            list[LiftedHost],
            "Only of what report shows: the hosts that were lifted after the run, and that no run has observed since",
        ]
    ]
    watch: NotRequired[
        Annotated[
            WatchCounts | None,
            "What hosts that keep themselves in line did between two runs; null where there are none",
            CLOSED_MAPPING,
        ]
    ]
    requests: NotRequired[Annotated[RequestCounts | None, "Of users, for exceptions; null for none"]]
    points: NotRequired[
        Annotated[
            list[ReportedExport],
            "The exports that scheduled runs keep up to date, as they were before this run wrote any again",
        ]
    ]
    warnings: list[str]

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

    gate: Annotated[FailedGate | None, "Strictest compliance gate of the run's hosts; null if no host has a gate"]
    passed: bool
    exit: Annotated[int | None, "Exit code of the launcher `./proscribe`; null if it exits with Ansible's own code"]
    reason: str | None


class ReportRun(Run):
    """The facts about the run in its report."""

    finished: Moment
    expected_hosts: Count
    history: NotRequired[
        Annotated[
            str | None, "History in which the run is recorded: `sqlite`, the URL of a PostgreSQL database, or `off`"
        ]
    ]
    round: NotRequired[
        Annotated[
            str,
            "Id of the round of which the run is a slice (proscribe_round). A round is several runs over "
            "different hosts that make a common report.",
        ]
    ]
    exports: NotRequired[
        Annotated[list[str] | None, "Names of the report formats that the run had to write (proscribe_exports)"]
    ]
    exports_fed: NotRequired[
        Annotated[
            list[ScheduledExport] | None,
            "Policy exports for enforcement points that scheduled runs write again (proscribe_exports_fed)",
        ]
    ]
    events: NotRequired[
        Annotated[
            EventSettings | None, "Settings by which the run sent its events (proscribe_events); empty if it sent none"
        ]
    ]
    baseline: NotRequired[
        Annotated[
            str | None,
            "Name of the report directory of the earlier run with which this run was compared; null without a "
            "comparison",
        ]
    ]
    stale_after: NotRequired[
        Annotated[
            int | None,
            "Seconds after which a host record is too old to count; null for no limit. Single hosts may have "
            "another limit.",
        ]
    ]
    whole: NotRequired[
        Annotated[
            bool,
            "True if the run covered every host of the inventory and every control, and was not interrupted. "
            "Otherwise the report shows nothing about the other hosts and controls.",
        ]
    ]
    left_out: NotRequired[
        Annotated[Count | None, "Number of hosts of the inventory that the run left out; null if unknown"]
    ]
    verdict: NotRequired[Annotated[ReportVerdict | None, "Result of the run at its compliance gate; null if unknown"]]
    parts: NotRequired[
        Annotated[
            list[str], "Ids of the runs from which a merged report was made. The key is missing in other reports."
        ]
    ]


class CountShare(TypedDict):
    """A part of a total, with its percentage rounded down.

    The percentage is 100 only for the whole, and None for a total of 0.
    """

    numerator: Count
    denominator: Count
    percent: Annotated[
        float | None,
        "Percentage, rounded down to a tenth. It is 100 only if the numerator equals the denominator, and "
        "null if the denominator is 0.",
        SchemaKeywords(minimum=0, maximum=100),
    ]


class ReportSummary(TypedDict):
    """Counts of hosts and rules by state, and the shares of compliant hosts."""

    hosts: Annotated[dict[State, Count], "Number of expected hosts in each state"]
    rules: Annotated[dict[State, Count], "Number of evaluated rules in each state, on all expected hosts"]
    not_served: NotRequired[
        Annotated[Count, "Number of hosts that Proscribe cannot observe. They are not among the expected hosts."]
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
    controls: NotRequired[
        Annotated[
            dict[AnyControl, dict[ControlMode, dict[str, Count]]],
            "Number of hosts by control, by mode of the control, and by its state. The key `not_looked_at` "
            "replaces the state if the run did not observe the control. The key `off` replaces it if the "
            "control is off.",
        ]
    ]


class RuleCounts(TypedDict):
    """Counts for a rule: how many hosts list it, by the rule's state on the host."""

    rule: str
    counts: Annotated[dict[State, Count], "Number of hosts that list the rule, by state of the rule there"]
    kind: NotRequired[
        Annotated[
            str,
            SchemaKeywords(enum=("service", "setting")),
            "Subject of the rule: a service or a setting. The key is missing if the subject is unknown.",
        ]
    ]
    audited: NotRequired[
        Annotated[
            PositiveCount,
            "Number of these hosts on which the rule's control is only audited. The key is missing for 0.",
        ]
    ]


class UnsearchedRule(TypedDict):
    """A rule for which hosts cannot be searched, and the number of these hosts."""

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

    to_correct: Annotated[Count, "Number of hosts that need a correction"]
    batches: Annotated[list[PositiveCount], "Number of hosts in each planned batch of corrections, in order"]
    not_reached: Annotated[
        Count,
        "Number of hosts that need a correction and that the run did not reach. The file not_reached.txt "
        "has their names.",
    ]
    why: Annotated[str | None, "Reason why the run stopped early; null if it reached all hosts"]
    allow: Annotated[
        dict[str, int | str],
        "Values of proscribe_max_change that would permit all corrections; empty unless this limit stopped the run",
    ]
    set_aside: NotRequired[
        Annotated[
            list[HostReason],
            "Hosts that the run left unchanged so that it could correct the others, each with the reason. The "
            "file set_aside.txt has their names.",
        ]
    ]


class WatchCounts(TypedDict):
    """Counts of hosts by the result of their watch between two runs.

    `incidents` and `ended` count events instead.
    """

    hosts: Annotated[PositiveCount, "Number of hosts with a watch, the service that observes and corrects the host"]
    opened: Annotated[Count, "Number of these hosts on which a rule was not compliant between two runs"]
    closed_again: Annotated[
        Count, "Number of hosts with at least one incident between two runs whose rules are compliant now"
    ]
    incidents: Annotated[Count, "Number of incidents that the hosts observed, repeated incidents included"]
    ended: Annotated[Count, "Number of starts of restricted programs that the hosts ended"]
    ended_on: Annotated[Count, "Number of hosts that ended at least one restricted program at its start"]
    frozen: Annotated[Count, "Number of hosts on which root has paused the watch"]
    stale: Annotated[Count, "Number of hosts whose plan no run has renewed for longer than proscribe_watch_max_age"]
    unobserved: Annotated[Count, "Number of hosts whose watch has never observed them, or is late"]
    left_out: Annotated[
        Count,
        "Number of entries that the host records left out: incidents, ended programs, and journal lines "
        "that could not be read",
    ]


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

    since: Annotated[
        Moment | None,
        "Time of the first request in the part of the access log that was read: ISO 8601, UTC. Null for a "
        "log without requests.",
    ]
    addresses: Annotated[Count, "Number of network addresses that fetched a file of the export"]
    last: Annotated[list[LastFetch], "Last fetch of each address, the newest first; at most 20 addresses"]


class ReportedExport(ScheduledExport):
    """An export that scheduled runs keep up to date.

    `state` is its state before this run writes the export again.
    """

    state: Annotated[
        str,
        "Worst state that applies to the export. The enumeration has the worst state first.",
        SchemaKeywords(enum=POINT_STATES),
    ]
    why: Annotated[list[str], "All defects and unknown facts, each as a text"]
    written: Annotated[
        Moment | None,
        "Time for which the exported policy was compiled, by the manifest of the export: ISO 8601, UTC. "
        "Null if unknown.",
    ]
    plan: Annotated[str | None, "Digest of the plan from which the export was made, by its manifest; null if unknown"]
    valid_until: Annotated[
        Moment | None,
        "Next time at which a part of the exported policy begins or ends, by the manifest: ISO 8601, UTC. "
        "Null if no such time is known.",
    ]
    older: Annotated[
        bool | None, "True if the export was made from another plan than the plan of this run; null if unknown"
    ]
    expired: Annotated[bool | None, "True if the export was no longer valid at the end of this run; null if unknown"]
    signed_with: Annotated[str | None, "Key of the export's valid signature; null without a valid signature"]
    fetched_by: Annotated[ExportReader | None, "Network addresses that fetched the export; null if unknown"]
    fetched_by_unknown: Annotated[str, "Reason why `fetched_by` is unknown; empty if it is known"]


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
    run: Annotated[str, "Id of the run that lifted the controls"]


class ReportDepartment(TypedDict):
    """The department in a report that is about this department alone."""

    name: str
    missing: Annotated[list[str], "Hosts of the department for which the run has no record"]
    partial: Annotated[bool, "True if the run left out hosts, some of which may belong to this department"]
    left_out: Annotated[str, "Text about the parts that the report of a department lacks"]


class FleetReport(TypedDict):
    """The content of report.json.

    Reports of earlier versions lack the keys that are not required.
    """

    schema: Annotated[str, SchemaKeywords(const=REPORT_SCHEMA)]
    run: ReportRun
    summary: ReportSummary
    rules: Annotated[list[RuleCounts], "Rules that at least one host lists in its record"]
    waivers: list[RunWaiver]
    upcoming: Annotated[list[UpcomingRestriction], "Restrictions that are in a plan and not in force yet"]
    nothing_known: NotRequired[
        Annotated[
            list[UnsearchedRule],
            "Rules for which the catalogue has no identifiers to search for, each with its number of hosts",
        ]
    ]
    not_observable: NotRequired[
        Annotated[
            list[UnsearchedRule],
            "Rules that the platform of hosts does not let anybody observe, each with its number of hosts",
        ]
    ]
    not_served: NotRequired[
        Annotated[
            list[HostReason],
            "Hosts to which the run did not connect because Proscribe does not serve them, each with the "
            "reason. They are network devices and, in some runs, Windows hosts.",
        ]
    ]
    unexpected_hosts: Annotated[
        list[str], "Names of hosts that answered although the run did not expect them. Their records are left out."
    ]
    unexpected: NotRequired[Annotated[list[HostNote], "Notes about unexpected properties of the hosts' answers"]]
    new: NotRequired[
        Annotated[
            list[Annotated[NewProblem, dict]] | None,
            "Problems that the baseline, an earlier run to compare with, did not have; null without a baseline",
        ]
    ]
    rollout: NotRequired[
        Annotated[
            RolloutReport | None,
            "Progress of an enforcing run through the hosts; null for any other run",
            CLOSED_MAPPING,
        ]
    ]
    departments: NotRequired[Annotated[dict[str, list[str]], "Names of the hosts of each department"]]
    department: NotRequired[
        Annotated[
            ReportDepartment,
            "Department of the report; only in a report about a single department (command `report --group`)",
            CLOSED_MAPPING,
        ]
    ]
    lifted: NotRequired[
        Annotated[
            list[LiftedHost],
            "Hosts from which the ban was lifted after this run, and that no run has observed since. The key "
            "exists only in the output of the command `report`.",
        ]
    ]
    watch: NotRequired[
        Annotated[
            WatchCounts | None,
            "Counts of events between two runs, on hosts with a watch; null if no host has a watch",
            CLOSED_MAPPING,
        ]
    ]
    requests: NotRequired[
        Annotated[RequestCounts | None, "Counts of users' requests for exceptions; null if there are none"]
    ]
    points: NotRequired[
        Annotated[
            list[ReportedExport],
            "Policy exports that scheduled runs keep up to date, in their state before this run wrote any of "
            "them again",
        ]
    ]
    warnings: list[str]

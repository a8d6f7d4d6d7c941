"""A fleet report: report.json (controller/report/evaluation/reconcile.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

from .run import EventSettings, Fed, Run, RunWaiver, Upcoming


class ReportVerdict(TypedDict):
    """How a run ended by its gate."""

    gate: str | None
    passed: bool
    exit: int | None
    reason: str | None


class ReportRun(Run):
    """The run that a report is of."""

    finished: str
    expected_hosts: int
    history: NotRequired[str | None]
    exports: NotRequired[list[str] | None]
    exports_fed: NotRequired[list[Fed] | None]
    events: NotRequired[EventSettings | None]
    baseline: NotRequired[str | None]
    stale_after: NotRequired[int | None]
    whole: NotRequired[bool]
    left_out: NotRequired[int | None]
    verdict: NotRequired[ReportVerdict | None]
    parts: NotRequired[list[str]]


class Share(TypedDict):
    """A part of a number, with its per cent: floored, 100 only when all count, None of nothing."""

    numerator: int
    denominator: int
    percent: float | None


class Summary(TypedDict):
    """The counts of a report."""

    hosts: dict[str, int]
    rules: dict[str, int]
    not_served: NotRequired[int]
    coverage: Share
    compliance_strict: Share
    compliance_with_waivers: Share
    controls: NotRequired[dict[str, dict[str, dict[str, int]]]]


class RuleCounts(TypedDict):
    """How many hosts list a rule, by its state there."""

    rule: str
    counts: dict[str, int]
    kind: NotRequired[str]
    audited: NotRequired[int]


class NothingKnown(TypedDict):
    """A rule of which nothing is known to search for, and on how many hosts."""

    rule: str
    hosts: int


class HostWhy(TypedDict):
    """A host, and why."""

    host: str
    why: str


class HostNote(TypedDict):
    """What was not as expected about a host's answer."""

    host: str
    kind: str
    detail: str


class RolloutReport(TypedDict):
    """How far an enforcing run came."""

    to_correct: int
    batches: list[int]
    not_reached: int
    why: str | None
    allow: dict[str, int | str]
    set_aside: list[HostWhy]


class WatchCounts(TypedDict):
    """Between two runs, in hosts; `incidents` and `ended` are how often."""

    hosts: int  # that keep themselves in line
    opened: int  # on which something was open in between
    closed_again: int  # on which some of that is closed now
    incidents: int
    ended: int
    ended_on: int
    frozen: int
    stale: int
    unobserved: int
    left_out: int  # journal lines that no record has


class RequestCounts(TypedDict):
    """How many requests of users wait, on how many hosts, and how many more there are."""

    waiting: int
    hosts: int
    left_out: int


class NewProblem(TypedDict):
    """Something that is wrong and was not in the baseline. `rule` is "" for the host as a whole."""

    host: str
    rule: str
    state: str
    what: str


class Report(TypedDict):
    """report.json. What is not required is not in reports of earlier versions."""

    schema: str
    run: ReportRun
    summary: Summary
    rules: list[RuleCounts]
    waivers: list[RunWaiver]
    upcoming: list[Upcoming]
    nothing_known: NotRequired[list[NothingKnown]]
    not_served: NotRequired[list[HostWhy]]
    unexpected_hosts: list[str]
    unexpected: NotRequired[list[HostNote]]
    new: NotRequired[list[NewProblem] | None]
    rollout: NotRequired[RolloutReport | None]
    departments: NotRequired[dict[str, list[str]]]
    watch: NotRequired[WatchCounts | None]
    requests: NotRequired[RequestCounts | None]
    warnings: list[str]

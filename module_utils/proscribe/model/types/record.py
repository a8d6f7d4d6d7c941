"""A host record: what is known of one host (model/finding.py, wire/replies/record.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class Evidence(TypedDict):
    """A finding, as it stands in a record."""

    kind: str
    id: str
    manager: str | None
    version: str | None
    scope: str | None
    path: str | None
    detail: str | None


class Rule(TypedDict):
    """What an observation says of one rule."""

    rule: str
    state: str
    waiver: str | None
    reason: str | None
    findings: list[Evidence]
    mode: NotRequired[str | None]  # the controller's word


class RecordError(TypedDict):
    """Something that failed, or was left as it is."""

    control: str
    message: str
    refused: NotRequired[str]


class OfControl(TypedDict):
    """What a record says of one control. Its mode, policy and state are the controller's word."""

    mode: NotRequired[str | None]
    policy: NotRequired[str | None]
    state: NotRequired[str | None]
    evaluated: int
    not_applicable: int


class OtherTurn(TypedDict):
    """Another process that had the host, and for how many seconds it was waited for."""

    by: str
    since: str
    waited: int


class OtherRun(OtherTurn):
    """Another run that changed the host meanwhile."""

    control: str


class Action(TypedDict):
    """Something that a run did, or in check mode would do."""

    control: str
    action: str
    quarantine_id: NotRequired[str]


class FullScan(TypedDict):
    """When all of a host's homes were read, and how many enforcing runs have begun since."""

    at: str
    runs: int


class Quarantine(TypedDict):
    """What the quarantine of a host comes to."""

    items: int
    bytes: int
    oldest: str
    owners: dict[str, int]


class Incident(TypedDict):
    """What was open on a host between two runs."""

    control: str
    cause: str
    rules: list[str]
    rules_left_out: int
    first: str
    last: str
    times: int
    corrected: int
    users: list[str]


class EndedProgram(TypedDict):
    """A program that the watch ended at its start."""

    rule: str
    program: str
    user: str
    first: str
    last: str
    times: int


class Pause(TypedDict):
    """Until when root has paused the watch."""

    until: str
    reason: str
    by: str


class Watched(TypedDict):
    """What a host that keeps itself in line did between two runs."""

    every: int
    renewed: str | None
    stale: bool
    last: str | None
    since: str | None
    frozen: NotRequired[Pause]
    incidents: list[Incident]
    ended: list[EndedProgram]
    left_out: dict[str, int]


class Request(TypedDict):
    """What a user of a host requests."""

    id: str
    user: str
    service: str
    reason: str
    at: str
    answer: NotRequired[str]


class Reported(TypedDict, total=False):
    """What the controls add to a record, beside what they say of their rules."""

    package_systems: list[str]
    user_package_systems: list[str]
    browsers: list[str]
    full_scan: FullScan
    quarantine: Quarantine
    requests: list[Request]
    requests_left_out: int


class Observed(Reported):
    """A record of nobody yet: a host cannot know what it is called."""

    schema: str
    state: str
    reason: NotRequired[str | None]
    plan: str | None
    checked_at: str | None
    platform: dict[str, str]
    rules_evaluated: int
    rules_not_applicable: int
    controls: NotRequired[dict[str, OfControl]]  # not in records of earlier versions
    rules: list[Rule]
    attempts: NotRequired[dict[str, int]]  # not in records of earlier versions
    errors: list[RecordError]
    duration_ms: int | None
    actions: NotRequired[list[Action]]
    not_observed_again: NotRequired[list[str]]
    other_runs: NotRequired[list[OtherRun]]
    found_at: NotRequired[str]
    catalog: NotRequired[str]
    watch: NotRequired[Watched]
    logged_in: NotRequired[list[str]]
    commit: NotRequired[str]
    commit_trust: NotRequired[str]


class Record(Observed):
    """A line of hosts.jsonl: what is known of one expected host."""

    host: str

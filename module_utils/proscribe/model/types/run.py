"""The types of a run: the result of compiling it, and its part of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...base.typed_dict import TypedDict
from .call import ExpectedWatch

if TYPE_CHECKING:
    from typing import Annotated, NotRequired

    from ..vocabulary import SENT_EVENTS, SYSLOG_FACILITIES
    from .annotations import Control, Count, Day, Moment, PositiveCount, RunMode, SchemaKeywords, WaiverStatus


Variables = Mapping[str, Any]  # the variables of a host in Ansible
ActionResult = dict[str, Any]  # the result of a task in Ansible


class ReleaseFacts(TypedDict):
    """Release of the catalogue."""

    version: Annotated[str, "As its release.yml has it; empty where it has none"]
    released: Annotated[str, "The day of the release; empty where it has none"]


class ScheduledExport(TypedDict):
    """An export that scheduled runs write anew."""

    format: str
    directory: str
    group: str


class DueExport(ScheduledExport):
    """A scheduled export with the policy of this run."""

    plan: str  # the digest of the plan that the export must be from; "" where there is no such plan
    why: str  # the reason that there is no plan
    access_log: str  # the access log of the web server that serves the directory; "" for none
    url: str  # the path on the web server that serves the directory
    key: str  # the file of the key that signs the export; "" where it needs no signature
    signers: list[str]  # the possible paths of the files of allowed signers


class EventSettings(TypedDict, total=False):
    """The settings for sending the events of a run."""

    file: Annotated[str, "The file that they are appended to; empty for none"]
    journald: bool
    syslog: bool
    facility: Annotated[str, SchemaKeywords(enum=tuple(SYSLOG_FACILITIES))]
    send: Annotated[str, SchemaKeywords(enum=SENT_EVENTS)]
    limit: Annotated[PositiveCount, "How many events one run sends at most"]


class RunCommand(TypedDict):
    """The command line of a run."""

    program: Annotated[list[str], "The launcher or ansible-playbook, as typed"]
    word: Annotated[str, "The launcher's, such as audit; empty for ansible-playbook"]
    playbook: Annotated[str, "For ansible-playbook: the playbook as typed"]
    options: Annotated[list[str], "All other options than --limit, --check and --diff"]
    cwd: Annotated[str, "The directory that it was typed in"]
    withheld: Annotated[list[str], "Variables that were given with -e and look like secrets; their values are not kept"]


class SecondsByHost(TypedDict):
    """A number of seconds that may differ between hosts."""

    usual: int
    hosts: dict[str, int]


class RolloutLimits(TypedDict):
    """The limits of a rollout: sizes of batches, and numbers of changes and failures."""

    batches: str | list[int | str]  # "auto", or sizes
    max_change: dict[str, int | str]
    max_failures: str


class ControlPolicy(TypedDict):
    """A control in a plan: its mode, and the digest of all that it is made from (None where it is off)."""

    mode: str
    policy: str | None


class UpcomingRestriction(TypedDict):
    """A restriction that is in a plan and not in force yet."""

    service: str
    control: Control
    effective_from: Day


class WaiverRevocation(TypedDict):
    """The revocation of a waiver."""

    on: Moment
    by: str
    why: str


class RunWaiver(TypedDict):
    """Waiver with its status in a run (controller/compile/waivers/judged_waivers.py)."""

    id: str
    status: WaiverStatus
    waives: NotRequired[bool]
    why: NotRequired[Annotated[str, "Its standing in words"]]
    valid_from: NotRequired[Moment]
    expires: Moment
    days_left: NotRequired[
        Annotated[
            Count | None,
            "Only in a report: from the day of the run to its last day, both UTC; 0: it ends that day; null: it ended",
        ]
    ]
    review_by: NotRequired[Moment]
    review_overdue: NotRequired[bool]
    hosts: Annotated[list[str], "The hosts of this run that it is for"]
    services: NotRequired[list[str]]
    controls: NotRequired[list[str]]
    zones: NotRequired[list[str]]
    users: NotRequired[list[str]]
    posix_groups: NotRequired[list[str]]
    versions: NotRequired[list[str]]
    paths: NotRequired[list[str]]
    hours: NotRequired[list[str]]
    compensating_controls: NotRequired[list[str]]
    reason: NotRequired[str]
    risk: NotRequired[str]
    ticket: NotRequired[str]
    request: NotRequired[str]
    requested_by: NotRequired[str]
    approved_by: NotRequired[str]
    approved_on: NotRequired[Moment]
    revoked: NotRequired[WaiverRevocation | None]
    signed_with: NotRequired[str | None]
    requested_on: NotRequired[Moment | None]
    file: NotRequired[str]


class RunInterruption(TypedDict):
    """The reason that a run ended early, and the later run that closed it."""

    why: Annotated[str, "In words: the signal, an error of Ansible's, or that it was killed"]
    closed_by: Annotated[str | None, "The id of the later run that closed it; null where it closed itself"]


class StaleCatalog(TypedDict):
    """A catalogue with entries whose last check is older than proscribe_catalog_max_age."""

    max_days: Annotated[int, "The longest age that proscribe_catalog_max_age permits, in days"]
    directories: Annotated[list[str], "The directories of the catalogue, the project's own first"]


class Run(TypedDict):
    """The facts of a run that both compiling and the report have."""

    id: str
    playbook: str
    mode: RunMode
    started: Moment
    version: NotRequired[Annotated[str | None, "The version of Proscribe; of a merged report all, with commas"]]
    catalog_version: str
    catalog: NotRequired[Annotated[ReleaseFacts | None, "The release of the catalogue"]]
    inventory: list[str]
    limit: Annotated[str | None, "--limit"]
    pattern: NotRequired[Annotated[str | None, "proscribe_hosts: the hosts that runs are about"]]
    controls: NotRequired[list[Control] | None]
    command: NotRequired[
        Annotated[
            RunCommand | None,
            "How the run was called, so that what is proposed next keeps its scope; null in a merged report whose "
            "parts were called differently",
        ]
    ]
    stale_catalog: NotRequired[
        Annotated[StaleCatalog, "Where something restricted was not checked for too long: the command `catalog stale`"]
    ]
    interrupted: NotRequired[Annotated[RunInterruption | None, "Only of a run that ended before its end; else null"]]


class ReportFacts(TypedDict, total=False):
    """The facts for a report beside its `run`: from compiling, or from the reports that were merged."""

    services: list[str] | None
    not_served: dict[str, str]
    waivers: list[RunWaiver]
    upcoming: list[UpcomingRestriction]
    nothing_known: dict[str, list[str]]
    departments: dict[str, list[str]]
    warnings: list[str]
    warnings_to_print: NotRequired[list[str]]  # without the warnings that an earlier run of the day has printed


class PreparedPlans(TypedDict):
    """The names of the code and plans that go to the hosts of a run (wire/plan_store.py)."""

    code: str  # the SHA-256 of the observing code
    packed: dict[str, str]  # SHA-256 of the packed plan, by the digest of the plan


class RunReporting(TypedDict):
    """The settings of a run for its exports, events, history and baseline."""

    exports: list[str]
    exports_fed: list[ScheduledExport]  # the exports that scheduled runs write anew
    events: EventSettings  # empty: no event is sent
    round: str  # the id of the round that the run is a slice of; "" for none
    history: str
    history_keep: int  # seconds; 0: forever
    reports_keep: int  # seconds; 0: forever
    baseline: str  # the directory of a complete report, "" for none
    stale_after: SecondsByHost
    observe_timeout: SecondsByHost


class CompiledRun(Run, ReportFacts, PreparedPlans, RunReporting):
    """The result of compiling a run: `proscribe_run` of its hosts (controller/compile/plans/run_compiler.py)."""

    windows: list[str]
    directory: str
    plans: str
    hosts: dict[str, str]
    left_out: list[str]
    policies: dict[str, dict[str, ControlPolicy]]
    rules: dict[str, int]
    probe: list[str]
    audit_stored: list[str]
    gate: dict[str, str]
    rollout: RolloutLimits
    points: NotRequired[list[DueExport]]
    watch: NotRequired[ExpectedWatch]


class RegisteredRun(CompiledRun):
    """A compiled run with facts of the task that compiled it (action_plugins/compile_plans.py)."""

    become: bool
    task: str
    play: str
    given: dict[str, str]  # the digest of the value, by variable of the policy that only some tasks of the play have
    selected: list[str]  # the hosts of the plays that follow

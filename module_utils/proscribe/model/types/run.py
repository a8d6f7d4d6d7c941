"""Types of the facts about a run: the result of compiling its plans, and the part that the report takes over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...base.typed_dict import TypedDict
from .call import ExpectedWatch

if TYPE_CHECKING:
    from typing import Annotated, NotRequired

    from ..vocabulary import SENT_EVENTS, SYSLOG_FACILITIES
    from .annotations import Control, Count, Day, Moment, PositiveCount, RunMode, SchemaKeywords, WaiverStatus


Variables = Mapping[str, Any]  # a host's Ansible variables, by name
ActionResult = dict[str, Any]  # the result of an Ansible task


class ReleaseFacts(TypedDict):
    """The version and the day of a release of the catalogue."""

    version: Annotated[str, "Version of the release, from the catalogue's release.yml; empty if the catalogue has none"]
    released: Annotated[str, "Day of the release, ISO 8601; empty if the catalogue has none"]


class ScheduledExport(TypedDict):
    """An export of the policy that scheduled runs write again."""

    format: str
    directory: str
    group: str


class DueExport(ScheduledExport):
    """A scheduled export with the data of this run that decide whether the export is up to date."""

    plan: str  # the digest of the plan that the export must have been made from; "" if there is no such plan
    why: str  # the reason why there is no such plan
    access_log: str  # the access log of the web server that serves the directory; "" for none
    url: str  # the URL path under which the web server serves the directory
    key: str  # the file of the key that signs the export; "" if it needs no signature
    signers: list[str]  # paths where files of allowed signers may be


class EventSettings(TypedDict, total=False):
    """The settings for sending the events of a run."""

    file: Annotated[str, "Path of the file to which the events are appended; empty for no file"]
    journald: bool
    syslog: bool
    facility: Annotated[str, SchemaKeywords(enum=tuple(SYSLOG_FACILITIES))]
    send: Annotated[str, SchemaKeywords(enum=SENT_EVENTS)]
    limit: Annotated[
        PositiveCount, "Maximum number of events that a run sends, without the events of kind gate and run"
    ]


class RunCommand(TypedDict):
    """The command line of a run."""

    program: Annotated[list[str], "Words that start the launcher or ansible-playbook, as typed"]
    word: Annotated[str, "Subcommand of the launcher, such as audit; empty for ansible-playbook"]
    playbook: Annotated[str, "Path of the playbook, as typed for ansible-playbook; empty for the launcher"]
    options: Annotated[list[str], "All options except --limit, --check and --diff"]
    cwd: Annotated[str, "Directory in which the command was typed"]
    withheld: Annotated[
        list[str], "Names of variables that were given with -e and look like secrets. Their values are not stored."
    ]


class SecondsByHost(TypedDict):
    """A number of seconds that may differ between hosts: `usual`, and other numbers by host."""

    usual: int
    hosts: dict[str, int]


class RolloutLimits(TypedDict):
    """The limits of a rollout: sizes of the batches, and the most changes and failures."""

    batches: str | list[int | str]  # "auto", or the size of each batch: number of hosts, or share such as "10%"
    max_change: dict[str, int | str]
    max_failures: str


class ControlPolicy(TypedDict):
    """A control in a plan: its mode, and the digest of its policy (None if the control is off)."""

    mode: str
    policy: str | None


class UpcomingRestriction(TypedDict):
    """A restriction that is in a plan and takes effect at a later date."""

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
    why: NotRequired[Annotated[str, "Explanation of the status, as text; empty for an active waiver without remarks"]]
    valid_from: NotRequired[Moment]
    expires: Moment
    days_left: NotRequired[
        Annotated[
            Count | None,
            "Number of days (UTC) from the end of the run to the last day of the waiver. 0: the waiver ends "
            "on the same day. Null: the waiver has ended. The key exists only in a report.",
        ]
    ]
    review_by: NotRequired[Moment]
    review_overdue: NotRequired[bool]
    hosts: Annotated[list[str], "Hosts of this run to which the waiver applies"]
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
    """The reason why a run ended early.

    If the run was killed, a later run makes its report.
    """

    why: Annotated[str, "Cause, as text: a signal, an error of Ansible, or that the run was killed"]
    closed_by: Annotated[
        str | None, "Id of the later run that completed this run's report; null if this run completed it itself"
    ]


class StaleCatalog(TypedDict):
    """A catalogue with entries that were last checked longer ago than proscribe_catalog_max_age."""

    max_days: Annotated[int, "Longest age that proscribe_catalog_max_age permits, in days"]
    directories: Annotated[list[str], "Directories of the catalogue. The project's own directory is the first."]


class Run(TypedDict):
    """The facts about a run that both its compiled result and its report contain."""

    id: str
    playbook: str
    mode: RunMode
    started: Moment
    version: NotRequired[
        Annotated[
            str | None, "Version of Proscribe. A merged report has the versions of all its parts, separated by commas."
        ]
    ]
    catalog_version: str
    catalog: NotRequired[Annotated[ReleaseFacts | None, "Release of the catalogue of services"]]
    inventory: list[str]
    limit: Annotated[str | None, "Value of the option --limit, which selects hosts; empty or null without the option"]
    pattern: NotRequired[
        Annotated[str | None, "Pattern that selects the hosts of all runs, from the variable proscribe_hosts"]
    ]
    controls: NotRequired[list[Control] | None]
    command: NotRequired[
        Annotated[
            RunCommand | None,
            "Call of the run, so that proposed commands keep its scope. Null in a merged report whose parts "
            "were called differently.",
        ]
    ]
    stale_catalog: NotRequired[
        Annotated[
            StaleCatalog,
            "Catalogue with restricted entries that were not checked for too long. The command "
            "`catalog stale` lists these entries. The key exists only in the first run of a day that warns of "
            "them.",
        ]
    ]
    interrupted: NotRequired[
        Annotated[RunInterruption | None, "Reason why the run ended early; null for a complete run"]
    ]


class ReportFacts(TypedDict, total=False):
    """Facts for the report that are not in its key `run`.

    They come from compiling, or from the reports that were merged.
    """

    services: list[str] | None
    not_served: dict[str, str]
    waivers: list[RunWaiver]
    upcoming: list[UpcomingRestriction]
    nothing_known: dict[str, list[str]]
    departments: dict[str, list[str]]
    warnings: list[str]
    warnings_to_print: NotRequired[list[str]]  # the warnings that no earlier run of the same day has printed


class PreparedPlans(TypedDict):
    """The digests of the code and the plans that are sent to the hosts of a run (wire/plan_store.py)."""

    code: str  # SHA-256 of the code that observes hosts
    packed: dict[str, str]  # key: digest of a plan; value: SHA-256 of the packed plan


class RunReporting(TypedDict):
    """The settings of a run for its exports, events, history and baseline."""

    exports: list[str]
    exports_fed: list[ScheduledExport]  # the exports that scheduled runs write anew
    events: EventSettings  # {} if no events are sent
    round: str  # id of the round: several runs, each for a part of the hosts, that make one report; "" for none
    history: str
    history_keep: int  # seconds; 0 means forever
    reports_keep: int  # seconds; 0 means forever
    baseline: str  # the directory of the complete report of an earlier run to compare with; "" for none
    stale_after: SecondsByHost
    observe_timeout: SecondsByHost


class CompiledRun(Run, ReportFacts, PreparedPlans, RunReporting):
    """The result of compiling a run (controller/compile/plans/run_compiler.py).

    Tasks read it as `proscribe_run`.
    """

    windows: list[str]  # the Windows hosts, which are observed and never changed
    directory: str  # the directory of the report while the run is in progress
    plans: str  # the directory of the plans
    hosts: dict[str, str]  # key: host; value: digest of its plan
    left_out: list[str]  # the hosts of the inventory that this run leaves out
    policies: dict[str, dict[str, ControlPolicy]]  # key: digest of a plan; value: its controls by name
    rules: dict[str, int]  # key: digest of a plan; value: number of its rules
    probe: list[str]  # the hosts whose browsers are probed
    audit_stored: list[str]  # the hosts that store the program for audits without root
    gate: dict[str, str]  # key: host; value: its compliance gate; only hosts with another gate than `never`
    rollout: RolloutLimits
    points: NotRequired[list[DueExport]]
    watch: NotRequired[ExpectedWatch]


class RegisteredRun(CompiledRun):
    """A compiled run, with facts about the task that compiled it (action_plugins/compile_plans.py)."""

    become: bool
    task: str
    play: str
    # key: policy variable that only some tasks of the play set; value: digest of the variable's value
    given: dict[str, str]
    selected: list[str]  # the hosts of the later plays

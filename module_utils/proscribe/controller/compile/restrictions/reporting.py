"""Settings for the report of a run, and for how long reports are stored."""

from __future__ import annotations

from ....model.finding import GATES
from ....model.types.run import EventSettings
from ...report import exports as formats
from ..reading.value_readers import (
    make_choice_reader,
    make_duration_reader,
    read_directory_path,
    read_duration,
    read_duration_or_forever,
    read_line,
)
from .event_values import read_events
from .readers import read_exports, read_history, read_round
from .variable import declare_settings, declare_variable

# Values of proscribe_audit_with. STORED: an audit does not need root rights, only the right to run one program. An
# enforcing run has stored this program on the host.
ROOT, STORED = "root", "stored"


@declare_settings
class ReportSettings:
    """Settings of the run's verdict, of reports and of the history."""

    compliance_gate: str = declare_variable(
        "never",
        make_choice_reader(*GATES),
        "What makes a host, and the run, fail: never, noncompliant, or incomplete (also what is unknown).",
    )
    gate_baseline: str = declare_variable(
        "",
        read_line,
        "The earlier run to compare with, so that only new findings make the run fail: latest (the latest that passed "
        "and covers this one), a run's id, or the path of its report.",
    )
    stale_after: int = declare_variable(  # seconds
        "3d", read_duration, "A host record older than this is stale: it no longer counts as compliant."
    )
    # An observation of a host usually takes a second. The first observation scans all home directories and may take
    # minutes on a slow disk.
    observe_timeout: int = declare_variable(  # seconds
        "5m",
        make_duration_reader(1, 6 * 60),
        "How long the observation of a host may take, 1m to 6h. After that it is ended, and the host is unknown for "
        "this reason; the others continue.",
    )
    audit_with: str = declare_variable(
        ROOT,
        make_choice_reader(ROOT, STORED),
        "The right that an audit needs on a host: root, or stored, that is the one program of an enforcing run, which "
        "observes with the code and the plan that this run has stored; docs/least-privilege.md.",
    )
    round: str = declare_variable(
        "",
        read_round,
        "The id of the round that a run is a slice of, such as a date or a pipeline's number; only slices of one round "
        "become one report. If empty, the id of the automation controller's workflow job; docs/scheduling.md. One for "
        "all hosts.",
    )
    exports: tuple[str, ...] = declare_variable(
        list(formats.list_default_names()),
        read_exports,
        f"Additional formats of each report: some of {', '.join(formats.list_export_formats())}; docs/exports.md. "
        "One for all hosts.",
    )
    events: EventSettings = declare_variable(
        {},
        read_events,
        "Where each run sends its events for a SIEM: file (a path), journald and syslog (true), with facility, send "
        "(changes or all) and limit; docs/exports.md. One for all hosts.",
    )
    history: str = declare_variable(
        "sqlite",
        read_history,
        "Where the history is stored: sqlite (reports/history.db), a postgresql:// URL, or off. One for all hosts.",
    )
    history_keep: int = declare_variable(  # as read: seconds; 0 means forever
        "400d", read_duration_or_forever, "How long the history keeps a run: 400d, 2w, or forever."
    )
    reports: str = declare_variable(
        None,
        read_directory_path,
        "The directory of reports and of all state between runs; relative to the directory of the inventory. The "
        "environment's PROSCRIBE_REPORTS counts before it. null: the usual place. One for all hosts.",
    )
    reports_keep: int = declare_variable(  # as read: seconds; 0 means forever
        "forever",
        read_duration_or_forever,
        "How long report folders are kept: 400d, 2w, or forever; the latest one always is. One for all hosts.",
    )

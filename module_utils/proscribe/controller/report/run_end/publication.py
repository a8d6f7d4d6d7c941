"""The end of a run on disk: its report, its place as the latest report, and the fleet state with its results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from ....model.types.history import PastRun
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from .. import event_transport, exports
from ..evaluation.fleet_state import FleetState
from ..evaluation.scope import select_reached_records
from ..history import History, HistoryError, IncidentStarts, RunTransitions, open_history
from ..page import html_page
from ..page.days_picture import TREND_DAYS
from ..storage import corrections_file, fleet_state_file, latest_link, requests_file
from ..storage.report_directory import ReportDirectory
from ..storage.report_reader import LATEST, UnknownRun, find_run


class PageHistory(TypedDict, total=False):
    """The part of the history that the page shows: the trend, the days, the begin of defects.

    Without a history, all keys are missing.
    """

    trend: Sequence[PastRun]
    days: Sequence[PastRun]
    since: IncidentStarts


def read_page_history(history: History, run: ReportRun) -> PageHistory:
    """Read from the history what the page of a run shows. Raises HistoryError."""
    return {
        "trend": history.read_trend(like_run=run["id"]),
        "days": history.read_days(run["finished"], TREND_DAYS, run["id"]),
        "since": history.read_incident_starts(),
    }


class ReportExtras(NamedTuple):
    """The data that a run publishes besides its report and its records."""

    left_out: Sequence[str] = ()  # hosts of the inventory that the run left out
    # By host: seconds for which an observation is valid, where they differ from the default.
    stale_after: Mapping[str, int] = {}
    page_history: PageHistory = {}
    host_lists: Mapping[str, Iterable[str]] = {}  # file name -> hosts


def record_history(
    reports: Path, report: FleetReport, records: Sequence[HostRecord], keep_seconds: int = 0
) -> PageHistory:
    """Store a run in the history, and return what the page shows of the history.

    The result is {} without a history. The history deletes runs that ended more than `keep_seconds` ago (0: it deletes
    none). If the history cannot be written, the report gets a warning, and nothing else of the run is lost.
    """
    try:
        history = open_history(report["run"].get("history") or "off", reports)
        if history is None:
            return {}
        history.record_run(report, records, keep_seconds)
        return read_page_history(history, report["run"])
    except Exception as error:
        failure = error if isinstance(error, HistoryError) else f"{type(error).__name__}: {error}"
        report["warnings"].append(f"this run is not in the history, or not shown with it: {failure}")
        return {}


def publish_report(
    directory: ReportDirectory, report: FleetReport, records: Sequence[HostRecord], extras: ReportExtras
) -> Path:
    """Write the report of a run, update the fleet state, and return the directory of the report.

    A failure of another file, such as an export, becomes a warning of the report. Raises OSError if the report itself
    cannot be written.
    """
    reports, report_path = directory.partial.parent, directory.complete
    with contextlib.ExitStack() as stack:
        fleet_state = stack.enter_context(_update_fleet_state(reports, report, records, extras))
        run = report["run"]
        unchanged_reason = latest_link.explain_unchanged_latest(reports, run, {record["host"] for record in records})
        if unchanged_reason and run["whole"]:
            report["warnings"].append(unchanged_reason)

        def write_exports(export_directory: Path) -> None:
            """Send the events of the run and write its exports.

            A failure becomes a warning of the report.
            """
            changes = None
            try:
                changes = read_changes(reports, run) if is_change_list_needed(run) else None
            except HistoryError as error:
                report["warnings"].append(f"what this run changed is not known: {error}")
            # sent before the report is written, so that a failure is among the report's warnings
            if events := run.get("events"):
                with _warn_on_failure(report, "the events of this run could not be sent"):
                    report["warnings"] += event_transport.send_report_events(
                        report, records, changes, events, str(report_path)
                    )
            with _warn_on_failure(report, "an export could not be written"):
                export_names = run.get("exports") or ()
                # An export about all known hosts needs the fleet state. This run alone would omit the other hosts.
                if fleet_state is None:
                    export_names = [name for name in export_names if name not in exports.list_fleet_state_names()]
                exports.write_exports(export_directory, report, records, export_names, fleet_state, changes)

        page_lines = html_page.render_page(report, records, directory=str(report_path), **extras.page_history)
        directory.write_report(
            records, report, page_lines, extras.host_lists, write_exports, is_latest=not unchanged_reason
        )
        # The link `latest` still leads to an earlier report. Programs read the exports there, so these get the new
        # fleet state.
        if unchanged_reason and fleet_state is not None:
            with contextlib.suppress(UnknownRun, OSError):  # a failure is ignored, because such an export shows its age
                exports.refresh_exports(find_run(reports, LATEST), report, fleet_state)
    return report_path


def is_change_list_needed(run: ReportRun) -> bool:
    """Return whether a run needs the list of its changes, for its events or for an export."""
    return bool(run.get("events")) or exports.has_history_exports(run.get("exports") or ())


def read_changes(reports: Path, run: ReportRun, history: str = "") -> RunTransitions | None:
    """Read from the history what a run changed; None if the history does not have the run.

    The result is also None without a history. `history` replaces the location of the history in the run's report,
    unless `history` is "". Raises HistoryError.
    """
    opened_history = open_history(history or run.get("history") or "off", reports)
    return opened_history.read_transitions(run["id"]) if opened_history else None


@contextlib.contextmanager
def _warn_on_failure(report: FleetReport, failure: str) -> Iterator[None]:
    """Add an exception in the `with` body to the warnings of the report.

    `failure` is the beginning of the warning. The report stays valid.
    """
    try:
        yield
    except Exception as error:
        report["warnings"].append(f"{failure}: {type(error).__name__}: {error}")


def _store_requests(reports: Path, report: FleetReport, records: Sequence[HostRecord]) -> None:
    """Update the stored requests of users from the run's records.

    A failure becomes a warning of the report.
    """
    try:
        problem = requests_file.store_requests(reports, report, records)
    except OSError as error:
        problem = f"the requests of this run are not stored: {error}"
    report["warnings"] += [problem] if problem else []


@contextlib.contextmanager
def _update_fleet_state(
    reports: Path, report: FleetReport, records: Sequence[HostRecord], extras: ReportExtras
) -> Iterator[FleetState | None]:
    """Yield the fleet state with the results of this run.

    The fleet state stays locked until the end of the `with` body. The value is None if the file cannot be locked or
    written. The report gets a warning then.
    """
    with contextlib.ExitStack() as stack:
        fleet_state: FleetState | None = None
        try:
            stack.enter_context(fleet_state_file.lock_fleet_state(reports))
            fleet_state, problem = fleet_state_file.read_fleet_state(reports)
            if problem:
                report["warnings"].append(problem)
            fleet_state.add_run(report, select_reached_records(records), extras.left_out, extras.stale_after)
            fleet_state_file.write_fleet_state(reports, fleet_state)
            corrections_file.update_open_controls(reports, report["run"], records)
            interrupted = report["run"].get("interrupted")
            # This may be the report of a killed run, which the later run `closed_by` writes. The requests of that later
            # run are newer, so they must not be replaced.
            if not (interrupted and interrupted["closed_by"]):
                _store_requests(reports, report, records)
        except OSError as error:
            report["warnings"].append(f"this run is not in the fleet state: {error}")
            fleet_state = None
        yield fleet_state

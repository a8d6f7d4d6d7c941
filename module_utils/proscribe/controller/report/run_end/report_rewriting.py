"""Reports on disk that are written again from report.json and hosts.jsonl: pages, lists of hosts and exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from .. import exports
from ..evaluation.advice import HOST_LIST_FILES, make_host_lists
from ..evaluation.fleet_state import FleetState
from ..history import RunTransitions
from ..page import html_page
from ..storage.report_directory import rewrite_page
from ..storage.report_reader import LATEST, NEWEST, UnknownRun, find_run
from .publication import PageHistory


def is_present_report(directory: Path, reports: Path) -> bool:
    """Return whether a report is about the present, because the link `latest` or `newest` leads to this report.

    All other reports describe the time of their run.
    """
    for name in (LATEST, NEWEST):
        try:
            if directory == find_run(reports, name):
                return True
        except UnknownRun:
            continue
    return False


def rewrite_report(
    directory: Path,
    reports: Path,
    report: FleetReport,
    records: Sequence[HostRecord],
    fleet_state: FleetState,
    page_history: PageHistory,
    changes: RunTransitions | None,
) -> None:
    """Write the page, the lists of hosts and the exports of a report again. Raises OSError.

    The caller has locked the fleet state. `changes` are the changes of the run, from the history (None: unknown).
    """
    host_files = make_host_lists(report["run"], records)
    rewrite_page(
        directory, html_page.render_page(report, records, directory=str(directory), **page_history), host_files
    )
    for name in {*HOST_LIST_FILES} - host_files.keys():  # delete a list that is no longer needed, such as after a lift
        (directory / name).unlink(missing_ok=True)
    # Metrics beside an older report describe the hosts of that run. Metrics beside a present report describe all known
    # hosts.
    known_state = fleet_state if fleet_state.hosts and is_present_report(directory, reports) else None
    exports.write_exports(directory, report, records, report["run"].get("exports") or (), known_state, changes)

"""Reports on disk that are written again: their pages, lists of hosts and exports, from report.json and hosts.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from .. import exports
from ..evaluation.advice import HOST_LIST_FILES, make_host_lists
from ..evaluation.fleet_state import FleetState
from ..history import RunTransitions
from ..page import document
from ..storage.complete import LATEST, NEWEST, UnknownRun, find_run
from ..storage.files import rewrite_page
from .publishing import PageHistory


def is_present_report(directory: Path, reports: Path) -> bool:
    """Tell whether a report stands for the present: it is the latest or the newest. Others stay about their time."""
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
    """Write again what is made from a report: its page, its lists of hosts and its exports. Raises OSError.

    The caller has the turn of the fleet state.
    """
    host_files = make_host_lists(report["run"], records)
    rewrite_page(directory, document.render_page(report, records, directory=str(directory), **page_history), host_files)
    for name in {*HOST_LIST_FILES} - host_files.keys():  # it was longer before a lift
        (directory / name).unlink(missing_ok=True)
    # The metrics of an older run are those of that run; where they are looked for, they are of all that is known.
    known_state = fleet_state if fleet_state.hosts and is_present_report(directory, reports) else None
    exports.write_exports(directory, report, records, report["run"].get("exports") or (), known_state, changes)

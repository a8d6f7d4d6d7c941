"""Reports on disk that are written again: their pages, lists of hosts and exports, from report.json and hosts.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from .. import exports
from ..evaluation.advice import LISTS, host_lists
from ..evaluation.fleet_state import FleetState
from ..history import Transitions
from ..page import document
from ..storage.complete import LATEST, NEWEST, NoSuchRun, find_run
from ..storage.files import rewrite
from .publishing import Past


def is_present(directory: Path, reports: Path) -> bool:
    """Tell whether a report stands for the present: it is the latest or the newest. Others stay about their time."""
    for name in (LATEST, NEWEST):
        try:
            if directory == find_run(reports, name):
                return True
        except NoSuchRun:
            continue
    return False


def renew(
    directory: Path,
    reports: Path,
    report: FleetReport,
    records: Sequence[HostRecord],
    fleet_state: FleetState,
    past: Past,
    changes: Transitions | None,
) -> None:
    """Write again what is made from a report: its page, its lists of hosts and its exports. Raises OSError.

    The caller has the turn of the fleet state.
    """
    lists = host_lists(report["run"], records)
    rewrite(directory, document.page(report, records, directory=str(directory), **past), lists)
    for name in {*LISTS} - lists.keys():  # it was longer before a lift
        (directory / name).unlink(missing_ok=True)
    # The metrics of an older run are those of that run; where they are looked for, they are of all that is known.
    known = fleet_state if fleet_state.hosts and is_present(directory, reports) else None
    exports.write(directory, report, records, report["run"].get("exports") or (), known, changes)

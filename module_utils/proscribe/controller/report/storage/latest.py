"""Which report `reports/latest` is: the newest one over the whole. A run over a part never takes its place.

A run over another inventory stands for the whole only if it asked every host that the present one stands for. The
controller's own `localhost`, which a first audit without an inventory observes, counts for nothing there.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ....model.types.report import ReportRun
from ..evaluation.scope import is_whole, same_inventory
from ..text.wording import clean, some
from .complete import LATEST, NoSuchRun, UnreadableReport, find_run, read_records, read_report

LOCALHOST = "localhost"


def stays(reports: Path, run: ReportRun, hosts: Collection[str]) -> str:
    """Why `latest` does not come to point to the report of this run, which asked `hosts`; "" where it does."""
    try:
        directory = find_run(reports, LATEST)
        present = read_report(directory)["run"]
        if not is_whole(present):  # no run over the whole has been yet
            return ""
        unchanged = f"{LATEST} stays {directory.name}"
        if not is_whole(run):
            return f"{unchanged}: this run is over a part"
        if same_inventory(present.get("inventory"), run.get("inventory")):
            return ""
        there = {record["host"] for record in read_records(directory)} - {LOCALHOST}
    except (NoSuchRun, UnreadableReport, OSError):
        return ""
    missing = sorted(there.difference(hosts))
    if not missing:
        return ""
    return (
        f"{unchanged}: this run is over another inventory, which lacks {some(missing, 3)} of"
        f" {clean(', '.join(present.get('inventory') or ()))} (if that no longer exists, delete {reports / LATEST})"
    )

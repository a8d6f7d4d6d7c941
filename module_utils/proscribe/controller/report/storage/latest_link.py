"""The target of `reports/latest`: the newest report over the whole. A run over a part never replaces it.

A run over another inventory replaces it only if it covers every host of the present report. The controller's own
`localhost`, which a first audit without an inventory observes, is ignored here.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ....model.types.report import ReportRun
from ..evaluation.scope import is_same_inventory, is_whole_run
from ..text.wording import clean_text, summarise_names
from .report_reader import LATEST, UnknownRun, UnreadableReport, find_run, read_records, read_report

LOCALHOST = "localhost"


def explain_unchanged_latest(reports: Path, run: ReportRun, hosts: Collection[str]) -> str:
    """Explain why the link `latest` will not point to the report of this run; "" if it will.

    `hosts` are the hosts with a record in this run.
    """
    try:
        directory = find_run(reports, LATEST)
        present_run = read_report(directory)["run"]
        if not is_whole_run(present_run):  # no run over the whole inventory yet, so any run may replace it
            return ""
        unchanged_text = f"{LATEST} stays {directory.name}"
        if not is_whole_run(run):
            return f"{unchanged_text}: this run is over a part"
        if is_same_inventory(present_run.get("inventory"), run.get("inventory")):
            return ""
        # another inventory: this run replaces the report only if it has every host of the report
        present_hosts = {record["host"] for record in read_records(directory)} - {LOCALHOST}
    except (UnknownRun, UnreadableReport, OSError):  # without a readable report, any run may replace the link
        return ""
    missing_hosts = sorted(present_hosts.difference(hosts))
    if not missing_hosts:
        return ""
    return (
        f"{unchanged_text}: this run is over another inventory, which lacks {summarise_names(missing_hosts, 3)} of"
        f" {clean_text(', '.join(present_run.get('inventory') or ()))} (if that no longer exists, delete "
        f"{reports / LATEST})"
    )

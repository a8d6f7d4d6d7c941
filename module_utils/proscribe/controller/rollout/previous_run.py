"""States that the hosts to be changed had in the previous run."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ...model.finding import COMPLIANT, NOT_APPLICABLE, REPAIRED, WAIVED
from ..report.storage.report_reader import UnknownRun, UnreadableReport, find_run, read_records
from . import PreviousRun

COMPLIANT_STATES = (WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE)


def read_previous_run(reports_directory: Path, hosts: Collection[str]) -> PreviousRun | None:
    """Return the id of the newest complete run, and how many of these hosts were compliant in it.

    `reports_directory` has a directory for each run. Returns None if no report can be read.
    """
    try:
        directory = find_run(reports_directory)
        states = {record["host"]: record.get("state") for record in read_records(directory)}
    except (UnknownRun, UnreadableReport, OSError):
        return None
    return PreviousRun(directory.name, sum(states.get(host) in COMPLIANT_STATES for host in hosts))

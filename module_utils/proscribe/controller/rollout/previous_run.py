"""The previous run's states of the hosts that would be changed now."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ...model.finding import COMPLIANT, NOT_APPLICABLE, REPAIRED, WAIVED
from ..report.storage.report_reader import UnknownRun, UnreadableReport, find_run, read_records
from . import PreviousRun

COMPLIANT_STATES = (WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE)


def read_previous_run(reports_directory: Path, hosts: Collection[str]) -> PreviousRun | None:
    """Read the states of these hosts in the newest complete report of a directory; None without a readable report."""
    try:
        directory = find_run(reports_directory)
        states = {record["host"]: record.get("state") for record in read_records(directory)}
    except (UnknownRun, UnreadableReport, OSError):
        return None
    return PreviousRun(directory.name, sum(states.get(host) in COMPLIANT_STATES for host in hosts))

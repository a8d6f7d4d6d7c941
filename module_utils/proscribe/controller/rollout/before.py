"""What the run before says of the hosts that would be changed now."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ...model.finding import COMPLIANT, NOT_APPLICABLE, REPAIRED, WAIVED
from ..report.storage.complete import UnknownRun, UnreadableReport, find_run, read_records
from . import Before

WELL = (WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE)


def run_before(reports: Path, hosts: Collection[str]) -> Before | None:
    """How the newest complete report in `reports` has these hosts; None where there is none that can be read."""
    try:
        directory = find_run(reports)
        states = {record["host"]: record.get("state") for record in read_records(directory)}
    except (UnknownRun, UnreadableReport, OSError):
        return None
    return Before(directory.name, sum(states.get(host) in WELL for host in hosts))

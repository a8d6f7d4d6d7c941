"""The complete reports on disk. `report_directory.py` writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....model.plan import format_canonical
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport
from .report_directory import PARTIAL_SUFFIX, open_report_file

LATEST = "latest"  # name of the link to the newest report over the whole inventory
NEWEST = "newest"  # name of the link to the newest report of any run
HOSTS_FILE, REPORT_FILE = "hosts.jsonl", "report.json"


class UnknownRun(LookupError):
    """An error: there is no complete report with that name. Its text lists existing reports."""


class UnreadableReport(ValueError):
    """An error: a file of a report has another format. Its text has the file and the place in it."""


def find_run(reports: Path, name: str = LATEST) -> Path:
    """Return the directory of a complete report. Raises UnknownRun.

    `name` is `latest`, `newest`, a run's id, or a path that contains a slash. Such a path leads to a report's
    directory, or to a file in it.
    """
    path = Path(name) if "/" in name else reports / name
    # the directory itself, the directory of a named file, or for a wrong id a path that does not exist
    directory = Path(os.path.realpath(path if path.is_dir() else path.parent if "/" in name else path))
    if directory.suffix != PARTIAL_SUFFIX and all(
        (directory / file_name).is_file() for file_name in (HOSTS_FILE, REPORT_FILE)
    ):
        return directory
    if "/" in name:
        raise UnknownRun(f"{name} is no complete report, which has {REPORT_FILE} and {HOSTS_FILE}")
    raise UnknownRun(f"no complete report {name} in {reports}; {describe_newest_runs(reports)}")


def list_runs(reports: Path) -> list[str]:
    """Return the ids of the complete reports, oldest first."""
    if not reports.is_dir():
        return []
    with os.scandir(reports) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(
        name for name in names if not name.endswith(PARTIAL_SUFFIX) and (reports / name / REPORT_FILE).is_file()
    )


def describe_newest_runs(reports: Path) -> str:
    """Describe which complete reports are the newest, at most three."""
    newest_ids = list_runs(reports)[-3:]
    return f"the newest are {', '.join(newest_ids)}" if newest_ids else "there is none yet"


def read_report(directory: Path) -> FleetReport:
    """Read the fleet report in a report's directory. Raises UnreadableReport, or OSError."""
    path = directory / REPORT_FILE
    with open_report_file(path) as stream:
        report: FleetReport = _parse_object(path, 1, stream.read())
    if not isinstance(report.get("run"), dict):
        raise UnreadableReport(f"{path} is no fleet report")
    return report


def read_records(directory: Path) -> Iterator[HostRecord]:
    """Yield the host records in a report's directory. Raises UnreadableReport, or OSError."""
    path = directory / HOSTS_FILE
    with open_report_file(path) as lines:
        for number, line in enumerate(lines, 1):
            record: HostRecord = _parse_object(path, number, line)
            if not isinstance(record.get("host"), str) or not isinstance(record.get("rules"), list):
                raise UnreadableReport(f"{path}:{number} is no host record")
            yield record


def collect_shared_records(records: Iterator[HostRecord]) -> list[HostRecord]:
    """Return the records as a list.

    Equal rules of several hosts become the same object, which saves memory.
    """
    rules: dict[str, RuleRecord] = {}
    shared_records = []
    for record in records:
        record["rules"] = [rules.setdefault(format_canonical(rule), rule) for rule in record["rules"]]
        shared_records.append(record)
    return shared_records


# Any, because any version of Proscribe may have written the object
def _parse_object(path: Path, line_number: int, text: str) -> Any:
    """Parse a JSON object from a line of a report's file. Raises UnreadableReport."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableReport(f"{path}:{line_number} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableReport(f"{path}:{line_number} is no JSON object")
    return document

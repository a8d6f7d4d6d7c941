"""Complete reports on disk, found and read again. `files.py` writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....model.plan import format_canonical
from ....model.types.record import HostRecord, RuleRecord
from ....model.types.report import FleetReport
from .files import SUFFIX, opened

LATEST = "latest"  # the newest report over the whole of the inventory
NEWEST = "newest"  # the newest report of any run
HOSTS, REPORT = "hosts.jsonl", "report.json"


class NoSuchRun(LookupError):
    """There is no complete report of that name; the text says what there is."""


class UnreadableReport(ValueError):
    """A file of a report is not what this code writes; the text says which, and where."""


def find_run(reports: Path, name: str = LATEST) -> Path:
    """The directory of a complete report: `latest`, `newest`, a run's id, or a path (with a slash in it) to such a
    directory or to a file in it. Raises NoSuchRun.
    """
    path = Path(name) if "/" in name else reports / name
    directory = Path(os.path.realpath(path if path.is_dir() else path.parent if "/" in name else path))
    if directory.suffix != SUFFIX and all((directory / part).is_file() for part in (HOSTS, REPORT)):
        return directory
    if "/" in name:
        raise NoSuchRun(f"{name} is no complete report, which has {REPORT} and {HOSTS}")
    raise NoSuchRun(f"no complete report {name} in {reports}; {newest_runs(reports)}")


def runs(reports: Path) -> list[str]:
    """The ids of the complete reports, oldest first."""
    if not reports.is_dir():
        return []
    with os.scandir(reports) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(name for name in names if not name.endswith(SUFFIX) and (reports / name / REPORT).is_file())


def newest_runs(reports: Path) -> str:
    """The newest complete reports, in words."""
    newest = runs(reports)[-3:]
    return f"the newest are {', '.join(newest)}" if newest else "there is none yet"


def read_report(directory: Path) -> FleetReport:
    """The fleet report in a report's directory. Raises UnreadableReport, or OSError."""
    path = directory / REPORT
    with opened(path) as stream:
        report: FleetReport = _parsed(path, 1, stream.read())
    if not isinstance(report.get("run"), dict):
        raise UnreadableReport(f"{path} is no fleet report")
    return report


def read_records(directory: Path) -> Iterator[HostRecord]:
    """The host records in a report's directory, one at a time. Raises UnreadableReport, or OSError."""
    path = directory / HOSTS
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            record: HostRecord = _parsed(path, number, line)
            if not isinstance(record.get("host"), str) or not isinstance(record.get("rules"), list):
                raise UnreadableReport(f"{path}:{number} is no host record")
            yield record


def sharing(records: Iterator[HostRecord]) -> list[HostRecord]:
    """The records in a list, with one copy of each rule that thousands of hosts list with the same evidence."""
    rules: dict[str, RuleRecord] = {}
    complete = []
    for record in records:
        record["rules"] = [rules.setdefault(format_canonical(rule), rule) for rule in record["rules"]]
        complete.append(record)
    return complete


def _parsed(path: Path, number: int, text: str) -> Any:  # an object of ours, of some version
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableReport(f"{path}:{number} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UnreadableReport(f"{path}:{number} is no JSON object")
    return value

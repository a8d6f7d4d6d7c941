"""The end of a lift on disk: the fleet state, the history, and the reports about the present show it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....model.types.run import CompiledRun
from .. import exports
from ..evaluation.fleet_state import FleetState
from ..evaluation.lifts import LiftResult, apply_lifts
from ..history import HistoryError, open_history
from ..storage import corrections_file, fleet_state_file
from ..storage.report_directory import DIRECTORY_MODE
from ..storage.report_reader import (
    LATEST,
    NEWEST,
    UnknownRun,
    UnreadableReport,
    collect_shared_records,
    find_run,
    read_records,
    read_report,
)
from .publication import PageHistory, read_changes, read_page_history
from .report_rewriting import rewrite_report


def publish_lift(run: CompiledRun, lifted_at: str, results: Mapping[str, LiftResult]) -> list[str]:
    """Store on disk that a run removed the ban from hosts (a lift) at `lifted_at` (UTC).

    The history, the fleet state and the reports about the present show the lift then. `results` has by host the lifted
    controls. Returns the failures to write, in sentences; [] for none.
    """
    if not results:
        return []
    reports = Path(run["directory"]).parent
    warnings: list[str] = []
    try:
        history = open_history(run.get("history") or "off", reports)
        if history is not None:
            history.record_lift(run, lifted_at, results)
    except (HistoryError, OSError) as error:
        warnings.append(f"this lift is not in the history, which still shows the state before it: {error}")
    try:
        reports.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with fleet_state_file.lock_fleet_state(reports):
            fleet_state, problem = fleet_state_file.read_fleet_state(reports)
            warnings += [problem] if problem else []
            plans = run.get("policies") or {}
            # host -> the policy of each control in the host's plan
            policies = {host: plans.get(digest) or {} for host, digest in run["hosts"].items()}
            fleet_state.apply_lift(run, lifted_at, results, policies)
            fleet_state_file.write_fleet_state(reports, fleet_state)
            corrections_file.forget_lifted_controls(reports, {host: result.lifted for host, result in results.items()})
            for directory in _list_present_reports(reports):
                warnings += _rewrite_lifted_report(directory, reports, fleet_state)
    except OSError as error:
        warnings.append(f"this lift is not in the fleet state, which still shows the state before it: {error}")
    return warnings


def _list_present_reports(reports: Path) -> list[Path]:
    """Return the directories of the reports about the present, to which the links `latest` and `newest` lead.

    Both links may lead to the same report, and a missing report is left out.
    """
    directories: list[Path] = []
    for name in (LATEST, NEWEST):
        with contextlib.suppress(UnknownRun):
            directories.append(find_run(reports, name))
    return list(dict.fromkeys(directories))


def _rewrite_lifted_report(directory: Path, reports: Path, fleet_state: FleetState) -> Iterator[str]:
    """Write the page and the exports of a report again, without the controls that are lifted now.

    Yields failures as sentences. Without the history, the page is still written, but it shows no trend.
    """
    try:
        report = read_report(directory)
        lifts = {name: host_lifts for name, host in fleet_state.hosts.items() if (host_lifts := host.lifts)}
        report, records = apply_lifts(report, collect_shared_records(read_records(directory)), lifts)
        page_history, changes = PageHistory(), None
        try:
            history = open_history(report["run"].get("history") or "off", reports)
            page_history = read_page_history(history, report["run"]) if history else page_history
            if exports.has_history_exports(report["run"].get("exports") or ()):
                changes = read_changes(reports, report["run"])
        except HistoryError as error:
            yield f"the page of {directory.name} has no history: {error}"
        rewrite_report(directory, reports, report, records, fleet_state, page_history, changes)
    except (OSError, UnreadableReport, KeyError, TypeError, ValueError) as error:
        yield f"{directory} still shows the state before this lift: {type(error).__name__}: {error}"

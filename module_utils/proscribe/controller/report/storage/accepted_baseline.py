"""The earlier run that `latest` means as a baseline: a run that passed. A failed run never becomes accepted.

Each report has the verdict of its gate. While no run has a gate, the newest run is the baseline. Later, only a run that
passed its gate replaces it. A run without a gate does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ....model.types.report import ReportRun
from ..evaluation.scope import RunScope, is_scope_covered, list_observed_controls
from .report_reader import UnknownRun, UnreadableReport, describe_newest_runs, list_runs, read_report


def find_latest_passed(reports: Path, scope: RunScope) -> Path:
    """Return the report directory of the baseline for a run with this scope. Raises UnknownRun.

    The baseline is the newest run that passed its gate, or the newest run while no run has a gate.
    """
    accepted_id, failed_id = _select_accepted_run(_iterate_newest_first(reports), scope)
    if accepted_id:
        return reports / accepted_id
    if failed_id:
        raise UnknownRun(f"no run of this scope in {reports} has passed; {failed_id} failed, name it if it is to count")
    raise UnknownRun(f"no complete report latest in {reports} that covers this run; {describe_newest_runs(reports)}")


def _select_accepted_run(runs: Iterable[tuple[str, ReportRun]], scope: RunScope) -> tuple[str, str]:
    """Return the ids of the baseline, and of the newest run that failed its gate; "" for none.

    `runs` are pairs (directory name, run), newest first. Runs that do not cover the scope are ignored.
    """
    failed_id = first_id = ""  # `first_id` is the newest run that may be the baseline while no run has a gate
    for name, run in runs:
        if not is_scope_covered(run, scope):
            continue
        verdict = run.get("verdict")
        if verdict and verdict["gate"] and verdict["passed"]:
            return name, failed_id
        # as soon as a run has a gate, newer runs without a gate are no baseline
        if verdict and verdict["gate"]:
            failed_id, first_id = failed_id or name, ""
        # a run without a gate cannot be the first baseline if it was stopped or evaluated nothing
        elif not verdict or verdict["passed"]:
            first_id = first_id or name
    return first_id, failed_id


def list_baselines(reports: Path) -> list[Path]:
    """Return the report directories that are a baseline for some scope, so that a later run may need them."""
    runs = list(_iterate_newest_first(reports))
    scopes = {
        RunScope(tuple(run.get("inventory") or ()), str(run.get("limit") or ""), list_observed_controls(run))
        for _, run in runs
    }
    return [reports / name for scope in scopes if (name := _select_accepted_run(runs, scope)[0])]


def _iterate_newest_first(reports: Path) -> Iterable[tuple[str, ReportRun]]:
    """Yield (directory name, run) of each readable report, newest first."""
    for name in reversed(list_runs(reports)):
        try:
            yield name, read_report(reports / name)["run"]
        except (OSError, UnreadableReport):
            continue  # a report that cannot be read is no baseline

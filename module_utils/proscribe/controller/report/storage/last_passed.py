"""Which earlier run `latest` is as a baseline: one that passed. A run that failed never becomes what is accepted.

Each report keeps the verdict of its gate. As long as no run was judged, the newest one is what a gate begins with.
From then on only a run that passed takes its place, and one without a gate does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ....model.types.report import ReportRun
from ..evaluation.scope import RunScope, is_scope_covered, list_observed_controls
from .complete import UnknownRun, UnreadableReport, describe_newest_runs, list_runs, read_report


def find_latest_passed(reports: Path, scope: RunScope) -> Path:
    """The directory of the run that a run over this scope is compared with. Raises UnknownRun."""
    accepted_id, failed_id = _select_accepted_run(_iterate_newest_first(reports), scope)
    if accepted_id:
        return reports / accepted_id
    if failed_id:
        raise UnknownRun(f"no run of this scope in {reports} has passed; {failed_id} failed, name it if it is to count")
    raise UnknownRun(f"no complete report latest in {reports} that covers this run; {describe_newest_runs(reports)}")


def _select_accepted_run(runs: Iterable[tuple[str, ReportRun]], scope: RunScope) -> tuple[str, str]:
    """Of runs, the newest first: which is the baseline, and the newest that failed its gate; "" for none."""
    failed_id = first_id = ""
    for name, run in runs:
        if not is_scope_covered(run, scope):
            continue
        verdict = run.get("verdict")
        if verdict and verdict["gate"] and verdict["passed"]:
            return name, failed_id
        if verdict and verdict["gate"]:
            failed_id, first_id = failed_id or name, ""
        elif not verdict or verdict["passed"]:  # a run that was stopped, or evaluated nothing, is no beginning
            first_id = first_id or name
    return first_id, failed_id


def list_baselines(reports: Path) -> list[Path]:
    """The runs that some gate may still ask for: for each scope that stands in `reports`, its baseline."""
    runs = list(_iterate_newest_first(reports))
    scopes = {
        RunScope(tuple(run.get("inventory") or ()), str(run.get("limit") or ""), list_observed_controls(run))
        for _, run in runs
    }
    return [reports / name for scope in scopes if (name := _select_accepted_run(runs, scope)[0])]


def _iterate_newest_first(reports: Path) -> Iterable[tuple[str, ReportRun]]:
    for name in reversed(list_runs(reports)):
        try:
            yield name, read_report(reports / name)["run"]
        except (OSError, UnreadableReport):
            continue  # what cannot be read was accepted by nobody

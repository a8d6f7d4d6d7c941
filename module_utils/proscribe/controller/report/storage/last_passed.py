"""Which earlier run `latest` is as a baseline: one that passed. A run that failed never becomes what is accepted.

Each report keeps the verdict of its gate. As long as no run was judged, the newest one is what a gate begins with.
From then on only a run that passed takes its place, and one without a gate does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ....model.types.report import ReportRun
from ..evaluation.scope import Scope, controls_of, covers
from .complete import NoSuchRun, UnreadableReport, newest_runs, read_report, runs


def latest_passed(reports: Path, scope: Scope) -> Path:
    """The directory of the run that a run over this scope is compared with. Raises NoSuchRun."""
    found, failed = _accepted(_newest_first(reports), scope)
    if found:
        return reports / found
    if failed:
        raise NoSuchRun(f"no run of this scope in {reports} has passed; {failed} failed, name it if it is to count")
    raise NoSuchRun(f"no complete report latest in {reports} that covers this run; {newest_runs(reports)}")


def _accepted(runs: Iterable[tuple[str, ReportRun]], scope: Scope) -> tuple[str, str]:
    """Of runs, the newest first: which is the baseline, and the newest that failed its gate; "" for none."""
    failed = began = ""
    for name, run in runs:
        if not covers(run, scope):
            continue
        verdict = run.get("verdict")
        if verdict and verdict["gate"] and verdict["passed"]:
            return name, failed
        if verdict and verdict["gate"]:
            failed, began = failed or name, ""
        elif not verdict or verdict["passed"]:  # a run that was stopped, or evaluated nothing, is no beginning
            began = began or name
    return began, failed


def retained(reports: Path) -> list[Path]:
    """The runs that some gate may still ask for: for each scope that stands in `reports`, its baseline."""
    runs = list(_newest_first(reports))
    scopes = {
        Scope(tuple(run.get("inventory") or ()), str(run.get("limit") or ""), controls_of(run)) for _, run in runs
    }
    return [reports / name for scope in scopes if (name := _accepted(runs, scope)[0])]


def _newest_first(reports: Path) -> Iterable[tuple[str, ReportRun]]:
    for name in reversed(runs(reports)):
        try:
            yield name, read_report(reports / name)["run"]
        except (OSError, UnreadableReport):
            continue  # what cannot be read was accepted by nobody

"""The end of a run: what its hosts said becomes the report, the verdict, and what stands on disk. A run ends by itself,
is interrupted and ends at once, or was killed and is ended by the next one (closing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportedExport
from ....model.types.run import CompiledRun
from ..collection.events import Collector, Rollout
from ..evaluation import verdict
from ..evaluation.advice import NOT_REACHED, SET_ASIDE, host_lists
from ..evaluation.baseline import Baseline, New
from ..evaluation.reconcile import fleet_report
from ..evaluation.scope import reached
from ..storage import complete, corrected, pruning
from ..storage.files import ReportDirectory
from . import publishing

Records = Sequence[HostRecord]
Broken = Callable[[str], None]


class Ended(NamedTuple):
    """How a run ended. `where` is the directory of its report, "" where it is nowhere."""

    report: FleetReport
    records: Records
    verdict: verdict.Verdict
    where: str


def ended(
    collector: Collector,
    directory: ReportDirectory | None,
    finished: str,
    failed: bool,
    broken: Broken,
    closed_by: str = "",
    points_of: Callable[[CompiledRun, str], list[ReportedExport]] | None = None,
) -> Ended:
    """End a run. `failed`: Ansible ends with an error. `broken` takes a message about a failure of the report itself,
    and the run then proves nothing. `closed_by` is the run that does this for one that could not.
    `points_of` observes the directories of fed exports, at the end of this run.
    """
    run = collector.run
    if collector.interrupted:
        run = {**run, "interrupted": {"why": collector.interrupted, "closed_by": closed_by or None}}
    reports = None if directory is None else directory.partial.parent
    if reports is not None:
        collector.earlier = corrected.earlier(reports, run)
    fleet = collector.fleet(finished)
    new = _new(run, fleet.records, broken)
    rollout = collector.rollout()
    report = fleet_report(run, fleet, finished, new, rollout.as_dict() if rollout else None)
    if points_of is not None:
        report["points"] = points_of(run, finished)
    if rollout and rollout.set_aside:
        report["warnings"].append(verdict.left_aside(list(rollout.set_aside)))
    decided = _judged(run, fleet.records, report, failed, new, rollout)
    report["run"]["verdict"] = decided.as_dict(run["gate"].values(), new is not None, failed)
    where = ""
    if directory is not None:
        try:
            where = _write(directory, run, report, fleet.records, rollout)
        except Exception as error:  # the table is shown all the same
            broken(f"the report cannot be written: {type(error).__name__}: {error}")
    return Ended(report, fleet.records, decided, where)


def _judged(
    run: CompiledRun,
    records: Records,
    report: FleetReport,
    failed: bool,
    new: Sequence[New] | None,
    rollout: Rollout | None,
) -> verdict.Verdict:
    levels, not_served = list(run["gate"].values()), len(report["not_served"])
    interrupted = run.get("interrupted")
    if interrupted:
        return verdict.interrupted(interrupted["why"])
    if new is None:
        decided = verdict.judge(records, levels, failed, not_served)
    else:
        decided = verdict.judge_new(records, levels, failed, new, not_served)
    if rollout and rollout.not_reached:
        return verdict.stopped(decided, rollout.why, len(rollout.not_reached))
    if rollout and rollout.set_aside:
        return verdict.set_aside(decided, list(rollout.set_aside))
    return decided


def _new(run: CompiledRun, records: Records, broken: Broken) -> list[New] | None:
    """What was not there in the run's baseline; None where it has none. A baseline that cannot be read any more is
    a run without a verdict.
    """
    if not run.get("baseline"):
        return None
    try:
        return Baseline(complete.read_records(Path(run["baseline"]))).new(records)
    except (OSError, ValueError) as error:
        broken(f"the baseline cannot be read: {error}")
        return []


def _write(
    directory: ReportDirectory, run: CompiledRun, report: FleetReport, records: Records, rollout: Rollout | None
) -> str:
    """Write the report, and what is beside it; returns where it is."""
    past = publishing.remembered(directory.complete.parent, report, reached(records), run.get("history_keep", 0))
    _prune(directory, run, report)
    lists = host_lists(report["run"], records)
    if rollout and not run.get("interrupted"):
        left = {NOT_REACHED: list(rollout.not_reached), SET_ASIDE: list(rollout.set_aside)}
        lists |= {name: hosts for name, hosts in left.items() if hosts}
    stale_after = run.get("stale_after")
    beyond = publishing.Beyond(run.get("left_out") or (), stale_after["hosts"] if stale_after else {}, past, lists)
    return str(publishing.publish(directory, report, records, beyond))


def _prune(directory: ReportDirectory, run: CompiledRun, report: FleetReport) -> None:
    """Take away the folders of reports that are older than the inventory keeps them."""
    if keep := run.get("reports_keep") or 0:
        needed = [directory.partial, *([Path(run["baseline"])] if run.get("baseline") else [])]
        report["warnings"] += pruning.prune(directory.partial.parent, report["run"]["finished"], keep, needed)

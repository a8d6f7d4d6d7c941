"""The end of a run: the collected records become the report, the verdict, and the files on disk.

A run ends regularly, or it is interrupted and ends at once. The next run ends a run that was killed
(unfinished_runs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportedExport
from ....model.types.run import CompiledRun
from ..collection.collector import Collector, RolloutProgress
from ..evaluation import verdict
from ..evaluation.advice import NOT_REACHED_FILE, SET_ASIDE_FILE, make_host_lists
from ..evaluation.baseline import Baseline, BaselineDeviation
from ..evaluation.reconciliation import make_run_report
from ..evaluation.scope import select_reached_records
from ..storage import corrections_file, pruning, report_reader
from ..storage.report_directory import ReportDirectory
from . import publication

Records = Sequence[HostRecord]
FailureReporter = Callable[[str], None]


class EndedRun(NamedTuple):
    """The end of a run.

    `directory` is the directory of the run's report, "" if no report was written.
    """

    report: FleetReport
    records: Records
    verdict: verdict.RunVerdict
    directory: str


def end_run(
    collector: Collector,
    directory: ReportDirectory | None,
    finished: str,
    ansible_failed: bool,
    report_failure: FailureReporter,
    closed_by: str = "",
    observe_points: Callable[[CompiledRun, str], list[ReportedExport]] | None = None,
) -> EndedRun:
    """End a run: make its report and its verdict, and write the report.

    `directory` is the directory for the report (None: no report is written). `ansible_failed` is true if Ansible ends
    with an error. `report_failure` takes a message about a failure of the report itself; such a run proves nothing.
    `closed_by` is the id of the later run that ends a killed run; "" for a run that ends itself. `observe_points`
    observes the exports to enforcement points, such as a proxy, at the end of the run (None: none).
    """
    run = collector.run
    if collector.interruption_reason:
        run = {**run, "interrupted": {"why": collector.interruption_reason, "closed_by": closed_by or None}}
    reports = None if directory is None else directory.partial.parent
    if reports is not None:
        collector.corrections = corrections_file.list_unobserved_corrections(reports, run)
    fleet = collector.reconcile_hosts(finished)
    deviations = _find_deviations(run, fleet.records, report_failure)
    rollout = collector.measure_rollout()
    report = make_run_report(run, fleet, finished, deviations, rollout.make_rollout_report() if rollout else None)
    if observe_points is not None:
        report["points"] = observe_points(run, finished)
    if rollout and rollout.set_aside:
        report["warnings"].append(verdict.describe_set_aside_hosts(list(rollout.set_aside)))
    run_verdict = _judge_end(run, fleet.records, report, ansible_failed, deviations, rollout)
    report["run"]["verdict"] = run_verdict.make_report_verdict(
        run["gate"].values(), deviations is not None, ansible_failed
    )
    report_directory = ""
    if directory is not None:
        try:
            report_directory = _write_report(directory, run, report, fleet.records, rollout)
        except Exception as error:  # the terminal shows the result even without a written report
            report_failure(f"the report cannot be written: {type(error).__name__}: {error}")
    return EndedRun(report, fleet.records, run_verdict, report_directory)


def _judge_end(
    run: CompiledRun,
    records: Records,
    report: FleetReport,
    ansible_failed: bool,
    deviations: Sequence[BaselineDeviation] | None,
    rollout: RolloutProgress | None,
) -> verdict.RunVerdict:
    """Return the verdict on a run.

    An interruption decides first, then limits that stopped corrections. `deviations` are the defects that the baseline,
    an earlier run, did not have (None: no baseline). `rollout` is None if the run corrected no hosts in batches. Hosts
    that are set aside were left uncorrected, so that the others could be corrected.
    """
    gate_levels, not_served = list(run["gate"].values()), len(report["not_served"])
    interrupted = run.get("interrupted")
    if interrupted:
        return verdict.judge_interrupted_run(interrupted["why"])
    if deviations is None:
        run_verdict = verdict.judge_run(records, gate_levels, ansible_failed, not_served)
    else:
        run_verdict = verdict.judge_new_problems(records, gate_levels, ansible_failed, deviations, not_served)
    if rollout and rollout.not_reached:
        return verdict.judge_stopped_run(run_verdict, rollout.reason, len(rollout.not_reached))
    if rollout and rollout.set_aside:
        return verdict.judge_set_aside_hosts(run_verdict, list(rollout.set_aside))
    return run_verdict


def _find_deviations(
    run: CompiledRun, records: Records, report_failure: FailureReporter
) -> list[BaselineDeviation] | None:
    """Return the defects that an earlier run, the baseline, did not have; None for a run without a baseline.

    A baseline that cannot be read is reported as a failure, and the result is [].
    """
    if not run.get("baseline"):
        return None
    try:
        return Baseline(report_reader.read_records(Path(run["baseline"]))).find_deviations(records)
    except (OSError, ValueError) as error:
        report_failure(f"the baseline cannot be read: {error}")
        return []


def _write_report(
    directory: ReportDirectory, run: CompiledRun, report: FleetReport, records: Records, rollout: RolloutProgress | None
) -> str:
    """Write the history, the report and its other files, and return the report's directory.

    `rollout` names the hosts that were not corrected, for files beside the report (None: no corrections in batches).
    """
    page_history = publication.record_history(
        directory.complete.parent, report, select_reached_records(records), run.get("history_keep", 0)
    )
    _prune_old_reports(directory, run, report)
    host_lists = make_host_lists(report["run"], records)
    if rollout and not run.get("interrupted"):
        rollout_lists = {NOT_REACHED_FILE: list(rollout.not_reached), SET_ASIDE_FILE: list(rollout.set_aside)}
        host_lists |= {name: hosts for name, hosts in rollout_lists.items() if hosts}
    stale_after = run.get("stale_after")
    extras = publication.ReportExtras(
        run.get("left_out") or (), stale_after["hosts"] if stale_after else {}, page_history, host_lists
    )
    return str(publication.publish_report(directory, report, records, extras))


def _prune_old_reports(directory: ReportDirectory, run: CompiledRun, report: FleetReport) -> None:
    """Delete the reports that are older than the inventory allows (`reports_keep`, in seconds; 0: none).

    The new report and the baseline are never deleted.
    """
    if keep_seconds := run.get("reports_keep") or 0:
        needed_directories = [directory.partial, *([Path(run["baseline"])] if run.get("baseline") else [])]
        report["warnings"] += pruning.prune_reports(
            directory.partial.parent, report["run"]["finished"], keep_seconds, needed_directories
        )

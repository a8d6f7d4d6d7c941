"""The current run of a playbook, which collects the events of its hosts and ends with its report."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from proscribe.base.timestamps import format_timestamp
from proscribe.controller.enforcement_points.point_observation import observe_points
from proscribe.controller.quarantine import quarantine_texts, request
from proscribe.controller.quarantine.quarantine_run import QuarantineRun
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.collection.lift_results import collect_lift_results
from proscribe.controller.report.collection.plays import (
    CHOICE_ACTION,
    CONTROL_BY_ACTION,
    OBSERVE_ACTIONS,
    QUARANTINE_ACTION,
    ROLLOUT_ACTION,
    get_action_name,
)
from proscribe.controller.report.collection.progress import RunProgress
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.run_end import unfinished_runs
from proscribe.controller.report.run_end.lift_publication import publish_lift
from proscribe.controller.report.run_end.verdict_and_report import end_run
from proscribe.controller.report.storage import lift_file
from proscribe.controller.report.storage.journal import RunJournal
from proscribe.controller.report.storage.report_directory import ReportDirectory
from proscribe.controller.report.terminal import lift_summary, summary
from proscribe.controller.report.text.shell_commands import RunCall
from proscribe.controller.report.text.wording import clean_message, clean_text, describe_unreachable
from proscribe.controller.rollout import RolloutDecision, current_rollout
from proscribe.model.quarantine_ids import LIST
from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.run import CompiledRun

from proscribe_ansible.exit_code import PlaybookExitCode
from proscribe_ansible.terminal import RunTerminal

REPEATS_FAILURES_VARIABLE = (
    "proscribe_repeats_failures"  # variable of a task that only repeats earlier failures of controls
)
LIFT, QUARANTINE = "lift", "quarantine"  # modes of runs that observe nothing and write no report


class ReportedPlaybookRun:
    """A run of a playbook, from the result of `compile_plans` to its report. The methods take Ansible's results.

    A lift or a run over quarantines ends with a summary on the terminal instead of a report.
    """

    def __init__(self, run: CompiledRun, terminal: RunTerminal, exit_code: PlaybookExitCode) -> None:
        self._terminal, self._exit_code = terminal, exit_code
        for closed in unfinished_runs.close_unfinished_runs(
            Path(run["directory"]).parent, run["id"], terminal.show_warning
        ):
            terminal.show_warning(closed.text)
        self.collector = Collector(run)
        # the data of a run over quarantines; None for other runs
        self.course = QuarantineRun(list(run["hosts"])) if run["mode"] == QUARANTINE else None
        self._directory: ReportDirectory | None = None  # None without a report
        self._journal: RunJournal | None = None  # the events in a file, in case the run is killed
        current_rollout.begin_rollout(run if self.collector.is_changing else None)
        unreported = run["mode"] in (LIFT, QUARANTINE)
        name = run["mode"] if unreported else run["playbook"]
        self._progress = RunProgress(name, len(run["hosts"]), terminal.can_rewrite_line(), time.monotonic)
        if not unreported and run["hosts"]:
            with self._guard_writing():
                self._directory = ReportDirectory(run["directory"])
                self._journal = RunJournal(self._directory.partial, run)
                self.collector.store_event = self._note_event

    # -- events --------------------------------------------------------------------------------------------------------

    def take_decision(self, decision: RolloutDecision) -> None:
        """Store the rollout decision of a correcting play: the hosts to correct, and their batches.

        A play with batches begins once for each batch, so only the first call has an effect.
        """
        if self.collector.measure_rollout() is None:
            self.collector.decided(
                {
                    "hosts": decision.hosts,
                    "batches": decision.batches,
                    "allow": decision.allow,
                    "set_aside": decision.set_aside,
                }
            )

    def take_success(self, result: Any) -> None:
        """Process the result of a successful task."""
        action, host = get_action_name(result.task), result.host.get_name()
        if self.course is not None:
            _take_quarantine_event(self.course, action, host, result.result)
        elif action in OBSERVE_ACTIONS:
            host_answer = _get_whole_result(result)
            record = self.collector.answered(host, host_answer.get("record"))
            self.show_progress()
            if record:
                current_rollout.record_host_answer(host, {"drifted": host_answer.get("drifted", []), "record": record})
            if host_answer.get("set_aside"):
                current_rollout.record_set_aside(host)
        elif action in CONTROL_BY_ACTION:
            self.collector.changed(host, CONTROL_BY_ACTION[action], result.result, is_dry_run=result.task.check_mode)
            self.show_progress()
        elif action == ROLLOUT_ACTION and "rollout" in result.result:
            self.collector.decided(result.result["rollout"])

    def take_failure(self, result: Any, is_ignored: bool) -> None:
        """Process the result of a failed task.

        `is_ignored` is True if the task has `ignore_errors`. Not every failed task is a failure of its host. A run
        that stops is recorded as such, and so is a host that does not pass its gate.
        """
        action, host, reason = (
            get_action_name(result.task),
            result.host.get_name(),
            clean_message(result.result.get("msg")),
        )
        if self.course is not None:
            self.course.record_failure(host, reason)
            _take_quarantine_event(self.course, action, host, result.result)
        elif action == ROLLOUT_ACTION and result.result.get("stopped"):
            if "rollout" in result.result:
                self.collector.decided(result.result["rollout"])
            self.collector.stopped(reason)
        elif action in OBSERVE_ACTIONS and isinstance(result.result.get("record"), dict):
            self.collector.answered(host, result.result["record"])  # the host answered; its gate made the task fail
        elif action in CONTROL_BY_ACTION:
            self.collector.changed(host, CONTROL_BY_ACTION[action], result.result, is_dry_run=result.task.check_mode)
            self.collector.failed(host, CONTROL_BY_ACTION[action], reason)
            if result.result.get("busy"):
                current_rollout.record_set_aside(host)
        elif action in OBSERVE_ACTIONS or not is_ignored:
            # A task of the playbooks repeats the failures of a host's controls, which are recorded already.
            repeats = bool(getattr(result.task, "vars", {}).get(REPEATS_FAILURES_VARIABLE))
            if not (repeats and self.collector.has_failed_control(host)):
                self.collector.failed(host, None, reason)

    def take_unreachable(self, result: Any) -> None:
        """Process the event that a host is unreachable."""
        host, reason = result.host.get_name(), describe_unreachable(result.result.get("msg"))
        if self.course is not None:
            self.course.record_failure(host, f"unreachable: {reason}")
        self.collector.unreachable(host, reason)
        self.show_progress()

    def show_progress(self) -> None:
        """Print the progress of the run, if an update is due."""
        self._terminal.show_progress(self._progress.format_update(*self.collector.count_progress()))

    def _note_event(self, event: str, *values: object) -> None:
        """Write an event into the journal, from which the next run can report this run if it is killed."""
        if self._journal is not None:
            with self._guard_writing():
                self._journal.write_event(event, *values)

    @contextlib.contextmanager
    def _guard_writing(self) -> Iterator[None]:
        """Make an OSError or ValueError in the `with` body, which writes the report, a failure of the report.

        The journal is closed then, and the playbook ends with the exit code of a failed report.
        """
        try:
            yield
        except (OSError, ValueError) as error:
            self._close_journal()
            self._exit_code.report_failure(f"the report cannot be written: {clean_text(error)}")

    def _close_journal(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
        self._journal = None

    # -- end of the run ------------------------------------------------------------------------------------------------

    def end_run(self, failed: bool) -> None:
        """End the run: print and write its report or summary, and add its exit code.

        `failed` is True if tasks of the run have failed, so that Ansible ends with an error.
        """
        with contextlib.suppress(OSError):  # a missing terminal must not prevent the report
            self._terminal.remove_progress_line()
        if self.collector.run["mode"] == LIFT:
            self._end_lift(failed)
        elif self.course is not None:
            self._end_quarantine(self.course, failed)
        else:
            self._end_report(failed)

    def _end_report(self, failed: bool) -> None:
        """End a run that observes: write the report, print its summary, and add the exit code of the verdict."""
        run = end_run(
            self.collector,
            self._directory,
            format_timestamp(time.time()),
            failed,
            self._exit_code.report_failure,
            observe_points=observe_points,
        )
        if self._journal is not None and not run.directory:
            self._journal.mark_unwritten()
        self._close_journal()
        # `compile_plans` has printed its own warnings already, so only the later ones are printed.
        for warning in run.report["warnings"][len(self.collector.run.get("warnings", ())) :]:
            self._terminal.show_warning(warning)
        self._terminal.print_rendered(
            lambda screen: summary.render_summary(run.report, run.records, screen, run.directory)
        )
        self._exit_code.conclude_run(run.verdict)

    def _end_lift(self, failed: bool) -> None:
        """End a run that lifts the ban: record the lift on disk, print the summary, and add the exit code.

        One file lists the removed packages. The history and the fleet state show the lift. In check mode nothing is
        recorded.
        """
        collector, is_check_mode = self.collector, bool(context.CLIARGS.get("check"))
        run = collector.run
        enforce_call = RunCall.read_run_call(run).make_other_playbook_command(
            "enforce", run["limit"] or "", is_dry_run=False
        )
        lifted_hosts = lift_summary.list_lifted_hosts(collector.expected, collector.host_states)
        lift_path = "" if is_check_mode else self._write_lift_file(lifted_hosts)
        if not is_check_mode:
            results = collect_lift_results(run, collector.expected, collector.host_states)
            for warning in publish_lift(run, format_timestamp(time.time()), results):
                self._terminal.show_warning(warning)
        self._terminal.print_rendered(
            lambda screen: lift_summary.render_lifting(
                collector.expected,
                collector.host_states,
                is_check=is_check_mode,
                width=screen.width,
                restore_command=enforce_call.line(screen.working_directory) if enforce_call else "",
                unserved_hosts=run.get("not_served") or {},
                controls=run["controls"] or (),
                difference_file=lift_path,
            )
        )
        self._conclude_run(verdict.judge_lift_run(collector.expected, lifted_hosts, failed))

    def _write_lift_file(self, lifted_hosts: Sequence[str]) -> str:
        """Write the removed packages into a file and return its path; "" if there are none, or if writing fails."""
        run, host_states = self.collector.run, self.collector.host_states
        if not any(host_answer.removed for host_answer in host_states.values()):
            return ""
        try:
            return str(lift_file.write_lift(Path(run["directory"]).parent, run, host_states, lifted_hosts))
        except OSError as error:
            self._terminal.show_warning(f"what this run lifted is in no file: {error}")
            return ""

    def _end_quarantine(self, course: QuarantineRun, failed: bool) -> None:
        """End a run over quarantines: print the list of items or the summary of changes, and add the exit code."""
        is_check_mode = bool(context.CLIARGS.get("check"))
        if course.do != LIST:
            self._terminal.print_rendered(
                lambda screen: quarantine_texts.describe_result(course, is_check=is_check_mode, width=screen.width)
            )
        elif course.format == request.JSON_FORMAT:
            self._terminal.give_answer(json.dumps(course.make_document(), indent=2))
        else:
            self._terminal.print_rendered(lambda screen: quarantine_texts.format_quarantine_table(course, screen.width))
        broken_count = (
            sum(len(host_list["broken"]) for host_list in course.listed_quarantines.values())
            if course.do == LIST
            else 0
        )
        self._conclude_run(
            verdict.judge_quarantine_run(len(course.hosts), len(course.listed_quarantines), failed, broken_count)
        )

    def _conclude_run(self, run_verdict: verdict.RunVerdict) -> None:
        """Add the exit code of a verdict; for an interrupted run, that of the interruption."""
        interruption = self.collector.interruption_reason
        self._exit_code.conclude_run(verdict.judge_interrupted_run(interruption) if interruption else run_verdict)


def _get_whole_result(result: Any) -> ObservationAnswer:
    """Return the content of a task's result without a copy.

    The caller must not change it. Until ansible-core 2.20, `result.result` copies the whole content, which takes time
    for a host record.
    """
    host_answer: ObservationAnswer = getattr(result, "_return_data", None) or result.result
    return host_answer


def _take_quarantine_event(course: QuarantineRun, action: str, host: str, result: Any) -> None:
    """Pass the result of a task to `course`, which collects the data of a run over quarantines."""
    if action == QUARANTINE_ACTION:
        course.record_answer(host, result)
    elif action == CHOICE_ACTION and "asked" in result:
        course.record_start(result)
    elif action == CHOICE_ACTION and "rows" in result:
        course.record_selection(result)

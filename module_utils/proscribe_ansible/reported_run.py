"""A run of the playbook that goes on: it takes the events of its hosts, and ends with its report."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from proscribe.base.moments import stamp
from proscribe.controller.custody import request, wording
from proscribe.controller.custody.outcome import Course
from proscribe.controller.enforcement_points.observed import points_of
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.lift_results import lift_results
from proscribe.controller.report.collection.plays import (
    CHOOSING,
    CUSTODY,
    DECIDING,
    ENFORCING,
    OBSERVING,
    action_of,
)
from proscribe.controller.report.collection.progress import Progress
from proscribe.controller.report.end import closing
from proscribe.controller.report.end.ending import ended
from proscribe.controller.report.end.lifting import publish_lift
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.storage import lift_file
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.storage.journal import Journal
from proscribe.controller.report.terminal import lifting, summary
from proscribe.controller.report.text.command import Call
from proscribe.controller.report.text.wording import clean, message, unreachable
from proscribe.controller.rollout import Decision, deciding
from proscribe.model.quarantined import LIST
from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.run import CompiledRun

from proscribe_ansible.exit_code import ExitCode
from proscribe_ansible.terminal import Terminal

REPEATS_FAILURES = "proscribe_repeats_failures"  # variable of a task whose failure is that of controls before it
LIFT, QUARANTINE = "lift", "quarantine"  # the modes of runs that observe nothing, and write no report


class ReportedRun:
    """One run. Its results are Ansible's."""

    def __init__(self, run: CompiledRun, terminal: Terminal, exit_code: ExitCode) -> None:
        self._terminal, self._exit_code = terminal, exit_code
        for closed in closing.close(Path(run["directory"]).parent, run["id"], terminal.warn):
            terminal.warn(closed.text)
        self.collector = Collector(run)
        self.course = Course(list(run["hosts"])) if run["mode"] == QUARANTINE else None
        self._directory: ReportDirectory | None = None
        self._journal: Journal | None = None
        deciding.begins(run if self.collector.changing else None)
        unreported = run["mode"] in (LIFT, QUARANTINE)
        name = run["mode"] if unreported else run["playbook"]
        self._progress = Progress(name, len(run["hosts"]), terminal.rewrites(), time.monotonic)
        if not unreported and run["hosts"]:
            with self._writing():
                self._directory = ReportDirectory(run["directory"])
                self._journal = Journal(self._directory.partial, run)
                self.collector.note = self._note

    # -- events --------------------------------------------------------------------------------------------------------

    def decided(self, decision: Decision) -> None:
        """Take the decision of a play that corrects; a play with batches begins once for each."""
        if self.collector.rollout() is None:
            self.collector.decided(
                {
                    "hosts": decision.hosts,
                    "batches": decision.batches,
                    "allow": decision.allow,
                    "set_aside": decision.set_aside,
                }
            )

    def succeeded(self, result: Any) -> None:
        """Take the result of a task that went well."""
        action, host = action_of(result.task), result.host.get_name()
        if self.course is not None:
            _in_quarantine(self.course, action, host, result.result)
        elif action in OBSERVING:
            whole = _whole(result)
            record = self.collector.answered(host, whole.get("record"))
            self.show_progress()
            if record:
                deciding.answered(host, {"drifted": whole.get("drifted", []), "record": record})
            if whole.get("set_aside"):
                deciding.set_aside(host)
        elif action in ENFORCING:
            self.collector.changed(host, ENFORCING[action], result.result, dry=result.task.check_mode)
            self.show_progress()
        elif action == DECIDING and "rollout" in result.result:
            self.collector.decided(result.result["rollout"])

    def failed(self, result: Any, ignored: bool) -> None:
        """Take the result of a task that failed."""
        action, host, why = action_of(result.task), result.host.get_name(), message(result.result.get("msg"))
        if self.course is not None:
            self.course.failed(host, why)
            _in_quarantine(self.course, action, host, result.result)
        elif action == DECIDING and result.result.get("stopped"):
            if "rollout" in result.result:
                self.collector.decided(result.result["rollout"])
            self.collector.stopped(why)
        elif action in OBSERVING and isinstance(result.result.get("record"), dict):
            self.collector.answered(host, result.result["record"])  # it answered; the host's gate made it fail
        elif action in ENFORCING:
            self.collector.changed(host, ENFORCING[action], result.result, dry=result.task.check_mode)
            self.collector.failed(host, ENFORCING[action], why)
            if result.result.get("busy"):
                deciding.set_aside(host)
        elif action in OBSERVING or not ignored:
            repeats = bool(getattr(result.task, "vars", {}).get(REPEATS_FAILURES))
            if not (repeats and self.collector.has_failed_control(host)):
                self.collector.failed(host, None, why)

    def unreachable(self, result: Any) -> None:
        """Take that a host could not be reached, or not any more."""
        host, why = result.host.get_name(), unreachable(result.result.get("msg"))
        if self.course is not None:
            self.course.failed(host, f"unreachable: {why}")
        self.collector.unreachable(host, why)
        self.show_progress()

    def show_progress(self) -> None:
        """Print how far the run is, where there is something new."""
        self._terminal.progress(self._progress.update(*self.collector.progress()))

    def _note(self, event: str, *values: object) -> None:
        """Write an event of the run into its journal."""
        if self._journal is not None:
            with self._writing():
                self._journal.note(event, *values)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A block that writes the report; what goes wrong there breaks it."""
        try:
            yield
        except (OSError, ValueError) as error:
            self._close_journal()
            self._exit_code.broken(f"the report cannot be written: {clean(error)}")

    def _close_journal(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
        self._journal = None

    # -- its end -------------------------------------------------------------------------------------------------------

    def end(self, failed: bool) -> None:
        """End the run; `failed` says that Ansible ends with an error."""
        with contextlib.suppress(OSError):  # a terminal that is gone costs no report
            self._terminal.take_line_away()
        if self.collector.run["mode"] == LIFT:
            self._end_lift(failed)
        elif self.course is not None:
            self._end_quarantine(self.course, failed)
        else:
            self._end_report(failed)

    def _end_report(self, failed: bool) -> None:
        run = ended(
            self.collector, self._directory, stamp(time.time()), failed, self._exit_code.broken, points_of=points_of
        )
        if self._journal is not None and not run.where:
            self._journal.mark_unwritten()
        self._close_journal()
        # `compile_plans` has shown its own warnings already.
        for warning in run.report["warnings"][len(self.collector.run.get("warnings", ())) :]:
            self._terminal.warn(warning)
        self._terminal.print(lambda screen: summary.render(run.report, run.records, screen, run.where))
        self._exit_code.conclude(run.verdict)

    def _end_lift(self, failed: bool) -> None:
        collector, check = self.collector, bool(context.CLIARGS.get("check"))
        run = collector.run
        back = Call.of(run).instead("enforce", run["limit"] or "", dry=False)
        lifted = lifting.lifted_hosts(collector.expected, collector.heard)
        where = "" if check else self._write_lift(lifted)
        if not check:
            results = lift_results(run, collector.expected, collector.heard)
            for warning in publish_lift(run, stamp(time.time()), results):
                self._terminal.warn(warning)
        self._terminal.print(
            lambda screen: lifting.render(
                collector.expected,
                collector.heard,
                check=check,
                width=screen.width,
                back=back.line(screen.here) if back else "",
                apart=run.get("not_served") or {},
                controls=run["controls"] or (),
                file=where,
            )
        )
        self._conclude(verdict.judge_lift(collector.expected, lifted, failed))

    def _write_lift(self, lifted: Sequence[str]) -> str:
        """Write down what stays removed; returns the file, "" where nothing does, or that cannot be written."""
        run, heard = self.collector.run, self.collector.heard
        if not any(one.removed for one in heard.values()):
            return ""
        try:
            return str(lift_file.write(Path(run["directory"]).parent, run, heard, lifted))
        except OSError as error:
            self._terminal.warn(f"what this run lifted is in no file: {error}")
            return ""

    def _end_quarantine(self, course: Course, failed: bool) -> None:
        check = bool(context.CLIARGS.get("check"))
        if course.do != LIST:
            self._terminal.print(lambda screen: wording.ended(course, check=check, width=screen.width))
        elif course.format == request.JSON:
            self._terminal.hand_over(json.dumps(course.document(), indent=2))
        else:
            self._terminal.print(lambda screen: wording.table(course, screen.width))
        broken = sum(len(one["broken"]) for one in course.listed.values()) if course.do == LIST else 0
        self._conclude(verdict.judge_quarantine(len(course.hosts), len(course.listed), failed, broken))

    def _conclude(self, decided: verdict.Verdict) -> None:
        why = self.collector.interrupted
        self._exit_code.conclude(verdict.interrupted(why) if why else decided)


def _whole(result: Any) -> ObservationAnswer:
    """A result, of which nothing is changed. Until ansible-core 2.20 `result.result` is one more copy of all of it."""
    found: ObservationAnswer = getattr(result, "_return_data", None) or result.result
    return found


def _in_quarantine(course: Course, action: str, host: str, result: Any) -> None:
    """Take an event of a run over quarantines."""
    if action == CUSTODY:
        course.answered(host, result)
    elif action == CHOOSING and "asked" in result:
        course.began(result)
    elif action == CHOOSING and "rows" in result:
        course.chose(result)

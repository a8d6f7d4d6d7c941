# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback: collects what the hosts say and reports it. All the deciding is in proscribe.controller.report."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proscribe_report
type: aggregate
short_description: Reports how a fleet stands against its ban
description:
  - Collects the host records as they arrive, reconciles them with the hosts that C(compile_plans) expects, prints a
    table, and writes the report to the directory that C(compile_plans) names.
  - Ends C(ansible-playbook) with the exit code of the report, after all other callbacks. C(docs/report.md) has the
    table. Where the environment variable E(PROSCRIBE_EXIT_FILE) names a file, the code is written there instead.
  - Needs no configuration. Ansible loads it beside the playbooks and with the roles, and C(compile_plans) registers it
    where that was not so.
  - Does nothing in a playbook that does not compile plans, and leaves other plays alone.
version_added: "0.1.0"
author: The Proscribe developers
"""

import contextlib
import functools
import gc
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.cli.playbook import PlaybookCLI
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import (
    action_loader,
    become_loader,
    connection_loader,
    filter_loader,
    shell_loader,
    strategy_loader,
    test_loader,
)
from ansible.template import Templar, trust_as_template
from ansible.utils import color
from ansible.utils.display import Display

PROJECT = Path(__file__).resolve().parents[1]
if str(PROJECT / "module_utils") not in sys.path:
    sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.base.moments import stamp
from proscribe.controller.compile.inventory.tags import unknown_tags
from proscribe.controller.custody import request, wording
from proscribe.controller.custody.outcome import Course
from proscribe.controller.report.collection import active
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.invocation import called, where_we_are
from proscribe.controller.report.collection.plays import (
    CHOOSING,
    COMPILING,
    CUSTODY,
    DECIDING,
    ENFORCING,
    OBSERVING,
    action_of,
    compiles,
    concerns,
    file_of,
    has,
    tags_of,
)
from proscribe.controller.report.collection.progress import Line, Progress
from proscribe.controller.report.end import closing
from proscribe.controller.report.end.ending import ended
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.storage import lift_file
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.storage.journal import Journal
from proscribe.controller.report.terminal import lifting, summary
from proscribe.controller.report.text.command import Call
from proscribe.controller.report.text.layout import fitted, screen_width
from proscribe.controller.report.text.layout import warning as in_lines
from proscribe.controller.report.text.wording import PREFIXES, clean, message
from proscribe.controller.rollout import deciding
from proscribe.model.quarantined import LIST
from proscribe.wire import installation
from proscribe_ansible.interruption import Interruption
from proscribe_ansible.registration import be_last, failures, manager_of, shorten_failures
from proscribe_ansible.sweep import install as gather_hosts

QUARANTINE = "quarantine"  # the mode of a run over quarantines
UNREPORTED = ("lift", QUARANTINE)  # the modes of runs that observe nothing
OURS = {COMPILING, *OBSERVING, *ENFORCING, DECIDING, CUSTODY, CHOOSING}
COLLECTED = 20_000  # new objects that Python looks through for garbage
WHOLE_RESULTS = 3  # the verbosity from which Ansible, too, prints all of a result
# Screens that are one document for a program; what is said beside it goes to stderr.
DOCUMENTS = ("json", "jsonl")


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Ansible makes a warning of a callback's exception, and the run goes on to end well. An exception here is a run
    without a report one can trust, so it is said aloud, and the run ends with the code of a failed tool.
    """

    @functools.wraps(method)
    def call(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        with self.interruption.deferred():
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # whatever it is: the next events still have to be collected
                self.broken(f"{method.__name__}: {type(error).__name__}: {clean(error)}")

    return call


def _called() -> dict[str, Any]:
    """How this ansible-playbook was called, as report.json has it."""
    cli = PlaybookCLI(["ansible-playbook"])
    cli.init_parser()
    table = cli.parser._option_string_actions
    options = {option: (action.dest, action.nargs != 0) for option, action in table.items()}
    return called(sys.argv, os.environ, options, where_we_are(os.environ)).as_dict()


def _suits(strategy: str) -> bool:
    """Whether a strategy runs a task for all hosts before the next one; one that is not there is Ansible's to tell."""
    found = strategy_loader.get(strategy, class_only=True)
    return found is None or issubclass(found, strategy_loader.get("linear", class_only=True))


def _whole(result: Any) -> Mapping[str, Any]:
    """A result, of which nothing is changed. Until ansible-core 2.20 `result.result` is one more copy of all of it."""
    whole = getattr(result, "_return_data", None)
    return whole if isinstance(whole, Mapping) else result.result


def _ours(play: Any) -> bool:
    """Whether a play is Proscribe's own, or has tasks of its."""
    return concerns(play) or file_of(play).startswith(f"{PROJECT}/playbooks/")


def load_once() -> None:
    """Load what every host's task needs, here, in the process that all workers are forked from: else each of them loads
    and compiles it again (docs/speed.md).
    """
    filter_loader.get("default")
    test_loader.get("defined")
    Templar(DataLoader()).template(trust_as_template("{{ '' | default('') }}"))  # the first expression costs most
    for loader, name in (
        (action_loader, installation.called(OBSERVING[0])),
        (connection_loader, "ssh"),
        (become_loader, "sudo"),
    ):
        loader.get(name, class_only=True)
    shell_loader.get("sh")
    # What is here stays, and is not worth being collected first; a worker that looked through it would copy the memory
    # it shares with the others. And what a run makes is nearly all of it no garbage that has to be looked for.
    gc.freeze()
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, COLLECTED), *others)


class CallbackModule(CallbackBase):
    """Collects the events of the runs of one playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "proscribe_report"
    CALLBACK_NEEDS_ENABLED = False
    _display = Display()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.interruption = Interruption(
            lambda: self._collector is not None, self._interrupted, int(verdict.INTERRUPTED_EXIT)
        )
        self._forget()

    def _forget(self) -> None:
        self._ours = False
        self._alone = False  # no other plays than ours
        self._manager: Any = None  # Ansible's, where it is known
        self._playing = False  # a play of ours is run now
        self._failures = 0  # in plays of ours that are over
        self._counted = 0  # of Ansible's failures, those before the play that is run now
        self._collector: Collector | None = None
        self._directory: ReportDirectory | None = None
        self._journal: Journal | None = None
        self._progress: Progress | None = None
        self._course: Course | None = None
        self._mistake = ""
        self._exits: list[str] = []
        self._broken = False
        deciding.begins(None)

    # -- events --------------------------------------------------------------------------------------------------------

    @guarded
    def v2_playbook_on_start(self, playbook: Any) -> None:
        plays = playbook.get_plays()
        if not active.begins(playbook, plays, _suits, self):
            self.disabled = True  # another one of us, of another name, collects
            return
        self._forget()
        self._ours = any(map(compiles, plays))
        if self._ours:
            self._alone = all(map(_ours, plays))
            self._manages(manager_of(self))
            load_once()
            gather_hosts()
            known = tags_of(plays)
            # Where only unknown tags are named, no task begins that could say so.
            for given in (context.CLIARGS.get("tags"), context.CLIARGS.get("skip_tags")):
                if mistake := unknown_tags(given or (), known):
                    self._display.error(clean(mistake))
                    self._exits.append(verdict.MISTAKE_EXIT)

    def joins(self, play: Any, manager: Any) -> None:
        """Begin within a play, as where a task has included a role that nobody knew of before."""
        active.begins(play, [play], _suits, self)
        self._forget()
        self._ours = True
        self._manages(manager)
        gather_hosts()
        self._plays(play, ours=True)

    @guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._plays(play, ours=_ours(play))

    @guarded
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._playing = self._playing or action_of(task) in OURS

    @guarded
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._collector is not None and not task.check_mode and (control := ENFORCING.get(action_of(task))):
            self._collector.began(host.get_name(), control)

    @guarded
    def v2_runner_on_skipped(self, result: Any) -> None:
        if self._collector is not None and (control := ENFORCING.get(action_of(result.task))):
            self._collector.skipped(result.host.get_name(), control)

    def _manages(self, manager: Any) -> None:
        if be_last(self, manager):
            self._manager = manager
        self.interruption.over(manager)
        if self._display.verbosity < WHOLE_RESULTS:
            shorten_failures(manager, lambda result: action_of(result.task) in OBSERVING, "record")

    def _plays(self, play: Any, ours: bool) -> None:
        """A play begins, and so the one before is over."""
        self._count()
        active.plays_now(play, _suits)
        self._playing = ours
        decision = deciding.decided() if has(play, DECIDING) else None
        # A play with batches begins once for each.
        if decision is not None and self._collector is not None and self._collector.rollout() is None:
            self._collector.decided(decision._asdict())

    def _count(self) -> None:
        """Count the failures of a play that is over, if it was ours. Those of other plays are Ansible's alone."""
        before, self._counted = self._counted, failures(self._manager)
        if self._playing:
            self._failures += self._counted - before

    @guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        action, host = action_of(result.task), result.host.get_name()
        if action == COMPILING and isinstance(result.result.get("proscribe_run"), dict):
            self._begin({**result.result["proscribe_run"], "command": _called()})
        elif self._course is not None:
            self._in_quarantine(self._course, action, host, result.result)
        elif action in OBSERVING and self._collector is not None:
            whole = _whole(result)
            if record := self._answered(self._collector, host, whole.get("record")):
                deciding.answered(host, {**whole, "record": record})
        elif action in ENFORCING and self._collector is not None:
            self._collector.changed(host, ENFORCING[action], result.result, dry=result.task.check_mode)
            self._show_progress()
        elif action == DECIDING and self._collector is not None and "rollout" in result.result:
            self._collector.decided(result.result["rollout"])

    @guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        action, host = action_of(result.task), result.host.get_name()
        if action in (COMPILING, CHOOSING):
            self._mistake = str(result.result.get("msg"))
        elif self._course is not None:
            self._course.failed(host, message(result.result.get("msg")))
            self._in_quarantine(self._course, action, host, result.result)
        elif self._collector is None or not self._playing:
            return
        elif action == DECIDING and result.result.get("stopped"):
            if "rollout" in result.result:
                self._collector.decided(result.result["rollout"])
            self._collector.stopped(message(result.result.get("msg")))
        elif action in OBSERVING and isinstance(result.result.get("record"), dict):
            self._answered(self._collector, host, result.result["record"])  # it answered; the host's gate made it fail
        elif action in ENFORCING:
            self._collector.changed(host, ENFORCING[action], result.result, dry=result.task.check_mode)
            self._collector.failed(host, ENFORCING[action], message(result.result.get("msg")))
        elif action in OBSERVING or not ignore_errors:
            self._collector.failed(host, None, message(result.result.get("msg")))
        self._show_progress()

    @guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not self._playing:
            return
        if self._course is not None:
            self._course.failed(result.host.get_name(), f"unreachable: {message(result.result.get('msg'))}")
        if self._collector is not None:
            self._collector.unreachable(result.host.get_name(), message(result.result.get("msg")))
            self._show_progress()

    @guarded
    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._count()
        anywhere = any(stats.failures.values()) or any(stats.dark.values())
        failed = anywhere if self._manager is None else self._failures > 0
        if self._mistake:
            self._report_mistake()
        elif self._collector is not None:
            self._end(self._collector, failed)
        elif self._ours and not anywhere and not self._exits:
            self._nothing_compiled()
        if self._ours or self._exits:
            self._write_exit()
            self._leave()

    # -- one run -------------------------------------------------------------------------------------------------------

    def _begin(self, run: dict[str, Any]) -> None:
        if self._collector is not None and self._collector.run["id"] == run["id"]:
            return  # the next batch of a play with `serial`: its hosts are among those that are expected
        if self._collector is not None:  # a playbook of several runs: what came before is complete
            self._end(self._collector, ansible_failed=False)
        self._playing = True
        self._close_others(run)
        self._collector, self._directory = Collector(run), None
        self._course = Course(list(run["hosts"])) if run["mode"] == QUARANTINE else None
        deciding.begins(run if self._collector.changing else None)
        name = run["mode"] if run["mode"] in UNREPORTED else run["playbook"]
        self._progress = Progress(name, len(run["hosts"]), self._rewriting(), time.monotonic)
        if run["mode"] not in UNREPORTED and run["hosts"]:
            try:
                self._directory = ReportDirectory(run["directory"])
                self._journal = Journal(self._directory.partial, run)
                self._collector.note = self._note
            except (OSError, ValueError) as error:
                self.broken(f"the report cannot be written: {clean(error)}")

    def _close_others(self, run: Mapping[str, Any]) -> None:
        """Close the runs before that came to no end."""

        def warn(text: str) -> None:
            self._display.warning(in_lines(clean(text)))

        for closed in closing.close(Path(run["directory"]).parent, run["id"], warn):
            warn(closed.text)

    def _note(self, event: str, *values: Any) -> None:
        """Write an event of the run into its journal."""
        if self._journal is not None:
            try:
                self._journal.note(event, *values)
            except OSError as error:
                self._close_journal()
                self.broken(f"the report cannot be written: {clean(error)}")

    def _close_journal(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
        self._journal = None

    def _answered(self, collector: Collector, host: str, answer: object) -> dict[str, Any] | None:
        record = collector.answered(host, answer)
        self._show_progress()
        return record

    def _interrupted(self, why: str) -> int | None:
        """End the run that is cut short now, as it unwinds; returns the exit code. Its terminal may be gone."""
        collector = self._collector
        if collector is None:
            return None
        collector.interrupted = why
        with contextlib.suppress(OSError):
            said = f"interrupted {why}: the report of what was done is written; a second Ctrl-C ends it at once"
            self._show(fitted(f"\n{said}", screen_width()))
        try:
            self._end(collector, ansible_failed=True)
        except OSError:
            self._exits.append(verdict.INTERRUPTED_EXIT)
        except Exception as error:
            self.broken(f"the report of an interrupted run: {type(error).__name__}: {clean(error)}")
        self._write_exit()
        return self._code()

    def _end(self, collector: Collector, ansible_failed: bool) -> None:
        self._collector = None
        with contextlib.suppress(OSError):  # a terminal that is gone costs no report
            self._display.display(Line.away(), screen_only=True, newline=False)
        if collector.run["mode"] == "lift":
            self._end_lift(collector, ansible_failed)
            return
        if self._course is not None:
            self._end_quarantine(self._course, ansible_failed, collector.interrupted)
            return
        finished = stamp(time.time())
        run = ended(collector, self._directory, finished, ansible_failed, self.broken)
        self._close_journal()
        # What `compile_plans` warned of was shown then.
        for warning in run.report["warnings"][len(collector.run.get("warnings", ())) :]:
            self._display.warning(in_lines(clean(warning)))
        self._print(lambda screen: summary.render(run.report, run.records, screen, run.where))
        self._conclude(run.verdict)

    def _end_lift(self, collector: Collector, ansible_failed: bool) -> None:
        check = bool(context.CLIARGS.get("check"))
        back = Call.of(collector.run).instead("enforce", collector.run["limit"], dry=False)
        apart = collector.run.get("not_served") or {}
        lifted = lifting.lifted_hosts(collector.expected, collector.heard)
        where = "" if check else self._write_lift(collector, lifted)
        self._print(
            lambda screen: lifting.render(
                collector.expected,
                collector.heard,
                check=check,
                width=screen.width,
                back=back.line(screen.here) if back else "",
                apart=apart,
                controls=collector.run["controls"],
                file=where,
            )
        )
        decided = verdict.judge_lift(len(collector.expected), len(lifted), ansible_failed)
        self._conclude(verdict.interrupted(collector.interrupted) if collector.interrupted else decided)

    def _write_lift(self, collector: Collector, lifted: Sequence[str]) -> str:
        """Write down what stays removed; the file, "" where nothing does, or that cannot be: then the screen alone has
        it.
        """
        if not any(heard.removed for heard in collector.heard.values()):
            return ""
        try:
            reports = Path(collector.run["directory"]).parent
            return str(lift_file.write(reports, collector.run, collector.heard, lifted))
        except OSError as error:
            self._display.warning(f"what this run lifted is in no file: {clean(error)}")
            return ""

    def _in_quarantine(self, course: Course, action: str, host: str, result: dict[str, Any]) -> None:
        """Take an event of a run over quarantines."""
        if action == CUSTODY:
            course.answered(host, result)
        elif action == CHOOSING and "asked" in result:
            course.began(result)
        elif action == CHOOSING and "rows" in result:
            course.chose(result)

    def _end_quarantine(self, course: Course, ansible_failed: bool, interrupted: str) -> None:
        self._course = None
        check = bool(context.CLIARGS.get("check"))
        if course.do != LIST:
            self._print(lambda screen: wording.ended(course, check=check, width=screen.width))
        elif course.format == request.JSON:
            self._hand_over(json.dumps(course.document(), indent=2))
        else:
            self._print(lambda screen: wording.table(course, screen.width))
        broken = sum(len(one["broken"]) for one in course.listed.values()) if course.do == LIST else 0
        decided = verdict.judge_quarantine(len(course.hosts), len(course.listed), ansible_failed, broken)
        self._conclude(verdict.interrupted(interrupted) if interrupted else decided)

    def _hand_over(self, text: str) -> None:
        """Give the launcher an answer for machines, on a descriptor with nothing else on it; else it is printed."""
        descriptor = os.environ.get("PROSCRIBE_ANSWER_FD", "")
        if descriptor.isdigit():
            with open(int(descriptor), "w", encoding="utf-8", closefd=False) as stream:
                stream.write(text + "\n")
        else:
            self._display.display(text)

    def _nothing_compiled(self) -> None:
        """No plans were compiled, and nothing failed. Where the playbook has other plays, that may be meant."""
        options = [f"--{name.replace('_', '-')}" for name in ("start_at_task", "tags", "skip_tags", "step")]
        given = [option for option in options if self._given(option)]
        why = f": {' and '.join(given)} left out the task that compiles the plans" if given else ""
        if self._alone:
            decided = verdict.judge([], [], ansible_failed=False)
            self._conclude(decided._replace(reason=f"nothing was evaluated{why}") if why else decided)
        elif not given:
            why = "Proscribe evaluated nothing in this run: no plans were compiled for its plays"
            self._display.warning(in_lines(why))

    @staticmethod
    def _given(option: str) -> bool:
        value = context.CLIARGS.get(option.lstrip("-").replace("-", "_"))
        return bool(value) and value not in ("all", ["all"], ("all",))

    def _conclude(self, decided: verdict.Verdict) -> None:
        self._exits.append(decided.exit)
        if decided.reason:
            code = f"exit {decided.exit}: " if self._decides() else ""
            self._show(fitted(f"\n{code}{decided.reason}", screen_width()), color=C.COLOR_ERROR)

    def _decides(self) -> bool:
        """Whether the exit code of this run is the report's."""
        return bool(os.environ.get("PROSCRIBE_EXIT_FILE")) or self._manager is not None

    def _leave(self) -> None:
        """End ansible-playbook with the report's exit code, unless somebody else does. All other callbacks have had
        their turn, and Ansible cleans up on the way; after a failure it begins no other playbook either.
        """
        code = self._code()
        if code is not None and self._manager is not None and not os.environ.get("PROSCRIBE_EXIT_FILE"):
            raise SystemExit(code)

    def _code(self) -> int | None:
        """The exit code that the report asks for; None for Ansible's own."""
        code = verdict.worst_exit([verdict.BROKEN_EXIT] if self._broken else self._exits)
        return None if code == verdict.ANSIBLE else int(code)

    def _report_mistake(self) -> None:
        # Our own stdout callback has said it where it happened.
        if C.DEFAULT_STDOUT_CALLBACK != "proscribe_stdout":
            lines = [clean(line) for line in PREFIXES.sub("", self._mistake).splitlines()]
            self._display.display("\n".join(lines), color=C.COLOR_ERROR)

    # -- telling -------------------------------------------------------------------------------------------------------

    def _rewriting(self) -> bool:
        """Whether a line on the terminal can be rewritten: nothing else prints between, and somebody is looking."""
        ours = C.DEFAULT_STDOUT_CALLBACK == "proscribe_stdout" and self._display.verbosity == 0
        return ours and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def _show_progress(self) -> None:
        if self._collector is None or self._progress is None:
            return
        text = self._progress.update(*self._collector.progress())
        if text:
            self._show(Line.put(text), screen_only=text.endswith("\r"), newline=False)
            sys.stdout.flush()

    def _show(self, text: str, **options: Any) -> None:
        """Print beside what the screen of the run prints."""
        document = C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] in DOCUMENTS
        self._display.display(text, stderr=document, **options)

    def _print(self, render: Callable[[summary.Screen], str]) -> None:
        """Print what `render` makes for the screen; a log file gets it without colours."""
        interactive = sys.stdout.isatty()
        # What is piped or kept in a file has no screen to fit.
        width, lines = screen_width(), shutil.get_terminal_size().lines if interactive else sys.maxsize
        colours = interactive and color.ANSIBLE_COLOR and not os.environ.get("NO_COLOR")
        here = where_we_are(os.environ)
        self._show(render(summary.Screen(width, lines, colours, here)), screen_only=True)
        if C.DEFAULT_LOG_PATH:
            self._display.display(render(summary.Screen(width, lines, False, here)), log_only=True)

    def broken(self, what: str) -> None:
        """Say that the report failed, and see to it that the run does not end well."""
        first, self._broken = not self._broken, True
        self._display.display(Line.away(), screen_only=True, newline=False)
        self._display.error(f"Proscribe's report failed, so this run proves nothing: {what}")
        if sys.exc_info()[0] is not None:
            self._display.vvv(traceback.format_exc())
        if first:
            self._write_exit()

    def _write_exit(self) -> None:
        path = os.environ.get("PROSCRIBE_EXIT_FILE")
        if not path:
            return
        exits = [verdict.BROKEN_EXIT] if self._broken else self._exits
        try:
            Path(path).write_text(verdict.worst_exit(exits) + "\n", encoding="utf-8")
        except OSError as error:
            self._display.error(f"cannot write the exit code: {clean(error)}")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that passes the events of hosts to the reported run (proscribe_ansible/reported_run.py)."""

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
version_added: "1.0.0"
author: The Proscribe developers
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible import context
from ansible.cli.playbook import PlaybookCLI
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import strategy_loader
from ansible.utils.display import Display

PROJECT = Path(__file__).resolve().parents[1]
if str(PROJECT / "module_utils") not in sys.path:
    sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.controller.compile.inventory.tags import describe_unknown_tags
from proscribe.controller.report.collection import callback_state
from proscribe.controller.report.collection.invocation import get_working_directory, read_call
from proscribe.controller.report.collection.plays import (
    CHOICE_ACTION,
    COMPILE_ACTION,
    CONTROL_BY_ACTION,
    OBSERVE_ACTIONS,
    QUARANTINE_ACTION,
    ROLLOUT_ACTION,
    collect_tags,
    get_action_name,
    get_playbook_path,
    has_report_task,
    has_task,
    is_compiling_play,
)
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.text.wording import clean_text
from proscribe.controller.rollout import current_rollout
from proscribe.model.types.run import CompiledRun, RunCommand
from proscribe_ansible.exit_code import PlaybookExitCode
from proscribe_ansible.interruption import RunInterrupter
from proscribe_ansible.parallel_run import install_gathering as gather_hosts
from proscribe_ansible.preloading import load_shared_plugins
from proscribe_ansible.registration import count_failures, find_manager, move_to_end, shorten_failures
from proscribe_ansible.reported_run import ReportedPlaybookRun
from proscribe_ansible.terminal import RunTerminal

OWN_ACTIONS = {COMPILE_ACTION, *OBSERVE_ACTIONS, *CONTROL_BY_ACTION, ROLLOUT_ACTION, QUARANTINE_ACTION, CHOICE_ACTION}
WHOLE_RESULTS_VERBOSITY = 3  # the verbosity from which Ansible, too, prints whole results


def guard_event(method: Callable[..., None]) -> Callable[..., None]:
    """Decorate an event method: after an exception in it, the playbook ends with the exit code of a failed report.

    Ansible itself only prints a warning. The run would then succeed, without a trustworthy report. Signals wait until
    the method has ended.
    """

    @functools.wraps(method)
    def call(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        with self.interruption.defer_interruption():
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # the next events must be collected after any exception
                self.exit_code.report_failure(f"{method.__name__}: {type(error).__name__}: {clean_text(error)}")

    return call


def _read_command() -> RunCommand:
    """Return the command line of this ansible-playbook, in the form of report.json."""
    cli = PlaybookCLI(["ansible-playbook"])
    cli.init_parser()
    table = cli.parser._option_string_actions
    options = {option: (action.dest, action.nargs != 0) for option, action in table.items()}
    return read_call(sys.argv, os.environ, options, get_working_directory(os.environ)).make_document()


def _is_linear_strategy(strategy: str) -> bool:
    """Return True if a strategy runs a task for all hosts before the next task.

    An unknown strategy counts as linear, because Ansible itself reports it.
    """
    strategy_class = strategy_loader.get(strategy, class_only=True)
    return strategy_class is None or issubclass(strategy_class, strategy_loader.get("linear", class_only=True))


def _is_own_play(play: Any) -> bool:
    """Return True if a play is in a playbook of the project, or has tasks of the project."""
    return has_report_task(play) or get_playbook_path(play).startswith(f"{PROJECT}/playbooks/")


def _is_option_given(option: str) -> bool:
    """Return True if the command has this option, which leaves out tasks.

    `all` leaves out none.
    """
    setting = context.CLIARGS.get(option.lstrip("-").replace("-", "_"))
    return bool(setting) and setting not in ("all", ["all"], ("all",))


class CallbackModule(CallbackBase):
    """Callback that collects the events of the runs of a playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "proscribe_report"
    CALLBACK_NEEDS_ENABLED = False
    _display = Display()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terminal = RunTerminal()
        self.interruption = RunInterrupter(
            lambda: self._run is not None, self._end_interrupted_run, int(verdict.INTERRUPTED_EXIT)
        )
        self._reset_state()

    def _reset_state(self) -> None:
        """Forget the state of an earlier playbook."""
        self._has_own_plays = False  # True if a play compiles plans
        self._has_only_own_plays = False  # True if all plays are of the project
        self._manager: Any = None  # Ansible's task queue manager; None if it is unknown
        self._is_own_play_running = False  # True while a play of the project runs
        self._own_failures = 0  # failures in ended plays of the project
        self._counted_failures = 0  # Ansible's count of failures at the start of the current play
        self._run: ReportedPlaybookRun | None = None  # the current run; None before the plans are compiled
        self._mistake = ""  # a mistake in the policy or in a request, which prevented the run; "" for none
        self.exit_code = PlaybookExitCode(self.terminal)
        current_rollout.begin_rollout(None)

    # -- events --------------------------------------------------------------------------------------------------------

    @guard_event
    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Prepare to collect the events of a playbook, if one of its plays compiles plans."""
        plays = playbook.get_plays()
        if not callback_state.register_playbook(playbook, plays, _is_linear_strategy, self):
            self.disabled = True  # another instance of this callback, with another name, collects
            return
        self._reset_state()
        self._has_own_plays = any(map(is_compiling_play, plays))
        if self._has_own_plays:
            self._has_only_own_plays = all(map(_is_own_play, plays))
            self._use_manager(find_manager(self))
            load_shared_plugins()
            gather_hosts()
            known_tags = collect_tags(plays)
            # With only unknown tags no task begins that could report the mistake, so it is reported here.
            for tags in (context.CLIARGS.get("tags"), context.CLIARGS.get("skip_tags")):
                if mistake := describe_unknown_tags(tags or (), known_tags):
                    self._display.error(clean_text(mistake))
                    self.exit_code.add_code(verdict.MISTAKE_EXIT)

    def join_playbook(self, play: Any, manager: Any) -> None:
        """Start to collect events in the middle of a play that has included a role of Proscribe.

        Ansible had not loaded this callback before the first play, so `compile_plans` registers it and calls this.
        """
        callback_state.register_playbook(play, [play], _is_linear_strategy, self)
        self._reset_state()
        self._has_own_plays = True
        self._use_manager(manager)
        gather_hosts()
        self._begin_play(play, is_own=True)

    @guard_event
    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._begin_play(play, is_own=_is_own_play(play))

    @guard_event
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._is_own_play_running = self._is_own_play_running or get_action_name(task) in OWN_ACTIONS

    @guard_event
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._run is not None and not task.check_mode and (control := CONTROL_BY_ACTION.get(get_action_name(task))):
            self._run.collector.began(host.get_name(), control)

    @guard_event
    def v2_runner_on_skipped(self, result: Any) -> None:
        if self._run is not None and (control := CONTROL_BY_ACTION.get(get_action_name(result.task))):
            self._run.collector.skipped(result.host.get_name(), control)

    @guard_event
    def v2_runner_on_ok(self, result: Any) -> None:
        """Begin a run with the result of `compile_plans`, and give other results to the current run."""
        if get_action_name(result.task) == COMPILE_ACTION and isinstance(result.result.get("proscribe_run"), dict):
            run: CompiledRun = result.result["proscribe_run"]
            self._begin_run({**run, "command": _read_command()})
        elif self._run is not None:
            self._run.take_success(result)

    @guard_event
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note a mistake in the policy or in a request, or give the failure to the current run.

        Failures in plays that are not of the project are ignored, except in a run over quarantines.
        """
        if get_action_name(result.task) in (COMPILE_ACTION, CHOICE_ACTION):
            self._mistake = str(result.result.get("msg"))
        elif self._run is None or not (self._is_own_play_running or self._run.course):
            return
        else:
            self._run.take_failure(result, ignore_errors)
        if self._run is not None:
            self._run.show_progress()

    @guard_event
    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._is_own_play_running and self._run is not None:
            self._run.take_unreachable(result)

    @guard_event
    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End the playbook: print the mistake or the report of the last run, and set the exit code."""
        self._count_play_failures()
        # `dark` counts unreachable hosts. Without the manager, failures of foreign plays cannot be separated.
        has_any_failure = any(stats.failures.values()) or any(stats.dark.values())
        failed = has_any_failure if self._manager is None else self._own_failures > 0
        if self._mistake:
            self.terminal.show_policy_mistake(self._mistake)
        elif self._run is not None:
            self._end_run(self._run, failed)
        elif self._has_own_plays and not has_any_failure and not self.exit_code:
            self._report_nothing_compiled()
        if self._has_own_plays or self.exit_code:
            self.exit_code.write_exit_file()
            self.exit_code.exit_playbook()

    # -- plays and runs ------------------------------------------------------------------------------------------------

    def _use_manager(self, manager: Any) -> None:
        """Use Ansible's task queue manager, to be the last callback and to end the process; None if it is unknown."""
        if move_to_end(self, manager):
            self._manager = manager
            self.exit_code.ends_playbook = manager is not None
        self.interruption.take_signals(manager)
        if self._display.verbosity < WHOLE_RESULTS_VERBOSITY:
            shorten_failures(manager, lambda result: get_action_name(result.task) in OBSERVE_ACTIONS, "record")

    def _begin_play(self, play: Any, is_own: bool) -> None:
        """Register the start of a play, which ends the play before it.

        `is_own` is True for a play of the project.
        """
        self._count_play_failures()
        callback_state.register_play(play, _is_linear_strategy)
        self._is_own_play_running = is_own
        decision = current_rollout.get_decision() if has_task(play, ROLLOUT_ACTION) else None
        if decision is not None and self._run is not None:
            self._run.take_decision(decision)

    def _count_play_failures(self) -> None:
        """Add the failures of an ended play to those of the project, if the play was the project's.

        Failures of other plays concern only Ansible.
        """
        count_before, self._counted_failures = self._counted_failures, count_failures(self._manager)
        if self._is_own_play_running:
            self._own_failures += self._counted_failures - count_before

    def _begin_run(self, run: CompiledRun) -> None:
        """Begin a run whose plans were compiled now.

        An earlier run of the playbook ends with its report.
        """
        if self._run is not None and self._run.collector.run["id"] == run["id"]:
            return  # the next batch of a play with `serial`; its hosts are among the expected hosts
        if self._run is not None:  # a playbook with several runs: the earlier run is complete
            self._end_run(self._run, failed=False)
        self._is_own_play_running = True
        self._run = ReportedPlaybookRun(run, self.terminal, self.exit_code)

    def _end_run(self, run: ReportedPlaybookRun, failed: bool) -> None:
        self._run = None
        run.end_run(failed)

    def _end_interrupted_run(self, reason: str) -> int | None:
        """End the interrupted run with a report, and return the exit code of the process.

        The result is None if no run is in progress, or if Ansible's own exit code stays. The run's terminal may be
        gone, so an error of the output does not end this function.
        """
        run = self._run
        if run is None:
            return None
        run.collector.interruption_reason = reason
        try:
            self.terminal.show_interruption(reason)
            self._end_run(run, failed=True)
        except OSError:
            self.exit_code.add_code(verdict.INTERRUPTED_EXIT)
        except Exception as error:
            self.exit_code.report_failure(
                f"the report of an interrupted run: {type(error).__name__}: {clean_text(error)}"
            )
        self.exit_code.write_exit_file()
        return self.exit_code.compute_exit_code()

    def _report_nothing_compiled(self) -> None:
        """Report that no plans were compiled, although nothing failed.

        If all plays are of the project, the playbook ends with the exit code for an empty run. A playbook with other
        plays may do so on purpose. It gets a warning, unless an option such as --tags explains the lack of plans.
        """
        options = list(filter(_is_option_given, ("--start-at-task", "--tags", "--skip-tags", "--step")))
        reason = f": {' and '.join(options)} left out the task that compiles the plans" if options else ""
        if self._has_only_own_plays:
            run_verdict = verdict.judge_run([], [], ansible_failed=False)
            self.exit_code.conclude_run(
                run_verdict._replace(reason=f"nothing was evaluated{reason}") if reason else run_verdict
            )
        elif not options:
            self.terminal.show_warning("Proscribe evaluated nothing in this run: no plans were compiled for its plays")

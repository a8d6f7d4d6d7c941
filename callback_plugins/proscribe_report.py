# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback: hands on what the hosts say to the run that is reported (proscribe_ansible/reported_run.py)."""

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

from proscribe.controller.compile.inventory.tags import unknown_tags
from proscribe.controller.report.collection import active
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
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.text.wording import clean
from proscribe.controller.rollout import deciding
from proscribe.model.types.run import Command, CompiledRun
from proscribe_ansible.exit_code import ExitCode
from proscribe_ansible.interruption import Interruption
from proscribe_ansible.preloading import load_once
from proscribe_ansible.registration import be_last, failures, manager_of, shorten_failures
from proscribe_ansible.reported_run import ReportedRun
from proscribe_ansible.sweep import install as gather_hosts
from proscribe_ansible.terminal import Terminal

OURS = {COMPILING, *OBSERVING, *ENFORCING, DECIDING, CUSTODY, CHOOSING}
WHOLE_RESULTS = 3  # the verbosity from which Ansible, too, prints all of a result


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Have an exception in an event end the run with the code of a failed tool.

    Ansible makes a warning of it, and the run goes on to end well, without a report one can trust.
    """

    @functools.wraps(method)
    def call(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        with self.interruption.deferred():
            try:
                method(self, *args, **kwargs)
            except Exception as error:  # whatever it is: the next events still have to be collected
                self.exit_code.broken(f"{method.__name__}: {type(error).__name__}: {clean(error)}")

    return call


def _called() -> Command:
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


def _ours(play: Any) -> bool:
    """Whether a play is Proscribe's own, or has tasks of its."""
    return concerns(play) or file_of(play).startswith(f"{PROJECT}/playbooks/")


def _given(option: str) -> bool:
    """Whether an option of ansible-playbook, such as --skip-tags, leaves out something."""
    value = context.CLIARGS.get(option.lstrip("-").replace("-", "_"))
    return bool(value) and value not in ("all", ["all"], ("all",))


class CallbackModule(CallbackBase):
    """Collects the events of the runs of one playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "proscribe_report"
    CALLBACK_NEEDS_ENABLED = False
    _display = Display()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terminal = Terminal()
        self.interruption = Interruption(
            lambda: self._run is not None, self._interrupted, int(verdict.INTERRUPTED_EXIT)
        )
        self._forget()

    def _forget(self) -> None:
        self._ours = False
        self._alone = False  # no other plays than ours
        self._manager: Any = None  # Ansible's, where it is known
        self._playing = False  # a play of ours is run now
        self._failures = 0  # in plays of ours that are over
        self._counted = 0  # of Ansible's failures, those before the play that is run now
        self._run: ReportedRun | None = None  # the one that goes on
        self._mistake = ""
        self.exit_code = ExitCode(self.terminal)
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
                    self.exit_code.add(verdict.MISTAKE_EXIT)

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
        if self._run is not None and not task.check_mode and (control := ENFORCING.get(action_of(task))):
            self._run.collector.began(host.get_name(), control)

    @guarded
    def v2_runner_on_skipped(self, result: Any) -> None:
        if self._run is not None and (control := ENFORCING.get(action_of(result.task))):
            self._run.collector.skipped(result.host.get_name(), control)

    @guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        if action_of(result.task) == COMPILING and isinstance(result.result.get("proscribe_run"), dict):
            run: CompiledRun = result.result["proscribe_run"]
            self._begin({**run, "command": _called()})
        elif self._run is not None:
            self._run.succeeded(result)

    @guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if action_of(result.task) in (COMPILING, CHOOSING):
            self._mistake = str(result.result.get("msg"))
        elif self._run is None or not (self._playing or self._run.course):
            return
        else:
            self._run.failed(result, ignore_errors)
        if self._run is not None:
            self._run.show_progress()

    @guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._playing and self._run is not None:
            self._run.unreachable(result)

    @guarded
    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._count()
        anywhere = any(stats.failures.values()) or any(stats.dark.values())
        failed = anywhere if self._manager is None else self._failures > 0
        if self._mistake:
            self.terminal.mistake(self._mistake)
        elif self._run is not None:
            self._end(self._run, failed)
        elif self._ours and not anywhere and not self.exit_code:
            self._nothing_compiled()
        if self._ours or self.exit_code:
            self.exit_code.write()
            self.exit_code.leave()

    # -- plays and runs ------------------------------------------------------------------------------------------------

    def _manages(self, manager: Any) -> None:
        if be_last(self, manager):
            self._manager = manager
            self.exit_code.ends = manager is not None
        self.interruption.over(manager)
        if self._display.verbosity < WHOLE_RESULTS:
            shorten_failures(manager, lambda result: action_of(result.task) in OBSERVING, "record")

    def _plays(self, play: Any, ours: bool) -> None:
        """A play begins, and so the one before is over."""
        self._count()
        active.plays_now(play, _suits)
        self._playing = ours
        decision = deciding.decided() if has(play, DECIDING) else None
        if decision is not None and self._run is not None:
            self._run.decided(decision)

    def _count(self) -> None:
        """Count the failures of a play that is over, if it was ours. Those of other plays are Ansible's alone."""
        before, self._counted = self._counted, failures(self._manager)
        if self._playing:
            self._failures += self._counted - before

    def _begin(self, run: CompiledRun) -> None:
        if self._run is not None and self._run.collector.run["id"] == run["id"]:
            return  # the next batch of a play with `serial`: its hosts are among those that are expected
        if self._run is not None:  # a playbook of several runs: what came before is complete
            self._end(self._run, failed=False)
        self._playing = True
        self._run = ReportedRun(run, self.terminal, self.exit_code)

    def _end(self, run: ReportedRun, failed: bool) -> None:
        self._run = None
        run.end(failed)

    def _interrupted(self, why: str) -> int | None:
        """End the run that is cut short now, as it unwinds; returns the exit code. Its terminal may be gone."""
        run = self._run
        if run is None:
            return None
        run.collector.interrupted = why
        try:
            self.terminal.interrupted(why)
            self._end(run, failed=True)
        except OSError:
            self.exit_code.add(verdict.INTERRUPTED_EXIT)
        except Exception as error:
            self.exit_code.broken(f"the report of an interrupted run: {type(error).__name__}: {clean(error)}")
        self.exit_code.write()
        return self.exit_code.code()

    def _nothing_compiled(self) -> None:
        """No plans were compiled, and nothing failed. Where the playbook has other plays, that may be meant."""
        given = list(filter(_given, ("--start-at-task", "--tags", "--skip-tags", "--step")))
        why = f": {' and '.join(given)} left out the task that compiles the plans" if given else ""
        if self._alone:
            decided = verdict.judge([], [], ansible_failed=False)
            self.exit_code.conclude(decided._replace(reason=f"nothing was evaluated{why}") if why else decided)
        elif not given:
            self.terminal.warn("Proscribe evaluated nothing in this run: no plans were compiled for its plays")

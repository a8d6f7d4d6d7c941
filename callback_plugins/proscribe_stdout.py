# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback for the screen of a Proscribe run. It omits successes; from -v on it is Ansible's own screen."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proscribe_stdout
type: stdout
short_description: Shows changes, failures and diffs, and leaves the rest to the report
description:
  - In Proscribe's own playbooks, and in plays that name its tasks or roles, it says nothing of tasks that went well. It
    shows every change, with its difference where C(--diff) asks for it, every failure and every host that is not
    reachable. In check mode it shows at the end what would change, once for all hosts that have it in common.
  - With C(-v), and for every other play, it is Ansible's C(default) callback.
version_added: "1.0.0"
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set it as C(stdout_callback)
author: The Proscribe developers
"""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

PROJECT = Path(__file__).resolve().parents[1]
if str(PROJECT / "module_utils") not in sys.path:
    sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.controller.ansible_objects import identify_task
from proscribe.controller.report.collection.invocation import get_working_directory
from proscribe.controller.report.collection.plays import (
    CHOICE_ACTION,
    COMPILE_ACTION,
    CONTROL_BY_ACTION,
    OBSERVE_ACTIONS,
    QUARANTINE_ACTION,
    ROLLOUT_ACTION,
    SCHEDULE_ACTIONS,
    get_action_name,
    get_playbook_path,
    has_report_task,
    is_compiling_play,
    is_scheduling_play,
)
from proscribe.controller.report.collection.progress import ProgressLine
from proscribe.controller.report.evaluation.advice import shorten_path
from proscribe.controller.report.storage.difference_files import DifferenceFiles
from proscribe.controller.report.terminal import differences
from proscribe.controller.report.terminal.dry_run import DryRunChanges
from proscribe.controller.report.text.terminal_layout import fit_lines, get_screen_width
from proscribe.controller.report.text.wording import ANSIBLE_PREFIXES, clean_message, clean_text, describe_unreachable

ReportedDifference = Mapping[str, Any]  # the difference of a file, as a module returns it

MAX_REMEMBERED_ANSWERS = 256  # answers whose changes are cached
# The modules that report each change as an action.
CHANGING_ACTIONS = (
    *CONTROL_BY_ACTION,
    *SCHEDULE_ACTIONS,
    QUARANTINE_ACTION,
)


def _suppress_when_quiet(event: Callable[..., None]) -> Callable[..., None]:
    """Return an event method of the default screen, changed to print nothing in plays of the project.

    With -v it prints in all plays.
    """

    @functools.wraps(event)
    def show_event(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        if not self._is_quiet:
            event(self, *args, **kwargs)

    return show_event


class CallbackModule(Default):
    """Ansible's default screen, except for plays of the project."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "proscribe_stdout"
    _display = Display()

    def __init__(self) -> None:
        super().__init__()
        self._own_files: set[str] = set()  # playbooks of the project
        self._is_quiet = False  # True in plays of the project, which print only changes and failures
        self._mistakes: set[str] = set()  # mistakes in the policy that are printed already
        self._files: DifferenceFiles | None = None  # writes complete differences; None before the plans are compiled
        self._dry_run = DryRunChanges()  # changes in check mode, which are shown together at the end
        # A cache. Key: the digest of differences and actions.
        self._changes_by_digest: dict[str, list[differences.ModuleChange]] = {}
        # The identity of the last result with differences, and these differences, which are not shown yet.
        self._pending_differences: tuple[object, list[ReportedDifference]] = (
            None,
            [],
        )

    # -- plays of the project ------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Find the project's own playbooks among those of the command, and decide about Ansible's heading."""
        plays = playbook.get_plays()
        files = {get_playbook_path(play) for play in plays if is_compiling_play(play) or is_scheduling_play(play)}
        self._own_files = {file for file in files if file.startswith(f"{PROJECT}/playbooks/")}
        # A playbook with only plays of the project gets no heading either.
        self._is_quiet = self._display.verbosity == 0 and bool(plays) and all(map(self._is_own_play, plays))
        if not self._is_quiet:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Decide if the play is printed as Ansible does, with each success, or with changes and failures only."""
        self._is_quiet = self._display.verbosity == 0 and self._is_own_play(play)
        if self._is_quiet:
            self._play = play  # the default callback reads its strategy
        else:
            self._show_dry_run()
            super().v2_playbook_on_play_start(play)

    def _is_own_play(self, play: Any) -> bool:
        """Return True if a play is in a playbook of the project, or has tasks of the project."""
        return get_playbook_path(play) in self._own_files or has_report_task(play) or is_scheduling_play(play)

    # -- output for plays of the project -------------------------------------------------------------------------------

    def v2_runner_on_ok(self, result: Any) -> None:
        """Print only warnings and changes of a task that went well."""
        if not self._is_quiet:
            super().v2_runner_on_ok(result)
            return
        self._show_warnings(result)
        if get_action_name(result.task) == COMPILE_ACTION and isinstance(
            run := result.result.get("proscribe_run"), Mapping
        ):
            self._files = DifferenceFiles(Path(str(run["directory"])).parent, str(run["id"]))
        if result.is_changed():
            self._show_changes(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Print a failure, with the changes before it.

        A mistake in the policy is printed in full in any play.
        """
        if get_action_name(result.task) in (COMPILE_ACTION, SCHEDULE_ACTIONS[0], CHOICE_ACTION):
            self._show_mistake(result)
            return
        if not self._is_quiet:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._show_warnings(result)
        if result.result.get("changed"):
            self._show_changes(result)
        if get_action_name(result.task) in OBSERVE_ACTIONS and "record" in result.result:
            return  # its gate made the task fail; the table has the reason
        if get_action_name(result.task) == ROLLOUT_ACTION and result.result.get("stopped"):
            return  # the run stops here; the report ends with the reason
        ignored = " (ignored)" if ignore_errors else ""
        message_text = f"failed: {self._format_host(result)}: {clean_message(self._find_message(result))}{ignored}"
        self._show_text(message_text, C.COLOR_ERROR, failure=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not self._is_quiet:
            super().v2_runner_on_unreachable(result)
            return
        self._show_warnings(result)
        message_text = f"unreachable: {self._format_host(result)}: {describe_unreachable(result.result.get('msg'))}"
        self._show_text(message_text, C.COLOR_UNREACHABLE, failure=True)

    def v2_on_file_diff(self, result: Any) -> None:
        """Print the differences of files that a task changed, if `--diff` is given.

        Those of the project's modules are noted, and `_show_changes` prints them with the actions.
        """
        if not self._is_quiet:
            super().v2_on_file_diff(result)
            return
        diff = result.result.get("diff")
        if not (diff and result.result.get("changed") and not result.task.loop):
            return
        file_differences = [
            difference for difference in (diff if isinstance(diff, list) else [diff]) if isinstance(difference, Mapping)
        ]
        if get_action_name(result.task) in CHANGING_ACTIONS:
            # Printed together with the actions, once the result of the task is known.
            self._pending_differences = (_identify_result(result), file_differences)
        elif changes := differences.summarise_differences(file_differences):
            lines = [f"{self._format_host(result)}:", *(f"  {line}" for line in differences.format_changes(changes))]
            lines += (
                []
                if all(difference.is_complete for difference in changes)
                else [f"  all of it: {self._write_full_difference(result, file_differences)}"]
            )
            self._show_text("\n".join(lines))

    def _write_full_difference(self, result: Any, file_differences: Sequence[ReportedDifference]) -> str:
        """Write all differences of a result into a file, and return its path, or the reason for no file."""
        if self._files is None:
            return "-v shows it"
        try:
            host, module = result.host.get_name(), get_action_name(result.task)
            path = self._files.write_difference(
                host, module, _compute_digest(file_differences), differences.format_full_differences(file_differences)
            )
        except OSError as error:
            return f"could not be written: {clean_text(error)}"
        return clean_text(shorten_path(str(path), get_working_directory(os.environ)))

    def _show_changes(self, result: Any) -> None:
        """Show the changes that a task has made, or would make in check mode, with their differences.

        A task without a list of actions has a line with its name. In check mode, the changes of the project's modules
        are stored for `_show_dry_run`.
        """
        is_own_action = get_action_name(result.task) in CHANGING_ACTIONS
        actions = result.result.get("actions") if is_own_action else None
        notes = result.result.get("notes") if is_own_action else None
        notes = notes if isinstance(notes, list) else []
        # The pending differences may belong to another result.
        result_identity, file_differences = self._pending_differences
        file_differences = file_differences if result_identity == _identify_result(result) else []
        changes = self._sum_up_changes(
            file_differences, actions if isinstance(actions, list) else [result.task.get_name()]
        )
        file = (
            ""
            if all(change.is_complete for change in changes)
            else self._write_full_difference(result, file_differences)
        )
        host = self._format_host(result)
        if is_own_action and result.task.check_mode:
            self._dry_run.add_host_changes(host, get_action_name(result.task), changes, notes, file)
            return
        change_label = "would change" if result.task.check_mode else "changed"
        for line in differences.format_changes(changes):
            self._show_text(f"  {line}" if line.startswith(" ") else f"{change_label}: {host} {line}", C.COLOR_CHANGED)
        if file:
            self._show_text(f"    all of it: {file}")
        for note in notes:
            self._show_text(f"note: {host}: {clean_text(note)}")

    def _sum_up_changes(
        self, file_differences: list[ReportedDifference], actions: list[Any]
    ) -> list[differences.ModuleChange]:
        """Return the changes in a host's answer, from the cache for equal answers.

        Thousands of hosts may give the same answer, and each summary takes 20 ms.
        """
        key = _compute_digest([*file_differences, {"actions": actions}])
        if key not in self._changes_by_digest:
            if len(self._changes_by_digest) >= MAX_REMEMBERED_ANSWERS:
                self._changes_by_digest.clear()
            self._changes_by_digest[key] = differences.summarise_differences(file_differences, actions)
        return self._changes_by_digest[key]

    def _show_dry_run(self) -> None:
        """Show the changes that check mode has collected since the last call, once for all hosts with equal changes."""
        for host_set_lines in self._dry_run.take_blocks():
            head, *lines = host_set_lines  # the hosts, and their changes
            self._show_text(head, C.COLOR_CHANGED)
            self._show_text("\n".join(lines))

    def _show_mistake(self, result: Any) -> None:
        """Show a mistake in the policy, in full and at every verbosity, once for all hosts that share it."""
        text = str(result.result.get("msg"))
        if text in self._mistakes:
            return
        self._mistakes.add(text)
        lines = [clean_text(line) for line in ANSIBLE_PREFIXES.sub("", text).splitlines()]
        self._show_text("\n".join(lines), C.COLOR_ERROR, failure=True)

    def _find_message(self, result: Any) -> Any:
        """Return the message of a failed result: its own, those of its loop's items, or the error output."""
        message = result.result.get("msg")
        if not message and isinstance(result.result.get("results"), list):  # a loop has a message for each item
            items = [
                loop_result.get("msg") for loop_result in result.result["results"] if isinstance(loop_result, Mapping)
            ]
            message = "; ".join(str(text) for text in items if text)
        return message or result.result.get("module_stderr")

    def _format_host(self, result: Any) -> str:
        return clean_text(self.host_label(result))

    def _show_warnings(self, result: Any) -> None:
        """Print the warnings and deprecations of a result, as Ansible does."""
        # `result.result` copies the whole result, which costs more than the rest. This test avoids most copies.
        if result.warnings or result.deprecations:
            self._remove_progress_line()
            if hasattr(self, "_handle_warnings"):
                self._handle_warnings(result.result)
            else:
                for text in result.result.get("warnings") or ():
                    self._display.warning(str(text))

    def _show_text(self, text: str, color: str | None = None, failure: bool = False) -> None:
        self._remove_progress_line()
        text = fit_lines(text, get_screen_width())
        self._display.display(text, color=color, stderr=failure and self.get_option("display_failed_stderr"))

    def _remove_progress_line(self) -> None:
        if erasing_text := ProgressLine.remove_line():
            self._display.display(erasing_text, screen_only=True, newline=False)
            sys.stdout.flush()

    # -- events without output in plays of the project -----------------------------------------------------------------

    v2_runner_on_skipped = _suppress_when_quiet(Default.v2_runner_on_skipped)
    v2_runner_item_on_ok = _suppress_when_quiet(Default.v2_runner_item_on_ok)
    v2_runner_item_on_failed = _suppress_when_quiet(Default.v2_runner_item_on_failed)
    v2_runner_item_on_skipped = _suppress_when_quiet(Default.v2_runner_item_on_skipped)
    v2_playbook_on_task_start = _suppress_when_quiet(Default.v2_playbook_on_task_start)
    v2_playbook_on_handler_task_start = _suppress_when_quiet(Default.v2_playbook_on_handler_task_start)
    v2_playbook_on_include = _suppress_when_quiet(Default.v2_playbook_on_include)
    v2_playbook_on_no_hosts_matched = _suppress_when_quiet(Default.v2_playbook_on_no_hosts_matched)
    v2_playbook_on_no_hosts_remaining = _suppress_when_quiet(Default.v2_playbook_on_no_hosts_remaining)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._show_dry_run()
        if not self._is_quiet:
            super().v2_playbook_on_stats(stats)


def _identify_result(result: Any) -> tuple[Any, Any]:
    """Return a key that identifies a result: the name of its host, and its task.

    A callback gets a different object of the same result for each event.
    """
    return result.host.get_name(), identify_task(result.task)


def _compute_digest(document: Sequence[Mapping[str, object]]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()

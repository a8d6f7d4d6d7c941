# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback: the screen of a Proscribe run. Quiet about what is as it should be; Ansible's own words from -v on."""

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

from proscribe.controller.ansible_parts import identity
from proscribe.controller.report.collection.invocation import where_we_are
from proscribe.controller.report.collection.plays import (
    CHOOSING,
    COMPILING,
    CUSTODY,
    DECIDING,
    ENFORCING,
    OBSERVING,
    SCHEDULING,
    action_of,
    compiles,
    concerns,
    file_of,
    schedules,
)
from proscribe.controller.report.collection.progress import Line
from proscribe.controller.report.evaluation.advice import shorter
from proscribe.controller.report.storage.difference_files import DifferenceFiles
from proscribe.controller.report.terminal import differences
from proscribe.controller.report.terminal.dry_run import DryRun
from proscribe.controller.report.text.layout import fitted, screen_width
from proscribe.controller.report.text.wording import PREFIXES, clean, message, unreachable

Difference = Mapping[str, Any]  # of a file, as its module reports it

KNOWN = 256  # answers whose changes are remembered
OURS = (*ENFORCING, *SCHEDULING, CUSTODY)  # the modules that say what they change, action by action


def _unless_quiet(event: Callable[..., None]) -> Callable[..., None]:
    """An event of the default screen, which is not shown of our plays."""

    @functools.wraps(event)
    def shown(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        if not self._quiet:
            event(self, *args, **kwargs)

    return shown


class CallbackModule(Default):
    """Ansible's default screen, but for the plays that are Proscribe's own."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "proscribe_stdout"
    _display = Display()

    def __init__(self) -> None:
        super().__init__()
        self._own_files: set[str] = set()
        self._quiet = False
        self._mistakes: set[str] = set()
        self._files: DifferenceFiles | None = None
        self._dry_run = DryRun()
        self._known: dict[str, list[differences.Change]] = {}  # by what they were made of
        self._differing: tuple[object, list[Difference]] = (None, [])  # a result, and its differences to be shown

    # -- which plays are ours ------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Any) -> None:
        plays = playbook.get_plays()
        files = {file_of(play) for play in plays if compiles(play) or schedules(play)}
        self._own_files = {file for file in files if file.startswith(f"{PROJECT}/playbooks/")}
        # A playbook of nothing but our plays has no heading either.
        self._quiet = self._display.verbosity == 0 and bool(plays) and all(map(self._ours, plays))
        if not self._quiet:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._quiet = self._display.verbosity == 0 and self._ours(play)
        if self._quiet:
            self._play = play  # the default callback reads its strategy
        else:
            self._would_change()
            super().v2_playbook_on_play_start(play)

    def _ours(self, play: Any) -> bool:
        return file_of(play) in self._own_files or concerns(play) or schedules(play)

    # -- what is shown of ours -----------------------------------------------------------------------------------------

    def v2_runner_on_ok(self, result: Any) -> None:
        if not self._quiet:
            super().v2_runner_on_ok(result)
            return
        self._warn(result)
        if action_of(result.task) == COMPILING and isinstance(run := result.result.get("proscribe_run"), Mapping):
            self._files = DifferenceFiles(Path(str(run["directory"])).parent, str(run["id"]))
        if result.is_changed():
            self._changes(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if action_of(result.task) in (COMPILING, SCHEDULING[0], CHOOSING):
            self._mistake(result)
            return
        if not self._quiet:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._warn(result)
        if result.result.get("changed"):
            self._changes(result)
        if action_of(result.task) in OBSERVING and "record" in result.result:
            return  # its gate made it fail; the table says what for
        if action_of(result.task) == DECIDING and result.result.get("stopped"):
            return  # the run stops here; the report ends with why
        ignored = " (ignored)" if ignore_errors else ""
        what = f"failed: {self._host(result)}: {message(self._shown(result))}{ignored}"
        self._say(what, C.COLOR_ERROR, failure=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not self._quiet:
            super().v2_runner_on_unreachable(result)
            return
        self._warn(result)
        what = f"unreachable: {self._host(result)}: {unreachable(result.result.get('msg'))}"
        self._say(what, C.COLOR_UNREACHABLE, failure=True)

    def v2_on_file_diff(self, result: Any) -> None:
        if not self._quiet:
            super().v2_on_file_diff(result)
            return
        diff = result.result.get("diff")
        if not (diff and result.result.get("changed") and not result.task.loop):
            return
        found = [one for one in (diff if isinstance(diff, list) else [diff]) if isinstance(one, Mapping)]
        if action_of(result.task) in OURS:  # its actions are reported with them, as soon as it is known how it ended
            self._differing = (_identity(result), found)
        elif said := differences.changes(found):
            lines = [f"{self._host(result)}:", *(f"  {line}" for line in differences.listed(said))]
            lines += [] if all(one.whole for one in said) else [f"  all of it: {self._in_full(result, found)}"]
            self._say("\n".join(lines))

    def _in_full(self, result: Any, found: Sequence[Difference]) -> str:
        """Where the whole difference is."""
        if self._files is None:
            return "-v shows it"
        try:
            host, module = result.host.get_name(), action_of(result.task)
            path = self._files.write(host, module, _digest(found), differences.text_of(found))
        except OSError as error:
            return f"could not be written: {clean(error)}"
        return clean(shorter(str(path), where_we_are(os.environ)))

    def _changes(self, result: Any) -> None:
        """What a task has changed or would change: each action with its difference where that is to be shown; for a
        task without a list of them, one line with its name.
        """
        ours = action_of(result.task) in OURS
        actions = result.result.get("actions") if ours else None
        notes = result.result.get("notes") if ours else None
        notes = notes if isinstance(notes, list) else []
        shown, differing = self._differing
        differing = differing if shown == _identity(result) else []
        found = self._summed_up(differing, actions if isinstance(actions, list) else [result.task.get_name()])
        file = "" if all(one.whole for one in found) else self._in_full(result, differing)
        host = self._host(result)
        if ours and result.task.check_mode:
            self._dry_run.add(host, action_of(result.task), found, notes, file)
            return
        word = "would change" if result.task.check_mode else "changed"
        for line in differences.listed(found):
            self._say(f"  {line}" if line.startswith(" ") else f"{word}: {host} {line}", C.COLOR_CHANGED)
        if file:
            self._say(f"    all of it: {file}")
        for note in notes:
            self._say(f"note: {host}: {clean(note)}")

    def _summed_up(self, differing: list[Difference], actions: list[Any]) -> list[differences.Change]:
        """The changes of an answer. Ten thousand equal hosts have one answer, and to sum it up takes 20 ms."""
        key = _digest([*differing, {"actions": actions}])
        if key not in self._known:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[key] = differences.changes(differing, actions)
        return self._known[key]

    def _would_change(self) -> None:
        """Show what the dry run has found so far."""
        for block in self._dry_run.taken():
            head, *lines = block
            self._say(head, C.COLOR_CHANGED)
            self._say("\n".join(lines))

    def _mistake(self, result: Any) -> None:
        """A mistake in the policy: whole, line by line, at every verbosity, once however many hosts share it."""
        text = str(result.result.get("msg"))
        if text in self._mistakes:
            return
        self._mistakes.add(text)
        lines = [clean(line) for line in PREFIXES.sub("", text).splitlines()]
        self._say("\n".join(lines), C.COLOR_ERROR, failure=True)

    def _shown(self, result: Any) -> Any:
        message = result.result.get("msg")
        if not message and isinstance(result.result.get("results"), list):  # a loop says it item by item
            items = [item.get("msg") for item in result.result["results"] if isinstance(item, Mapping)]
            message = "; ".join(str(text) for text in items if text)
        return message or result.result.get("module_stderr")

    def _host(self, result: Any) -> str:
        return clean(self.host_label(result))

    def _warn(self, result: Any) -> None:
        if result.warnings or result.deprecations:  # a copy of the whole result costs more than all else here
            self._take_line_away()
            if hasattr(self, "_handle_warnings"):
                self._handle_warnings(result.result)
            else:
                for text in result.result.get("warnings") or ():
                    self._display.warning(str(text))

    def _say(self, text: str, color: str | None = None, failure: bool = False) -> None:
        self._take_line_away()
        text = fitted(text, screen_width())
        self._display.display(text, color=color, stderr=failure and self.get_option("display_failed_stderr"))

    def _take_line_away(self) -> None:
        if away := Line.away():
            self._display.display(away, screen_only=True, newline=False)
            sys.stdout.flush()

    # -- what is not shown of ours -------------------------------------------------------------------------------------

    v2_runner_on_skipped = _unless_quiet(Default.v2_runner_on_skipped)
    v2_runner_item_on_ok = _unless_quiet(Default.v2_runner_item_on_ok)
    v2_runner_item_on_failed = _unless_quiet(Default.v2_runner_item_on_failed)
    v2_runner_item_on_skipped = _unless_quiet(Default.v2_runner_item_on_skipped)
    v2_playbook_on_task_start = _unless_quiet(Default.v2_playbook_on_task_start)
    v2_playbook_on_handler_task_start = _unless_quiet(Default.v2_playbook_on_handler_task_start)
    v2_playbook_on_include = _unless_quiet(Default.v2_playbook_on_include)
    v2_playbook_on_no_hosts_matched = _unless_quiet(Default.v2_playbook_on_no_hosts_matched)
    v2_playbook_on_no_hosts_remaining = _unless_quiet(Default.v2_playbook_on_no_hosts_remaining)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._would_change()
        if not self._quiet:
            super().v2_playbook_on_stats(stats)


def _identity(result: Any) -> tuple[Any, Any]:
    """Which result it is; a callback has another object of it for each event."""
    return result.host.get_name(), identity(result.task)


def _digest(found: Sequence[Mapping[str, object]]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()

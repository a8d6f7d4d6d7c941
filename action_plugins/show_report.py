# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that shows a report again, or data of the history. proscribe.controller.cli.report does the work."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.cli import CommandError
from proscribe.controller.cli import report as word
from proscribe.controller.cli.option_variables import list_typed_variables
from proscribe.controller.compile.inventory.host_selection import select_hosts
from proscribe.controller.compile.inventory.play_variables import PlayVariables
from proscribe.controller.compile.inventory.reports_folder import find_reports_place
from proscribe.controller.policy_errors import PolicyErrors, list_variable_mistakes
from proscribe.controller.report.terminal.summary import TerminalScreen
from proscribe.controller.report.text.terminal_layout import get_screen_width
from proscribe.model.types.run import ActionResult, Variables

VARIABLE_PREFIX = "report_"  # the prefix of the variables of playbooks/report.yml, one for each option
REPORT_OPTIONS = {
    **dict.fromkeys(("since", "host", "rule", "run", "group", "history", "round"), {"type": "str", "default": ""}),
    "format": {"type": "str", "choices": ["", *word.list_formats()], "default": ""},
    **dict.fromkeys(("write", "json", "exceptions"), {"type": "bool", "default": False}),
    "merge": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):
    """Action that prints a report on the controller, once; it connects to no host."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Print a report or data of the history, and return the text as {text}. Ansible calls this.

        Raises AnsibleError for a mistyped variable, an invalid option, or a mistake in the policy.
        """
        result: ActionResult = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, options = self.validate_argument_spec(REPORT_OPTIONS)
        extra_variables = list_typed_variables(self._loader)
        known_variables = [f"{VARIABLE_PREFIX}{name}" for name in REPORT_OPTIONS]
        if mistakes := list_variable_mistakes(extra_variables, extra_variables, VARIABLE_PREFIX, known_variables):
            raise AnsibleError("\n".join(mistakes))
        options["write"] = options["write"] and not self._task.check_mode  # check mode writes no file
        try:
            since = word.parse_since(options["since"]) if options["since"] else ""
            # A merged report expects every host of the inventory in one of its parts, so it needs the inventory.
            inventory = [str(source) for source in variables.get("ansible_inventory_sources") or []]
            names = [str(name) for name in (variables.get("groups") or {}).get("all", ())]
            play_inventory = PlayVariables(variables["hostvars"], self._task, names)
            place = find_reports_place(select_hosts(names, play_inventory).hosts, inventory)
            arguments = argparse.Namespace(
                **{**options, "since": since, "format": options["format"] or None}, inventory=inventory
            )
            result["text"] = word.compose_answer(
                arguments, TerminalScreen(get_screen_width(), sys.maxsize, False, os.getcwd()), place
            )
        except (CommandError, PolicyErrors, argparse.ArgumentTypeError) as error:
            raise AnsibleError(str(error)) from None
        self._display.display(result["text"])
        return {**result, "changed": False}

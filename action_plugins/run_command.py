# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that runs a command of controller/cli, which needs no playbook, with the inventory of this run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.cli import CommandError
from proscribe.controller.cli.option_variables import COMMANDS, list_typed_variables, make_arguments
from proscribe.controller.compile.inventory.ignored_variables import find_policy_mistakes
from proscribe.controller.compile.inventory.play_variables import find_play_only_variables
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.text.terminal_layout import get_screen_width
from proscribe.controller.report.text.wording import clean_text
from proscribe.model.types.run import ActionResult, Variables
from proscribe.wire import installation

ANSWERING_COMMANDS = ("explain", "diff")  # commands whose exit code 1 is also a good answer
COMMANDS_WITHOUT_INVENTORY = ("catalog", "init")  # commands that do not use the inventory of the run


class ActionModule(ActionBase):
    """Action that runs a command on the controller, once; it connects to no host."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Run the command in a separate process, print its output, and return {text, exit_code}. Ansible calls this.

        The options of the command come from the variables with the command as prefix. Raises AnsibleError if the
        command fails, or if a policy variable would be ignored.
        """
        result: ActionResult = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, options = self.validate_argument_spec(
            {"command": {"type": "str", "choices": list(COMMANDS), "required": True}}
        )
        command = options["command"]
        hosts = [str(variables["inventory_hostname"])]
        if mistakes := [
            *find_play_only_variables(variables["hostvars"], self._task, hosts).values(),
            *find_policy_mistakes(variables["hostvars"], (variables.get("groups") or {}).get("all", ()), self._task),
        ]:
            raise AnsibleError(str(PolicyErrors(mistakes)))
        command_variables = {
            name: self._templar.template(variables[name]) for name in variables if name.startswith(f"{command}_")
        }
        try:
            words = make_arguments(command, command_variables, list_typed_variables(self._loader))
        except CommandError as refused:
            raise AnsibleError(str(refused)) from None
        # The separate process reads the inventory again, so it gets the same options for it as this run. Words after
        # `--` are no options, so these options come before it.
        end = words.index("--") if "--" in words else len(words)
        inventory_options = _list_inventory_options(variables) if command not in COMMANDS_WITHOUT_INVENTORY else []
        argv = [sys.executable, str(installation.COMMAND_PATH), command, *words[:end], *inventory_options, *words[end:]]
        environment = {**os.environ, "COLUMNS": str(get_screen_width())}
        completed = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        lines = [clean_text(line) for line in (completed.stdout + completed.stderr).splitlines()]
        text = "\n".join(lines)
        # Exit code 1 is an answer of `explain` and `diff`. With an expectation (explain_expect), it is a failure.
        has_two_answers = command in ANSWERING_COMMANDS and "explain_expect" not in command_variables
        if completed.returncode not in ((0, 1) if has_two_answers else (0,)):
            raise AnsibleError(f"{command}: exit code {completed.returncode}\n{text}")
        self._display.display(text)
        return {**result, "changed": False, "text": text, "exit_code": completed.returncode}


def _list_inventory_options(variables: Variables) -> list[str]:
    """Return the options that name the inventory of this run, and those that are needed to read it.

    Raises AnsibleError for -J, because the separate process cannot ask for the vault password.
    """
    if context.CLIARGS.get("ask_vault_pass"):
        raise AnsibleError("found -J, expected --vault-password-file: nobody can be asked twice")
    variable_names = {"--vault-id": "vault_ids", "--vault-password-file": "vault_password_files", "-e": "extra_vars"}
    option_pairs = [
        (option, argument) for option, name in variable_names.items() for argument in context.CLIARGS.get(name) or ()
    ]
    sources = [part for source in variables.get("ansible_inventory_sources") or [] for part in ("-i", source)]
    return [str(word) for word in (*sources, *(part for pair in option_pairs for part in pair))]

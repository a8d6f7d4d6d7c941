# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: compile every host's plan on the controller. The deciding is in proscribe.compile; this gathers its input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.compile.errors import PolicyErrors
from proscribe.compile.inventory import Question, zones
from proscribe.compile.run import compile_run
from proscribe.compile.selection import select
from proscribe.plan import CONTROLS


class ActionModule(ActionBase):
    """Compiles for all hosts of the play at once."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(
            {"mode": {"type": "str", "choices": ["audit", "enforce", "lift"], "required": True}}
        )
        mode = arguments["mode"]
        hostvars = variables["hostvars"]
        names = [str(name) for name in variables["ansible_play_hosts_all"]]
        try:
            selection = select(names, hostvars)
            question = Question(
                project=PROJECT,
                mode="check" if self._task.check_mode and mode == "enforce" else mode,
                playbook=mode,
                inventory=[str(source) for source in variables.get("ansible_inventory_sources") or []],
                limit=str(variables.get("ansible_limit") or ""),
                controls=_tagged(variables.get("ansible_run_tags") or []),
                hosts=selection.hosts,
                groups={
                    str(group): frozenset(map(str, hosts)) for group, hosts in (variables.get("groups") or {}).items()
                },
                zone_of=zones(hostvars),
                not_served=selection.not_served,
                pattern=selection.pattern,
            )
            # -b on the command line, which the plays' own `become` would hide; and the hosts of the plays that follow,
            # which is all of them without a word where nobody is left out
            whole = len(selection.hosts) == len(names)
            result["proscribe_run"] = {
                **compile_run(question),
                "become": bool(self._task.become),
                "selected": ["all"] if whole else selection.names,
            }
        except PolicyErrors as wrong:
            count = f"{len(wrong.errors)} mistakes" if len(wrong.errors) > 1 else "a mistake"
            raise AnsibleError(f"{count} in the policy; no host was touched\n{wrong}") from None
        for warning in result["proscribe_run"]["warnings"]:
            self._display.warning(warning)
        return result


def _tagged(tags: list[str]) -> list[str]:
    """The controls that --tags asks for: all, where no tag names a control."""
    return [control for control in CONTROLS if control in tags] or list(CONTROLS)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: what a schedule has to put on which machine. The deciding is in proscribe.schedule.rendered."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe import installation
from proscribe.compile.reports_place import ENVIRONMENT, reports_of
from proscribe.compile.run import read_all
from proscribe.compile.selection import select
from proscribe.policy_errors import PolicyErrors
from proscribe.schedule.rendered import Here, plan

CONTROLLER = "proscribe_controller"  # the group that names another machine to run the schedule
HANDED_ON = "PROSCRIBE_ANSIBLE_PLAYBOOK"


class ActionModule(ActionBase):
    """Decides for all hosts of the play at once."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec({})
        hostvars = variables["hostvars"]
        names = [str(name) for name in variables["ansible_play_hosts_all"]]
        controllers = [str(name) for name in (variables.get("groups") or {}).get(CONTROLLER, ())]
        if len(controllers) > 1:
            raise AnsibleError(f"the group {CONTROLLER} names {len(controllers)} hosts, and one runs the schedule")
        elsewhere = next(iter(controllers), "")
        if elsewhere and self._is_here(hostvars, elsewhere):
            elsewhere = ""
        sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
        try:
            selection = select(names, hostvars)
            environment = {ENVIRONMENT: str(reports_of(selection.hosts, sources))}
            if program := os.environ.get(HANDED_ON):
                environment[HANDED_ON] = program
            here = Here(
                str(installation.ROOT),
                pwd.getpwuid(os.getuid()).pw_name,
                os.getuid() == 0,
                sources,
                str(variables.get("ansible_limit") or ""),
                environment,
            )
            local = any(self._is_here(hostvars, name) for name in selection.names)
            made = plan(selection.hosts, read_all(selection.hosts), here, elsewhere, local)
            result["schedule"] = {**made, "selected": selection.names}
        except PolicyErrors as wrong:
            count = f"{len(wrong.errors)} mistakes" if len(wrong.errors) > 1 else "a mistake"
            raise AnsibleError(f"{count} in the policy; no machine was touched\n{wrong}") from None
        for warning in result["schedule"]["warnings"]:
            self._display.warning(warning)
        return result

    @staticmethod
    def _is_here(hostvars: Any, name: str) -> bool:
        """Whether a host is reached without a connection."""
        try:
            return str(hostvars[name].get("ansible_connection") or "") == "local"
        except Exception:  # templating raises many kinds; what cannot be said without facts is no local connection
            return False

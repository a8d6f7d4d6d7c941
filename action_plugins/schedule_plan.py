# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: what a schedule has to put on which machine. The deciding is in proscribe.controller.schedule.rendered."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.compile.inventory.ignored_variables import unread
from proscribe.controller.compile.inventory.in_play import InPlay, in_play_only, of_policy
from proscribe.controller.compile.inventory.reports_place import ENVIRONMENT, VARIABLE, reports_of
from proscribe.controller.compile.inventory.selection import select
from proscribe.controller.compile.plans.policy import read_all
from proscribe.controller.compile.restrictions import PREFIX, RESTRICTIONS, Restrictions
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.controller.report.text.layout import warning as in_lines
from proscribe.controller.schedule.rendered import Here, plan
from proscribe.model.types.run import Result, Variables
from proscribe.wire import installation

CONTROLLER = "proscribe_controller"  # the group that names another machine to run the schedule
EXTRA = {"-e", "--extra-vars"}
IN_UNITS = {VARIABLE, *(PREFIX + name for name in RESTRICTIONS if name.startswith("schedule"))}
PULL = "pull"  # the method by which hosts run by themselves
HANDED_ON = "PROSCRIBE_ANSIBLE_PLAYBOOK"


class ActionModule(ActionBase):
    """Decides for all hosts of the play at once."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> Result:
        """Answer the task."""
        result: Result = super().run(tmp, task_vars)
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
            in_play = InPlay(hostvars, self._task, names)
            selection = select(names, in_play)
            set_up = selection.names
            restrictions = read_all(selection.hosts)
            if any(one.schedule == PULL for one in restrictions.values()):
                # The controller collects from every host, so its part does not depend on a --limit.
                names = [str(name) for name in variables["groups"]["all"]]
                selection = select(names, in_play)
                restrictions = read_all(selection.hosts)
            self._require_what_runs_see(hostvars, names, restrictions.values())
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
            made = plan(selection.hosts, restrictions, here, elsewhere, local)
            result["schedule"] = {**made, "selected": set_up}
        except PolicyErrors as wrong:
            count = f"{len(wrong.errors)} mistakes" if len(wrong.errors) > 1 else "a mistake"
            raise AnsibleError(f"{count} in the policy; no machine was touched\n{wrong}") from None
        for warning in result["schedule"]["warnings"]:
            self._display.warning(in_lines(warning))
        return result

    def _require_what_runs_see(self, hostvars: Any, names: list[str], restrictions: Iterable[Restrictions]) -> None:
        """Refuse what the runs that are scheduled would not know of the policy: they read the inventory, and what
        their own options give. What is about the schedule is in the units. Raises PolicyErrors.
        """
        elsewhere = in_play_only(hostvars, self._task, names)
        options = {word.partition("=")[0] for one in restrictions for word in one.schedule_options}
        typed = {} if options & EXTRA else of_policy(load_extra_vars(self._loader))
        for variable, value in typed.items():
            expected = "it in the inventory, or in proscribe_schedule_options: scheduled runs do not get this -e"
            elsewhere[variable] = PolicyError("-e", variable, value, expected)
        mistakes = [wrong for variable, wrong in elsewhere.items() if variable not in IN_UNITS]
        mistakes += unread(hostvars, names, self._task)
        if mistakes:
            raise PolicyErrors(mistakes)

    @staticmethod
    def _is_here(hostvars: Any, name: str) -> bool:
        """Whether a host is reached without a connection."""
        try:
            return str(hostvars[name].get("ansible_connection") or "") == "local"
        except Exception:  # templating raises many kinds; what cannot be said without facts is no local connection
            return False

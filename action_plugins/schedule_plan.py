# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that decides which units a schedule needs on which machine, by controller/schedule/schedule_plan.py."""

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

from proscribe.controller.compile.inventory.host_selection import select_hosts
from proscribe.controller.compile.inventory.ignored_variables import find_policy_mistakes
from proscribe.controller.compile.inventory.play_variables import (
    PlayVariables,
    find_play_only_variables,
    select_policy_variables,
)
from proscribe.controller.compile.inventory.reports_folder import ENVIRONMENT_VARIABLE, VARIABLE, find_reports_folder
from proscribe.controller.compile.plans.host_policies import read_all_restrictions
from proscribe.controller.compile.restrictions import PREFIX, RESTRICTIONS, Restrictions
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.controller.schedule.schedule_plan import ScheduleController, plan_schedule
from proscribe.model.types.run import ActionResult, Variables
from proscribe.wire import installation

# The group with the machine that runs the schedule, if it is not this machine.
CONTROLLER_GROUP = "proscribe_controller"
EXTRA_VARIABLE_OPTIONS = {"-e", "--extra-vars"}
VARIABLES_IN_UNITS = {VARIABLE, *(PREFIX + name for name in RESTRICTIONS if name.startswith("schedule"))}
PULL_METHOD = "pull"  # the method by which hosts run by themselves
PLAYBOOK_PROGRAM_VARIABLE = "PROSCRIBE_ANSIBLE_PLAYBOOK"


class ActionModule(ActionBase):
    """Action that plans the schedule of all hosts of the play at once."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Plan the schedule, print its warnings, and return {schedule: the plan, with the selected hosts}.

        Ansible calls this. Raises AnsibleError for mistakes in the policy, before any machine is touched.
        """
        result: ActionResult = super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec({})
        hostvars = variables["hostvars"]
        names = [str(name) for name in variables["ansible_play_hosts_all"]]
        controllers = [str(name) for name in (variables.get("groups") or {}).get(CONTROLLER_GROUP, ())]
        if len(controllers) > 1:
            raise AnsibleError(
                f"the group {CONTROLLER_GROUP} names {len(controllers)} hosts, and one runs the schedule"
            )
        # The machine that runs the schedule; "" for this machine, which the inventory may also name.
        schedule_machine = next(iter(controllers), "")
        if schedule_machine and self._is_local_host(hostvars, schedule_machine):
            schedule_machine = ""
        sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
        try:
            in_play = PlayVariables(hostvars, self._task, names)
            selection = select_hosts(names, in_play)
            selected_names = selection.names
            restrictions = read_all_restrictions(selection.hosts)
            if any(host_restrictions.schedule == PULL_METHOD for host_restrictions in restrictions.values()):
                # The controller collects records from every host, so its part does not depend on --limit.
                names = [str(name) for name in variables["groups"]["all"]]
                selection = select_hosts(names, in_play)
                restrictions = read_all_restrictions(selection.hosts)
            self._require_visible_policy(hostvars, names, restrictions.values())
            environment = {ENVIRONMENT_VARIABLE: str(find_reports_folder(selection.hosts, sources))}
            if program := os.environ.get(PLAYBOOK_PROGRAM_VARIABLE):
                environment[PLAYBOOK_PROGRAM_VARIABLE] = program
            this_controller = ScheduleController(
                str(installation.PROJECT_DIRECTORY),
                pwd.getpwuid(os.getuid()).pw_name,
                os.getuid() == 0,
                sources,
                str(variables.get("ansible_limit") or ""),
                environment,
            )
            has_local_host = any(self._is_local_host(hostvars, name) for name in selection.names)
            schedule = plan_schedule(selection.hosts, restrictions, this_controller, schedule_machine, has_local_host)
            result["schedule"] = {**schedule, "selected": selected_names}
        except PolicyErrors as error:
            count = f"{len(error.errors)} mistakes" if len(error.errors) > 1 else "a mistake"
            raise AnsibleError(f"{count} in the policy; no machine was touched\n{error}") from None
        for warning in result["schedule"]["warnings"]:
            self._display.warning(in_lines(warning))
        return result

    def _require_visible_policy(self, hostvars: Any, names: list[str], restrictions: Iterable[Restrictions]) -> None:
        """Raise PolicyErrors for parts of the policy that the scheduled runs would not see.

        Scheduled runs read the inventory and their own options. Variables of the schedule itself are in its units, so
        they are exempt.
        """
        # key: a variable that scheduled runs would not see; value: the mistake
        invisible = find_play_only_variables(hostvars, self._task, names)
        options = {
            word.partition("=")[0] for host_restrictions in restrictions for word in host_restrictions.schedule_options
        }
        typed_variables = (
            {} if options & EXTRA_VARIABLE_OPTIONS else select_policy_variables(load_extra_vars(self._loader))
        )
        for variable, setting in typed_variables.items():
            expected = "it in the inventory, or in proscribe_schedule_options: scheduled runs do not get this -e"
            invisible[variable] = PolicyError("-e", variable, setting, expected)
        mistakes = [mistake for variable, mistake in invisible.items() if variable not in VARIABLES_IN_UNITS]
        mistakes += find_policy_mistakes(hostvars, names, self._task)
        if mistakes:
            raise PolicyErrors(mistakes)

    @staticmethod
    def _is_local_host(hostvars: Any, name: str) -> bool:
        """Return True if the host is this machine (`ansible_connection: local`)."""
        try:
            return str(hostvars[name].get("ansible_connection") or "") == "local"
        except Exception:  # templating raises many kinds of exceptions; a connection that depends on facts is not local
            return False

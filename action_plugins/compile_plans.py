# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that compiles the plans of all hosts on the controller. It gathers the input for controller/compile."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.playbook.role import Role
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.ansible_objects import find_part, identify_task
from proscribe.controller.compile.inventory.host_selection import HostSelection, select_hosts
from proscribe.controller.compile.inventory.host_variables import (
    CompileInput,
    make_variables_reader,
    make_zone_finder,
    strip_tags,
)
from proscribe.controller.compile.inventory.ignored_variables import find_ignored_policy
from proscribe.controller.compile.inventory.play_variables import (
    PlayVariables,
    find_role_mistakes,
    hash_task_variables,
    list_differing_names,
)
from proscribe.controller.compile.inventory.tags import describe_unknown_tags
from proscribe.controller.compile.inventory.variable_origins import TAGS_MODULE
from proscribe.controller.compile.inventory.workflow_job import read_workflow_job
from proscribe.controller.compile.plans.run_compiler import compile_run
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.controller.report.collection.callback_state import describe_objections
from proscribe.controller.report.collection.plays import (
    CONTROL_BY_ACTION,
    is_compiling_task,
    iterate_included_roles,
    iterate_tasks,
)
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.model.finding import EXTRA_RULE_GROUPS
from proscribe.model.plan import CONTROLS
from proscribe.model.types.run import RegisteredRun
from proscribe.wire import installation
from proscribe.wire.observation import get_compiled_run
from proscribe_ansible.private_names import (
    ACTIONS,
    ANSWERS,
    DETAILS,
    PLACES,
    describe_missing_names,
    has_all_names,
    list_missing_names,
)
from proscribe_ansible.registration import register_report

# Called at import, in Ansible's main process, which has the callbacks. The action itself runs in a worker.
register_report(__name__, installation.PROJECT_DIRECTORY / "callback_plugins")


class ActionModule(ActionBase):
    """Action that compiles the plans of all hosts of the play at once."""

    # BYPASS_HOST_LOOP is not set: with the strategy `linear`, `run_once` does the same. With `free`, Ansible would end
    # with an error of its own.
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compile the plans, print the warnings, and return {proscribe_run: the run}.

        Ansible calls this. A play with batches or several roles calls the action several times. Later calls return the
        run of the first. Raises AnsibleError for mistakes in the policy, and for a run that could succeed without a
        report.
        """
        if missing := list_missing_names(ACTIONS, "ActionBase()", self):
            raise AnsibleError(describe_missing_names(ACTIONS, missing))
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self._warn_of_missing_names()
        _, arguments = self.validate_argument_spec(
            {
                "mode": {"type": "str", "choices": ["audit", "enforce", "lift", "quarantine"], "required": True},
                "for_roles": {"type": "list", "elements": "str", "default": []},
                "observes": {"type": "bool", "default": True},
            }
        )
        mode = arguments["mode"]
        observes = arguments["observes"] and mode in ("audit", "enforce")
        self._require_reported_run(mode)
        self._require_known_tags(variables)
        hostvars = variables["hostvars"]
        names = [str(name) for name in variables["ansible_play_hosts_all"]]
        tags = variables.get("ansible_run_tags") or []
        entry_point = "lift" if mode == "lift" else "main"
        controls = _select_controls(
            [*arguments["for_roles"], *iterate_included_roles(self._task.get_play(), entry_point)], tags
        )
        mode = "check" if self._task.check_mode and mode == "enforce" else mode
        if earlier_run := self._find_earlier_run(variables, names, mode):
            self._require_compiled_role(earlier_run, tags)
            return {**result, "proscribe_run": earlier_run}
        try:
            ignored = find_ignored_policy(hostvars, names, self._task)
            self._require_single_policy(ignored.mistakes)
            play_inventory = PlayVariables(hostvars, self._task, names)
            selection = select_hosts(names, play_inventory, observes)
            compile_input = _make_compile_input(variables, play_inventory, selection, arguments["mode"], mode, controls)
            compile_input = dataclasses.replace(compile_input, warnings=tuple(ignored.warnings))
            result["proscribe_run"] = {
                **compile_run(compile_input),
                # True if the command has -b; the `become` of later plays would hide it
                "become": bool(self._task.become),
                "task": identify_task(self._task),
                "play": identify_task(self._task.get_play()),
                "given": hash_task_variables(self._task),
                # The hosts of the following plays; "all" if no host is left out.
                "selected": ["all"] if len(selection.hosts) == len(names) else selection.names,
            }
        except PolicyErrors as error:
            count = f"{len(error.errors)} mistakes" if len(error.errors) > 1 else "a mistake"
            raise AnsibleError(f"{count} in the policy; no host was touched\n{error}") from None
        for warning in result["proscribe_run"]["warnings_to_print"]:
            self._display.warning(in_lines(warning))
        return result

    def _warn_of_missing_names(self) -> None:
        """Warn of missing private names of ansible-core that affect only messages and time."""
        has_all_names(ANSWERS, {"ActionBase": ActionBase})
        ssh = connection_loader.get("ssh", class_only=True)
        has_all_names(
            DETAILS,
            {"ActionBase": ActionBase, "ActionBase()": self, "Connection": ssh, "CallbackBase": CallbackBase},
        )
        manager = self._task.get_variable_manager()
        has_all_names(
            PLACES,
            {
                "ansible._internal._datatag._tags": TAGS_MODULE,
                "VariableManager()": manager,
                "VariableManager.get_vars": manager.get_vars,
            },
        )

    def _require_reported_run(self, mode: str) -> None:
        """Raise AnsibleError for a run without a report, a task without `run_once`, or changes through Mitogen.

        Without a report, the run would succeed whatever the hosts answer. Mitogen is a foreign plugin that replaces
        Ansible's transport. It does not send the code that modules import by relative names.
        """
        if mistake := describe_objections(C.CONFIG_FILE or "", str(installation.PROJECT_DIRECTORY)):
            raise AnsibleError(mistake)
        if not self._task.run_once:
            raise AnsibleError(f"{self._task.get_path()}: compile_plans expected run_once: true; no host was touched")
        play = self._task.get_play()
        if mode != "audit" and str(play.strategy).startswith("mitogen"):
            raise AnsibleError(
                f'{play.get_path()}: strategy is "{play.strategy}", expected "linear" in a play that changes hosts: '
                "Mitogen does not send what modules import by relative names; no host was touched"
            )

    def _require_known_tags(self, variables: dict[str, Any]) -> None:
        """Raise AnsibleError for tags of the command that no task of the project's own playbooks has.

        Other playbooks may have tags of their own, so their tags are not checked.
        """
        if installation.is_below(str(self._task.get_path()), installation.PLAYBOOKS):
            for tag_variable in ("ansible_run_tags", "ansible_skip_tags"):
                if mistake := describe_unknown_tags(variables.get(tag_variable) or (), CONTROLS):
                    raise AnsibleError(f"{mistake}; no host was touched")

    def _require_single_policy(self, ignored: list[PolicyError]) -> None:
        """Raise PolicyErrors for the parts of the policy that this play would ignore.

        These are `ignored` (variables that Ansible does not read), and variables that another role of the play has with
        other values.
        """
        play = self._task.get_play()
        mistakes = [
            *find_role_mistakes(self._task, (task for task in iterate_tasks(play) if is_compiling_task(task))),
            *ignored,
        ]
        if mistakes:
            raise PolicyErrors({str(mistake): mistake for mistake in mistakes}.values())

    def _require_compiled_role(self, earlier_run: RegisteredRun, tags: list[str]) -> None:
        """Raise AnsibleError for an included role whose controls or variables the plans of `earlier_run` lack.

        An included role is unknown until a task includes it, so the plans may have been compiled without it.
        """
        own_role = find_part(self._task, Role)
        role = next(iter(own_role.get_dep_chain()[-1:]), None) if own_role else None
        controls = _filter_by_tags(_list_role_controls([role.get_name()]), tags) if role else []
        missing = set(controls).difference(earlier_run["controls"] or ())
        differing = list_differing_names(hash_task_variables(self._task), earlier_run["given"])
        if missing or differing:
            difference = f"is for {', '.join(sorted(missing))}" if missing else f"has its own {', '.join(differing)}"
            raise AnsibleError(
                f"{role.get_role_path() if role else self._task.get_path()}: this role {difference}, which the plans "
                f"of "
                "this play were compiled without: expected all roles of Proscribe's in the play itself (roles, "
                "import_role, or include_role by its name), with one policy, or a play for each"
            )

    def _find_earlier_run(self, variables: dict[str, Any], names: list[str], mode: str) -> RegisteredRun | None:
        """Return the run that this play has compiled before; None if there is none.

        This task compiled it in an earlier batch (`serial`), or the task of another role compiled it. The play then
        has a single run and a single report. `names` are all hosts of the play, `mode` is the mode of this task.
        """
        batch = {str(name) for name in variables.get("ansible_play_batch") or names}
        task, play = identify_task(self._task), identify_task(self._task.get_play())
        is_in_role = bool(find_part(self._task, Role))
        # To read the variables of a host takes time, so no host is read if an earlier run is impossible.
        others = [name for name in names if name not in batch] if self._task.get_play().serial else []
        for name in names if is_in_role else others:
            run = get_compiled_run(variables["hostvars"].raw_get(name))
            is_later_batch = run.get("task") == task and name not in batch
            is_other_role = is_in_role and run.get("play") == play and run.get("task") != task
            if is_later_batch or (is_other_role and run["mode"] == mode):
                earlier_run: RegisteredRun = strip_tags(run)
                return earlier_run
        return None


def _make_compile_input(
    variables: dict[str, Any],
    play_inventory: PlayVariables,
    selection: HostSelection,
    playbook: str,
    mode: str,
    controls: list[str],
) -> CompileInput:
    """Build the input of the compilation from the variables of the task."""
    return CompileInput(
        project=installation.PROJECT_DIRECTORY,
        mode=mode,
        playbook=playbook,
        inventory=[str(source) for source in variables.get("ansible_inventory_sources") or []],
        limit=str(variables.get("ansible_limit") or ""),
        controls=controls,
        hosts=selection.hosts,
        groups={str(group): frozenset(map(str, hosts)) for group, hosts in (variables.get("groups") or {}).items()},
        zone_of=make_zone_finder(play_inventory),
        variables_of=make_variables_reader(play_inventory),
        playbook_folder=_find_playbook_folder(variables),
        user_project=installation.locate_user_project(),
        not_served=selection.not_served,
        windows_hosts=selection.windows_hosts,
        pattern=selection.pattern,
        chosen_hosts=selection.chosen_hosts,
        round=read_workflow_job(variables),
    )


def _select_controls(roles: list[str], tags: list[str]) -> list[str]:
    """Return the controls of a run: those of its roles, limited by --tags.

    Raises AnsibleError if none remains.
    """
    role_controls = _list_role_controls(roles)
    selected = _filter_by_tags(role_controls, tags)
    if not selected:
        tagged_names, role_names = " and ".join(_filter_by_tags(CONTROLS, tags)), " and ".join(role_controls)
        raise AnsibleError(
            f"--tags names {tagged_names}, and the roles of this play are for {role_names}; no host was touched"
        )
    return selected


def _list_role_controls(roles: list[str]) -> list[str]:
    """Return the controls of roles; all controls if no role is for a single control.

    A role of an extra group of rules (Group Policy, the watch) also stands for all controls. Such a group is observed
    only together with all controls.
    """
    named_controls = {CONTROL_BY_ACTION.get(role.rpartition(".")[2]) for role in roles}
    return [
        control for control in CONTROLS if control in named_controls and named_controls.isdisjoint(EXTRA_RULE_GROUPS)
    ] or list(CONTROLS)


def _filter_by_tags(controls: Iterable[str], tags: list[str]) -> list[str]:
    """Return those of `controls` that --tags names; all of them if --tags names no control."""
    tagged = [control for control in CONTROLS if control in tags] or CONTROLS
    return [control for control in controls if control in tagged]


def _find_playbook_folder(variables: dict[str, Any]) -> Path | None:
    """Return the directory of the running playbook, in which relative directories of the policy are searched.

    Returns None for a playbook of the collection, or if Ansible names no directory.
    """
    folder = str(variables.get("playbook_dir") or "")
    # The collection's own playbooks have no directories of an organisation's policy beside them.
    is_in_collection = installation.COLLECTION and installation.is_below(f"{folder}/", installation.PLAYBOOKS)
    return Path(folder) if folder and not is_in_collection else None

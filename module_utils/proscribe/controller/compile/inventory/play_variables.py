"""Variables of hosts as the tasks of a play see them: with the variables of the play, its roles and its includes.

Ansible's own `hostvars` lack these variables, so a policy in a play would be ignored without a message. The plans of a
play are compiled once for all its roles. So a setting for a single role is refused.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.role import Role
from ansible.playbook.role_include import IncludeRole
from ansible.vars.hostvars import HostVarsVars
from ansible.vars.manager import VariableManager

from ...ansible_objects import find_part
from ...policy_errors import PolicyError
from ..restrictions import PREFIX, REGISTERED_VARIABLES
from .variable_origins import find_origin

# parameters of Ansible's get_vars() with the play's hosts, which save a search for them
SEARCH_PARAMETERS = frozenset({"_hosts", "_hosts_all"})


class PlayVariables:
    """A replacement for Ansible's `hostvars` within a play, by Ansible's own rules of precedence, for each host.

    `names` are the hosts of the play. Without the names, Ansible would search for these hosts again for each host.
    """

    def __init__(self, hostvars: Any, task: Any, names: Sequence[str]) -> None:
        self._inventory = find_part(hostvars, InventoryManager)
        self._loader = find_part(hostvars, DataLoader)
        self._variable_manager = find_part(hostvars, VariableManager)
        self._task = task.copy()
        # The task runs on the controller; its connection variables describe no host.
        self._task.vars = {name: setting for name, setting in task.vars.items() if not name.startswith("ansible_")}
        self._play = task.get_play()
        self._host_parameters = dict.fromkeys(
            SEARCH_PARAMETERS & inspect.signature(self._variable_manager.get_vars).parameters.keys(), list(names)
        )

    def raw_get(self, name: str) -> Mapping[str, object]:
        """Return a host's variables without templating."""
        variables: Mapping[str, object] = self._variable_manager.get_vars(
            play=self._play,
            host=self._inventory.get_host(name),
            task=self._task,
            include_hostvars=False,
            **self._host_parameters,
        )
        return variables

    def __getitem__(self, name: str) -> HostVarsVars:
        return HostVarsVars(self.raw_get(name), loader=self._loader, host=name)

    def layers(self, name: str) -> Iterator[Mapping[str, object]]:
        """Yield the variables that a play adds to a host's, source by source, the highest precedence first.

        These sources precede the inventory, and follow extra variables (`-e`). `vars_files` are missing, because
        Ansible reads them again for each host.
        """
        manager = self._variable_manager
        # Ansible's order: parameters of includes and of the role, facts, then the rest. The last source has the role's
        # defaults, which follow the inventory (`defaults`).
        role_layers = list(_iterate_task_layers(self._task))
        yield from role_layers[:2]
        yield manager._nonpersistent_fact_cache.get(name, {})
        yield manager._vars_cache.get(name, {})
        yield from role_layers[2:-1]
        for role in reversed(self._play.roles):
            if role.public:
                yield role.get_vars(include_params=False, only_exports=True)
        yield self._play.get_vars()

    def defaults(self) -> Iterator[Mapping[str, object]]:
        """Yield the defaults of roles, which have a lower precedence than the inventory, the highest first."""
        yield list(_iterate_task_layers(self._task))[-1]
        for role in reversed(self._play.roles):
            if role.public:
                yield role.get_default_vars()


def select_policy_variables(variables: Mapping[str, object]) -> dict[str, object]:
    """Return those of `variables` that are settings of Proscribe, without the variables that playbooks register."""
    return {
        str(key): setting
        for key, setting in variables.items()
        if key.startswith(PREFIX) and key not in REGISTERED_VARIABLES
    }


def hash_task_variables(task: Any) -> dict[str, str]:
    """Return a digest of each policy variable that a task gets from its role and its includes, by variable.

    Other tasks of the play may lack these variables. Digests are enough for a comparison. They hide the values, because
    Ansible prints the data of a run.
    """
    policy_variables: dict[str, object] = {}
    for layer in reversed(list(_iterate_task_layers(task))):
        policy_variables |= select_policy_variables(layer)
    return {
        name: hashlib.sha256(repr(setting).encode()).hexdigest()[:16]
        for name, setting in sorted(policy_variables.items())
    }


def list_differing_names(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Return the sorted names whose values differ, or that only one mapping has."""
    return sorted({name for name, _ in first.items() ^ second.items()})


def _iterate_task_layers(task: Any) -> Iterator[Mapping[str, object]]:
    """Yield the variables of a task source by source, the highest precedence first; {} for a source without any.

    The first three sources are parameters of includes, parameters of the role, and variables of `apply` in
    include_role. The others are variables of the task, variables of the role, and defaults of the role.
    """
    role = find_part(task, Role)
    chain = role.get_dep_chain() if role else []
    yield task.get_include_params()
    yield role.get_role_params(chain) if role else {}
    yield (task.args.get("apply") or {}).get("vars") or {} if isinstance(task, IncludeRole) else {}
    yield task.get_vars()
    yield role.get_vars(chain, include_params=False) if role else {}
    yield role.get_default_vars(chain) if role else {}


def find_role_mistakes(task: Any, other_tasks: Iterable[Any]) -> Iterator[PolicyError]:
    """Yield a mistake for each policy variable in which this task and another compiling task of its play differ."""
    own_digests = hash_task_variables(task)
    for other_task in other_tasks:
        for variable in list_differing_names(hash_task_variables(other_task), own_digests):
            (setting, place) = next(
                (layer[key], find_origin(layer[key]) or find_origin(key))
                for candidate in (other_task, task)
                for layer in _iterate_task_layers(candidate)
                for key in layer
                if key == variable
            )
            expected = (
                "the same for all roles of the play, whose plans are compiled once: set it for the play, or give the "
                "role a play of its own"
            )
            yield PolicyError(place or str(task.get_path()), variable, setting, expected)


def find_play_only_variables(hostvars: Any, task: Any, names: Sequence[str]) -> dict[str, PolicyError]:
    """Return an error for each policy variable of the task's play that the inventory does not have, by variable.

    `names` are hosts. The caller starts a separate process. That process reads only the inventory, and would lack these
    variables.
    """
    errors: dict[str, PolicyError] = {}
    play_variables = PlayVariables(hostvars, task, names)
    for name in names:
        inventory_variables = hostvars.raw_get(name)
        for variable, setting in select_policy_variables(play_variables.raw_get(name)).items():
            if variable not in errors and (
                variable not in inventory_variables or inventory_variables[variable] != setting
            ):
                expected = "it in the inventory: what this starts does not see the variables of a play"
                errors[variable] = PolicyError(
                    find_origin(setting) or str(task.get_path()), variable, setting, expected
                )
    return errors

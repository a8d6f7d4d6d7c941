"""The hosts' variables as the tasks of a play see them: with those of the play, of its roles, and of what is included.

Ansible's own `hostvars` have none of these, so a policy that stands in a play would be ignored without a word. The
plans of a play are compiled once for all its roles, so what stands for one role alone is refused.
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

from ...ansible_parts import part_of
from ...policy_errors import PolicyError
from ..restrictions import PREFIX, REGISTERED
from .places import origin

KNOWN = frozenset({"_hosts", "_hosts_all"})  # parameters of Ansible's that save it a search


class InPlay:
    """What Ansible's `hostvars` are, in a play: by its own rules of precedence, for each host.

    `names` are the hosts of the play. Ansible would search for them anew for each host.
    """

    def __init__(self, hostvars: Any, task: Any, names: Sequence[str]) -> None:
        self._inventory = part_of(hostvars, "_inventory", InventoryManager)
        self._loader = part_of(hostvars, "_loader", DataLoader)
        self._variable_manager = part_of(hostvars, "_variable_manager", VariableManager)
        self._task = task.copy()
        # That the task runs on the controller is said of it, and of no host.
        self._task.vars = {name: value for name, value in task.vars.items() if not name.startswith("ansible_")}
        self._play = task.get_play()
        self._known = dict.fromkeys(
            KNOWN & inspect.signature(self._variable_manager.get_vars).parameters.keys(), list(names)
        )

    def raw_get(self, name: str) -> Mapping[str, object]:
        """A host's variables, as they were written."""
        known: Mapping[str, object] = self._variable_manager.get_vars(
            play=self._play,
            host=self._inventory.get_host(name),
            task=self._task,
            include_hostvars=False,
            **self._known,
        )
        return known

    def __getitem__(self, name: str) -> HostVarsVars:
        return HostVarsVars(self.raw_get(name), loader=self._loader, host=name)

    def layers(self, name: str) -> Iterator[Mapping[str, object]]:
        """What a play adds below extra variables, the source with the last word first; but for `vars_files`, which
        Ansible reads anew for each host.
        """
        manager = self._variable_manager
        for_role = list(_layers_of(self._task))
        yield from for_role[:2]
        yield manager._nonpersistent_fact_cache.get(name, {})
        yield manager._vars_cache.get(name, {})
        yield from for_role[2:-1]
        for role in reversed(self._play.roles):
            if role.public:
                yield role.get_vars(include_params=False, only_exports=True)
        yield self._play.get_vars()

    def defaults(self) -> Iterator[Mapping[str, object]]:
        """What a play adds below all of the inventory, the source with the last word first."""
        yield list(_layers_of(self._task))[-1]
        for role in reversed(self._play.roles):
            if role.public:
                yield role.get_default_vars()


def of_policy(variables: Mapping[str, object]) -> dict[str, object]:
    """Those of some variables that are of a policy."""
    return {str(key): value for key, value in variables.items() if key.startswith(PREFIX) and key not in REGISTERED}


def given_to(task: Any) -> dict[str, str]:
    """What a task has of the policy that not every task of its play has: from its role, and from what includes it. The
    values are digests, since they are compared and a run's data are printed.
    """
    found: dict[str, object] = {}
    for layer in reversed(list(_layers_of(task))):
        found |= of_policy(layer)
    return {name: hashlib.sha256(repr(value).encode()).hexdigest()[:16] for name, value in sorted(found.items())}


def unlike(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names of what only one of two has, or has another value of."""
    return sorted({name for name, _ in one.items() ^ other.items()})


def _layers_of(task: Any) -> Iterator[Mapping[str, object]]:
    """Which variables a task has from its role and from what includes it, the source with the last word first."""
    role = part_of(task, "_role", Role)
    chain = role.get_dep_chain() if role else []
    yield task.get_include_params()
    yield role.get_role_params(chain) if role else {}
    yield (task.args.get("apply") or {}).get("vars") or {} if isinstance(task, IncludeRole) else {}
    yield task.get_vars()
    yield role.get_vars(chain, include_params=False) if role else {}
    yield role.get_default_vars(chain) if role else {}


def for_another_role(task: Any, others: Iterable[Any]) -> Iterator[PolicyError]:
    """What others of a play's tasks that compile have of the policy, and this one has not."""
    own = given_to(task)
    for other in others:
        for variable in unlike(given_to(other), own):
            (value, place) = next(
                (layer[key], origin(layer[key]) or origin(key))
                for one in (other, task)
                for layer in _layers_of(one)
                for key in layer
                if key == variable
            )
            expected = (
                "the same for all roles of the play, whose plans are compiled once: set it for the play, or give the "
                "role a play of its own"
            )
            yield PolicyError(place or str(task.get_path()), variable, value, expected)


def in_play_only(hostvars: Any, task: Any, names: Sequence[str]) -> dict[str, PolicyError]:
    """What the play of a task says of the policy, and the inventory does not, by its name: for what is done by a
    process of its own, which reads the inventory.
    """
    found: dict[str, PolicyError] = {}
    seen = InPlay(hostvars, task, names)
    for name in names:
        elsewhere = hostvars.raw_get(name)
        for variable, value in of_policy(seen.raw_get(name)).items():
            if variable not in found and (variable not in elsewhere or elsewhere[variable] != value):
                expected = "it in the inventory: what this starts does not see the variables of a play"
                found[variable] = PolicyError(origin(value) or str(task.get_path()), variable, value, expected)
    return found

"""What the hosts of a batch have in common (batch.py).

Hosts that are reached alike share what is made for one of them: Ansible's plugins with their options, and the command.
They differ in their address only. All of the connection's variables are compared for it, with their expressions
evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins import loader
from ansible.template import Templar
from proscribe.model.types.run import Variables
from proscribe.wire import installation

from proscribe_ansible.handover import TaskMember

ADDRESS_VARIABLES = ("ansible_ssh_host", "ansible_host")  # the first that is there counts
USUAL_PLUGINS = (("connection", "ssh"), ("shell", "sh"), ("become", "sudo"))  # plugins
INTERPRETER_VARIABLE = "ansible_python_interpreter"  # Ansible's executor reads it, and it belongs to no plugin
# Keywords that decide how a host is reached and what it is asked.
TASK_KEYWORDS = (
    "args",
    "become",
    "become_user",
    "become_method",
    "become_flags",
    "become_exe",
    "remote_user",
    "port",
    "connection",
    "check_mode",
)


def group_alike(members: Sequence[TaskMember]) -> Iterator[list[TaskMember]]:
    """The members in groups of those that are reached alike, and asked the same."""
    if not is_constant_task(members[0].task):
        yield from ([member] for member in members)
        return
    groups: dict[str, list[TaskMember]] = {}
    for member in members:
        groups.setdefault(format_values(member, list_plugin_variables(*USUAL_PLUGINS)), []).append(member)
    yield from groups.values()


def is_constant_task(task: Any) -> bool:
    """Whether a task is the same for hosts that are reached alike. In our own playbooks no expression has other
    variables than those of the connection.
    """
    if task.when:
        return False
    if str(task.get_path()).startswith(f"{installation.PLAYBOOKS}/"):
        return True
    return not any("{{" in str(getattr(task, keyword)) for keyword in TASK_KEYWORDS)


@functools.cache
def list_plugin_variables(*plugins: tuple[str, str]) -> frozenset[str]:
    """The variables that plugins take their options from, and Ansible what it gives to them."""
    for kind, plugin in plugins:  # Ansible knows a plugin's variables once that is loaded
        getattr(loader, f"{kind}_loader").get(plugin, class_only=True)
    names = {name for kind, plugin in plugins for name in C.config.get_plugin_vars(kind, plugin)}
    names |= {name for aliases in C.MAGIC_VARIABLE_MAPPING.values() for name in aliases}
    return frozenset((names | {INTERPRETER_VARIABLE}) - {*ADDRESS_VARIABLES, "inventory_hostname"})


def format_values(member: TaskMember, names: frozenset[str]) -> str:
    """The values that a host has for these variables, as one text."""
    values_by_name = {
        name: evaluate_variable(member.variables, name) for name in sorted(names & member.variables.keys())
    }
    return repr(values_by_name)


def evaluate_variable(variables: Variables, name: str) -> Any:
    """The value of a variable; what does not hold an expression is not evaluated."""
    content = variables[name]
    if content is None or isinstance(content, (bool, int)) or isinstance(content, str) and "{" not in content:
        return content
    try:
        return Templar(None, variables=variables).template(content)
    except AnsibleError as error:
        return error  # unlike any other; the executor will tell of it

"""Groups of hosts that are reached alike (batch.py).

The hosts of a group share the objects made for the first host: Ansible's plugins with their options, and the command.
They differ only in their addresses. All variables of the connection are compared, with their expressions evaluated.
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

from proscribe_ansible.result_transfer import TaskMember

ADDRESS_VARIABLES = ("ansible_ssh_host", "ansible_host")  # the first that is set counts
USUAL_PLUGINS = (("connection", "ssh"), ("shell", "sh"), ("become", "sudo"))  # kind and name of each plugin
INTERPRETER_VARIABLE = "ansible_python_interpreter"  # read by Ansible's executor, so it belongs to no plugin
# Keywords of a task that decide how a host is reached, and what it is sent.
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
    """Yield groups of hosts that are reached alike and have the same question.

    If the task can differ between hosts, each host is a group.
    """
    if not is_constant_task(members[0].task):
        yield from ([member] for member in members)
        return
    groups: dict[str, list[TaskMember]] = {}
    for member in members:
        groups.setdefault(format_values(member, list_plugin_variables(*USUAL_PLUGINS)), []).append(member)
    yield from groups.values()


def is_constant_task(task: Any) -> bool:
    """Return True if a task is the same for all hosts that are reached alike.

    A task with `when`, or with an expression in one of TASK_KEYWORDS, can differ. In the project's own playbooks,
    expressions only use variables of the connection, which are compared anyway.
    """
    if task.when:
        return False
    if str(task.get_path()).startswith(f"{installation.PLAYBOOKS}/"):
        return True
    return not any("{{" in str(getattr(task, keyword)) for keyword in TASK_KEYWORDS)


@functools.cache
def list_plugin_variables(*plugins: tuple[str, str]) -> frozenset[str]:
    """Return the names of the variables that configure the plugins (kind, name), without the address of the host.

    Hosts with the same values are reached alike; only their addresses differ. The variables are those of the plugins'
    options, those that Ansible passes to any plugin, and the interpreter.
    """
    for kind, plugin in plugins:  # Ansible knows the variables of a plugin only after loading it
        getattr(loader, f"{kind}_loader").get(plugin, class_only=True)
    names = {name for kind, plugin in plugins for name in C.config.get_plugin_vars(kind, plugin)}
    names |= {name for aliases in C.MAGIC_VARIABLE_MAPPING.values() for name in aliases}
    return frozenset((names | {INTERPRETER_VARIABLE}) - {*ADDRESS_VARIABLES, "inventory_hostname"})


def format_values(member: TaskMember, names: frozenset[str]) -> str:
    """Return the values that the variables `names` have for a host, as a text for comparison."""
    values_by_name = {
        name: evaluate_variable(member.variables, name) for name in sorted(names & member.variables.keys())
    }
    return repr(values_by_name)


def evaluate_variable(variables: Variables, name: str) -> Any:
    """Return the value of a variable with its expression evaluated; the error if that fails.

    A value without an expression is not evaluated.
    """
    content = variables[name]
    if content is None or isinstance(content, (bool, int)) or isinstance(content, str) and "{" not in content:
        return content
    try:
        return Templar(None, variables=variables).template(content)
    except AnsibleError as error:
        return error  # it equals no other value, and the executor will report it

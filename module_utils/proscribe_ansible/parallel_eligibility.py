"""The test whether a host of a task may be observed together with others, in one process (parallel_run.py)."""

from __future__ import annotations

from typing import Any

from ansible.playbook.handler import Handler
from proscribe.model.types.run import Variables
from proscribe.wire import installation
from proscribe.wire.observation import get_compiled_run

from proscribe_ansible.result_transfer import TaskMember

SSH_CONNECTIONS = ("ssh", "ansible.builtin.ssh")
LINEAR_STRATEGY = "ansible.plugins.strategy.linear"
# Keywords that make a task more than a single question and its answer.
UNUSUAL_KEYWORDS = (
    "loop",
    "loop_with",
    "until",
    "retries",
    "delegate_to",
    "run_once",
    "async_val",
    "throttle",
    "timeout",
    "debugger",
)

# A cache of the last task, and whether it is usual: a strategy queues the same task for each host.
_last_task: list[Any] = []


def can_observe_together(strategy: Any, member: TaskMember) -> bool:
    """Return True if a host may be observed together with others, in one process.

    This needs the strategy `linear`, a connection by ssh and a task without unusual keywords. Windows hosts, and hosts
    that an audit asks through their stored program, get a worker of their own.
    """
    task, variables = member.task, member.variables
    if not _last_task or _last_task[0] is not task:
        _last_task[:] = task, _is_usual_task(task)
    return (
        _last_task[1]
        and type(strategy).__module__ == LINEAR_STRATEGY
        and variables.get("ansible_connection", task.connection) in SSH_CONNECTIONS
        and member.name not in _list_audit_stored_hosts(variables)
        and member.name not in get_compiled_run(variables).get("windows", ())
    )


def _is_usual_task(task: Any) -> bool:
    """Return True if a task is a plain `compliance_state`: a single question to a host and its answer."""
    return (
        task.action == installation.qualify_name("compliance_state")
        and not isinstance(task, Handler)
        and not any(getattr(task, keyword) for keyword in UNUSUAL_KEYWORDS)
    )


def _list_audit_stored_hosts(variables: Variables) -> Any:
    """Return the hosts that this audit observes without root rights, through a program stored on the host.

    Other runs than audits have none.
    """
    run = get_compiled_run(variables)
    return run.get("audit_stored", ()) if run.get("mode") == "audit" else ()

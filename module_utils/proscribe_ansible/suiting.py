"""Which hosts of a task may be observed with others, in one process (sweep.py)."""

from __future__ import annotations

from typing import Any

from ansible.playbook.handler import Handler
from proscribe.model.types.run import Variables
from proscribe.wire import installation
from proscribe.wire.observation import compiled_run

from proscribe_ansible.handover import Member

SSH = ("ssh", "ansible.builtin.ssh")
LINEAR = "ansible.plugins.strategy.linear"
# Keywords with which a task is more than one question and its answer.
UNUSUAL = (
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

_usual: list[Any] = []  # the task that was seen last, and whether it is one: a strategy queues it for each host


def suits(strategy: Any, member: Member) -> bool:
    """Whether a host may be observed with others."""
    task, variables = member.task, member.variables
    if not _usual or _usual[0] is not task:
        _usual[:] = task, _is_usual(task)
    return (
        _usual[1]
        and type(strategy).__module__ == LINEAR
        and variables.get("ansible_connection", task.connection) in SSH
        and member.name not in _stored(variables)
        and member.name not in compiled_run(variables).get("windows", ())
    )


def _is_usual(task: Any) -> bool:
    """Whether a task is one question and its answer."""
    return (
        task.action == installation.called("compliance_state")
        and not isinstance(task, Handler)
        and not any(getattr(task, keyword) for keyword in UNUSUAL)
    )


def _stored(variables: Variables) -> Any:
    """The hosts that a program of their own audits, over which an account that is not root has no other right."""
    run = compiled_run(variables)
    return run.get("audit_stored", ()) if run.get("mode") == "audit" else ()

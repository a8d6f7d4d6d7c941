"""Proscribe's own plays and tasks, as the callbacks distinguish them from others. Imports nothing of Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....wire.installation import COLLECTION

ENTRY_POINTS = ("main", "lift")  # the tasks files of a control's role that compile plans
INCLUDE_ACTION = "include_role"
COMPILE_ACTION = "compile_plans"  # the task that defines a run and its expected hosts
# The tasks that bring a host's record: a new record, or the record that the host's own run has stored.
OBSERVE_ACTIONS = ("compliance_state", "collect_record")

SCHEDULE_ACTIONS = ("schedule_plan", "drift_schedule")  # the tasks that set up scheduled runs

ROLLOUT_ACTION = "rollout"  # the task that sets the reach of the run, and stops it at its limits

QUARANTINE_ACTION = "quarantine"  # the task that lists, restores or prunes the entries of a host's quarantine
CHOICE_ACTION = (
    # The task that selects entries of the quarantine, and stops the run at a mistake in the selection.
    "quarantine_choice"
)

# The modules that change a host, and their controls. The parts beside the controls count as controls here.
CONTROL_BY_ACTION = {
    "restricted_apps": "apps",
    "browser_policy": "browser",
    "host_firewall": "firewall",
    "dns_filter": "dns",
    "group_policy": "group_policy",
    "host_watch": "watch",
}


def get_action_name(task: Any) -> str:
    """Return the short name of a task's module."""
    return str(getattr(task, "action", "")).rpartition(".")[2]


def is_compiling_play(play: Any) -> bool:
    """Return whether a play compiles plans, so that its file is one of Proscribe's playbooks."""
    return has_task(play, COMPILE_ACTION)


def has_task(play: Any, action: str) -> bool:
    """Return whether a play, or a role that it names, has a task with this action."""
    return any(get_action_name(task) == action for task in iterate_tasks(play))


def has_report_task(play: Any) -> bool:
    """Return whether a play has a task of Proscribe that contributes to a report."""
    report_actions = {
        COMPILE_ACTION,
        *OBSERVE_ACTIONS,
        ROLLOUT_ACTION,
        QUARANTINE_ACTION,
        CHOICE_ACTION,
        *CONTROL_BY_ACTION,
    }
    return any(get_action_name(task) in report_actions for task in iterate_tasks(play))


def iterate_tasks(play: Any) -> Iterator[Any]:
    """Yield the tasks of a play and of the roles that it names. Tasks included while the play runs are left out."""
    yield from _flatten_blocks(play.get_tasks())
    named_roles = [role for role in getattr(play, "roles", None) or () if not getattr(role, "from_include", False)]
    for role in named_roles:  # tasks of an imported role are among the play's tasks
        for dependency in (*role.get_all_dependencies(), role):
            yield from _flatten_blocks(dependency.get_task_blocks())


def iterate_included_roles(play: Any, entry_point: str) -> Iterator[str]:
    """Yield the names of our roles that tasks of a play include while it runs, from the tasks file `entry_point`."""
    for task in iterate_tasks(play):
        if (
            is_compiling_task(task)
            and get_action_name(task) == INCLUDE_ACTION
            and _get_entry_point(task) == entry_point
        ):
            yield _get_role_name(task)


def is_compiling_task(task: Any) -> bool:
    """Return whether a task compiles the plans, or includes a role that compiles them while the play runs."""
    if get_action_name(task) != INCLUDE_ACTION:
        return get_action_name(task) == COMPILE_ACTION
    collection, _, name = _get_role_name(task).rpartition(".")
    return name in CONTROL_BY_ACTION and collection in ("", COLLECTION) and _get_entry_point(task) in ENTRY_POINTS


def _get_role_name(task: Any) -> str:
    """Return the role that a task includes, as the task spells it."""
    return str(task.args.get("name", task.args.get("role", "")))


def _get_entry_point(task: Any) -> str:
    return str(task.args.get("tasks_from", "main")).removesuffix(".yml")


def _flatten_blocks(tasks: Iterable[Any]) -> Iterator[Any]:
    for task in tasks:
        if isinstance(task, list):
            yield from _flatten_blocks(task)
        elif hasattr(task, "block"):
            yield from _flatten_blocks([task.block, task.rescue, task.always])
        else:
            yield task


def collect_tags(plays: Iterable[Any]) -> set[str]:
    """Return the tags of plays and of their tasks."""
    tags: set[str] = set()
    for play in plays:
        tags.update(map(str, play.tags))
        for task in iterate_tasks(play):
            tags.update(map(str, task.tags))
    return tags


def is_scheduling_play(play: Any) -> bool:
    """Return whether a play sets up scheduled runs, so that its file is Proscribe's playbook for schedules."""
    return has_task(play, SCHEDULE_ACTIONS[0])


def get_playbook_path(play: Any) -> str:
    """Return the path of the playbook file that contains a play."""
    return str(play.get_path()).rpartition(":")[0]

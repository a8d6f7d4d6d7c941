"""Proscribe's own plays and tasks, as the callbacks distinguish them from others. Imports nothing of Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....wire.installation import COLLECTION
from ...controls import DECLARATIONS

ENTRY_POINTS = ("main", "lift")  # names of the tasks files in a control's role that compile plans
INCLUDE_ACTION = "include_role"
COMPILE_ACTION = "compile_plans"  # the task that defines a run and its expected hosts
# The tasks that return a host's record: a new record, or the record that a run on the host itself has stored.
OBSERVE_ACTIONS = ("compliance_state", "collect_record")

SCHEDULE_ACTIONS = ("schedule_plan", "drift_schedule")  # the tasks that set up scheduled runs

ROLLOUT_ACTION = "rollout"  # the task that decides which hosts the run corrects, and stops the run at its limits

QUARANTINE_ACTION = "quarantine"  # the task that lists, restores or prunes the entries of a host's quarantine
# the task that selects entries of the quarantine, and stops the run if the selection is wrong
CHOICE_ACTION = "quarantine_choice"

# Key: a module that changes a host. Value: its control. Group policy and the watch count as controls here.
CONTROL_BY_ACTION = {
    **{declaration.action: control for control, declaration in DECLARATIONS.items()},
    "group_policy": "group_policy",
    "host_watch": "watch",
}


def get_action_name(task: Any) -> str:
    """Return the name of a task's module without its collection."""
    return str(getattr(task, "action", "")).rpartition(".")[2]


def is_compiling_play(play: Any) -> bool:
    """Return whether a play has the task that compiles plans.

    The file of such a play is one of Proscribe's playbooks.
    """
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
    """Yield the tasks of a play and of the roles that it names.

    Roles and tasks included at run time are left out.
    """
    yield from _flatten_blocks(play.get_tasks())
    named_roles = [role for role in getattr(play, "roles", None) or () if not getattr(role, "from_include", False)]
    for role in named_roles:  # the tasks of an imported role are already among the play's tasks
        for dependency in (*role.get_all_dependencies(), role):
            yield from _flatten_blocks(dependency.get_task_blocks())


def iterate_included_roles(play: Any, entry_point: str) -> Iterator[str]:
    """Yield the names of Proscribe's roles that a play includes at run time by `entry_point`.

    `entry_point` is the name of a tasks file of the role.
    """
    for task in iterate_tasks(play):
        if (
            is_compiling_task(task)
            and get_action_name(task) == INCLUDE_ACTION
            and _get_entry_point(task) == entry_point
        ):
            yield _get_role_name(task)


def is_compiling_task(task: Any) -> bool:
    """Return whether a task compiles the plans, or includes at run time a role that does so."""
    if get_action_name(task) != INCLUDE_ACTION:
        return get_action_name(task) == COMPILE_ACTION
    collection, _, name = _get_role_name(task).rpartition(".")
    return name in CONTROL_BY_ACTION and collection in ("", COLLECTION) and _get_entry_point(task) in ENTRY_POINTS


def _get_role_name(task: Any) -> str:
    """Return the name of the role that a task includes, with its collection if the task names it."""
    return str(task.args.get("name", task.args.get("role", "")))


def _get_entry_point(task: Any) -> str:
    return str(task.args.get("tasks_from", "main")).removesuffix(".yml")


def _flatten_blocks(tasks: Iterable[Any]) -> Iterator[Any]:
    """Yield the tasks in nested lists and in Ansible's blocks, with the tasks of their `rescue` and `always`."""
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
    """Return whether a play sets up scheduled runs. Its file is Proscribe's playbook for schedules."""
    return has_task(play, SCHEDULE_ACTIONS[0])


def get_playbook_path(play: Any) -> str:
    """Return the path of the playbook file that contains a play."""
    return str(play.get_path()).rpartition(":")[0]

"""How the callbacks distinguish Proscribe's own plays and tasks from others. Imports nothing of Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....wire.installation import COLLECTION

ENTRY_POINTS = ("main", "lift")  # the tasks files of a control's role that compile plans
INCLUDE_ACTION = "include_role"
COMPILE_ACTION = "compile_plans"  # the task that says what a run is, and whom it expects
# The tasks that bring a host's record: a fresh one, or the one that the host's own run has kept.
OBSERVE_ACTIONS = ("compliance_state", "collect_record")

SCHEDULE_ACTIONS = ("schedule_plan", "drift_schedule")  # the tasks that have runs begin by themselves

ROLLOUT_ACTION = "rollout"  # the task that says how far the run reaches, and stops it where it must not go on

QUARANTINE_ACTION = "quarantine"  # the task that lists, restores or prunes what a host keeps in its quarantine
CHOICE_ACTION = (
    "quarantine_choice"  # the task that says which of it is meant, and stops the run where that is a mistake
)

# The modules that change a host, and the control that each one is; what is beside the controls counts as one.
CONTROL_BY_ACTION = {
    "restricted_apps": "apps",
    "browser_policy": "browser",
    "host_firewall": "firewall",
    "dns_filter": "dns",
    "group_policy": "group_policy",
    "host_watch": "watch",
}


def get_action_name(task: Any) -> str:
    """The short name of a task's module."""
    return str(getattr(task, "action", "")).rpartition(".")[2]


def is_compiling_play(play: Any) -> bool:
    """Whether a play compiles plans, so that its file is one of Proscribe's playbooks."""
    return has_task(play, COMPILE_ACTION)


def has_task(play: Any, action: str) -> bool:
    """Whether a play has a task of that action, in its roles too."""
    return any(get_action_name(task) == action for task in iterate_tasks(play))


def has_report_task(play: Any) -> bool:
    """Whether a play has a task of ours that a report is made from."""
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
    """The tasks of a play and of the roles that it names; not those that a task includes while the play runs."""
    yield from _flatten_blocks(play.get_tasks())
    named_roles = [role for role in getattr(play, "roles", None) or () if not getattr(role, "from_include", False)]
    for role in named_roles:  # the tasks of one that is imported are among the play's
        for dependency in (*role.get_all_dependencies(), role):
            yield from _flatten_blocks(dependency.get_task_blocks())


def iterate_included_roles(play: Any, entry_point: str) -> Iterator[str]:
    """The names of those of our roles that tasks of a play include while it runs, from the tasks file `entry_point`."""
    for task in iterate_tasks(play):
        if (
            is_compiling_task(task)
            and get_action_name(task) == INCLUDE_ACTION
            and _get_entry_point(task) == entry_point
        ):
            yield _get_role_name(task)


def is_compiling_task(task: Any) -> bool:
    """Whether a task compiles the plans, or includes a role that does while the play runs."""
    if get_action_name(task) != INCLUDE_ACTION:
        return get_action_name(task) == COMPILE_ACTION
    collection, _, name = _get_role_name(task).rpartition(".")
    return name in CONTROL_BY_ACTION and collection in ("", COLLECTION) and _get_entry_point(task) in ENTRY_POINTS


def _get_role_name(task: Any) -> str:
    """The role that a task includes, as it is written there."""
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
    """The tags that plays and their tasks have."""
    tags: set[str] = set()
    for play in plays:
        tags.update(map(str, play.tags))
        for task in iterate_tasks(play):
            tags.update(map(str, task.tags))
    return tags


def is_scheduling_play(play: Any) -> bool:
    """Whether a play sets up scheduled runs, so that its file is Proscribe's playbook for it."""
    return has_task(play, SCHEDULE_ACTIONS[0])


def get_playbook_path(play: Any) -> str:
    """The playbook file that a play stands in."""
    return str(play.get_path()).rpartition(":")[0]

"""How the callbacks distinguish Proscribe's own plays and tasks from others. Imports nothing of Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....wire.installation import COLLECTION

ENTRIES = ("main", "lift")  # the tasks files of a control's role that compile plans
INCLUDING = "include_role"
COMPILING = "compile_plans"  # the task that says what a run is, and whom it expects
# The tasks that bring a host's record: a fresh one, or the one that the host's own run has kept.
OBSERVING = ("compliance_state", "collect_record")

SCHEDULING = ("schedule_plan", "drift_schedule")  # the tasks that have runs begin by themselves

DECIDING = "rollout"  # the task that says how far the run reaches, and stops it where it must not go on

CUSTODY = "quarantine"  # the task that lists, restores or prunes what a host keeps in its quarantine
CHOOSING = "quarantine_choice"  # the task that says which of it is meant, and stops the run where that is a mistake

# The modules that change a host, and the control that each one is; what is beside the controls counts as one.
ENFORCING = {
    "restricted_apps": "apps",
    "browser_policy": "browser",
    "host_firewall": "firewall",
    "dns_filter": "dns",
    "group_policy": "group_policy",
    "host_watch": "watch",
}


def action_of(task: Any) -> str:
    """The short name of a task's module."""
    return str(getattr(task, "action", "")).rpartition(".")[2]


def compiles(play: Any) -> bool:
    """Whether a play compiles plans, so that its file is one of Proscribe's playbooks."""
    return has(play, COMPILING)


def has(play: Any, action: str) -> bool:
    """Whether a play has a task of that action, in its roles too."""
    return any(action_of(task) == action for task in tasks_of(play))


def concerns(play: Any) -> bool:
    """Whether a play has a task of ours that a report is made from."""
    ours = {COMPILING, *OBSERVING, DECIDING, CUSTODY, CHOOSING, *ENFORCING}
    return any(action_of(task) in ours for task in tasks_of(play))


def tasks_of(play: Any) -> Iterator[Any]:
    """The tasks of a play and of the roles that it names; not those that a task includes while the play runs."""
    yield from _within(play.get_tasks())
    named = [role for role in getattr(play, "roles", None) or () if not getattr(role, "from_include", False)]
    for role in named:  # the tasks of one that is imported are among the play's
        for one in (*role.get_all_dependencies(), role):
            yield from _within(one.get_task_blocks())


def included(play: Any, entry: str) -> Iterator[str]:
    """The names of those of our roles that tasks of a play include while it runs, from the tasks file `entry`."""
    for task in tasks_of(play):
        if of_our_roles(task) and action_of(task) == INCLUDING and _entry_of(task) == entry:
            yield _role_of(task)


def of_our_roles(task: Any) -> bool:
    """Whether a task compiles the plans, or includes a role that does while the play runs."""
    if action_of(task) != INCLUDING:
        return action_of(task) == COMPILING
    collection, _, name = _role_of(task).rpartition(".")
    return name in ENFORCING and collection in ("", COLLECTION) and _entry_of(task) in ENTRIES


def _role_of(task: Any) -> str:
    """The role that a task includes, as it is written there."""
    return str(task.args.get("name", task.args.get("role", "")))


def _entry_of(task: Any) -> str:
    return str(task.args.get("tasks_from", "main")).removesuffix(".yml")


def _within(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list):
            yield from _within(item)
        elif hasattr(item, "block"):
            yield from _within([item.block, item.rescue, item.always])
        else:
            yield item


def tags_of(plays: Iterable[Any]) -> set[str]:
    """The tags that plays and their tasks have."""
    found: set[str] = set()
    for play in plays:
        found.update(map(str, play.tags))
        for task in tasks_of(play):
            found.update(map(str, task.tags))
    return found


def schedules(play: Any) -> bool:
    """Whether a play sets up scheduled runs, so that its file is Proscribe's playbook for it."""
    return has(play, SCHEDULING[0])


def file_of(play: Any) -> str:
    """The playbook file that a play stands in."""
    return str(play.get_path()).rpartition(":")[0]

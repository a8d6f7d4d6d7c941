"""The state of the report callback: its presence, and the plays that cannot run task by task.

The callback `proscribe_report` knows both. `compile_plans` needs both to refuse a run before any host is touched. This
module joins them: Ansible forks the workers of actions from the process of the callbacks, after the callbacks received
the play. Without the callback, this state stays at its defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .plays import COMPILE_ACTION, ROLLOUT_ACTION, has_task

# Tasks that run once for all hosts. They must end before any host begins the later tasks that depend on them.
ALL_HOST_ACTIONS = (COMPILE_ACTION, ROLLOUT_ACTION)


class _CallbackState(NamedTuple):
    """The facts that the report callback has stored for the workers that Ansible forks."""

    is_collected: bool = False  # true if a report callback has registered itself
    playbook: object = None  # the current playbook, or its current play if the callback was loaded during that play
    collector: object = None  # the callback plugin that collects the report
    # why plays of the playbook must not run, as sentences; only for plays with a task of ALL_HOST_ACTIONS
    play_objections: Sequence[str] = ()
    current_objection: str = ""  # why the current play must not run: it may include a task of ALL_HOST_ACTIONS


_callback = _CallbackState()


def has_collector() -> bool:
    """Return whether a report callback has registered itself, so that the run will have a report."""
    return _callback.is_collected


def register_playbook(
    playbook: object, plays: Sequence[Any], is_suitable: Callable[[str], bool], collector: object
) -> bool:
    """Register the begin of a playbook, and return whether `collector` collects its report.

    `is_suitable` takes the name of a strategy. It returns whether the strategy runs a task for all hosts before the
    next task. Of two callbacks, only the first collects. Two callbacks exist if the callback is enabled by its
    collection's name and a role has another copy.
    """
    global _callback
    if playbook is _callback.playbook and collector is not _callback.collector:
        return False
    own_plays = [play for play in plays if any(has_task(play, action) for action in ALL_HOST_ACTIONS)]
    objections = [reason for play in own_plays if (reason := _describe_play_objection(play, is_suitable))]
    _callback = _CallbackState(True, playbook, collector, objections)
    return True


def register_play(play: Any, is_suitable: Callable[[str], bool]) -> None:
    """Check the strategy of the play that begins, and store the objection to it for describe_objections.

    `is_suitable` takes the name of a strategy, as for register_playbook.
    """
    global _callback
    _callback = _callback._replace(current_objection=_describe_play_objection(play, is_suitable))


def describe_objections(configuration_path: str, project_directory: str) -> str:
    """Describe why the run must not go on; "" if it may.

    `configuration_path` is the file that configures Ansible, "" without such a file. `project_directory` contains
    ansible.cfg and the callback plugins.
    """
    if not _callback.is_collected:
        configuration_text = configuration_path or "Ansible's configuration"
        return (
            "this Ansible does not let the report register itself, so the run would succeed whatever the hosts answer; "
            f"no host was touched\n{configuration_text}: callbacks_enabled, in [defaults], expected proscribe_report "
            f"among them, "
            f"and callback_plugins with {project_directory}/callback_plugins; or run it by "
            f"{project_directory}/proscribe, or with "
            f"ANSIBLE_CONFIG={project_directory}/ansible.cfg"
        )
    objections = list(
        dict.fromkeys(
            [*_callback.play_objections, *([_callback.current_objection] if _callback.current_objection else [])]
        )
    )
    return "\n".join(["a play cannot be run like this; no host was touched", *objections]) if objections else ""


def _describe_play_objection(play: Any, is_suitable: Callable[[str], bool]) -> str:
    """Return why the strategy of a play does not permit to run the play; "" if the strategy is suitable."""
    strategy = str(play.strategy)
    # Ansible resolves a template when the play begins; register_play checks the result
    if "{{" in strategy or is_suitable(strategy):
        return ""
    return (
        f'{play.get_path()}: strategy is "{strategy}" (the play\'s own, or that of ANSIBLE_STRATEGY or ansible.cfg), '
        'expected "linear", or one that is built on it: plans and batches are decided for all hosts at once, before '
        "any is touched"
    )

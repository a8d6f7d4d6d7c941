"""Whether somebody collects the report of the run that goes on, and whether its plays can be run one task at a time.

The callback `proscribe_report` knows both, and `compile_plans` has to refuse before any host is touched. What joins
them is this module: workers, in which actions run, are forked from the process that the callbacks live in, after they
have received the play. Where the callback is not loaded, nothing here was ever set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .plays import COMPILE_ACTION, ROLLOUT_ACTION, has_task

# Tasks that are one for all hosts, and come before what they decide.
ALL_HOST_ACTIONS = (COMPILE_ACTION, ROLLOUT_ACTION)


class _CallbackState(NamedTuple):
    """What the callback has found."""

    is_collected: bool = False
    playbook: object = None  # the one that is run now, or the play of it that the callback came in with
    collector: object = None  # the callback
    play_objections: Sequence[str] = ()  # objections to plays of the playbook that hold one of our tasks for all hosts
    current_objection: str = ""  # to the play that is run now; it may include such a task


_callback = _CallbackState()


def has_collector() -> bool:
    """Whether a callback collects the report."""
    return _callback.is_collected


def register_playbook(
    playbook: object, plays: Sequence[Any], is_suitable: Callable[[str], bool], collector: object
) -> bool:
    """A playbook of those plays begins; `is_suitable` says whether a strategy of that name runs a task for all hosts before
    the next one. Returns whether `collector` collects its report: of two callbacks, as where one is enabled by the name
    of its collection and another one is in a role, only the first does.
    """
    global _callback
    if playbook is _callback.playbook and collector is not _callback.collector:
        return False
    own_plays = [play for play in plays if any(has_task(play, action) for action in ALL_HOST_ACTIONS)]
    objections = [reason for play in own_plays if (reason := _describe_play_objection(play, is_suitable))]
    _callback = _CallbackState(True, playbook, collector, objections)
    return True


def register_play(play: Any, is_suitable: Callable[[str], bool]) -> None:
    """That play begins."""
    global _callback
    _callback = _callback._replace(current_objection=_describe_play_objection(play, is_suitable))


def describe_objections(configuration_path: str, project_directory: str) -> str:
    """Why the run must not go on; "" if it may. `configuration_path` is the file that Ansible is configured by, if any."""
    if not _callback.is_collected:
        configuration_text = configuration_path or "Ansible's configuration"
        return (
            "this Ansible does not let the report register itself, so the run would succeed whatever the hosts answer; "
            f"no host was touched\n{configuration_text}: callbacks_enabled, in [defaults], expected proscribe_report among them, "
            f"and callback_plugins with {project_directory}/callback_plugins; or run it by {project_directory}/proscribe, or with "
            f"ANSIBLE_CONFIG={project_directory}/ansible.cfg"
        )
    objections = list(
        dict.fromkeys(
            [*_callback.play_objections, *([_callback.current_objection] if _callback.current_objection else [])]
        )
    )
    return "\n".join(["a play cannot be run like this; no host was touched", *objections]) if objections else ""


def _describe_play_objection(play: Any, is_suitable: Callable[[str], bool]) -> str:
    strategy = str(play.strategy)
    if "{{" in strategy or is_suitable(strategy):  # a template is known when the play begins
        return ""
    return (
        f'{play.get_path()}: strategy is "{strategy}" (the play\'s own, or that of ANSIBLE_STRATEGY or ansible.cfg), '
        'expected "linear", or one that is built on it: plans and batches are decided for all hosts at once, before '
        "any is touched"
    )

"""Whether somebody collects the report of the run that goes on, and whether its plays can be run one task at a time.

The callback `proscribe_report` knows both, and `compile_plans` has to refuse before any host is touched. What joins
them is this module: workers, in which actions run, are forked from the process that the callbacks live in, after they
have received the play. Where the callback is not loaded, nothing here was ever set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .plays import COMPILING, DECIDING, has

# Tasks that are one for all hosts, and come before what they decide.
FOR_ALL = (COMPILING, DECIDING)


class _Watch(NamedTuple):
    """What the callback has found."""

    collected: bool = False
    playbook: object = None  # the one that is run now, or the play of it that the callback came in with
    collector: object = None  # the callback
    plays: Sequence[str] = ()  # objections to plays of the playbook that hold one of our tasks for all hosts
    current: str = ""  # to the play that is run now; it may include such a task


_watch = _Watch()


def collected() -> bool:
    """Whether a callback collects the report."""
    return _watch.collected


def begins(playbook: object, plays: Sequence[Any], suits: Callable[[str], bool], collector: object) -> bool:
    """A playbook of those plays begins; `suits` says whether a strategy of that name runs a task for all hosts before
    the next one. Returns whether `collector` collects its report: of two callbacks, as where one is enabled by the name
    of its collection and another one is in a role, only the first does.
    """
    global _watch
    if playbook is _watch.playbook and collector is not _watch.collector:
        return False
    ours = [play for play in plays if any(has(play, action) for action in FOR_ALL)]
    wrong = [reason for play in ours if (reason := _objection(play, suits))]
    _watch = _Watch(True, playbook, collector, wrong)
    return True


def plays_now(play: Any, suits: Callable[[str], bool]) -> None:
    """That play begins."""
    global _watch
    _watch = _watch._replace(current=_objection(play, suits))


def objection(configuration: str, project: str) -> str:
    """Why the run must not go on; "" if it may. `configuration` is the file that Ansible is configured by, if any."""
    if not _watch.collected:
        where = configuration or "Ansible's configuration"
        return (
            "this Ansible does not let the report register itself, so the run would succeed whatever the hosts answer; "
            f"no host was touched\n{where}: callbacks_enabled, in [defaults], expected proscribe_report among them, "
            f"and callback_plugins with {project}/callback_plugins; or run it by {project}/proscribe, or with "
            f"ANSIBLE_CONFIG={project}/ansible.cfg"
        )
    wrong = list(dict.fromkeys([*_watch.plays, *([_watch.current] if _watch.current else [])]))
    return "\n".join(["a play cannot be run like this; no host was touched", *wrong]) if wrong else ""


def _objection(play: Any, suits: Callable[[str], bool]) -> str:
    strategy = str(play.strategy)
    if "{{" in strategy or suits(strategy):  # a template is known when the play begins
        return ""
    return (
        f'{play.get_path()}: strategy is "{strategy}" (the play\'s own, or that of ANSIBLE_STRATEGY or ansible.cfg), '
        'expected "linear", or one that is built on it: plans and batches are decided for all hosts at once, before '
        "any is touched"
    )

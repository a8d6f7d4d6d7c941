"""Registers the report with the ansible-playbook that runs now, where no configuration did.

Ansible loads callbacks once, before the first play: those that are enabled, and those in `callback_plugins` beside a
playbook, or in a role that it has read by then. That suffices for our playbooks and for `roles:` of a play. It is too
late for a role that a task includes, and roles of a collection are not searched. So `compile_plans` registers the
report itself where none is: strategies import the action of a task in the main process, before they fork its worker.

For this it uses what ansible-core does not promise (private_names.py). Where some of it is not there, nothing
is registered, and `compile_plans` refuses the run before any host is touched.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from ansible.executor.stats import AggregateStats
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import callback_loader
from ansible.plugins.strategy import StrategyBase
from proscribe.controller.ansible_parts import part_of
from proscribe.controller.report.collection import active

from proscribe_ansible.private_names import ENDING, JOINING, complete

CALLBACK = "proscribe_report"
FAILED = ("v2_runner_on_failed", "v2_runner_item_on_failed")  # the events of a failed task
SHORTENED = "_proscribe_shortened"
LEFT_OUT = "(left out here; -vvv prints it)"


def register(action: str, directory: Path) -> None:
    """Register the report, unless one collects already. `action` is the module name of the action that asks, and
    `directory` the place of the callback where that is not in a collection.
    """
    if active.collected():
        return
    for frame in _callers():
        strategy, iterator = frame.f_locals.get("self"), frame.f_locals.get("iterator")
        if isinstance(strategy, StrategyBase) and iterator is not None:
            play, manager = part_of(iterator, "_play", Play), part_of(strategy, "_tqm", TaskQueueManager)
            whole = complete(ENDING, {"TaskQueueManager()": manager})
            whole = complete(JOINING, {"CallbackBase": CallbackBase}) and whole
            if play is not None and whole and (callback := _loaded(action, directory)):
                manager._callback_plugins.append(callback)
                callback.joins(play, manager)
            return


def _loaded(action: str, directory: Path) -> Any:
    """The callback, as Ansible makes one ready when it loads it."""
    package = action.split(".")
    if package[0] == "ansible_collections":
        name = f"{package[1]}.{package[2]}.{CALLBACK}"
    else:
        callback_loader.add_directory(str(directory))
        name = CALLBACK
    callback = callback_loader.get(name)
    if callback is not None:
        callback._init_callback_methods()
        callback.set_options()
    return callback


def manager_of(callback: Any) -> Any:
    """The task queue manager that sends an event to this callback now; None where that is not known."""
    for frame in _callers():
        manager = frame.f_locals.get("self")
        if isinstance(manager, TaskQueueManager):
            known = complete(ENDING, {"TaskQueueManager()": manager}) and callback in manager._callback_plugins
            return manager if known else None
    return None


def be_last(callback: Any, manager: Any) -> bool:
    """Let this callback have each event after all others; returns whether it does. Events that are being sent now go
    on along the old list.
    """
    callbacks = getattr(manager, "_callback_plugins", None)
    if not isinstance(callbacks, list) or callback not in callbacks:
        return False
    manager._callback_plugins = [*(one for one in callbacks if one is not callback), callback]
    return True


def shorten_failures(manager: Any, concerns: Callable[[Any], bool], key: str) -> None:
    """Let the screen of the run, whichever it is, print failed results that `concerns` names without what `key` has.

    The screen is the first callback. Ansible makes a copy of a result for each callback, so the others have it whole,
    and so does the variable that a task registers.
    """
    callbacks = getattr(manager, "_callback_plugins", None)
    screen = callbacks[0] if isinstance(callbacks, list) and callbacks else None
    for event in FAILED:
        prints = getattr(screen, event, None)
        if prints is not None and not getattr(prints, SHORTENED, False):
            setattr(screen, event, _shortened(prints, concerns, key))


def _shortened(prints: Callable[..., Any], concerns: Callable[[Any], bool], key: str) -> Callable[..., Any]:
    @functools.wraps(prints)
    def shortened(result: Any, *arguments: Any, **named: Any) -> Any:
        if concerns(result):
            for one in (result.result, *(result.result.get("results") or ())):  # a loop has one for each item
                if key in one:
                    one[key] = LEFT_OUT
        return prints(result, *arguments, **named)

    setattr(shortened, SHORTENED, True)
    return shortened


def failures(manager: Any) -> int:
    """How many failures of hosts, and hosts that could not be reached, Ansible has counted so far."""
    stats = part_of(manager, "_stats", AggregateStats)
    return sum(sum(getattr(stats, kind, {}).values()) for kind in ("failures", "dark"))


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back

"""The registration of the report callback with the running ansible-playbook, if Ansible has not loaded it.

Ansible loads callbacks once, before the first play: the enabled ones, and those in `callback_plugins` beside a playbook
or in a role that it has read by then. That suffices for the project's playbooks and for `roles:` of a play. A role that
a task includes is read too late, and Ansible does not search roles of a collection. So `compile_plans` registers a
missing report callback itself. This happens when its action is imported. Ansible's strategies import the action of a
task before they fork a worker for it. So the import runs in the main process, which has the callbacks.

This needs names that ansible-core does not promise (private_names.py). Where some of them are missing, nothing is
registered, and `compile_plans` refuses the run before any host is touched.
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
from proscribe.controller.ansible_objects import find_part
from proscribe.controller.report.collection import callback_state

from proscribe_ansible.private_names import ENDING, JOINING, has_all_names

CALLBACK_NAME = "proscribe_report"
FAILURE_EVENTS = ("v2_runner_on_failed", "v2_runner_item_on_failed")  # the events of a failed task
SHORTENED_MARK = "_proscribe_shortened"
LEFT_OUT_TEXT = "(left out here; -vvv prints it)"


def register_report(action: str, directory: Path) -> None:
    """Register the report callback with the running ansible-playbook, unless one already collects the hosts' events.

    `action` is the Python module name of the calling action. `directory` has the callback if it is not in a collection.
    Ansible passes neither the current play nor its task queue manager to an import. So both are taken from the local
    variables of the calling functions (Python's frames).
    """
    if callback_state.has_collector():
        return
    for frame in _list_callers():
        strategy, iterator = frame.f_locals.get("self"), frame.f_locals.get("iterator")
        if isinstance(strategy, StrategyBase) and iterator is not None:
            play, manager = find_part(iterator, Play), find_part(strategy, TaskQueueManager)
            has_names = has_all_names(ENDING, {"TaskQueueManager()": manager})
            has_names = has_all_names(JOINING, {"CallbackBase": CallbackBase}) and has_names
            if play is not None and has_names and (callback := _load_callback(action, directory)):
                manager._callback_plugins.append(callback)
                callback.join_playbook(play, manager)
            return


def _load_callback(action: str, directory: Path) -> Any:
    """Load the report callback and prepare it as Ansible does; None if Ansible does not find it."""
    package = action.split(".")
    if package[0] == "ansible_collections":
        name = f"{package[1]}.{package[2]}.{CALLBACK_NAME}"
    else:
        callback_loader.add_directory(str(directory))
        name = CALLBACK_NAME
    callback = callback_loader.get(name)
    if callback is not None:
        callback._init_callback_methods()
        callback.set_options()
    return callback


def find_manager(callback: Any) -> Any:
    """Return Ansible's task queue manager, which sends an event to this callback now; None if it is unknown.

    The manager is found in the local variables of the calling functions (Python's frames).
    """
    for frame in _list_callers():
        manager = frame.f_locals.get("self")
        if isinstance(manager, TaskQueueManager):
            is_known = has_all_names(ENDING, {"TaskQueueManager()": manager}) and callback in manager._callback_plugins
            return manager if is_known else None
    return None


def move_to_end(callback: Any, manager: Any) -> bool:
    """Make this callback receive each event after all other callbacks.

    Returns False if that is not possible. The event that is being sent now still uses the earlier order.
    """
    callbacks = getattr(manager, "_callback_plugins", None)
    if not isinstance(callbacks, list) or callback not in callbacks:
        return False
    manager._callback_plugins = [
        *(other_callback for other_callback in callbacks if other_callback is not callback),
        callback,
    ]
    return True


def shorten_failures(manager: Any, is_concerned: Callable[[Any], bool], key: str) -> None:
    """Make the stdout callback print a text instead of the content of `key` in certain failed results.

    `is_concerned` returns True for such a result. The stdout callback, which prints the screen, is the manager's first
    callback. Ansible copies a result for each callback. So the other callbacks and the registered variable have the
    whole result.
    """
    callbacks = getattr(manager, "_callback_plugins", None)
    screen = callbacks[0] if isinstance(callbacks, list) and callbacks else None
    for event in FAILURE_EVENTS:
        print_event = getattr(screen, event, None)
        if print_event is not None and not getattr(print_event, SHORTENED_MARK, False):
            setattr(screen, event, _wrap_shortened(print_event, is_concerned, key))


def _wrap_shortened(
    print_event: Callable[..., Any], is_concerned: Callable[[Any], bool], key: str
) -> Callable[..., Any]:
    """Return the event method `print_event`, changed to print LEFT_OUT_TEXT in place of the content of `key`."""

    @functools.wraps(print_event)
    def print_shortened(result: Any, *arguments: Any, **named: Any) -> Any:
        if is_concerned(result):
            # A loop has a result for each item.
            for shown_result in (result.result, *(result.result.get("results") or ())):
                if key in shown_result:
                    shown_result[key] = LEFT_OUT_TEXT
        return print_event(result, *arguments, **named)

    setattr(print_shortened, SHORTENED_MARK, True)
    return print_shortened


def count_failures(manager: Any) -> int:
    """Return the number of failures and of unreachable hosts (`dark`) that Ansible has counted so far."""
    stats = find_part(manager, AggregateStats)
    return sum(sum(getattr(stats, kind, {}).values()) for kind in ("failures", "dark"))


def _list_callers() -> Iterator[FrameType]:
    """Yield Python's frames of all calling functions, the nearest first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back

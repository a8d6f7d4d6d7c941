"""A run replayed from its journal. Each event of its hosts is checked as input from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ....model.types.run import CompiledRun
from ....wire.answers.value_readers import (
    MAX_NAME_LENGTH,
    MAX_TOKEN_LENGTH,
    UnusableAnswer,
    read_choice,
    read_count,
    read_flag,
    read_line,
    read_list,
    read_name,
    require_mapping,
)
from .collector import Collector

REPORT_MODES = ("audit", "enforce", "check")
MAX_HOSTS = 10_000_000
SPECIAL_LIMITS = ("auto", "unlimited")  # limits in proscribe_max_change that are words instead of numbers
MAX_ACTIONS = 100_000  # most actions in the event of a host
# Keys of the stored run that a report needs: texts, and lists.
TEXT_KEYS = ("id", "playbook", "mode", "started", "catalog_version")
LIST_KEYS = ("inventory", "controls", "waivers", "upcoming")

# A function that checks the stored values of an event, and returns the arguments for the method of Collector.
EventReader = Callable[..., tuple[Any, ...]]


def rebuild_collector(run: CompiledRun, events: Iterable[list[Any]]) -> Collector:
    """Rebuild the collector of a run from the events in its journal.

    An event is a list: its name, and its values. Reading ends at the first malformed event. Events of hosts that the
    run does not expect are skipped. Raises UnusableAnswer for a malformed run.
    """
    collector = Collector(check_run(run))
    for event, *stored_values in (event for event in events if event):
        try:
            arguments = EVENT_READERS[event](*stored_values)
        except (UnusableAnswer, KeyError, TypeError):
            break
        if event in RUN_EVENTS or arguments[0] in collector.expected:
            getattr(collector, event)(*arguments)
    return collector


def check_run(run: CompiledRun) -> CompiledRun:
    """Check the stored result of `compile_plans` that a journal contains, and return it.

    Raises UnusableAnswer.
    """
    run_facts: Mapping[str, object] = {**run}
    for key in TEXT_KEYS:
        read_line(run_facts.get(key), key)
    for key in LIST_KEYS:
        read_list(lambda entry: entry, run_facts.get(key), key, MAX_HOSTS)
    read_choice(run["mode"], REPORT_MODES, "mode of a run with a report")
    for host, digest in require_mapping(run.get("hosts"), "hosts", MAX_HOSTS).items():
        read_name(host, "a host")
        read_name(digest, "a plan")
    require_mapping(run.get("gate"), "gate", MAX_HOSTS)
    return run


def _read_host(content: object) -> str:
    return read_name(content, "a host", MAX_NAME_LENGTH)


def _read_control(content: object) -> str:
    return read_choice(content, (*CONTROLS, *EXTRA_RULE_GROUPS), "control")


def _read_answer(host: object, record: object) -> tuple[Any, ...]:
    return _read_host(host), require_mapping(record, "a record")


def _read_control_event(host: object, control: object) -> tuple[Any, ...]:
    return _read_host(host), _read_control(control)


def _read_change(host: object, control: object, stored_result: object, is_dry_run: object) -> tuple[Any, ...]:
    """Check the values of the event `changed`, and return them as the arguments of `Collector.changed`."""
    result = require_mapping(stored_result, "a change")
    checked_result: dict[str, object] = {}
    if "actions" in result:
        checked_result["actions"] = read_list(
            lambda action: read_name(action, "an action"), result["actions"], "actions", MAX_ACTIONS
        )
    if "refused" in result:
        checked_result["refused"] = read_list(_read_refusal, result["refused"], "refused", MAX_ACTIONS)
    return _read_host(host), _read_control(control), checked_result, read_flag(is_dry_run, "dry")


def _read_refusal(content: object) -> dict[str, str]:
    refusal = require_mapping(content, "a refusal")
    return {key: read_line(refusal.get(key), key) for key in ("rule", "subject", "reason")}


def _read_failure(host: object, control: object, message: object) -> tuple[Any, ...]:
    return _read_host(host), None if control is None else _read_control(control), read_line(message, "a message")


def _read_unreachable(host: object, message: object) -> tuple[Any, ...]:
    return _read_host(host), read_line(message, "a message")


def _read_decision(rollout: object) -> tuple[Any, ...]:
    """Check the value of the event `decided`, and return it as the only argument of `Collector.decided`."""
    decision = require_mapping(rollout, "a decision")
    return (
        {
            "hosts": read_list(_read_host, decision.get("hosts"), "hosts", MAX_HOSTS),
            "batches": read_list(
                lambda size: read_count(size, "batches"), decision.get("batches"), "batches", MAX_HOSTS
            ),
            "allow": {
                read_name(part, "allow", MAX_TOKEN_LENGTH): limit
                if limit in SPECIAL_LIMITS
                else read_count(limit, "allow")
                for part, limit in require_mapping(decision.get("allow"), "allow").items()
            },
            "set_aside": {
                _read_host(host): read_line(reason, "set_aside")
                for host, reason in require_mapping(decision.get("set_aside", {}), "set_aside", MAX_HOSTS).items()
            },
        },
    )


def _read_stop(reason: object) -> tuple[Any, ...]:
    return ("" if reason is None else read_line(reason, "why"),)


RUN_EVENTS = ("decided", "stopped")  # events that belong to no host
# Each event has the name of the method of Collector that repeats it.
EVENT_READERS: dict[str, EventReader] = {
    "answered": _read_answer,
    "began": _read_control_event,
    "skipped": _read_control_event,
    "changed": _read_change,
    "failed": _read_failure,
    "unreachable": _read_unreachable,
    "decided": _read_decision,
    "stopped": _read_stop,
}

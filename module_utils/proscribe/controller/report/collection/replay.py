"""A run again, out of its journal: the events that its hosts had said, each read as if it came from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ....model.types.run import CompiledRun
from ....wire.replies.shapes import (
    MAX_LINE_LENGTH,
    MAX_NAME_LENGTH,
    MAX_TOKEN_LENGTH,
    UnusableAnswer,
    read_choice,
    read_count,
    read_flag,
    read_line,
    read_list,
    read_name,
    read_optional,
    require_mapping,
)
from .events import Collector

MODES = ("audit", "enforce", "check")
MOST_HOSTS = 10_000_000
NO_NUMBERS = ("auto", "unlimited")  # limits of proscribe_max_change
MOST_ACTIONS = 100_000  # of one host, in one event
# What a report cannot be made without.
TEXTS = ("id", "playbook", "mode", "started", "catalog_version")
LISTS = ("inventory", "controls", "waivers", "upcoming")

Reader = Callable[..., tuple[Any, ...]]


def replayed(run: CompiledRun, events: Iterable[list[Any]]) -> Collector:
    """The collector of a run that had those events. Reading ends with the first that is none. Raises Unusable for a run
    that is none.
    """
    collector = Collector(checked(run))
    for event, *values in (event for event in events if event):
        try:
            read = READERS[event](*values)
        except (UnusableAnswer, KeyError, TypeError):
            break
        if event in OF_RUN or read[0] in collector.expected:
            getattr(collector, event)(*read)
    return collector


def checked(run: CompiledRun) -> CompiledRun:
    """What `compile_plans` said of a run, as its journal has it. Raises Unusable."""
    given: Mapping[str, object] = {**run}
    for key in TEXTS:
        read_line(given.get(key), key)
    for key in LISTS:
        read_list(lambda one: one, given.get(key), key, MOST_HOSTS)
    read_choice(run["mode"], MODES, "mode of a run with a report")
    for host, digest in require_mapping(run.get("hosts"), "hosts", MOST_HOSTS).items():
        read_name(host, "a host")
        read_name(digest, "a plan")
    require_mapping(run.get("gate"), "gate", MOST_HOSTS)
    return run


def _host(value: object) -> str:
    return read_name(value, "a host", MAX_NAME_LENGTH)


def _control(value: object) -> str:
    return read_choice(value, (*CONTROLS, *EXTRA_RULE_GROUPS), "control")


def _answered(host: object, record: object) -> tuple[Any, ...]:
    return _host(host), require_mapping(record, "a record")


def _of_control(host: object, control: object) -> tuple[Any, ...]:
    return _host(host), _control(control)


def _changed(host: object, control: object, said: object, dry: object) -> tuple[Any, ...]:
    result = require_mapping(said, "a change")
    read: dict[str, object] = {}
    if "actions" in result:
        read["actions"] = read_list(lambda one: read_name(one, "an action"), result["actions"], "actions", MOST_ACTIONS)
    if "refused" in result:
        read["refused"] = read_list(_refusal, result["refused"], "refused", MOST_ACTIONS)
    return _host(host), _control(control), read, read_flag(dry, "dry")


def _refusal(value: object) -> dict[str, str]:
    refusal = require_mapping(value, "a refusal")
    return {key: read_line(refusal.get(key), key) for key in ("rule", "subject", "reason")}


def _failed(host: object, control: object, message: object) -> tuple[Any, ...]:
    return _host(host), None if control is None else _control(control), read_line(message, "a message")


def _unreachable(host: object, message: object) -> tuple[Any, ...]:
    return _host(host), read_line(message, "a message")


def _decided(rollout: object) -> tuple[Any, ...]:
    decision = require_mapping(rollout, "a decision")
    return (
        {
            "hosts": read_list(_host, decision.get("hosts"), "hosts", MOST_HOSTS),
            "batches": read_list(
                lambda size: read_count(size, "batches"), decision.get("batches"), "batches", MOST_HOSTS
            ),
            "allow": {
                read_name(part, "allow", MAX_TOKEN_LENGTH): limit if limit in NO_NUMBERS else read_count(limit, "allow")
                for part, limit in require_mapping(decision.get("allow"), "allow").items()
            },
            "set_aside": {
                _host(host): read_line(why, "set_aside")
                for host, why in require_mapping(decision.get("set_aside", {}), "set_aside", MOST_HOSTS).items()
            },
        },
    )


def _stopped(why: object) -> tuple[Any, ...]:
    return (read_optional(lambda value, what: read_line(value, what, MAX_LINE_LENGTH), why, "why") or "",)


OF_RUN = ("decided", "stopped")  # the events that are no host's
READERS: dict[str, Reader] = {
    "answered": _answered,
    "began": _of_control,
    "skipped": _of_control,
    "changed": _changed,
    "failed": _failed,
    "unreachable": _unreachable,
    "decided": _decided,
    "stopped": _stopped,
}

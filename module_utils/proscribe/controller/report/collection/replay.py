"""A run again, out of its journal: the events that its hosts had said, each read as if it came from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ....model.finding import BESIDE
from ....model.plan import CONTROLS
from ....model.types.run import CompiledRun
from ....wire.replies.shapes import (
    LINE,
    NAME,
    TOKEN,
    Unusable,
    count,
    flag,
    line,
    listed,
    mapping,
    name,
    one_of,
    optional,
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
        except (Unusable, KeyError, TypeError):
            break
        if event in OF_RUN or read[0] in collector.expected:
            getattr(collector, event)(*read)
    return collector


def checked(run: CompiledRun) -> CompiledRun:
    """What `compile_plans` said of a run, as its journal has it. Raises Unusable."""
    given: Mapping[str, object] = {**run}
    for key in TEXTS:
        line(given.get(key), key)
    for key in LISTS:
        listed(lambda one: one, given.get(key), key, MOST_HOSTS)
    one_of(run["mode"], MODES, "mode of a run with a report")
    for host, digest in mapping(run.get("hosts"), "hosts", MOST_HOSTS).items():
        name(host, "a host")
        name(digest, "a plan")
    mapping(run.get("gate"), "gate", MOST_HOSTS)
    return run


def _host(value: object) -> str:
    return name(value, "a host", NAME)


def _control(value: object) -> str:
    return one_of(value, (*CONTROLS, *BESIDE), "control")


def _answered(host: object, record: object) -> tuple[Any, ...]:
    return _host(host), mapping(record, "a record")


def _of_control(host: object, control: object) -> tuple[Any, ...]:
    return _host(host), _control(control)


def _changed(host: object, control: object, said: object, dry: object) -> tuple[Any, ...]:
    result = mapping(said, "a change")
    read: dict[str, object] = {}
    if "actions" in result:
        read["actions"] = listed(lambda one: name(one, "an action"), result["actions"], "actions", MOST_ACTIONS)
    if "refused" in result:
        read["refused"] = listed(_refusal, result["refused"], "refused", MOST_ACTIONS)
    return _host(host), _control(control), read, flag(dry, "dry")


def _refusal(value: object) -> dict[str, str]:
    refusal = mapping(value, "a refusal")
    return {key: line(refusal.get(key), key) for key in ("rule", "subject", "reason")}


def _failed(host: object, control: object, message: object) -> tuple[Any, ...]:
    return _host(host), None if control is None else _control(control), line(message, "a message")


def _unreachable(host: object, message: object) -> tuple[Any, ...]:
    return _host(host), line(message, "a message")


def _decided(rollout: object) -> tuple[Any, ...]:
    decision = mapping(rollout, "a decision")
    return (
        {
            "hosts": listed(_host, decision.get("hosts"), "hosts", MOST_HOSTS),
            "batches": listed(lambda size: count(size, "batches"), decision.get("batches"), "batches", MOST_HOSTS),
            "allow": {
                name(part, "allow", TOKEN): limit if limit in NO_NUMBERS else count(limit, "allow")
                for part, limit in mapping(decision.get("allow"), "allow").items()
            },
            "set_aside": {
                _host(host): line(why, "set_aside")
                for host, why in mapping(decision.get("set_aside", {}), "set_aside", MOST_HOSTS).items()
            },
        },
    )


def _stopped(why: object) -> tuple[Any, ...]:
    return (optional(lambda value, what: line(value, what, LINE), why, "why") or "",)


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

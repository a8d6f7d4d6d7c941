"""What a host did between two runs, and what its users request, as its record has it: typed, bounded, cut.

Root of the host wrote the journal, and its users wrote the requests. So a shape that none of our code makes costs the
host its record, and what users can make too much of is cut and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...base.duration import moment_of
from ...model.finding import BESIDE, WATCH
from ...model.plan import CONTROLS
from .shapes import GREATEST, MANY, TOKEN, Unusable, count, cut, flag, line, listed, mapping, name, said

MOST_INCIDENTS = 200
MOST_ENDED = 200
MOST_USERS = 20  # of one incident
MOST_RULES = 20  # of one incident
JOURNAL = "journal"  # what lines of the journal that are none are left out of
CAUSE = 300  # characters of what was found
MOST_REQUESTS = 100
ANSWERS = ("granted", "refused", "ended")  # to a request
REASON = 300  # characters of a reason, as a user or root typed it
ID = re.compile("[0-9a-f]{16}")
MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

Item = TypeVar("Item")


def watch(value: object) -> dict[str, Any]:
    """`{"watch": ...}` of a host that keeps itself in line; {} of one that does not. Raises Unusable."""
    if value is None:
        return {}
    given = mapping(value, WATCH)
    incidents, more = _first(_incident, given.get("incidents", []), "watch.incidents", MOST_INCIDENTS)
    ended, more_ended = _first(_ended, given.get("ended", []), "watch.ended", MOST_ENDED)
    _once([(one["cause"], *one["rules"]) for one in incidents], "an incident")
    _once([(one["rule"], one["program"], one["user"]) for one in ended], "an ended program of one user")
    return {
        WATCH: {
            "every": count(given.get("every"), "watch.every"),
            "renewed": _moment_or_none(given.get("renewed"), "watch.renewed"),
            "stale": flag(given.get("stale"), "watch.stale"),
            "last": _moment_or_none(given.get("last"), "watch.last"),
            "since": _moment_or_none(given.get("since"), "watch.since"),
            **_frozen(given.get("frozen")),
            "incidents": incidents,
            "ended": ended,
            "left_out": _left_out(given.get("left_out", {}), {"apps": more_ended, JOURNAL: more}),
        }
    }


def requests(value: object, left_out: object) -> dict[str, Any]:
    """`{"requests": [...], "requests_left_out": n}` of a host whose users request something; {} of any other. A
    request that has the id of an earlier one is left out. Raises Unusable.
    """
    if value is None:
        return {}
    given, more = _first(_request, value, "requests", MOST_REQUESTS)
    by_id: dict[str, dict[str, str]] = {}
    for one in given:
        by_id.setdefault(one["id"], one)
    more += len(given) - len(by_id)
    return {
        "requests": list(by_id.values()),
        "requests_left_out": _sum(0 if left_out is None else left_out, more, "requests_left_out"),
    }


def rule_name(value: object) -> str:
    """`<control>/<what>`, where what is beside the controls counts as one. Raises Unusable."""
    found = name(value, "rule", TOKEN)
    control, _, about = found.partition("/")
    if control not in (*CONTROLS, *BESIDE) or not about:
        raise Unusable(f"{said(found)} is no rule of a control")
    return found


def _incident(value: object) -> dict[str, Any]:
    given = mapping(value, "an incident")
    times = _times(given.get("times"))
    corrected = count(given.get("corrected"), "corrected")
    if corrected > times:
        raise Unusable(f"an incident was corrected {corrected} times and found {times} times")
    users = listed(lambda user: name(user, "users", TOKEN), given.get("users", []), "users")
    rules = listed(rule_name, given.get("rules"), "rules")
    if not rules or len({rule.partition("/")[0] for rule in rules}) > 1:
        raise Unusable("an incident is of no control, or of several")
    left_out = _sum(given.get("rules_left_out", 0), len(rules[MOST_RULES:]), "rules_left_out")
    return {
        "control": rules[0].partition("/")[0],
        "cause": line(given.get("cause"), "cause", CAUSE),
        "rules": rules[:MOST_RULES],
        "rules_left_out": left_out,
        **_period(given),
        "times": times,
        "corrected": corrected,
        "users": users[:MOST_USERS],
    }


def _left_out(value: object, more: Mapping[str, int]) -> dict[str, int]:
    """How much more there was, of each control and of the journal."""
    given = mapping(value, "watch.left_out")
    names = (*CONTROLS, *BESIDE, JOURNAL)
    if unknown := [key for key in given if key not in names]:
        raise Unusable(f"watch.left_out names {said(unknown[0])}, no control")
    found = {key: _sum(given.get(key, 0), more.get(key, 0), f"watch.left_out.{key}") for key in names}
    return {key: number for key, number in found.items() if number}


def _ended(value: object) -> dict[str, Any]:
    given = mapping(value, "an ended program")
    return {
        "rule": rule_name(given.get("rule")),
        "program": name(given.get("program"), "program"),
        "user": name(given.get("user"), "user", TOKEN),
        **_period(given),
        "times": _times(given.get("times")),
    }


def _request(value: object) -> dict[str, str]:
    given = mapping(value, "a request")
    id_ = given.get("id")
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        raise Unusable(f"{said(id_)} is no id of a request")
    return {
        "id": str(id_),
        "user": name(given.get("user"), "user", TOKEN),
        "service": name(given.get("service"), "service", TOKEN),
        "reason": line(given.get("reason"), "reason", REASON),
        "at": _moment(given.get("at"), "at"),
        **_answer(given.get("answer")),
    }


def _answer(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if value not in ANSWERS:
        raise Unusable(f"{said(value)} is no answer to a request")
    return {"answer": str(value)}


def _frozen(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    given = mapping(value, "watch.frozen")
    return {
        "frozen": {
            "until": _moment(given.get("until"), "watch.frozen.until"),
            "reason": line(given.get("reason"), "watch.frozen.reason", REASON),
            "by": name(given.get("by"), "watch.frozen.by", TOKEN),
        }
    }


def _first(read: Callable[[Any], Item], value: object, what: str, most: int) -> tuple[list[Item], int]:
    """The first items of a list, and how many more there are. What is far too long was made up."""
    if not isinstance(value, list):
        raise Unusable(f"{what} is no list")
    if len(value) > MANY:
        raise Unusable(f"{what} has {len(value):,} items, {MANY:,} are the most")
    return [read(one) for one in value[:most]], max(0, len(value) - most)


def _once(keys: list[Any], what: str) -> None:
    if len(set(keys)) < len(keys):
        raise Unusable(f"it lists {what} twice")


def _times(value: object) -> int:
    times = count(value, "times")
    if not times:
        raise Unusable("it lists what never happened")
    return times


def _period(given: Mapping[Any, Any]) -> dict[str, str]:
    """The first and the last time. A clock that went back in between is no reason to lose either."""
    first, last = sorted(_moment(given.get(key), key) for key in ("first", "last"))
    return {"first": first, "last": last}


def _moment_or_none(value: object, what: str) -> str | None:
    return None if value is None else _moment(value, what)


def _moment(value: object, what: str) -> str:
    """A UTC time in our one spelling, which the history can put in order."""
    try:
        if isinstance(value, str) and MOMENT.fullmatch(value):
            moment_of(value)
            return str(value)
    except ValueError:
        pass
    raise Unusable(f"{what} is {cut(said(value), TOKEN)}, no UTC time such as 2026-11-25T08:00:00Z")


def _sum(left_out: object, more: int, what: str) -> int:
    return min(GREATEST, count(left_out, what) + more)

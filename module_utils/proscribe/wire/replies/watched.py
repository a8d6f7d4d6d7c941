"""What a host did between two runs, and what its users request, as its record has it: typed, bounded, cut.

Root of the host wrote the journal, and its users wrote the requests. So a shape that none of our code makes costs the
host its record. What users can make too much of is cut and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ...base.duration import moment_of
from ...model.finding import BESIDE, WATCH
from ...model.plan import CONTROLS
from ...model.types.record import EndedProgram, Incident, Pause, Request, Watched
from ...model.words import (
    JOURNAL,
    LONGEST_CAUSE,
    LONGEST_REQUEST_REASON,
    MOST_ENDED,
    MOST_INCIDENT_RULES,
    MOST_INCIDENT_USERS,
    MOST_INCIDENTS,
    MOST_REQUESTS,
    REQUEST_ANSWERS,
    REQUEST_ID,
)
from .shapes import GREATEST, MANY, TOKEN, Unusable, count, cut, flag, line, listed, mapping, name, said

MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

Item = TypeVar("Item")


def watch(value: object) -> Watched:
    """What a host that keeps itself in line did between two runs. Raises Unusable."""
    given = mapping(value, WATCH)
    incidents, more = _first(_incident, given.get("incidents", []), "watch.incidents", MOST_INCIDENTS)
    ended, more_ended = _first(_ended, given.get("ended", []), "watch.ended", MOST_ENDED)
    _once([(one["cause"], *one["rules"]) for one in incidents], "an incident")
    _once([(one["rule"], one["program"], one["user"]) for one in ended], "an ended program of one user")
    watched: Watched = {
        "every": count(given.get("every"), "watch.every"),
        "renewed": _moment_or_none(given.get("renewed"), "watch.renewed"),
        "stale": flag(given.get("stale"), "watch.stale"),
        "last": _moment_or_none(given.get("last"), "watch.last"),
        "since": _moment_or_none(given.get("since"), "watch.since"),
        "incidents": incidents,
        "ended": ended,
        "left_out": _left_out(given.get("left_out", {}), {"apps": more_ended, JOURNAL: more}),
    }
    if (frozen := given.get("frozen")) is not None:
        watched["frozen"] = _frozen(mapping(frozen, "watch.frozen"))
    return watched


def requests(value: object, left_out: object) -> tuple[list[Request], int]:
    """What the users of a host request, and how much more there was. A request that has the id of an earlier one is
    left out. Raises Unusable.
    """
    given, more = _first(_request, value, "requests", MOST_REQUESTS)
    by_id: dict[str, Request] = {}
    for one in given:
        by_id.setdefault(one["id"], one)
    more += len(given) - len(by_id)
    return list(by_id.values()), _sum(0 if left_out is None else left_out, more, "requests_left_out")


def rule_name(value: object) -> str:
    """`<control>/<what>`, where what is beside the controls counts as one. Raises Unusable."""
    found = name(value, "rule", TOKEN)
    control, _, about = found.partition("/")
    if control not in (*CONTROLS, *BESIDE) or not about:
        raise Unusable(f"{said(found)} is no rule of a control")
    return found


def _incident(value: object) -> Incident:
    given = mapping(value, "an incident")
    first, last = _period(given)
    times = _times(given.get("times"))
    corrected = count(given.get("corrected"), "corrected")
    if corrected > times:
        raise Unusable(f"an incident was corrected {corrected} times and found {times} times")
    users = listed(lambda user: name(user, "users", TOKEN), given.get("users", []), "users")
    rules = listed(rule_name, given.get("rules"), "rules")
    if not rules or len({rule.partition("/")[0] for rule in rules}) > 1:
        raise Unusable("an incident is of no control, or of several")
    left_out = _sum(given.get("rules_left_out", 0), len(rules[MOST_INCIDENT_RULES:]), "rules_left_out")
    return {
        "control": rules[0].partition("/")[0],
        "cause": line(given.get("cause"), "cause", LONGEST_CAUSE),
        "rules": rules[:MOST_INCIDENT_RULES],
        "rules_left_out": left_out,
        "first": first,
        "last": last,
        "times": times,
        "corrected": corrected,
        "users": users[:MOST_INCIDENT_USERS],
    }


def _left_out(value: object, more: Mapping[str, int]) -> dict[str, int]:
    """How much more there was, of each control and of the journal."""
    given = mapping(value, "watch.left_out")
    names = (*CONTROLS, *BESIDE, JOURNAL)
    if unknown := [key for key in given if key not in names]:
        raise Unusable(f"watch.left_out names {said(unknown[0])}, no control")
    found = {key: _sum(given.get(key, 0), more.get(key, 0), f"watch.left_out.{key}") for key in names}
    return {key: number for key, number in found.items() if number}


def _ended(value: object) -> EndedProgram:
    given = mapping(value, "an ended program")
    first, last = _period(given)
    return {
        "rule": rule_name(given.get("rule")),
        "program": name(given.get("program"), "program"),
        "user": name(given.get("user"), "user", TOKEN),
        "first": first,
        "last": last,
        "times": _times(given.get("times")),
    }


def _request(value: object) -> Request:
    given = mapping(value, "a request")
    id_ = given.get("id")
    if not isinstance(id_, str) or not REQUEST_ID.fullmatch(id_):
        raise Unusable(f"{said(id_)} is no id of a request")
    request: Request = {
        "id": str(id_),
        "user": name(given.get("user"), "user", TOKEN),
        "service": name(given.get("service"), "service", TOKEN),
        "reason": line(given.get("reason"), "reason", LONGEST_REQUEST_REASON),
        "at": _moment(given.get("at"), "at"),
    }
    if (answer := given.get("answer")) is not None:
        if answer not in REQUEST_ANSWERS:
            raise Unusable(f"{said(answer)} is no answer to a request")
        request["answer"] = str(answer)
    return request


def _frozen(given: Mapping[Any, Any]) -> Pause:
    return {
        "until": _moment(given.get("until"), "watch.frozen.until"),
        "reason": line(given.get("reason"), "watch.frozen.reason", LONGEST_REQUEST_REASON),
        "by": name(given.get("by"), "watch.frozen.by", TOKEN),
    }


def _first(read: Callable[[Any], Item], value: object, what: str, most: int) -> tuple[list[Item], int]:
    """The first items of a list, and how many more there are. What is far too long was made up."""
    if not isinstance(value, list):
        raise Unusable(f"{what} is no list")
    if len(value) > MANY:
        raise Unusable(f"{what} has {len(value):,} items, {MANY:,} are the most")
    return [read(one) for one in value[:most]], max(0, len(value) - most)


def _once(keys: Sequence[tuple[str, ...]], what: str) -> None:
    if len(set(keys)) < len(keys):
        raise Unusable(f"it lists {what} twice")


def _times(value: object) -> int:
    times = count(value, "times")
    if not times:
        raise Unusable("it lists what never happened")
    return times


def _period(given: Mapping[Any, Any]) -> tuple[str, str]:
    """The first and the last time. A clock that went back in between is no reason to lose either."""
    first, last = _moment(given.get("first"), "first"), _moment(given.get("last"), "last")
    return min(first, last), max(first, last)


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

"""The readers of two parts of a host's record, with types and limits: the events of its watch, its users' requests.

The host's root account wrote the watch's journal, and the host's users wrote the requests. Data of a form that
Proscribe's code never writes make the whole record unusable. Data that users can produce in excess are cut and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ...base.duration import parse_moment
from ...model.finding import EXTRA_RULE_GROUPS, WATCH
from ...model.plan import CONTROLS
from ...model.types.record import EndedProgram, UserRequest, WatchIncident, WatchPause, WatchRecord
from ...model.vocabulary import (
    JOURNAL,
    MAX_CAUSE_LENGTH,
    MAX_ENDED_PROGRAMS,
    MAX_INCIDENT_RULES,
    MAX_INCIDENT_USERS,
    MAX_INCIDENTS,
    MAX_REQUEST_REASON_LENGTH,
    MAX_REQUESTS,
    REQUEST_ANSWERS,
    REQUEST_ID_PATTERN,
)
from .value_readers import (
    MAX_COUNT,
    MAX_LIST_ITEMS,
    MAX_TOKEN_LENGTH,
    UnusableAnswer,
    quote_content,
    read_count,
    read_flag,
    read_line,
    read_list,
    read_name,
    require_mapping,
    truncate_text,
)

MOMENT_PATTERN = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

Item = TypeVar("Item")


def read_watch(content: object) -> WatchRecord:
    """Return the events that the watch of a host recorded between two runs.

    Raises UnusableAnswer.
    """
    entry = require_mapping(content, WATCH)
    incidents, more_incidents = _read_first_items(
        _read_incident, entry.get("incidents", []), "watch.incidents", MAX_INCIDENTS
    )
    ended, more_ended = _read_first_items(
        _read_ended_program, entry.get("ended", []), "watch.ended", MAX_ENDED_PROGRAMS
    )
    _require_unique_keys([(listed_entry["cause"], *listed_entry["rules"]) for listed_entry in incidents], "an incident")
    _require_unique_keys(
        [(listed_entry["rule"], listed_entry["program"], listed_entry["user"]) for listed_entry in ended],
        "an ended program of one user",
    )
    watched: WatchRecord = {
        "every": read_count(entry.get("every"), "watch.every"),
        "renewed": _read_optional_moment(entry.get("renewed"), "watch.renewed"),
        "stale": read_flag(entry.get("stale"), "watch.stale"),
        "last": _read_optional_moment(entry.get("last"), "watch.last"),
        "since": _read_optional_moment(entry.get("since"), "watch.since"),
        "incidents": incidents,
        "ended": ended,
        # Ended programs belong to the control apps. The control of incidents that were not read is unknown, so they
        # count for the journal.
        "left_out": _read_left_out(entry.get("left_out", {}), {"apps": more_ended, JOURNAL: more_incidents}),
    }
    if (frozen := entry.get("frozen")) is not None:
        watched["frozen"] = _read_pause(require_mapping(frozen, "watch.frozen"))
    return watched


def read_requests(content: object, left_out: object) -> tuple[list[UserRequest], int]:
    """Return the requests of a host's users, and the number of requests that are left out.

    `left_out` is the number that the host itself left out; None for 0. A request with the id of an earlier request is
    left out, too. Raises UnusableAnswer.
    """
    received, more = _read_first_items(_read_request, content, "requests", MAX_REQUESTS)
    by_id: dict[str, UserRequest] = {}
    for request in received:
        by_id.setdefault(request["id"], request)
    more += len(received) - len(by_id)
    return list(by_id.values()), _sum_left_out(0 if left_out is None else left_out, more, "requests_left_out")


def read_rule_name(content: object) -> str:
    """Return the name of a rule, `<control>/<subject>`.

    Raises UnusableAnswer unless the control is known. The names in EXTRA_RULE_GROUPS count as controls here.
    """
    rule = read_name(content, "rule", MAX_TOKEN_LENGTH)
    control, _, subject = rule.partition("/")
    if control not in (*CONTROLS, *EXTRA_RULE_GROUPS) or not subject:
        raise UnusableAnswer(f"{quote_content(rule)} is no rule of a control")
    return rule


def _read_incident(content: object) -> WatchIncident:
    """Read an incident: rules of one control that the watch found violated, and the number of times.

    Rules and users beyond their maximum numbers are cut. Raises UnusableAnswer.
    """
    entry = require_mapping(content, "an incident")
    first, last = _read_period(entry)
    times = _read_times(entry.get("times"))
    corrected = read_count(entry.get("corrected"), "corrected")
    if corrected > times:
        raise UnusableAnswer(f"an incident was corrected {corrected} times and found {times} times")
    users = read_list(lambda user: read_name(user, "users", MAX_TOKEN_LENGTH), entry.get("users", []), "users")
    rules = read_list(read_rule_name, entry.get("rules"), "rules")
    if not rules or len({rule.partition("/")[0] for rule in rules}) > 1:
        raise UnusableAnswer("an incident is of no control, or of several")
    left_out = _sum_left_out(entry.get("rules_left_out", 0), len(rules[MAX_INCIDENT_RULES:]), "rules_left_out")
    return {
        "control": rules[0].partition("/")[0],
        "cause": read_line(entry.get("cause"), "cause", MAX_CAUSE_LENGTH),
        "rules": rules[:MAX_INCIDENT_RULES],
        "rules_left_out": left_out,
        "first": first,
        "last": last,
        "times": times,
        "corrected": corrected,
        "users": users[:MAX_INCIDENT_USERS],
    }


def _read_left_out(content: object, more: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of entries that the record leaves out, by control and for the journal; no zeros.

    `more` has the numbers that this reader left out itself. They are added to the numbers of the host.
    """
    entry = require_mapping(content, "watch.left_out")
    names = (*CONTROLS, *EXTRA_RULE_GROUPS, JOURNAL)
    if unknown := [key for key in entry if key not in names]:
        raise UnusableAnswer(f"watch.left_out names {quote_content(unknown[0])}, no control")
    counts = {key: _sum_left_out(entry.get(key, 0), more.get(key, 0), f"watch.left_out.{key}") for key in names}
    return {key: number for key, number in counts.items() if number}


def _read_ended_program(content: object) -> EndedProgram:
    """Read a program that the watch ended at its start, and the number of such starts."""
    entry = require_mapping(content, "an ended program")
    first, last = _read_period(entry)
    return {
        "rule": read_rule_name(entry.get("rule")),
        "program": read_name(entry.get("program"), "program"),
        "user": read_name(entry.get("user"), "user", MAX_TOKEN_LENGTH),
        "first": first,
        "last": last,
        "times": _read_times(entry.get("times")),
    }


def _read_request(content: object) -> UserRequest:
    """Read a user's request for an exception; without the key `answer` it still waits for an answer."""
    entry = require_mapping(content, "a request")
    request_id = entry.get("id")
    if not isinstance(request_id, str) or not REQUEST_ID_PATTERN.fullmatch(request_id):
        raise UnusableAnswer(f"{quote_content(request_id)} is no id of a request")
    request: UserRequest = {
        "id": str(request_id),
        "user": read_name(entry.get("user"), "user", MAX_TOKEN_LENGTH),
        "service": read_name(entry.get("service"), "service", MAX_TOKEN_LENGTH),
        "reason": read_line(entry.get("reason"), "reason", MAX_REQUEST_REASON_LENGTH),
        "at": _read_moment(entry.get("at"), "at"),
    }
    if (answer := entry.get("answer")) is not None:
        if answer not in REQUEST_ANSWERS:
            raise UnusableAnswer(f"{quote_content(answer)} is no answer to a request")
        request["answer"] = str(answer)
    return request


def _read_pause(entry: Mapping[Any, Any]) -> WatchPause:
    """Read the pause of the watch: its end, its reason, and the account that paused the watch."""
    return {
        "until": _read_moment(entry.get("until"), "watch.frozen.until"),
        "reason": read_line(entry.get("reason"), "watch.frozen.reason", MAX_REQUEST_REASON_LENGTH),
        "by": read_name(entry.get("by"), "watch.frozen.by", MAX_TOKEN_LENGTH),
    }


def _read_first_items(
    read: Callable[[Any], Item], content: object, label: str, max_items: int
) -> tuple[list[Item], int]:
    """Return the first `max_items` items of a list, and the number of the other items.

    A list of more than MAX_LIST_ITEMS items is forged: raises UnusableAnswer.
    """
    if not isinstance(content, list):
        raise UnusableAnswer(f"{label} is no list")
    if len(content) > MAX_LIST_ITEMS:
        raise UnusableAnswer(f"{label} has {len(content):,} items, {MAX_LIST_ITEMS:,} are the most")
    return [read(entry) for entry in content[:max_items]], max(0, len(content) - max_items)


def _require_unique_keys(keys: Sequence[tuple[str, ...]], label: str) -> None:
    """Raise UnusableAnswer if a key occurs twice; `label` names the kind of the entries."""
    if len(set(keys)) < len(keys):
        raise UnusableAnswer(f"it lists {label} twice")


def _read_times(content: object) -> int:
    """Read a number of times that is at least 1."""
    times = read_count(content, "times")
    if not times:
        raise UnusableAnswer("it lists what never happened")
    return times


def _read_period(entry: Mapping[Any, Any]) -> tuple[str, str]:
    """Return the `first` and the `last` time of an entry.

    If the host's clock was set back between the two times, the two are swapped.
    """
    first, last = _read_moment(entry.get("first"), "first"), _read_moment(entry.get("last"), "last")
    return min(first, last), max(first, last)


def _read_optional_moment(content: object, label: str) -> str | None:
    return None if content is None else _read_moment(content, label)


def _read_moment(content: object, label: str) -> str:
    """Return a UTC time such as `2026-11-25T08:00:00Z`.

    Raises UnusableAnswer for any other form. The history can sort texts of this form as times.
    """
    try:
        if isinstance(content, str) and MOMENT_PATTERN.fullmatch(content):
            parse_moment(content)
            return str(content)
    except ValueError:
        pass
    raise UnusableAnswer(
        f"{label} is {truncate_text(quote_content(content), MAX_TOKEN_LENGTH)}, no UTC time such as "
        f"2026-11-25T08:00:00Z"
    )


def _sum_left_out(left_out: object, more: int, label: str) -> int:
    """Return the number that the host left out plus `more`, at most MAX_COUNT."""
    return min(MAX_COUNT, read_count(left_out, label) + more)

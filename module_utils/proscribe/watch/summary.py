"""What the journal comes to, for the record: how often each rule drifted, since when, and what was done."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..host import ControlError, Host
from ..moments import seconds
from . import files, frozen, journal
from .clock import effective

MOST = 200  # incidents, and programs that were ended
MOST_USERS = 20


def is_stale(host: Host, max_age: int, renewed: str | None) -> bool:
    """Whether no run has renewed the plan for too long. Where nobody knows when one did, it has."""
    return renewed is None or effective(host) - seconds(renewed) > max_age


def summary(host: Host, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The record's part about the watch (docs/watch.md). Raises Unseen for who may not read the journal."""
    try:
        known = files.settings(host)
    except files.Damaged:
        known = None
    given = plan.get("watch") or {}
    every = int(given.get("every") or (known.every if known else 0))
    max_age = int(given.get("max_age") or (known.max_age if known else 0))
    renewed = files.renewed(host)
    try:
        lines, left_out = journal.read(host)
    except ControlError:
        lines, left_out = [], 1
    incidents = _incidents(lines)
    ended = _ended(lines)
    pause = frozen.active(host)
    return {
        "every": every,
        "renewed": renewed,
        "stale": known is not None and is_stale(host, max_age, renewed),
        "last": files.state(host).get("last"),
        "since": lines[0]["at"] if lines else None,
        **({"frozen": pause} if pause else {}),
        "incidents": incidents[-MOST:],
        "ended": ended[-MOST:],
        "left_out": left_out + len(incidents[:-MOST]) + len(ended[:-MOST]),
    }


def _incidents(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By rule, the one that drifted last at the end."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        for rule in line["rules"] if line["event"] in ("drift", "corrected") else ():
            fresh = {"rule": rule, "first": line["at"], "last": line["at"], "times": 0, "corrected": 0, "users": []}
            one = found.setdefault(rule, fresh)
            if line["event"] == "corrected":
                one["corrected"] += 1
                continue
            one.update(last=line["at"], times=one["times"] + 1)
            one["users"] = list(dict.fromkeys([*one["users"], *line["users"]]))[:MOST_USERS]
    # What was corrected, and of whose drift the line is gone, happened at least once.
    for one in found.values():
        one["times"] = max(one["times"], one["corrected"])
    return sorted(found.values(), key=lambda one: (one["last"], one["rule"]))


def _ended(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By rule, program and user, the one that was ended last at the end."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in lines:
        if line["event"] == "ended":
            key = line["rule"], line["program"], line["user"]
            fresh = {"rule": key[0], "program": key[1], "user": key[2], "first": line["at"], "last": "", "times": 0}
            one = found.setdefault(key, fresh)
            one.update(last=line["at"], times=one["times"] + line["times"])
    return sorted(found.values(), key=lambda one: (one["last"], one["rule"], one["program"], one["user"]))

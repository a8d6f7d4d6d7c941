"""What the journal comes to, for the record: how often what drifted, since when, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable

from ....base.moments import parse_timestamp
from ....model.words import JOURNAL, MAX_ENDED_PROGRAMS, MAX_INCIDENT_RULES, MAX_INCIDENT_USERS, MAX_INCIDENTS
from ...system import ControlError, Host
from . import files, journal, pause
from .clock import effective
from .turns import in_turns

if TYPE_CHECKING:
    from typing import TypeVar

    from ....model.types.plan import Plan
    from ....model.types.record import EndedProgram, WatchIncident, WatchRecord
    from ....model.types.watch import GatheredIncident, JournalLine

    One = TypeVar("One")


def is_stale(host: Host, max_age: int, renewed: str | None) -> bool:
    """Whether no run has renewed the plan for too long. Where nobody knows when one did, it has."""
    return renewed is None or effective(host) - parse_timestamp(renewed) > max_age


def summary(host: Host, plan: Plan) -> WatchRecord:
    """The record's part about the watch (docs/watch.md). Raises Unseen for who may not read the journal."""
    try:
        known = files.settings(host)
    except files.Damaged:
        known = None
    if "watch" in plan:
        every, max_age = plan["watch"]["every"], plan["watch"]["max_age"]
    else:
        every, max_age = (known.every, known.max_age) if known else (0, 0)
    renewed = files.renewed(host)
    try:
        lines, unreadable = journal.read(host)
    except ControlError:
        lines, unreadable = [], 1
    paused = pause.active(host)
    left_out = {JOURNAL: unreadable} if unreadable else {}
    watched: WatchRecord = {
        "every": every,
        "renewed": renewed,
        "stale": known is not None and is_stale(host, max_age, renewed),
        "last": files.state(host).get("last"),
        "since": lines[0]["at"] if lines else None,
        "incidents": _chosen(
            _incidents(lines), MAX_INCIDENTS, lambda one: one["control"], lambda one: one["control"], left_out
        ),
        "ended": _chosen(
            _ended(lines),
            MAX_ENDED_PROGRAMS,
            lambda one: one["user"],
            lambda one: one["rule"].partition("/")[0],
            left_out,
        ),
        "left_out": left_out,
    }
    if paused:
        watched["frozen"] = paused
    return watched


def _chosen(
    found: list[One],
    most: int,
    whose: Callable[[One], str],
    control_of: Callable[[One], str],
    left_out: dict[str, int],
) -> list[One]:
    """At most so many, of each control or user in turn; those that are left out are counted by their control."""
    chosen = in_turns(found, whose, most, lambda one: 1)
    if len(chosen) < len(found):
        there = set(map(id, chosen))
        for one in found:
            if id(one) not in there:
                control = control_of(one)
                left_out[control] = left_out.get(control, 0) + 1
    return chosen


def _incidents(lines: Iterable[JournalLine]) -> list[WatchIncident]:
    """By what rules drifted by, the one that drifted last at the end. One rule alone is one incident, by whatever it
    drifted. What was corrected belongs to the incident that its rule drifted in last.
    """
    found: dict[tuple[str, ...], GatheredIncident] = {}
    open_: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if line["event"] == "drift":
            key: tuple[str, ...] = line["rules"][0].partition("/")[0] if line["rules"] else "", line["cause"]
            one = found.setdefault(key, _incident(line))
            one["times"] += one["seen"] != line["at"]  # many rules are several lines
            one["seen"] = one["last"] = line["at"]
            one["rules"].update(dict.fromkeys(line["rules"]))
            one["users"].update(dict.fromkeys(line["users"]))
            open_.update(dict.fromkeys(line["rules"], key))
        elif line["event"] == "corrected":
            for key in dict.fromkeys(open_.get(rule, (rule,)) for rule in line["rules"]):
                one = found.setdefault(key, _incident(line))
                one["rules"].update(dict.fromkeys(key if len(key) == 1 else ()))
                one["corrected"] += one["closed"] != line["at"]
                one["closed"] = line["at"]
    return sorted(map(_listed, _joined(found.values())), key=lambda one: (one["last"], one["control"], one["rules"]))


def _incident(line: JournalLine) -> GatheredIncident:
    return {
        "cause": line.get("cause", ""),
        "rules": {},
        "users": {},
        "seen": "",
        "closed": "",
        "first": line["at"],
        "last": line["at"],
        "times": 0,
        "corrected": 0,
    }


def _joined(found: Iterable[GatheredIncident]) -> Iterable[GatheredIncident]:
    """The incidents of one rule alone as one; the others as they are."""
    alone: dict[str, GatheredIncident] = {}
    for one in found:
        if len(one["rules"]) != 1:
            yield one
            continue
        (rule,) = one["rules"]
        before = alone.setdefault(rule, one)
        if before is not one:
            before["times"] += one["times"]
            before["corrected"] += one["corrected"]
            before["first"] = min(before["first"], one["first"])
            if one["last"] >= before["last"]:
                before["last"], before["cause"] = one["last"], one["cause"] or before["cause"]
            before["users"].update(one["users"])
    yield from alone.values()


def _listed(one: GatheredIncident) -> WatchIncident:
    """An incident as the record has it. What was corrected, and of whose drift the line is gone, happened once."""
    rules = list(one["rules"])
    return {
        "control": rules[0].partition("/")[0] if rules else "",
        "cause": one["cause"],
        "rules": rules[:MAX_INCIDENT_RULES],
        "rules_left_out": len(rules[MAX_INCIDENT_RULES:]),
        "first": one["first"],
        "last": one["last"],
        "times": max(one["times"], one["corrected"]),
        "corrected": one["corrected"],
        "users": list(one["users"])[:MAX_INCIDENT_USERS],
    }


def _ended(lines: Iterable[JournalLine]) -> list[EndedProgram]:
    """By rule, program and user, the one that was ended last at the end."""
    found: dict[tuple[str, str, str], EndedProgram] = {}
    for line in lines:
        if line["event"] == "ended":
            key = line["rule"], line["program"], line["user"]
            fresh: EndedProgram = {
                "rule": line["rule"],
                "program": line["program"],
                "user": line["user"],
                "first": line["at"],
                "last": "",
                "times": 0,
            }
            one = found.setdefault(key, fresh)
            one["last"], one["times"] = line["at"], one["times"] + line["times"]
    return sorted(found.values(), key=lambda one: (one["last"], one["rule"], one["program"], one["user"]))

"""A plan at a moment: which waivers are open at this hour of the host's own clock.

Loaded only for a plan with hours. The plan that is resolved has the digest of the compiled one, so that nothing looks
changed when an hour begins.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Sequence

from .plan import RESTRICTED
from .plan import resolved as on_a_host

if TYPE_CHECKING:
    from typing import Literal

    from .types.plan import Entry, Exempted, Plan, Section

    Resolved = Literal["waiver", "hours", "otherwise", "opens", "exceptions"]

RESOLVED: tuple[Resolved, ...] = ("waiver", "hours", "otherwise", "opens", "exceptions")


def at(plan: Plan, now: time.struct_time) -> Plan:
    """The plan as it is at a local time, without `hours`; the same object where it has none."""
    minute = now.tm_hour * 60 + now.tm_min

    def is_open(hours: Sequence[Sequence[int]]) -> bool:
        return any(day == now.tm_wday and begin <= minute < end for day, begin, end in hours)

    sections = {name: _section(section, is_open) for name, section in plan["controls"].items()}
    if all(section is plan["controls"][name] for name, section in sections.items()):
        return plan
    return on_a_host({**plan, "controls": sections})


def _section(section: Section, is_open: Callable[[Sequence[Sequence[int]]], bool]) -> Section:
    services = section["services"]
    timed = {id_: entry for id_, entry in services.items() if _has_hours(entry)}
    if not timed:
        return section
    resolved = {**services, **{id_: _entry(entry, is_open) for id_, entry in timed.items()}}
    for id_, entry in timed.items():
        if resolved[id_]["mode"] == "waived":
            for one, names in entry.get("opens", {}).items():
                if resolved[one]["mode"] in RESTRICTED:
                    resolved[one] = {**resolved[one], "allow": sorted({*resolved[one].get("allow", ()), *names})}
    return {**section, "services": resolved}


def _has_hours(entry: Entry) -> bool:
    return "hours" in entry or any("hours" in exception for exception in entry.get("exceptions", ()))


def _entry(entry: Entry, is_open: Callable[[Sequence[Sequence[int]]], bool]) -> Entry:
    """An entry without hours: waived by the first waiver that opens it whole now, or as it is at other times."""
    left = entry.copy()
    for key in RESOLVED:
        left.pop(key, None)
    if "hours" in entry and is_open(entry["hours"]):
        return {**left, "mode": "waived", "waiver": entry["waiver"]}
    now = [
        _untimed(exception)
        for exception in entry.get("exceptions", ())
        if "hours" not in exception or is_open(exception["hours"])
    ]
    for exception in now:
        if set(exception) == {"waiver"}:
            return {**left, "mode": "waived", "waiver": exception["waiver"]}
    if now:
        left["exceptions"] = now
    return {**left, "mode": entry.get("otherwise", entry["mode"])}


def _untimed(exception: Exempted) -> Exempted:
    untimed = exception.copy()
    untimed.pop("hours", None)
    return untimed


def difference(was: Plan, now: Plan) -> tuple[list[str], list[str]]:
    """The rules that are more open in a plan at one moment (`at`) than at another, and those that are less."""
    opened: list[str] = []
    closed: list[str] = []
    for control, section in now["controls"].items():
        for id_, entry in section["services"].items():
            before, after = (_openness(one) for one in (was["controls"][control]["services"][id_], entry))
            if before != after:
                (opened if after > before else closed).append(f"{control}/{id_}")
    return opened, closed


def _openness(entry: Entry) -> tuple[bool, int]:
    return entry["mode"] == "waived", len(entry.get("exceptions", ()))

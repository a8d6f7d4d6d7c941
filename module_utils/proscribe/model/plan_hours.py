"""A plan at a time of day: only waivers apply that are open at this hour, by the host's own clock.

This module is loaded only for a plan with hours. The resolved plan keeps the digest of the compiled plan. So the digest
by which a plan is named does not change when an hour begins or ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Sequence

from .plan import RESTRICTED_MODES
from .plan import mark_resolved as on_a_host

if TYPE_CHECKING:
    from typing import Literal

    from .types.plan import PartialWaiver, Plan, PlanEntry, PlanSection

    ResolvedKey = Literal["waiver", "hours", "otherwise", "opens", "exceptions"]

RESOLVED_KEYS: tuple[ResolvedKey, ...] = ("waiver", "hours", "otherwise", "opens", "exceptions")


def resolve_hours(plan: Plan, now: time.struct_time) -> Plan:
    """Return the plan as it applies at the local time `now`, without the hours of waivers.

    A plan without hours is returned unchanged.
    """
    minute = now.tm_hour * 60 + now.tm_min

    def is_open(hours: Sequence[Sequence[int]]) -> bool:
        return any(day == now.tm_wday and begin <= minute < end for day, begin, end in hours)

    sections = {name: _resolve_section(section, is_open) for name, section in plan["controls"].items()}
    if all(section is plan["controls"][name] for name, section in sections.items()):
        return plan
    # The resolved plan has another content than its digest says, so it is marked as resolved.
    return on_a_host({**plan, "controls": sections})


def _resolve_section(section: PlanSection, is_open: Callable[[Sequence[Sequence[int]]], bool]) -> PlanSection:
    """Return a control's section as it applies now, without the hours of waivers.

    A section without hours is returned unchanged. `is_open` returns whether now is within the hours of a waiver.

    A waived service may have `opens`, names by service. While a waiver opens the service, the other services allow
    these names.
    """
    services = section["services"]
    timed_entries = {service_id: entry for service_id, entry in services.items() if _has_hours(entry)}
    if not timed_entries:
        return section
    resolved = {
        **services,
        **{service_id: _resolve_entry(entry, is_open) for service_id, entry in timed_entries.items()},
    }
    for service_id, entry in timed_entries.items():
        if resolved[service_id]["mode"] == "waived":
            for opened_id, names in entry.get("opens", {}).items():
                if resolved[opened_id]["mode"] in RESTRICTED_MODES:
                    resolved[opened_id] = {
                        **resolved[opened_id],
                        "allow": sorted({*resolved[opened_id].get("allow", ()), *names}),
                    }
    return {**section, "services": resolved}


def _has_hours(entry: PlanEntry) -> bool:
    return "hours" in entry or any("hours" in exception for exception in entry.get("exceptions", ()))


def _resolve_entry(entry: PlanEntry, is_open: Callable[[Sequence[Sequence[int]]], bool]) -> PlanEntry:
    """Return a service's entry as it applies now, without hours.

    `is_open` returns whether now is within the hours of a waiver. The first waiver that opens the whole service now
    makes the service waived. Otherwise the service has its mode for other times, with the partial waivers that apply
    now.
    """
    resolved_entry = entry.copy()
    for key in RESOLVED_KEYS:
        resolved_entry.pop(key, None)
    if "hours" in entry and is_open(entry["hours"]):
        return {**resolved_entry, "mode": "waived", "waiver": entry["waiver"]}
    open_exceptions = [
        _drop_hours(exception)
        for exception in entry.get("exceptions", ())
        if "hours" not in exception or is_open(exception["hours"])
    ]
    for exception in open_exceptions:
        if set(exception) == {"waiver"}:  # without further keys, the waiver is for the whole service
            return {**resolved_entry, "mode": "waived", "waiver": exception["waiver"]}
    if open_exceptions:
        resolved_entry["exceptions"] = open_exceptions
    return {**resolved_entry, "mode": entry.get("otherwise", entry["mode"])}


def _drop_hours(exception: PartialWaiver) -> PartialWaiver:
    untimed = exception.copy()
    untimed.pop("hours", None)
    return untimed


def compare_openness(earlier_plan: Plan, current_plan: Plan) -> tuple[list[str], list[str]]:
    """Return the rules that waivers open more in the current plan, and the rules that they open less.

    Both plans are the same plan, resolved for different times.
    """
    opened: list[str] = []
    closed: list[str] = []
    for control, section in current_plan["controls"].items():
        for service_id, entry in section["services"].items():
            before, after = (
                _rank_openness(compared_entry)
                for compared_entry in (earlier_plan["controls"][control]["services"][service_id], entry)
            )
            if before != after:
                (opened if after > before else closed).append(f"{control}/{service_id}")
    return opened, closed


def _rank_openness(entry: PlanEntry) -> tuple[bool, int]:
    """Return a sort key: a waived service is more open than others; then the number of partial waivers counts."""
    return entry["mode"] == "waived", len(entry.get("exceptions", ()))

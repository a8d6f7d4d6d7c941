"""What the next enforcing run makes of a thing that is restored: said before anything moves, out of the host's plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...host.controls.apps.quarantine.capacity import format_keep_end
from ...model.finding import Finding, find_covering_waiver
from ...model.types.plan import Plan, PlanSection
from ...model.types.quarantine import QuarantineItem
from . import LEFT, TAKEN, WAIVED


class Outlook(NamedTuple):
    """`taken` by the next enforcing run; `waived` by the waiver that is named; `left`, as nothing takes it there."""

    state: str
    waiver: str
    why: str  # in words


def outlook(plan: Plan, item: QuarantineItem, ends_of: Mapping[str, str]) -> Outlook:
    """The outlook for an item, as `results.quarantine` has it, once it stands at its place again. `ends_of` says when
    each waiver ends (UTC).

    It is what the plan says of the services for which the thing was taken. In doubt it is `taken`.
    """
    section = plan["controls"].get("apps")
    if section is None:
        return Outlook(LEFT, "", "the control apps is off there")
    waivers: list[str] = []
    spared: list[str] = []
    for service in item["services"]:
        state, reason = _of(section, service, item)
        if state == TAKEN:
            return Outlook(TAKEN, "", reason)
        (waivers if state == WAIVED else spared).append(reason)
    if not item["services"]:
        return Outlook(TAKEN, "", "it is not known for which service it was taken")
    if waivers:
        until = [f"{waiver} (until {ends_of.get(waiver, 'its end')})" for waiver in dict.fromkeys(waivers)]
        return Outlook(WAIVED, waivers[0], f"covered by waiver {', '.join(until)}")
    return Outlook(LEFT, "", "; ".join(dict.fromkeys(spared)))


def _of(section: PlanSection, service: str, item: QuarantineItem) -> tuple[str, str]:
    """What the plan makes of the item on behalf of one service: the state, and the waiver or else why."""
    entry = section["services"].get(service)
    if entry is None:
        return LEFT, f"{service} is not restricted there"
    if entry["mode"] == "waived":
        return WAIVED, str(entry["waiver"])
    if "only" in entry and not item["place_of"]:
        return LEFT, f"{service} is restricted there for the members of {', '.join(entry['only']['posix_groups'])} only"
    scope = f"user:{item['place_of']}" if item["place_of"] else "system"
    if waiver := find_covering_waiver(entry, Finding("file", item["path"], scope=scope, path=item["whole"])):
        return WAIVED, waiver
    if entry["mode"] == "upcoming":
        return LEFT, f"{service} is banned there from {entry['effective_from']} on, and taken then"
    if entry["mode"] == "report":
        return LEFT, f"{service} is only reported there"
    if section["mode"] == "audit" or entry["mode"] == "audit":
        return LEFT, f"{service} is only audited there: the next run reports it noncompliant"
    return TAKEN, f"no waiver covers {service} there"


def retained_until(plan: Plan, item: QuarantineItem) -> str:
    """When an item has been kept long enough, after which the next enforcing run prunes it; "" for ever."""
    section = plan["controls"].get("apps")
    keep = section["settings"].get("quarantine_keep", 0) if section else 0
    return format_keep_end(item["taken_at"], item["kept_until"], keep)

"""A plan on a host now: which waivers are open at this hour, and who is in the groups that they name, or for whose
members alone something is restricted.

Loaded only for a plan with such a waiver, or such a restriction.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Iterable

from ..base.tuples import NamedTuple
from ..model.plan import resolved as on_a_host
from ..model.plan_hours import at
from .system import ControlError, Host, Unseen
from .system.groups import also_in, members

if TYPE_CHECKING:
    from ..model.types.plan import Plan


class Unresolved(NamedTuple):
    """A group whose members are not known."""

    control: str
    service: str
    waiver: str  # that names it; "" where a restriction does
    group: str
    why: str

    def __str__(self) -> str:
        if not self.waiver:
            return f"nobody is known for whom the group {self.group} restricts this: {self.why}"
        return f"waiver {self.waiver} waives nobody for the group {self.group}: {self.why}"


def here_and_now(host: Host, plan: Plan) -> tuple[Plan, list[Unresolved]]:
    """The plan as it is on a host at this hour of its zone, by the host's clock; and the groups of nobody. The same
    object where nothing in it has hours or groups.
    """
    time.tzset()  # the zone may have changed since a process that stays began
    return resolved(host, at(plan, time.localtime(host.clock())))


def resolved(host: Host, plan: Plan) -> tuple[Plan, list[Unresolved]]:
    """The plan with the members of groups among the `users` of its exceptions and waivers, and as the `users` of what
    is restricted for some only; and the groups of nobody. An entry with such a group says so in `unresolved`, or its
    `only` does. Where nothing names a group, the plan is the same object.
    """
    known: dict[str, tuple[list[str], str]] = {}

    def of(group: str) -> tuple[list[str], str]:
        if group not in known:
            try:
                known[group] = members(host, group), ""
            except LookupError as error:
                known[group] = [], str(error.args[0])
            except (ControlError, Unseen) as error:
                known[group] = [], f"its members are not known ({error})"
        return known[group]

    meant: dict[str, set[str]] = {}

    def restricted(group: str) -> set[str]:
        """For whom a group restricts something: nobody gets out of it because a service lists the group in part."""
        if group not in meant:
            meant[group] = _users(host, of(group)[0])
            with contextlib.suppress(ControlError, Unseen):  # then `of` says why
                meant[group] |= _users(host, also_in(host, group))
        return meant[group]

    problems: list[Unresolved] = []
    sections: dict[str, Any] = {}
    for control, section in plan["controls"].items():
        changed: dict[str, Any] = {}
        for id_, entry in section["services"].items():
            if "only" in entry:
                groups = entry["only"]["posix_groups"]
                unknown = [Unresolved(control, id_, "", group, of(group)[1]) for group in groups if of(group)[1]]
                doubt = {"unresolved": "; ".join(map(str, unknown))} if unknown else {}
                users = sorted({name for group in groups for name in restricted(group)})
                changed[id_] = entry = {**entry, "only": {"users": users, **doubt}}
                problems += unknown
            if not any("posix_groups" in exception for exception in entry.get("exceptions", ())):
                continue
            exceptions, missed = [], []
            for exception in entry["exceptions"]:
                groups = exception.get("posix_groups", ())
                named = {**exception, "users": sorted({*exception["users"], *(n for g in groups for n in of(g)[0])})}
                exceptions.append({k: v for k, v in named.items() if k != "posix_groups"} if groups else exception)
                missed += [Unresolved(control, id_, exception["waiver"], g, of(g)[1]) for g in groups if of(g)[1]]
            changed[id_] = {**entry, "exceptions": exceptions}
            if missed:
                changed[id_]["unresolved"] = "; ".join(map(str, missed))
                problems += missed
        if changed:
            sections[control] = {**section, "services": {**section["services"], **changed}}
    if not sections:
        return plan, problems
    waivers = {
        id_: {**waiver, "users": sorted({*waiver["users"], *(n for g in waiver["posix_groups"] for n in of(g)[0])})}
        for id_, waiver in plan.get("waivers", {}).items()
        if "posix_groups" in waiver
    }
    more = {"waivers": {**plan["waivers"], **waivers}} if waivers else {}
    return on_a_host({**plan, **more, "controls": {**plan["controls"], **sections}}), problems


def _users(host: Host, names: Iterable[str]) -> set[str]:
    """Accounts by all names that they may be found under. Root is none of them: what it runs serves everybody."""
    numbers = {name: host.user_id(name) for name in names}
    known = {name for name, number in numbers.items() if number}
    return known.union(host.account(number).name for number in numbers.values() if number)

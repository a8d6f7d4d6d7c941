"""A plan on a host now: which waivers are open at this hour, and who is in the groups that they name, or for whose
members alone something is restricted.

Loaded only for a plan with such a waiver, or such a restriction.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Iterable, Sequence

from ..base.tuples import NamedTuple
from ..model.plan import mark_resolved as on_a_host
from ..model.plan_hours import resolve_hours
from .system import ControlError, Host, Unseen
from .system.groups import also_in, members

if TYPE_CHECKING:
    from ..model.types.plan import OnlyGroups, PartialWaiver, Plan, PlanEntry, PlanSection


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
    return resolved(host, resolve_hours(plan, time.localtime(host.clock())))


def resolved(host: Host, plan: Plan) -> tuple[Plan, list[Unresolved]]:
    """The plan with the members of its groups, and the groups of nobody. The same object where it names none.

    Members become `users` of exceptions and of waivers, and of what is restricted for some only. An entry with a group
    of nobody says so in `unresolved`, or its `only` does.
    """
    groups = _Groups(host)
    problems: list[Unresolved] = []
    sections: dict[str, PlanSection] = {}
    for control, section in plan["controls"].items():
        changed: dict[str, PlanEntry] = {}
        for id_, entry in section["services"].items():
            if "only" in entry:
                changed[id_] = entry = groups.restricting(control, id_, entry, entry["only"]["posix_groups"], problems)
            if any("posix_groups" in exception for exception in entry.get("exceptions", ())):
                changed[id_] = groups.excepting(control, id_, entry, problems)
        if changed:
            sections[control] = {**section, "services": {**section["services"], **changed}}
    if not sections:
        return plan, problems
    made: Plan = {**plan, "controls": {**plan["controls"], **sections}}
    if any("posix_groups" in waiver for waiver in plan.get("waivers", {}).values()):
        made["waivers"] = {
            id_: {**waiver, "users": groups.added(waiver["users"], waiver["posix_groups"])}
            if "posix_groups" in waiver
            else waiver
            for id_, waiver in plan["waivers"].items()
        }
    return on_a_host(made), problems


class _Groups:
    """The members of the groups that a plan names, each looked up once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.known: dict[str, tuple[list[str], str]] = {}
        self.meant: dict[str, set[str]] = {}

    def of(self, group: str) -> tuple[list[str], str]:
        """Who is in a group, or why nobody knows."""
        if group not in self.known:
            try:
                self.known[group] = members(self.host, group), ""
            except LookupError as error:
                self.known[group] = [], str(error.args[0])
            except (ControlError, Unseen) as error:
                self.known[group] = [], f"its members are not known ({error})"
        return self.known[group]

    def added(self, users: Iterable[str], groups: Iterable[str]) -> list[str]:
        """Some users and the members of some groups."""
        return sorted({*users, *(name for group in groups for name in self.of(group)[0])})

    def restricted(self, group: str) -> set[str]:
        """For whom a group restricts something: nobody gets out of it because a service lists the group in part."""
        if group not in self.meant:
            self.meant[group] = _users(self.host, self.of(group)[0])
            with contextlib.suppress(ControlError, Unseen):  # then `of` says why
                self.meant[group] |= _users(self.host, also_in(self.host, group))
        return self.meant[group]

    def restricting(
        self, control: str, id_: str, entry: PlanEntry, groups: Sequence[str], problems: list[Unresolved]
    ) -> PlanEntry:
        """An entry that is for the members of groups alone, with these."""
        unknown = [Unresolved(control, id_, "", group, self.of(group)[1]) for group in groups if self.of(group)[1]]
        problems += unknown
        only: OnlyGroups = {"users": sorted({name for group in groups for name in self.restricted(group)})}
        if unknown:
            only["unresolved"] = "; ".join(map(str, unknown))
        return {**entry, "only": only}

    def excepting(self, control: str, id_: str, entry: PlanEntry, problems: list[Unresolved]) -> PlanEntry:
        """An entry with exceptions for the members of groups, with these."""
        exceptions: list[PartialWaiver] = []
        missed: list[Unresolved] = []
        for exception in entry["exceptions"]:
            exception = exception.copy()
            groups = exception.pop("posix_groups", [])
            if groups:
                exception["users"] = self.added(exception["users"], groups)
            exceptions.append(exception)
            waiver = exception["waiver"]
            missed += [Unresolved(control, id_, waiver, one, self.of(one)[1]) for one in groups if self.of(one)[1]]
        problems += missed
        changed: PlanEntry = {**entry, "exceptions": exceptions}
        if missed:
            changed["unresolved"] = "; ".join(map(str, missed))
        return changed


def _users(host: Host, names: Iterable[str]) -> set[str]:
    """Accounts by all names that they may be found under. Root is none of them: what it runs serves everybody."""
    numbers = {name: host.user_id(name) for name in names}
    known = {name for name, number in numbers.items() if number}
    return known.union(host.account(number).name for number in numbers.values() if number)

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
from .system import ControlError, Host, ObservationError
from .system.groups import list_members, list_members_by_account

if TYPE_CHECKING:
    from ..model.types.plan import OnlyGroups, PartialWaiver, Plan, PlanEntry, PlanSection


class UnresolvedGroup(NamedTuple):
    """A group whose members are not known."""

    control: str
    service: str
    waiver: str  # that names it; "" where a restriction does
    group: str
    reason: str

    def __str__(self) -> str:
        if not self.waiver:
            return f"nobody is known for whom the group {self.group} restricts this: {self.reason}"
        return f"waiver {self.waiver} waives nobody for the group {self.group}: {self.reason}"


def resolve_here_and_now(host: Host, plan: Plan) -> tuple[Plan, list[UnresolvedGroup]]:
    """The plan as it is on a host at this hour of its zone, by the host's clock; and the groups of nobody. The same
    object where nothing in it has hours or groups.
    """
    time.tzset()  # the zone may have changed since a process that stays began
    return resolve_groups(host, resolve_hours(plan, time.localtime(host.clock())))


def resolve_groups(host: Host, plan: Plan) -> tuple[Plan, list[UnresolvedGroup]]:
    """The plan with the members of its groups, and the groups of nobody. The same object where it names none.

    Members become `users` of exceptions and of waivers, and of what is restricted for some only. An entry with a group
    of nobody says so in `unresolved`, or its `only` does.
    """
    groups = _GroupMembers(host)
    problems: list[UnresolvedGroup] = []
    sections: dict[str, PlanSection] = {}
    for control, section in plan["controls"].items():
        entries: dict[str, PlanEntry] = {}
        for service_id, entry in section["services"].items():
            if "only" in entry:
                entries[service_id] = entry = groups.make_restricted_entry(
                    control, service_id, entry, entry["only"]["posix_groups"], problems
                )
            if any("posix_groups" in exception for exception in entry.get("exceptions", ())):
                entries[service_id] = groups.make_excepted_entry(control, service_id, entry, problems)
        if entries:
            sections[control] = {**section, "services": {**section["services"], **entries}}
    if not sections:
        return plan, problems
    resolved_plan: Plan = {**plan, "controls": {**plan["controls"], **sections}}
    if any("posix_groups" in waiver for waiver in plan.get("waivers", {}).values()):
        resolved_plan["waivers"] = {
            service_id: {**waiver, "users": groups.add_members(waiver["users"], waiver["posix_groups"])}
            if "posix_groups" in waiver
            else waiver
            for service_id, waiver in plan["waivers"].items()
        }
    return on_a_host(resolved_plan), problems


class _GroupMembers:
    """The members of the groups that a plan names, each looked up once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.members: dict[str, tuple[list[str], str]] = {}
        self.restricted_users: dict[str, set[str]] = {}

    def find_members(self, group: str) -> tuple[list[str], str]:
        """Who is in a group, or why nobody knows."""
        if group not in self.members:
            try:
                self.members[group] = list_members(self.host, group), ""
            except LookupError as error:
                self.members[group] = [], str(error.args[0])
            except (ControlError, ObservationError) as error:
                self.members[group] = [], f"its members are not known ({error})"
        return self.members[group]

    def add_members(self, users: Iterable[str], groups: Iterable[str]) -> list[str]:
        """Some users and the members of some groups."""
        return sorted({*users, *(name for group in groups for name in self.find_members(group)[0])})

    def find_restricted_users(self, group: str) -> set[str]:
        """For whom a group restricts something: nobody gets out of it because a service lists the group in part."""
        if group not in self.restricted_users:
            self.restricted_users[group] = _resolve_account_names(self.host, self.find_members(group)[0])
            with contextlib.suppress(ControlError, ObservationError):  # then `find_members` says why
                self.restricted_users[group] |= _resolve_account_names(
                    self.host, list_members_by_account(self.host, group)
                )
        return self.restricted_users[group]

    def make_restricted_entry(
        self, control: str, service_id: str, entry: PlanEntry, groups: Sequence[str], problems: list[UnresolvedGroup]
    ) -> PlanEntry:
        """An entry that is for the members of groups alone, with these."""
        unknown = [
            UnresolvedGroup(control, service_id, "", group, self.find_members(group)[1])
            for group in groups
            if self.find_members(group)[1]
        ]
        problems += unknown
        only: OnlyGroups = {"users": sorted({name for group in groups for name in self.find_restricted_users(group)})}
        if unknown:
            only["unresolved"] = "; ".join(map(str, unknown))
        return {**entry, "only": only}

    def make_excepted_entry(
        self, control: str, service_id: str, entry: PlanEntry, problems: list[UnresolvedGroup]
    ) -> PlanEntry:
        """An entry with exceptions for the members of groups, with these."""
        exceptions: list[PartialWaiver] = []
        unresolved: list[UnresolvedGroup] = []
        for exception in entry["exceptions"]:
            exception = exception.copy()
            groups = exception.pop("posix_groups", [])
            if groups:
                exception["users"] = self.add_members(exception["users"], groups)
            exceptions.append(exception)
            waiver = exception["waiver"]
            unresolved += [
                UnresolvedGroup(control, service_id, waiver, group, self.find_members(group)[1])
                for group in groups
                if self.find_members(group)[1]
            ]
        problems += unresolved
        changed: PlanEntry = {**entry, "exceptions": exceptions}
        if unresolved:
            changed["unresolved"] = "; ".join(map(str, unresolved))
        return changed


def _resolve_account_names(host: Host, names: Iterable[str]) -> set[str]:
    """Accounts by all names that they may be found under. Root is none of them: what it runs serves everybody."""
    uids = {name: host.find_user_id(name) for name in names}
    account_names = {name for name, uid in uids.items() if uid}
    return account_names.union(host.find_account(uid).name for uid in uids.values() if uid)

"""Plan as it applies on a host now: time windows of waivers are resolved, and groups have their members.

Loaded only for a plan with hours or groups in a waiver, or with groups in a restriction.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Iterable, Sequence

from ..base.named_tuple import NamedTuple
from ..model.plan import mark_resolved as on_a_host
from ..model.plan_hours import resolve_hours
from .system import ControlError, Host, ObservationError
from .system.groups import list_members, list_members_by_account

if TYPE_CHECKING:
    from ..model.types.plan import OnlyGroups, PartialWaiver, Plan, PlanEntry, PlanSection


class UnresolvedGroup(NamedTuple):
    """Group that a plan names and whose members on this host are unknown, with the service concerned."""

    control: str
    service: str
    waiver: str  # the waiver that names the group; "" if a restriction names it
    group: str
    reason: str

    def __str__(self) -> str:
        if not self.waiver:
            return f"nobody is known for whom the group {self.group} restricts this: {self.reason}"
        return f"waiver {self.waiver} waives nobody for the group {self.group}: {self.reason}"


def resolve_here_and_now(host: Host, plan: Plan) -> tuple[Plan, list[UnresolvedGroup]]:
    """Return the plan as it applies now on this host, and the groups with unknown members.

    The time is the host's local time. Returns the same object if the plan has neither hours nor groups.
    """
    time.tzset()  # the zone may have changed since a long-running process started
    return resolve_groups(host, resolve_hours(plan, time.localtime(host.clock())))


def resolve_groups(host: Host, plan: Plan) -> tuple[Plan, list[UnresolvedGroup]]:
    """Return the plan with the members of its groups on this host, and the groups with unknown members.

    The members are added to `users` of exceptions, of waivers, and of services that are restricted for some users only.
    If a waiver's group is unknown, the entries of its services get the reason as `unresolved`. If a restriction's group
    is unknown, the reason is in the entry's `only`. Returns the same object if the plan names no group.
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
    # The mark keeps later checks from comparing the plan's digest with its changed content.
    return on_a_host(resolved_plan), problems


class _GroupMembers:
    """Members of the groups that a plan names. Each group is resolved once and remembered."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # group -> (its members, why they are unknown); the reason is "" for known members
        self.members: dict[str, tuple[list[str], str]] = {}
        # group -> names of the accounts that a restriction of the group covers
        self.restricted_users: dict[str, set[str]] = {}

    def find_members(self, group: str) -> tuple[list[str], str]:
        """Return the members of a group and the reason why they are unknown.

        The reason is "" for known members. If the members are unknown, the list is [].
        """
        if group not in self.members:
            try:
                self.members[group] = list_members(self.host, group), ""
            except LookupError as error:
                self.members[group] = [], str(error.args[0])
            except (ControlError, ObservationError) as error:
                self.members[group] = [], f"its members are not known ({error})"
        return self.members[group]

    def add_members(self, users: Iterable[str], groups: Iterable[str]) -> list[str]:
        """Return `users` together with the known members of `groups`, sorted."""
        return sorted({*users, *(name for group in groups for name in self.find_members(group)[0])})

    def find_restricted_users(self, group: str) -> set[str]:
        """Return the names of the accounts that a restriction of this group covers.

        Members come from the group's list of accounts and from each account's list of groups. So no user escapes a
        restriction because a name service lists the group only in part.
        """
        if group not in self.restricted_users:
            self.restricted_users[group] = _resolve_account_names(self.host, self.find_members(group)[0])
            # `find_members` reports the reason for the unknown members
            with contextlib.suppress(ControlError, ObservationError):
                self.restricted_users[group] |= _resolve_account_names(
                    self.host, list_members_by_account(self.host, group)
                )
        return self.restricted_users[group]

    def make_restricted_entry(
        self, control: str, service_id: str, entry: PlanEntry, groups: Sequence[str], problems: list[UnresolvedGroup]
    ) -> PlanEntry:
        """Return the entry of a service that is restricted for some groups only, with the users in these groups.

        `groups` are the names of these groups. Groups with unknown members are added to `problems`, and their reasons
        to the entry's `only`.
        """
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
        """Return the entry of a service whose exceptions have the members of their groups as users.

        An exception permits the service to some users by a waiver. Groups with unknown members are added to `problems`,
        and their reasons to the entry's `unresolved`.
        """
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
    """Return all names of the accounts with these names: an account may have several. Root is left out.

    Root's programs serve all users, so a restriction of root would restrict all.
    """
    uids = {name: host.find_user_id(name) for name in names}
    account_names = {name for name, uid in uids.items() if uid}
    return account_names.union(host.find_account(uid).name for uid in uids.values() if uid)

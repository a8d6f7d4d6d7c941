"""Lookup of the members of a group in the host's name service. Loaded only for a plan that names a group."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Host

MAX_MEMBERS = 1000


def list_members(host: Host, name: str) -> list[str]:
    """Return the sorted members of a group. Local accounts with the group as primary group count too.

    Raises LookupError with the reason for a missing group, for too many members, and for a group as a member. Nested
    groups are refused: operators would not expect nested members to count, and not all name services resolve them.
    """
    group = _find_group(host, name)
    if group is None:
        raise LookupError("this host has no such group")
    gid, listed = group
    if len(listed) > MAX_MEMBERS:
        raise LookupError(f"it has more than {MAX_MEMBERS} members")
    known_members = [member for member in listed if host.find_user_id(member) is not None]
    nested = [member for member in listed if member not in known_members and _find_group(host, member) is not None]
    if nested:
        raise LookupError(f"its member {nested[0]!a} is a group, and groups within groups are not followed")
    primary_members = [
        user.name for user in host.list_users() if user.gid == gid and host.find_user_id(user.name) == user.uid
    ]
    return sorted({*known_members, *primary_members})


def list_members_by_account(host: Host, name: str) -> list[str]:
    """Return the accounts with data on this host that are in a group according to the account's group list.

    A directory service may omit such accounts from the group's member list. Membership through another group counts
    too.
    """
    group = _find_group(host, name) if host.root == "/" else None
    if group is None:
        return []
    return [user.name for user in host.list_users() if group[0] in os.getgrouplist(user.name, user.gid)]


def _find_group(host: Host, name: str) -> tuple[int, list[str]] | None:
    """Return the number of a group and its member list; None for a missing group."""
    if host.root == "/":  # ask the name service: it also knows groups of LDAP or SSSD, which /etc/group lacks
        import grp

        with contextlib.suppress(KeyError, ValueError):
            entry = grp.getgrnam(name)
            return entry.gr_gid, list(entry.gr_mem)
        return None
    for line in (host.read_text("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[0] == name and fields[2].isdigit():
            return int(fields[2]), [member for member in fields[3].split(",") if member]
    return None

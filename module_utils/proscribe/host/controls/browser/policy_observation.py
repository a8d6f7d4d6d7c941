"""Observation of a browser's policy, and faults of a policy file that do not depend on its content."""

from __future__ import annotations

import os
import stat
from typing import AbstractSet, Iterable, Mapping, Protocol, Sequence

from ....base.foreign_access import (
    ACL_NAMED_GROUP,
    ACL_OWNING_GROUP,
    ACL_USER,
    BY_ACL,
    describe_rights,
    list_acl_rights,
)
from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host
from .site_rules import SiteName, is_covering

FILE_MODE = 0o644
# The key of the mark in every policy file. Chromium lists an unknown key as unknown and continues. Firefox reads
# "policies" only. A comment would suffice for Chromium, but other programs would not accept it as JSON.
POLICY_MARK = "proscribe"


class BlockingEffect(Protocol):
    """Joint blocking effect of all files of a browser."""

    def is_blocked(self, address: SiteName) -> bool: ...


class PolicyObservation(NamedTuple):
    """Observation of a browser's policy."""

    effect: BlockingEffect | None = None  # None: nothing is blocked
    foreign_openings: Sequence[SiteName] = ()  # names that should be blocked and that foreign exceptions open
    is_complete: bool = False  # every file is exactly as desired, so no name needs a check
    general_reason: str = ""  # common reason why names are not blocked
    settings: Mapping[str, str] = {}  # by open setting: its fault
    foreign_openers: Sequence[tuple[SiteName, str]] = ()  # foreign exceptions, each with its description
    unblocked_extensions: AbstractSet[str] = frozenset()  # extensions that should be blocked and are not
    faults: Sequence[str] = ()  # other faults
    unseen_reason: str = ""  # reason why nothing was observed, or with an `effect`, not everything
    unclear_reason: str = ""  # reason why other faults may be hidden

    def list_open_names(self, names: Iterable[SiteName]) -> list[SiteName]:
        """Return the names of a service that the browser's files do not block.

        Names below them that an exception of the organisation's files permits are included. The result is [] if the
        files could not be read, because then nothing is known.
        """
        effect = self.effect
        if self.unseen_reason and effect is None:  # the files could not be read
            return []
        restricted = sorted(set(names))
        if effect is None:
            return restricted
        open_names = [restricted_name for restricted_name in restricted if not effect.is_blocked(restricted_name)]
        open_below = [
            restricted_name
            for restricted_name in self.foreign_openings
            if restricted_name not in open_names and any(is_covering(upper, restricted_name) for upper in restricted)
        ]
        return open_names + open_below

    @property
    def cause(self) -> str:
        """Reason for an opening: the common reason, else the faults of the file."""
        return self.general_reason or "; ".join(self.faults)

    def explain_opening(self, name: SiteName) -> str:
        """Return the reason why a name is open: the common reason, the opening exception, or the faults."""
        reasons = (
            reason for opener, reason in self.foreign_openers if is_covering(opener, name) or is_covering(name, opener)
        )
        return self.general_reason or next(reasons, "") or self.cause


def make_lost_observation(error: ControlError, settings: Iterable[str], extensions: Iterable[str]) -> PolicyObservation:
    """Make the observation of a place that cannot be observed safely: it reports that no policy is in effect."""
    reason = str(error)
    return PolicyObservation(
        general_reason=reason,
        settings=dict.fromkeys(settings, reason),
        unblocked_extensions=frozenset(extensions),
        faults=[reason],
    )


class PolicyFileFaults(NamedTuple):
    """Faults of a policy file and of its directories, and whether browsers can still read the file."""

    file_faults: list[str]
    directory_faults: list[str]
    is_readable: bool


def check_policy_path(host: Host, path: str) -> PolicyFileFaults:
    """Check owner, mode and ACL of an existing policy file, and of the directories that lead to it.

    A browser runs as its user, so a file that the user cannot read has no effect. If accounts other than root can write
    to the path, they can set policies. Raises ObservationError.
    """
    directory_faults = []
    is_readable = True
    owner_uid = _read_owner(host)
    for step, directory in list_leading_directories(host, path):
        # owned by root, not writable for group and others, and readable for others
        if directory.st_uid == owner_uid and directory.st_mode & 0o027 == 0o005 and not host.read_acl(step):
            continue  # nearly every directory passes here
        foreign_rights, unread_reason = (
            host.describe_write_access(step, directory),
            _explain_unreadable(host, step, directory, 0o005),
        )
        is_readable = is_readable and not unread_reason
        link_remedy = "" if path.startswith(f"{step}/") else "a link leads through it: put a directory there instead"
        if foreign_rights:
            remedy = link_remedy or _choose_remedy(foreign_rights, "chown root, chmod 755")
            directory_faults.append(f"{step} can be changed by others ({foreign_rights}): {remedy}")
        elif unread_reason:
            remedy = link_remedy or _choose_remedy(unread_reason, "chmod 755")
            directory_faults.append(f"{step} cannot be read by users ({unread_reason}): {remedy}")
    status = host.find_entry(path)
    if status is None:
        return PolicyFileFaults([], directory_faults, is_readable)
    if stat.S_ISLNK(status.st_mode):
        return PolicyFileFaults(["a link is in its place"], directory_faults, is_readable)
    if not stat.S_ISREG(status.st_mode):
        return PolicyFileFaults(["something other than a file is in its place"], directory_faults, False)
    file_faults = []
    if status.st_uid != owner_uid or stat.S_IMODE(status.st_mode) != FILE_MODE:
        file_faults.append(f"{describe_rights(status)} instead of root's with mode 644")
    elif host.read_acl(path) and (
        foreign_rights := host.describe_write_access(path, status) or _explain_unreadable(host, path, status, 0o004)
    ):
        file_faults.append(f"{foreign_rights} beside its mode")
    return PolicyFileFaults(
        file_faults, directory_faults, is_readable and not _explain_unreadable(host, path, status, 0o004)
    )


def list_leading_directories(host: Host, path: str) -> list[tuple[str, os.stat_result]]:
    """Return the directories that lead to a path, the nearest first, and those behind links of root on the path.

    A user who can change such a directory can put another file at the path. Raises ObservationError, and ControlError
    for a user's link.
    """
    status_by_path: dict[str, os.stat_result | None] = {}
    pending_paths = [path.rpartition("/")[0]]
    while pending_paths:
        step = pending_paths.pop(0)
        while step and step not in status_by_path:
            status = status_by_path[step] = host.find_entry(step)
            if status is not None and stat.S_ISLNK(status.st_mode):
                pending_paths.append(host.resolve_link(step))
            step = step.rpartition("/")[0]
    return [
        (step, status) for step, status in status_by_path.items() if status is not None and stat.S_ISDIR(status.st_mode)
    ]


def explain_foreign_access(host: Host, path: str, status: os.stat_result) -> str:
    """Describe the access by which accounts other than root can change the file at a path; "" if none can.

    The text continues a sentence that begins with the name of the file. For a link, the access to its target and to the
    directories before the target counts. Raises ObservationError.
    """
    if stat.S_ISLNK(status.st_mode):
        if status.st_uid != _read_owner(host):
            return f"is a link that others can change ({describe_rights(status)})"
        target_path = host.resolve_link(path)
        for step, directory in list_leading_directories(host, target_path):
            if foreign_rights := host.describe_write_access(step, directory):
                return f"is a link to {target_path}, and {step} can be changed by others ({foreign_rights})"
        target = host.find_entry(target_path)
        return (
            explain_foreign_access(host, target_path, target)
            if target is not None and not stat.S_ISLNK(target.st_mode)
            else ""
        )
    foreign_rights = host.describe_write_access(path, status)
    return (
        f"can be changed by others ({foreign_rights}): {_choose_remedy(foreign_rights, 'chown root, chmod 644')}"
        if foreign_rights
        else ""
    )


def is_secret(host: Host, path: str, status: os.stat_result) -> bool:
    """Return whether nobody but root can read a file, so that no browser does."""
    return not status.st_mode & 0o044 and status.st_uid == _read_owner(host) and not _list_acl_rights(host, path)


def _choose_remedy(fault: str, default_remedy: str) -> str:
    """Return the command that corrects wrong rights: the ACL is removed, or `default_remedy` is run."""
    return "setfacl -b" if fault == BY_ACL else default_remedy


def _read_owner(host: Host) -> int:
    """Return the user id that policy files must belong to."""
    return os.stat(host.root).st_uid  # root, except in a test fixture


def _explain_unreadable(host: Host, path: str, status: os.stat_result, needed_mode: int) -> str:
    """Return the rights that prevent some users from reading a file or a directory; "" if all can read.

    `needed_mode` has the bits of a mode that every user needs.
    """
    if status.st_mode & needed_mode != needed_mode:
        return describe_rights(status)
    return BY_ACL if any(acl_mode & needed_mode != needed_mode for acl_mode in _list_acl_rights(host, path)) else ""


def _list_acl_rights(host: Host, path: str) -> list[int]:
    """Return the rights that an ACL gives each named user, the owning group and each named group, as mode bits.

    [] if the file has no ACL.
    """
    return list_acl_rights(host.read_acl(path), (ACL_USER, ACL_OWNING_GROUP, ACL_NAMED_GROUP))

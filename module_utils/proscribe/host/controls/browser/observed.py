"""What was seen of one browser's policy, and what is wrong with a file whatever its content."""

from __future__ import annotations

import os
import stat
from typing import AbstractSet, Iterable, Mapping, Protocol, Sequence

from ....base.others import ACL_NAMED_GROUP, ACL_OWNING_GROUP, ACL_USER, BY_ACL, describe_rights, list_acl_rights
from ....base.tuples import NamedTuple
from ...system import ControlError, Host
from .rendering import SiteName, is_covering

FILE_MODE = 0o644
# The key under which every policy file carries its notice. Chromium lists what it does not know as unknown and goes on;
# Firefox reads "policies" only. A comment would do for Chromium, but would not be JSON to anybody else.
POLICY_MARK = "proscribe"


class BlockingEffect(Protocol):
    """Which addresses a browser blocks, all files taken together."""

    def is_blocked(self, address: SiteName) -> bool: ...


class PolicyObservation(NamedTuple):
    """What was seen of a browser."""

    effect: BlockingEffect | None = None  # None: nothing is blocked
    foreign_openings: Sequence[SiteName] = ()  # what somebody else's exceptions open although it has to be blocked
    is_complete: bool = False  # every file is just what it has to be, so that no name needs a check
    general_reason: str = ""  # why names are not blocked, where one reason covers them
    settings: Mapping[str, str] = {}  # by setting that is not as it has to be: what is wrong with it
    foreign_openers: Sequence[tuple[SiteName, str]] = ()  # somebody else's exceptions, and the words for each
    unblocked_extensions: AbstractSet[str] = frozenset()  # the extensions that are not refused
    faults: Sequence[str] = ()  # what else is wrong
    unseen_reason: str = ""  # why nothing could be seen, or, beside an `effect`, not all
    unclear_reason: str = ""  # why it is unknown whether something else is wrong

    def list_open_names(self, names: Iterable[SiteName]) -> list[SiteName]:
        """Those of a service's names that are not blocked, and what is opened below them."""
        effect = self.effect
        if self.unseen_reason and effect is None:
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
        """Why something is open: the one reason, or else what is wrong with the file."""
        return self.general_reason or "; ".join(self.faults)

    def explain_opening(self, name: SiteName) -> str:
        """Why a name is open: by whose exception, or else what applies to all."""
        reasons = (
            reason for opener, reason in self.foreign_openers if is_covering(opener, name) or is_covering(name, opener)
        )
        return self.general_reason or next(reasons, "") or self.cause


def make_lost_observation(error: ControlError, settings: Iterable[str], extensions: Iterable[str]) -> PolicyObservation:
    """What is in effect where a place cannot be observed safely: nothing."""
    reason = str(error)
    return PolicyObservation(
        general_reason=reason,
        settings=dict.fromkeys(settings, reason),
        unblocked_extensions=frozenset(extensions),
        faults=[reason],
    )


class PolicyFileFaults(NamedTuple):
    """What is wrong with a policy file and its directories, and whether a browser can read it in spite of that."""

    file_faults: list[str]
    directory_faults: list[str]
    is_readable: bool


def check_policy_path(host: Host, path: str) -> PolicyFileFaults:
    """Check owner, mode and ACL of a policy file that is there, and of the directories that lead to it.

    A browser runs as its user: what others cannot read is no policy, and where others can write, anybody makes
    policies. Raises Unseen.
    """
    directories = []
    is_readable = True
    owner_uid = _read_owner(host)
    for step, directory in list_leading_directories(host, path):
        if directory.st_uid == owner_uid and directory.st_mode & 0o027 == 0o005 and not host.read_acl(step):
            continue  # nearly all
        foreign_rights, unread_reason = (
            host.describe_write_access(step, directory),
            _explain_unreadable(host, step, directory, 0o005),
        )
        is_readable = is_readable and not unread_reason
        link_remedy = "" if path.startswith(f"{step}/") else "a link leads through it: put a directory there instead"
        if foreign_rights:
            remedy = link_remedy or _choose_remedy(foreign_rights, "chown root, chmod 755")
            directories.append(f"{step} can be changed by others ({foreign_rights}): {remedy}")
        elif unread_reason:
            remedy = link_remedy or _choose_remedy(unread_reason, "chmod 755")
            directories.append(f"{step} cannot be read by users ({unread_reason}): {remedy}")
    status = host.find_entry(path)
    if status is None:
        return PolicyFileFaults([], directories, is_readable)
    if stat.S_ISLNK(status.st_mode):
        return PolicyFileFaults(["a link is in its place"], directories, is_readable)
    if not stat.S_ISREG(status.st_mode):
        return PolicyFileFaults(["something other than a file is in its place"], directories, False)
    file_faults = []
    if status.st_uid != owner_uid or stat.S_IMODE(status.st_mode) != FILE_MODE:
        file_faults.append(f"{describe_rights(status)} instead of root's with mode 644")
    elif host.read_acl(path) and (
        foreign_rights := host.describe_write_access(path, status) or _explain_unreadable(host, path, status, 0o004)
    ):
        file_faults.append(f"{foreign_rights} beside its mode")
    return PolicyFileFaults(
        file_faults, directories, is_readable and not _explain_unreadable(host, path, status, 0o004)
    )


def list_leading_directories(host: Host, path: str) -> list[tuple[str, os.stat_result]]:
    """The directories that lead to a path, the nearest first; also those that links of root's on the way lead through.
    Whoever can change one of them can put another file at the path. Raises Unseen, and ControlError for a user's link.
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
    """Who else than root can change what browsers read at a path, in words; "" for nobody. Raises Unseen."""
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
    """Whether no browser reads a file, since nobody but root may."""
    return not status.st_mode & 0o044 and status.st_uid == _read_owner(host) and not _list_acl_rights(host, path)


def _choose_remedy(fault: str, default_remedy: str) -> str:
    return "setfacl -b" if fault == BY_ACL else default_remedy


def _read_owner(host: Host) -> int:
    return os.stat(host.root).st_uid  # root, but in a fixture


def _explain_unreadable(host: Host, path: str, status: os.stat_result, needed_mode: int) -> str:
    """What keeps some users from reading a file or a directory; "" if nothing does."""
    if status.st_mode & needed_mode != needed_mode:
        return describe_rights(status)
    return BY_ACL if any(acl_mode & needed_mode != needed_mode for acl_mode in _list_acl_rights(host, path)) else ""


def _list_acl_rights(host: Host, path: str) -> list[int]:
    """What an ACL lets each user and group do that it names, as in a mode."""
    return list_acl_rights(host.read_acl(path), (ACL_USER, ACL_OWNING_GROUP, ACL_NAMED_GROUP))

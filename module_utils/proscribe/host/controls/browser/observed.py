"""What was seen of one browser's policy, and what is wrong with a file whatever its content."""

from __future__ import annotations

import os
import stat
from typing import AbstractSet, Iterable, Mapping, Protocol, Sequence

from ....base.others import ACL_NAMED_GROUP, ACL_OWNING_GROUP, ACL_USER, BY_ACL, describe_rights, list_acl_rights
from ....base.tuples import NamedTuple
from ...system import ControlError, Host
from .rendering import Name, covers

FILE_MODE = 0o644
# The key under which every policy file carries its notice. Chromium lists what it does not know as unknown and goes on;
# Firefox reads "policies" only. A comment would do for Chromium, but would not be JSON to anybody else.
MARK = "proscribe"


class Effect(Protocol):
    """Which addresses a browser blocks, all files taken together."""

    def blocked(self, address: Name) -> bool: ...


class Observed(NamedTuple):
    """What was seen of a browser."""

    effect: Effect | None = None  # None: nothing is blocked
    openings: Sequence[Name] = ()  # what somebody else's exceptions open although it has to be blocked
    complete: bool = False  # every file is just what it has to be, so that no name needs a check
    why: str = ""  # why names are not blocked, where one reason covers them
    settings: Mapping[str, str] = {}  # by setting that is not as it has to be: what is wrong with it
    openers: Sequence[tuple[Name, str]] = ()  # somebody else's exceptions, and the words for each
    unblocked: AbstractSet[str] = frozenset()  # the extensions that are not refused
    wrong: Sequence[str] = ()  # what else is wrong
    unseen: str = ""  # why nothing could be seen, or, beside an `effect`, not all
    unclear: str = ""  # why it is unknown whether something else is wrong

    def opened(self, names: Iterable[Name]) -> list[Name]:
        """Those of a service's names that are not blocked, and what is opened below them."""
        effect = self.effect
        if self.unseen and effect is None:
            return []
        restricted = sorted(set(names))
        if effect is None:
            return restricted
        found = [one for one in restricted if not effect.blocked(one)]
        below = [one for one in self.openings if one not in found and any(covers(upper, one) for upper in restricted)]
        return found + below

    @property
    def cause(self) -> str:
        """Why something is open: the one reason, or else what is wrong with the file."""
        return self.why or "; ".join(self.wrong)

    def why_open(self, name: Name) -> str:
        """Why a name is open: by whose exception, or else what applies to all."""
        said = (words for opener, words in self.openers if covers(opener, name) or covers(name, opener))
        return self.why or next(said, "") or self.cause


def lost(error: ControlError, settings: Iterable[str], extensions: Iterable[str]) -> Observed:
    """What is in effect where a place cannot be observed safely: nothing."""
    why = str(error)
    return Observed(why=why, settings=dict.fromkeys(settings, why), unblocked=frozenset(extensions), wrong=[why])


class Faults(NamedTuple):
    """What is wrong with a policy file and its directories, and whether a browser can read it in spite of that."""

    file: list[str]
    directories: list[str]
    readable: bool


def faults(host: Host, path: str) -> Faults:
    """Check owner, mode and ACL of a policy file that is there, and of the directories that lead to it.

    A browser runs as its user: what others cannot read is no policy, and where others can write, anybody makes
    policies. Raises Unseen.
    """
    directories = []
    readable = True
    owner = _owner(host)
    for step, directory in leading_to(host, path):
        if directory.st_uid == owner and directory.st_mode & 0o027 == 0o005 and not host.read_acl(step):
            continue  # nearly all
        others, unread = host.describe_write_access(step, directory), _unread(host, step, directory, 0o005)
        readable = readable and not unread
        through_link = "" if path.startswith(f"{step}/") else "a link leads through it: put a directory there instead"
        if others:
            remedy = through_link or _remedy(others, "chown root, chmod 755")
            directories.append(f"{step} can be changed by others ({others}): {remedy}")
        elif unread:
            remedy = through_link or _remedy(unread, "chmod 755")
            directories.append(f"{step} cannot be read by users ({unread}): {remedy}")
    seen = host.find_entry(path)
    if seen is None:
        return Faults([], directories, readable)
    if stat.S_ISLNK(seen.st_mode):
        return Faults(["a link is in its place"], directories, readable)
    if not stat.S_ISREG(seen.st_mode):
        return Faults(["something other than a file is in its place"], directories, False)
    wrong = []
    if seen.st_uid != owner or stat.S_IMODE(seen.st_mode) != FILE_MODE:
        wrong.append(f"{describe_rights(seen)} instead of root's with mode 644")
    elif host.read_acl(path) and (others := host.describe_write_access(path, seen) or _unread(host, path, seen, 0o004)):
        wrong.append(f"{others} beside its mode")
    return Faults(wrong, directories, readable and not _unread(host, path, seen, 0o004))


def leading_to(host: Host, path: str) -> list[tuple[str, os.stat_result]]:
    """The directories that lead to a path, the nearest first; also those that links of root's on the way lead through.
    Whoever can change one of them can put another file at the path. Raises Unseen, and ControlError for a user's link.
    """
    found: dict[str, os.stat_result | None] = {}
    ahead = [path.rpartition("/")[0]]
    while ahead:
        step = ahead.pop(0)
        while step and step not in found:
            seen = found[step] = host.find_entry(step)
            if seen is not None and stat.S_ISLNK(seen.st_mode):
                ahead.append(host.resolve_link(step))
            step = step.rpartition("/")[0]
    return [(step, seen) for step, seen in found.items() if seen is not None and stat.S_ISDIR(seen.st_mode)]


def changeable(host: Host, path: str, seen: os.stat_result) -> str:
    """Who else than root can change what browsers read at a path, in words; "" for nobody. Raises Unseen."""
    if stat.S_ISLNK(seen.st_mode):
        if seen.st_uid != _owner(host):
            return f"is a link that others can change ({describe_rights(seen)})"
        to = host.resolve_link(path)
        for step, directory in leading_to(host, to):
            if others := host.describe_write_access(step, directory):
                return f"is a link to {to}, and {step} can be changed by others ({others})"
        target = host.find_entry(to)
        return changeable(host, to, target) if target is not None and not stat.S_ISLNK(target.st_mode) else ""
    others = host.describe_write_access(path, seen)
    return f"can be changed by others ({others}): {_remedy(others, 'chown root, chmod 644')}" if others else ""


def secret(host: Host, path: str, seen: os.stat_result) -> bool:
    """Whether no browser reads a file, since nobody but root may."""
    return not seen.st_mode & 0o044 and seen.st_uid == _owner(host) and not _acl(host, path)


def _remedy(fault: str, otherwise: str) -> str:
    return "setfacl -b" if fault == BY_ACL else otherwise


def _owner(host: Host) -> int:
    return os.stat(host.root).st_uid  # root, but in a fixture


def _unread(host: Host, path: str, seen: os.stat_result, needed: int) -> str:
    """What keeps some users from reading a file or a directory; "" if nothing does."""
    if seen.st_mode & needed != needed:
        return describe_rights(seen)
    return BY_ACL if any(each & needed != needed for each in _acl(host, path)) else ""


def _acl(host: Host, path: str) -> list[int]:
    """What an ACL lets each user and group do that it names, as in a mode."""
    return list_acl_rights(host.read_acl(path), (ACL_USER, ACL_OWNING_GROUP, ACL_NAMED_GROUP))

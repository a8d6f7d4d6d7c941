"""Who else can change a file. What is run, or read to be run, has to be out of other people's reach.

A file is in somebody's reach who owns it, or may write it by its mode or an ACL. So it is for whoever can put another
one in its place: who reaches a directory on the way to it. In a sticky directory such as /tmp only the owner of an
entry can replace it. Standard library only, on the controller and on hosts.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from typing import Collection, Iterable, Iterator

from .others import GROUP, OWNER, acl_of, others, steps
from .tuples import NamedTuple

ENTRIES = 500_000  # of one directory with all below it; a checkout with its environment has some ten thousand


class Exposed(NamedTuple):
    """A file that others than those who are trusted can change."""

    path: str
    owner: str
    mode: int
    who: str  # can change it
    remedy: str = ""  # how to close it, as a sentence; "" for a link, and for another account's directory on the way

    def __str__(self) -> str:
        return f"{self.path} (of {self.owner}, mode {self.mode:04o}) can be changed by {self.who}"


def name_of(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def who_else(seen: os.stat_result, trusted: Collection[int], acl: bytes = b"", passed: bool = False) -> str:
    """Who can change a file, beside root and the accounts `trusted`, in words; "" for nobody."""
    by = _how_open(seen, trusted, acl, passed)
    return name_of(seen.st_uid) if by == OWNER else f"the group {_group_name(seen.st_gid)}" if by == GROUP else by


def _how_open(seen: os.stat_result, trusted: Collection[int], acl: bytes, passed: bool) -> str:
    """Return the right by which others can change a file, as `others` does."""
    accounts = {0, *trusted}
    if stat.S_ISLNK(seen.st_mode):  # a link has no mode of its own
        return "" if seen.st_uid in accounts else OWNER
    groups = {seen.st_gid} if seen.st_mode & stat.S_IWGRP and _only_theirs(seen.st_gid, trusted) else ()
    return others(seen, accounts, groups, acl, passed)


def closing_command(
    path: str, seen: os.stat_result, trusted: Collection[int], owner: int, acl: bytes = b"", option: str = ""
) -> str:
    """Return the command that closes a file to others and gives it to `owner`, an account of `trusted`; "" for a file
    that is closed. `option` is one of chown and chmod.
    """
    words: list[list[str]] = []
    closed = seen
    if _how_open(closed, trusted, acl, False) == OWNER:
        words.append(["chown", option, f"{name_of(owner)}:", path])
        closed = os.stat_result((*seen[:4], owner, *seen[5:]))
    if _how_open(closed, trusted, acl, False):
        # Without write rights of the group's class, the mask of an ACL lets nobody write either.
        words.append(["chmod", option, "go-w", path])
    return " && ".join(shlex.join(filter(None, command)) for command in words)


def _remedy(path: str, seen: os.stat_result, by: str, trusted: Collection[int], passed: bool) -> str:
    """Return how to close a file of a run, as a sentence."""
    if stat.S_ISLNK(seen.st_mode) or (by == OWNER and passed):
        return ""
    if by == OWNER and stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
        # A chown here would take the file from the other place as well.
        return "It is a hard link, as in a clone of a local repository: clone that anew with git clone --no-hardlinks."
    option = "-R" if stat.S_ISDIR(seen.st_mode) and not passed else ""
    owner = next(iter(trusted)) if len(trusted) == 1 else 0
    return (
        f"To close it, check its content and run: {closing_command(path, seen, trusted, owner, acl_of(path), option)}"
    )


def _only_theirs(gid: int, trusted: Collection[int]) -> bool:
    """Whether a group is root's, or the private one of somebody trusted: of the same name, with nobody else in it.
    Of other groups it cannot be said who is in them; a directory service need not list its accounts.
    """
    if gid == 0:
        return True
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    own = [account for account in _accounts(trusted) if account.pw_gid == gid and account.pw_name == group.gr_name]
    return bool(own) and set(group.gr_mem) <= {"root", own[0].pw_name}


def _accounts(uids: Iterable[int]) -> Iterator[pwd.struct_passwd]:
    for uid in uids:
        try:
            yield pwd.getpwuid(uid)
        except KeyError:
            continue


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def exposed(path: str, trusted: Collection[int]) -> Exposed | None:
    """The first thing on the way to a file, or of what is below it, that others can change. None for nothing, and for a
    file that is not there. Links are followed, and what they lead to is checked too, but not what is below that. Raises
    OSError for what cannot be read.
    """
    return _in_path(path, trusted) or _below(path, trusted)


def _in_path(path: str, trusted: Collection[int]) -> Exposed | None:
    """The same of every directory and link on the way to a file, and of the file."""
    found = _judged("/", os.lstat("/"), trusted, passed=True)
    ahead = steps(os.path.abspath(path))
    while found is None:
        try:
            entry, seen, last = next(ahead)
        except StopIteration:
            return None
        except FileNotFoundError as error:  # who can make it there?
            above = os.path.dirname(error.filename)
            return _judged(above, os.lstat(above), trusted)
        # The owner of a link can replace it in a sticky directory alone.
        if not stat.S_ISLNK(seen.st_mode) or os.lstat(os.path.dirname(entry)).st_mode & stat.S_ISVTX:
            found = _judged(entry, seen, trusted, passed=not last)
    return found


def _judged(path: str, seen: os.stat_result, trusted: Collection[int], passed: bool = False) -> Exposed | None:
    acl = acl_of(path)
    by = _how_open(seen, trusted, acl, passed)
    if not by:
        return None
    who, remedy = who_else(seen, trusted, acl, passed), _remedy(path, seen, by, trusted, passed)
    return Exposed(path, name_of(seen.st_uid), stat.S_IMODE(seen.st_mode), who, remedy)


def _below(path: str, trusted: Collection[int]) -> Exposed | None:
    todo, entries = [os.path.realpath(path)], 0
    by_target: dict[str, Exposed | None] = {}  # by the directory that links lead to
    while todo:
        directory = todo.pop()
        try:
            names = sorted(os.listdir(directory))
        except (NotADirectoryError, FileNotFoundError):
            continue
        below: list[str] = []
        for name in names:
            entry = os.path.join(directory, name)
            try:
                seen = os.lstat(entry)
            except FileNotFoundError:  # other runs write and delete files meanwhile
                continue
            entries += 1
            if entries > ENTRIES:
                raise OSError(f"{path}: has more than {ENTRIES:,} files, too many to check")
            if stat.S_ISLNK(seen.st_mode):
                target = os.path.realpath(entry)
                if target not in by_target:
                    by_target[target] = _in_path(target, trusted)
                found = by_target[target]
            else:
                found = _judged(entry, seen, trusted)
            if found:
                return found
            if stat.S_ISDIR(seen.st_mode):
                below.append(entry)
        todo += reversed(below)
    return None

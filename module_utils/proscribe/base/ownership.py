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

from .others import BY_GROUP, BY_OWNER, find_write_right, read_acl, walk_path
from .tuples import NamedTuple

MAX_ENTRIES = 500_000  # of one directory with all below it; a checkout with its environment has some ten thousand


class ExposedFile(NamedTuple):
    """A file that others than those who are trusted can change."""

    path: str
    owner: str
    mode: int
    others: str  # can change it
    remedy: str = ""  # how to close it, as a sentence; "" for a link, and for another account's directory on the way

    def __str__(self) -> str:
        return f"{self.path} (of {self.owner}, mode {self.mode:04o}) can be changed by {self.others}"


def find_account_name(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def describe_others(
    status: os.stat_result, trusted_uids: Collection[int], acl: bytes = b"", is_passed: bool = False
) -> str:
    """Who can change a file, beside root and the accounts `trusted_uids`, in words; "" for nobody."""
    right = _find_open_right(status, trusted_uids, acl, is_passed)
    return (
        find_account_name(status.st_uid)
        if right == BY_OWNER
        else f"the group {_find_group_name(status.st_gid)}"
        if right == BY_GROUP
        else right
    )


def _find_open_right(status: os.stat_result, trusted_uids: Collection[int], acl: bytes, is_passed: bool) -> str:
    """Return the right by which others can change a file, as `find_write_right` does."""
    accounts = {0, *trusted_uids}
    if stat.S_ISLNK(status.st_mode):  # a link has no mode of its own
        return "" if status.st_uid in accounts else BY_OWNER
    groups = {status.st_gid} if status.st_mode & stat.S_IWGRP and _is_private_group(status.st_gid, trusted_uids) else ()
    return find_write_right(status, accounts, groups, acl, is_passed)


def make_closing_command(
    path: str, status: os.stat_result, trusted_uids: Collection[int], owner: int, acl: bytes = b"", option: str = ""
) -> str:
    """Return the command that closes a file to others and gives it to `owner`, an account of `trusted_uids`; "" for a file
    that is closed. `option` is one of chown and chmod.
    """
    commands: list[list[str]] = []
    closed_status = status
    if _find_open_right(closed_status, trusted_uids, acl, False) == BY_OWNER:
        commands.append(["chown", option, f"{find_account_name(owner)}:", path])
        closed_status = os.stat_result((*status[:4], owner, *status[5:]))
    if _find_open_right(closed_status, trusted_uids, acl, False):
        # Without write rights of the group's class, the mask of an ACL lets nobody write either.
        commands.append(["chmod", option, "go-w", path])
    return " && ".join(shlex.join(filter(None, command)) for command in commands)


def _describe_remedy(
    path: str, status: os.stat_result, right: str, trusted_uids: Collection[int], is_passed: bool
) -> str:
    """Return how to close a file of a run, as a sentence."""
    if stat.S_ISLNK(status.st_mode) or (right == BY_OWNER and is_passed):
        return ""
    if right == BY_OWNER and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        # A chown here would take the file from the other place as well.
        return "It is a hard link, as in a clone of a local repository: clone that anew with git clone --no-hardlinks."
    option = "-R" if stat.S_ISDIR(status.st_mode) and not is_passed else ""
    owner = next(iter(trusted_uids)) if len(trusted_uids) == 1 else 0
    return f"To close it, check its content and run: {make_closing_command(path, status, trusted_uids, owner, read_acl(path), option)}"


def _is_private_group(gid: int, trusted_uids: Collection[int]) -> bool:
    """Whether a group is root's, or the private one of somebody trusted: of the same name, with nobody else in it.
    Of other groups it cannot be said who is in them; a directory service need not list its accounts.
    """
    if gid == 0:
        return True
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    group_owners = [
        account
        for account in _list_accounts(trusted_uids)
        if account.pw_gid == gid and account.pw_name == group.gr_name
    ]
    return bool(group_owners) and set(group.gr_mem) <= {"root", group_owners[0].pw_name}


def _list_accounts(uids: Iterable[int]) -> Iterator[pwd.struct_passwd]:
    for uid in uids:
        try:
            yield pwd.getpwuid(uid)
        except KeyError:
            continue


def _find_group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def find_exposed_below(path: str, trusted_uids: Collection[int]) -> ExposedFile | None:
    """The first thing on the way to a file, or of what is below it, that others can change. None for nothing, and for a
    file that is not there. Links are followed, and what they lead to is checked too, but not what is below that. Raises
    OSError for what cannot be read.
    """
    return _find_exposed_in_path(path, trusted_uids) or _find_exposed_entry(path, trusted_uids)


def _find_exposed_in_path(path: str, trusted_uids: Collection[int]) -> ExposedFile | None:
    """The same of every directory and link on the way to a file, and of the file."""
    exposed_file = _judge_entry("/", os.lstat("/"), trusted_uids, is_passed=True)
    path_steps = walk_path(os.path.abspath(path))
    while exposed_file is None:
        try:
            entry, status, is_last = next(path_steps)
        except StopIteration:
            return None
        except FileNotFoundError as error:  # who can make it there?
            parent = os.path.dirname(error.filename)
            return _judge_entry(parent, os.lstat(parent), trusted_uids)
        # The owner of a link can replace it in a sticky directory alone.
        if not stat.S_ISLNK(status.st_mode) or os.lstat(os.path.dirname(entry)).st_mode & stat.S_ISVTX:
            exposed_file = _judge_entry(entry, status, trusted_uids, is_passed=not is_last)
    return exposed_file


def _judge_entry(
    path: str, status: os.stat_result, trusted_uids: Collection[int], is_passed: bool = False
) -> ExposedFile | None:
    acl = read_acl(path)
    right = _find_open_right(status, trusted_uids, acl, is_passed)
    if not right:
        return None
    others, remedy = (
        describe_others(status, trusted_uids, acl, is_passed),
        _describe_remedy(path, status, right, trusted_uids, is_passed),
    )
    return ExposedFile(path, find_account_name(status.st_uid), stat.S_IMODE(status.st_mode), others, remedy)


def _find_exposed_entry(path: str, trusted_uids: Collection[int]) -> ExposedFile | None:
    directories, entries = [os.path.realpath(path)], 0
    by_target: dict[str, ExposedFile | None] = {}  # by the directory that links lead to
    while directories:
        directory = directories.pop()
        try:
            names = sorted(os.listdir(directory))
        except (NotADirectoryError, FileNotFoundError):
            continue
        subdirectories: list[str] = []
        for name in names:
            entry = os.path.join(directory, name)
            try:
                status = os.lstat(entry)
            except FileNotFoundError:  # other runs write and delete files meanwhile
                continue
            entries += 1
            if entries > MAX_ENTRIES:
                raise OSError(f"{path}: has more than {MAX_ENTRIES:,} files, too many to check")
            if stat.S_ISLNK(status.st_mode):
                target = os.path.realpath(entry)
                if target not in by_target:
                    by_target[target] = _find_exposed_in_path(target, trusted_uids)
                exposed_file = by_target[target]
            else:
                exposed_file = _judge_entry(entry, status, trusted_uids)
            if exposed_file:
                return exposed_file
            if stat.S_ISDIR(status.st_mode):
                subdirectories.append(entry)
        directories += reversed(subdirectories)
    return None

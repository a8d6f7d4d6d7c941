"""Accounts that can change a file. Other accounts must be unable to change a file that root runs, or reads to run it.

An account can change a file that it owns, or may write by mode or ACL. It can also replace the file, or replace a
directory on the path. In a sticky directory such as /tmp only the owner of an entry can replace the entry. Standard
library only, on the controller and on hosts.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from typing import Collection, Iterable, Iterator

from .foreign_access import BY_GROUP, BY_OWNER, find_write_right, list_path_steps, read_acl
from .named_tuple import NamedTuple

# most files below a directory that are checked; a checkout with its virtual environment has some ten thousand
MAX_ENTRIES = 500_000


class ExposedFile(NamedTuple):
    """A file that accounts other than root and the trusted accounts can change."""

    path: str
    owner: str
    mode: int
    others: str  # a phrase for the accounts that can change the file
    # How to remove the access of others, as a sentence. "" for a link, and for another account's directory on the path.
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.path} (of {self.owner}, mode {self.mode:04o}) can be changed by {self.others}"


def find_account_name(uid: int) -> str:
    """Return the name of an account; its number as text if the account has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def describe_others(
    status: os.stat_result, trusted_uids: Collection[int], acl: bytes = b"", is_passed: bool = False
) -> str:
    """Return a phrase for the accounts, other than root and `trusted_uids`, that can change a file; "" for none.

    `is_passed` is True for a directory that is only on the path to a file. `status` and `acl` are those of the file.
    """
    right = _find_open_right(status, trusted_uids, acl, is_passed)
    return (
        find_account_name(status.st_uid)
        if right == BY_OWNER
        else f"the group {_find_group_name(status.st_gid)}"
        if right == BY_GROUP
        else right
    )


def _find_open_right(status: os.stat_result, trusted_uids: Collection[int], acl: bytes, is_passed: bool) -> str:
    """Return the right by which accounts other than root and `trusted_uids` can change a file; "" for none.

    The right is one of those that `find_write_right` returns.
    """
    accounts = {0, *trusted_uids}
    if stat.S_ISLNK(status.st_mode):  # a link has no mode of its own
        return "" if status.st_uid in accounts else BY_OWNER
    # A private group has a single member, so its right to write is a right of that trusted account.
    groups = {status.st_gid} if status.st_mode & stat.S_IWGRP and _is_private_group(status.st_gid, trusted_uids) else ()
    return find_write_right(status, accounts, groups, acl, is_passed)


def make_closing_command(
    path: str, status: os.stat_result, trusted_uids: Collection[int], owner: int, acl: bytes = b"", option: str = ""
) -> str:
    """Return the shell command that takes write access from other accounts and gives the file to `owner`.

    The result is "" if no other account has write access. `owner` is one of `trusted_uids`. `option` is an option for
    chown and chmod, such as -R.
    """
    commands: list[list[str]] = []
    closed_status = status
    if _find_open_right(closed_status, trusted_uids, acl, False) == BY_OWNER:
        commands.append(["chown", option, f"{find_account_name(owner)}:", path])
        # the status after the chown, to decide whether a chmod is needed as well
        closed_status = os.stat_result((*status[:4], owner, *status[5:]))
    if _find_open_right(closed_status, trusted_uids, acl, False):
        # Without the write bit of the group, the mask of an ACL gives no write right either.
        commands.append(["chmod", option, "go-w", path])
    return " && ".join(shlex.join(filter(None, command)) for command in commands)


def _describe_remedy(
    path: str, status: os.stat_result, right: str, trusted_uids: Collection[int], is_passed: bool
) -> str:
    """Return a sentence about how to take the access to a file from other accounts.

    The result is "" for a link, and for another account's directory on the path: no command here can close these.
    """
    if stat.S_ISLNK(status.st_mode) or (right == BY_OWNER and is_passed):
        return ""
    if right == BY_OWNER and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        # A chown here would change the owner of the other hard link, too.
        return "It is a hard link, as in a clone of a local repository: clone that anew with git clone --no-hardlinks."
    option = "-R" if stat.S_ISDIR(status.st_mode) and not is_passed else ""
    owner = next(iter(trusted_uids)) if len(trusted_uids) == 1 else 0
    return (
        f"To close it, check its content and run: "
        f"{make_closing_command(path, status, trusted_uids, owner, read_acl(path), option)}"
    )


def _is_private_group(gid: int, trusted_uids: Collection[int]) -> bool:
    """Return whether a group is root's or the private group of a trusted account.

    A private group has the name of its account and no other member. The members of other groups are unknown, because a
    directory service need not list its accounts.
    """
    if gid == 0:
        return True
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    group_accounts = [
        account
        for account in _list_accounts(trusted_uids)
        if account.pw_gid == gid and account.pw_name == group.gr_name
    ]
    return bool(group_accounts) and set(group.gr_mem) <= {"root", group_accounts[0].pw_name}


def _list_accounts(uids: Iterable[int]) -> Iterator[pwd.struct_passwd]:
    """Yield the accounts with these ids; an id without an account is left out."""
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
    """Return the first file that other accounts can change, on the path to a file or below that file.

    Returns None if there is none. For a missing file, the result is the directory in which others can create it. Links
    are followed. The target of a link is checked, but not the content below the target. Raises OSError for a file that
    cannot be read.
    """
    return _find_exposed_in_path(path, trusted_uids) or _find_exposed_entry(path, trusted_uids)


def _find_exposed_in_path(path: str, trusted_uids: Collection[int]) -> ExposedFile | None:
    """Return the first directory, link or file on a path that other accounts can change; None if there is none."""
    exposed_file = _judge_entry("/", os.lstat("/"), trusted_uids, is_passed=True)
    path_steps = list_path_steps(os.path.abspath(path))
    while exposed_file is None:
        try:
            entry, status, is_last = next(path_steps)
        except StopIteration:
            return None
        except FileNotFoundError as error:  # others may be able to create the missing file
            parent = os.path.dirname(error.filename)
            return _judge_entry(parent, os.lstat(parent), trusted_uids)
        # Whoever can replace a link can write its directory, which was judged before. A sticky directory is the
        # exception: there the owner of the link can replace it, so only there the link itself is judged.
        if not stat.S_ISLNK(status.st_mode) or os.lstat(os.path.dirname(entry)).st_mode & stat.S_ISVTX:
            exposed_file = _judge_entry(entry, status, trusted_uids, is_passed=not is_last)
    return exposed_file


def _judge_entry(
    path: str, status: os.stat_result, trusted_uids: Collection[int], is_passed: bool = False
) -> ExposedFile | None:
    """Return a file or directory with the accounts that can change it; None if only root and trusted accounts can."""
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
    """Return the first file below the directory `path` that other accounts can change; None if there is none.

    The directory itself is not checked here. Raises OSError for more than MAX_ENTRIES files.
    """
    directories, entries = [os.path.realpath(path)], 0
    # key: the target of a link; value: the first exposed file on the path to the target
    by_target: dict[str, ExposedFile | None] = {}
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
            except FileNotFoundError:  # other runs write and delete files at the same time
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

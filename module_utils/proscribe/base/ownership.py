"""Who else can change a file. What is run, or read to be run, has to be out of other people's reach.

A file is in somebody's reach who owns it, or may write it by its mode or an ACL. So it is for whoever can put another
one in its place: who reaches a directory on the way to it. In a sticky directory such as /tmp only the owner of an
entry can replace it. Standard library only, on the controller and on hosts.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from typing import Collection, Iterable, Iterator

from .tuples import NamedTuple

OWNER, EVERYBODY, GROUP, BY_ACL = "its owner", "everybody", "a group", "an ACL"
# The tags of an ACL's entries, as the kernel has them (linux/posix_acl.h).
USER, OWNING_GROUP, NAMED_GROUP, MASK = 0x02, 0x04, 0x08, 0x10
ACCESS = "system.posix_acl_access"
LINKS = 40  # on the way to one file, as in path_resolution(7)
ENTRIES = 500_000  # of one directory with all below it; a checkout with its environment has some ten thousand


class Exposed(NamedTuple):
    """A file that others than those who are trusted can change."""

    path: str
    owner: str
    mode: int
    who: str  # can change it

    def __str__(self) -> str:
        return f"{self.path} (of {self.owner}, mode {self.mode:04o}) can be changed by {self.who}"


def name_of(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def others(
    seen: os.stat_result,
    trusted: Collection[int],
    groups: Collection[int] = (),
    acl: bytes = b"",
    passed: bool = False,
) -> str:
    """What lets others than `trusted` change what was seen: OWNER, EVERYBODY, GROUP, BY_ACL; "" for nothing.

    `groups` may write, too. With an ACL the group's bits of the mode are its mask (acl(5)): they show whatever it lets
    anybody do. So the ACL itself matters only where those bits are forgiven. `passed` is for a directory that only
    leads to a file: in a sticky one nobody can replace what is another's. The mode of a link says that everybody can
    change it: whoever follows links has other rules for them.
    """
    if seen.st_uid not in trusted:
        return OWNER
    if passed and seen.st_mode & stat.S_ISVTX:
        return ""
    if seen.st_mode & stat.S_IWOTH:
        return EVERYBODY
    if seen.st_mode & stat.S_IWGRP and seen.st_gid not in groups:
        return GROUP
    return BY_ACL if any(each & 0o2 for each in acl_rights(acl, (USER, NAMED_GROUP))) else ""


def rights(seen: os.stat_result) -> str:
    """Whose something is, and its mode, as findings say it: without asking anybody for names."""
    return f"uid {seen.st_uid}, mode {stat.S_IMODE(seen.st_mode):o}"


def acl_rights(acl: bytes, tags: Collection[int]) -> list[int]:
    """What the entries of an ACL that have one of some tags let somebody do, as in a mode. `acl` is as the kernel has
    it: the number of a version, and eight bytes for each entry. No entry but the owner's and that for all others has
    more rights than the mask.
    """
    entries = [(int.from_bytes(acl[at : at + 2], "little"), acl[at + 2]) for at in range(4, len(acl) - 7, 8)]
    mask = next((each for tag, each in entries if tag == MASK), 0o7)
    return [each & mask for tag, each in entries if tag in tags]


def acl_of(place: str | os.PathLike[str] | int) -> bytes:
    """The ACL of a path or an open file; b"" where only its mode counts. A link at the path is itself."""
    if not hasattr(os, "getxattr"):  # macOS
        return b""
    try:
        return os.getxattr(place, ACCESS, follow_symlinks=isinstance(place, int))
    except OSError:
        return b""


def who_else(seen: os.stat_result, trusted: Collection[int], acl: bytes = b"", passed: bool = False) -> str:
    """Who can change a file, beside root and the accounts `trusted`, in words; "" for nobody."""
    accounts = {0, *trusted}
    if stat.S_ISLNK(seen.st_mode):  # a link has no mode of its own
        return "" if seen.st_uid in accounts else name_of(seen.st_uid)
    groups = {seen.st_gid} if seen.st_mode & stat.S_IWGRP and _only_theirs(seen.st_gid, trusted) else ()
    by = others(seen, accounts, groups, acl, passed)
    return name_of(seen.st_uid) if by == OWNER else f"the group {_group_name(seen.st_gid)}" if by == GROUP else by


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


class Step(NamedTuple):
    """A directory or a link on the way to a file, or the file itself."""

    path: str
    seen: os.stat_result
    last: bool  # nothing follows: it is what the path leads to


def steps(path: str) -> Iterator[Step]:
    """The way to a file from / on, which is left out itself. Links are followed. Raises OSError, of which `filename` is
    what is not there, or the link of too many.
    """
    here, rest, links = "", path.split("/")[::-1], 0
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = here.rpartition("/")[0]
            continue
        entry = f"{here}/{part}"
        seen = os.lstat(entry)
        if not stat.S_ISLNK(seen.st_mode):
            here = entry
            yield Step(entry, seen, all(more in ("", ".") for more in rest))
            continue
        links += 1
        if links > LINKS:
            raise OSError(errno.ELOOP, "too many links", entry)
        yield Step(entry, seen, False)
        target = os.readlink(entry)
        rest += target.split("/")[::-1]
        here = "" if target.startswith("/") else here


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
    who = who_else(seen, trusted, acl_of(path), passed)
    return Exposed(path, name_of(seen.st_uid), stat.S_IMODE(seen.st_mode), who) if who else None


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
            seen = os.lstat(entry)
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

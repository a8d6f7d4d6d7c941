"""What lets others change a file: its owner, its mode, its ACL; and every part of a path that leads to it.

One answer for all who ask, each of whom forgives something else. Hosts get no more than this; who the others are, the
controller says (ownership.py).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Collection, Iterator

from .tuples import NamedTuple

BY_OWNER, BY_EVERYBODY, BY_GROUP, BY_ACL = "its owner", "everybody", "a group", "an ACL"
# The tags of an ACL's entries, as the kernel has them (linux/posix_acl.h).
ACL_USER, ACL_OWNING_GROUP, ACL_NAMED_GROUP, ACL_MASK = 0x02, 0x04, 0x08, 0x10
ACL_ATTRIBUTE = "system.posix_acl_access"
MAX_LINKS = 40  # on the way to one file, as in path_resolution(7)


def find_write_right(
    status: os.stat_result,
    trusted_uids: Collection[int],
    trusted_gids: Collection[int] = (),
    acl: bytes = b"",
    is_passed: bool = False,
) -> str:
    """What lets others than `trusted_uids` change what was seen: BY_OWNER, BY_EVERYBODY, BY_GROUP, BY_ACL; "" for nothing.

    `trusted_gids` may write, too. With an ACL the group's bits of the mode are its mask (acl(5)): they show whatever it lets
    anybody do. So the ACL itself matters only where those bits are forgiven. `is_passed` is for a directory that only
    leads to a file: in a sticky one nobody can replace what is another's. The mode of a link says that everybody can
    change it: whoever follows links has other rules for them.
    """
    if status.st_uid not in trusted_uids:
        return BY_OWNER
    if is_passed and status.st_mode & stat.S_ISVTX:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return BY_EVERYBODY
    if status.st_mode & stat.S_IWGRP and status.st_gid not in trusted_gids:
        return BY_GROUP
    return BY_ACL if any(rights & 0o2 for rights in list_acl_rights(acl, (ACL_USER, ACL_NAMED_GROUP))) else ""


def describe_rights(status: os.stat_result) -> str:
    """Whose something is, and its mode, as findings say it: without asking anybody for names."""
    return f"uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}"


def list_acl_rights(acl: bytes, tags: Collection[int]) -> list[int]:
    """What the entries of an ACL that have one of some tags let somebody do, as in a mode. `acl` is as the kernel has
    it: the number of a version, and eight bytes for each entry. No entry but the owner's and that for all others has
    more rights than the mask.
    """
    entries = [(int.from_bytes(acl[at : at + 2], "little"), acl[at + 2]) for at in range(4, len(acl) - 7, 8)]
    mask = next((rights for tag, rights in entries if tag == ACL_MASK), 0o7)
    return [rights & mask for tag, rights in entries if tag in tags]


def read_acl(path: str | os.PathLike[str] | int) -> bytes:
    """The ACL of a path or an open file; b"" where only its mode counts. A link at the path is itself."""
    if not hasattr(os, "getxattr"):  # macOS
        return b""
    try:
        return os.getxattr(path, ACL_ATTRIBUTE, follow_symlinks=isinstance(path, int))
    except OSError:
        return b""


class PathStep(NamedTuple):
    """A directory or a link on the way to a file, or the file itself."""

    path: str
    status: os.stat_result
    is_last: bool  # nothing follows: it is what the path leads to


def walk_path(path: str) -> Iterator[PathStep]:
    """The way to a file from / on, which is left out itself. Links are followed. Raises OSError, of which `filename` is
    what is not there, or the link of too many.
    """
    directory, remaining_parts, links = "", path.split("/")[::-1], 0
    while remaining_parts:
        part = remaining_parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            directory = directory.rpartition("/")[0]
            continue
        entry = f"{directory}/{part}"
        status = os.lstat(entry)
        if not stat.S_ISLNK(status.st_mode):
            directory = entry
            yield PathStep(entry, status, all(following_part in ("", ".") for following_part in remaining_parts))
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, "too many links", entry)
        yield PathStep(entry, status, False)
        target = os.readlink(entry)
        remaining_parts += target.split("/")[::-1]
        directory = "" if target.startswith("/") else directory

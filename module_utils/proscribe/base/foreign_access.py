"""Write access of other accounts to a file: by its owner, its mode or its ACL; and the steps of the path to a file.

Callers trust different accounts, so they pass `trusted_uids`. Hosts get only this module. On the controller,
ownership.py also returns the names of the other accounts.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Collection, Iterator

from .named_tuple import NamedTuple

BY_OWNER, BY_EVERYBODY, BY_GROUP, BY_ACL = "its owner", "everybody", "a group", "an ACL"
# The tags of the entries of an ACL in the kernel (linux/posix_acl.h).
ACL_USER, ACL_OWNING_GROUP, ACL_NAMED_GROUP, ACL_MASK = 0x02, 0x04, 0x08, 0x10
ACL_ATTRIBUTE = "system.posix_acl_access"
MAX_LINKS = 40  # links in one path, as in path_resolution(7)


def find_write_right(
    status: os.stat_result,
    trusted_uids: Collection[int],
    trusted_gids: Collection[int] = (),
    acl: bytes = b"",
    is_passed: bool = False,
) -> str:
    """Return the right by which accounts other than `trusted_uids` can change a file; "" for none.

    The right is BY_OWNER, BY_EVERYBODY, BY_GROUP or BY_ACL. The groups `trusted_gids` may write, too. `status` and
    `acl` are those of the file (`read_acl`).

    If a file has an ACL, the group bits of its mode are the mask of the ACL (acl(5)). The mask covers every right that
    the ACL gives to anybody. So the ACL matters only if those bits are off or their group is trusted.

    `is_passed` is True for a directory that is only on the path to a file. In such a directory with the sticky bit,
    only the owner of an entry can replace the entry.

    The mode of a link says that everybody can change the link. So callers that follow links judge links by other rules.
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
    """Describe owner and mode as findings do, without a lookup of names."""
    return f"uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}"


def list_acl_rights(acl: bytes, tags: Collection[int]) -> list[int]:
    """List the rights of the ACL entries that have one of these tags, as the three bits of a mode.

    `acl` is in the form of the kernel: a version number, then eight bytes for each entry. The mask limits the rights of
    all entries, except the owner's and all others'.
    """
    # pairs of tag and rights; bytes 4 to 7 of an entry have the id of the account or group, which is not needed
    entries = [(int.from_bytes(acl[at : at + 2], "little"), acl[at + 2]) for at in range(4, len(acl) - 7, 8)]
    mask = next((rights for tag, rights in entries if tag == ACL_MASK), 0o7)
    return [rights & mask for tag, rights in entries if tag in tags]


def read_acl(path: str | os.PathLike[str] | int) -> bytes:
    """Return the ACL of a path or of an open file; b"" if only the mode counts.

    A link at the path is not followed.
    """
    if not hasattr(os, "getxattr"):  # macOS
        return b""
    try:
        return os.getxattr(path, ACL_ATTRIBUTE, follow_symlinks=isinstance(path, int))
    except OSError:
        return b""


class PathStep(NamedTuple):
    """A directory or a link on the path to a file, or the file itself."""

    path: str
    status: os.stat_result
    is_last: bool  # True for the file at the end of the path


def list_path_steps(path: str) -> Iterator[PathStep]:
    """Yield each directory, link and file on the path from the root to a file, without the root itself.

    Links are followed. Raises OSError; its `filename` is the missing file, or the link that is one too many.
    """
    # `remaining_parts` are the names still to follow, the next one last.
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

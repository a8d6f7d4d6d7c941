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

OWNER, EVERYBODY, GROUP, BY_ACL = "its owner", "everybody", "a group", "an ACL"
# The tags of an ACL's entries, as the kernel has them (linux/posix_acl.h).
USER, OWNING_GROUP, NAMED_GROUP, MASK = 0x02, 0x04, 0x08, 0x10
ACCESS = "system.posix_acl_access"
LINKS = 40  # on the way to one file, as in path_resolution(7)


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

"""What a file has beside its content: owner, mode, times, access lists and other extended attributes."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import stat
from typing import Iterator

from ...base.tuples import NamedTuple

# Bytes of a file's `user.` attributes that are read. Their owner may set hundreds of MiB (tmpfs, xfs).
MOST_OF_USER = 256 * 1024
# What a file system that has no owners, modes or extended attributes answers (vfat).
_NO_SUCH_THING = (errno.ENOTSUP, errno.EPERM, errno.ENODATA)
_ACCESS_LISTS = {"system.posix_acl_access", "system.posix_acl_default"}
# What one answers that has no room for so many attributes; ext4 has a block of a file for all of them.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE)
_USERS = "user."


class Attributes(NamedTuple):
    """What a file has beside its content."""

    mode: int  # as in st_mode, with the kind of file
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    xattrs: dict[str, str]  # values in base64


def attributes(descriptor: int) -> Attributes:
    """Read what an open entry has beside its content; it may be open as a place (O_PATH)."""
    seen = os.fstat(descriptor)
    opened = f"/proc/self/fd/{descriptor}"
    xattrs: dict[str, str] = {}
    remaining = MOST_OF_USER
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(opened):
            if name.startswith(_USERS) and remaining <= 0:
                continue
            with contextlib.suppress(OSError):  # gone meanwhile
                value = os.getxattr(opened, name)
                remaining -= len(name) + len(value) if name.startswith(_USERS) else 0
                xattrs[name] = base64.b64encode(value).decode()
    return Attributes(seen.st_mode, seen.st_uid, seen.st_gid, seen.st_atime_ns, seen.st_mtime_ns, xattrs)


def give_attributes(descriptor: int, desired: Attributes) -> None:
    """Owner first, since a change of it takes set-user-id bits and capabilities away; times last."""
    with tolerant():
        os.chown(descriptor, desired.uid, desired.gid)
    for name in _ACCESS_LISTS - desired.xattrs.keys():  # a new file has its directory's, which its mode would open
        with tolerant():
            os.removexattr(descriptor, name)
    with tolerant():
        os.chmod(descriptor, stat.S_IMODE(desired.mode))
    for name, value in desired.xattrs.items():
        with tolerant(_NO_ROOM if name.startswith(_USERS) else ()):
            os.setxattr(descriptor, name, base64.b64decode(value))
    os.utime(descriptor, ns=(desired.atime_ns, desired.mtime_ns))


@contextlib.contextmanager
def tolerant(also: tuple[int, ...] = ()) -> Iterator[None]:
    """Go on where a file system does not have such a thing, or answers one of these codes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*_NO_SUCH_THING, *also):
            raise

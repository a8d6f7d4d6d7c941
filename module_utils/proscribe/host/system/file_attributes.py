"""Attributes of a file beside its content: owner, mode, times, access lists and other extended attributes."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import stat
from typing import Iterator

from ...base.named_tuple import NamedTuple

# Most bytes that are read of a file's `user.` attributes. The file's owner may set hundreds of MiB (tmpfs, xfs).
MAX_USER_ATTRIBUTE_BYTES = 256 * 1024
# Errors of a file system without owners, modes or extended attributes (vfat).
_UNSUPPORTED_ERRORS = (errno.ENOTSUP, errno.EPERM, errno.ENODATA)
_ACL_NAMES = {"system.posix_acl_access", "system.posix_acl_default"}
# Errors of a file system that has no room for the attributes. On ext4, all attributes of a file share one block.
_NO_ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE)
_USER_PREFIX = "user."


class FileAttributes(NamedTuple):
    """Attributes of a file beside its content."""

    mode: int  # st_mode: the permissions and the kind of file
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    xattrs: dict[str, str]  # extended attributes: name to value in base64


def read_attributes(descriptor: int) -> FileAttributes:
    """Return the attributes of the file or directory with an open descriptor.

    A descriptor with O_PATH is enough. If the `user.` attributes have more than MAX_USER_ATTRIBUTE_BYTES, some are left
    out.
    """
    status = os.fstat(descriptor)
    link = f"/proc/self/fd/{descriptor}"
    xattrs: dict[str, str] = {}
    remaining = MAX_USER_ATTRIBUTE_BYTES
    with contextlib.suppress(OSError):  # the file system has no extended attributes
        for name in os.listxattr(link):
            if name.startswith(_USER_PREFIX) and remaining <= 0:
                continue
            with contextlib.suppress(OSError):  # the attribute was removed meanwhile
                content = os.getxattr(link, name)
                remaining -= len(name) + len(content) if name.startswith(_USER_PREFIX) else 0
                xattrs[name] = base64.b64encode(content).decode()
    return FileAttributes(status.st_mode, status.st_uid, status.st_gid, status.st_atime_ns, status.st_mtime_ns, xattrs)


def set_attributes(descriptor: int, desired: FileAttributes) -> None:
    """Give the file or directory with an open descriptor the attributes `desired`.

    The owner is set first, because a change of owner clears set-user-id bits and capabilities. The times are set last.
    Attributes that the file system cannot store are left out.
    """
    with ignore_unsupported():
        os.chown(descriptor, desired.uid, desired.gid)
    # A new file inherits the access lists of its directory, and the new mode would widen them.
    for name in _ACL_NAMES - desired.xattrs.keys():
        with ignore_unsupported():
            os.removexattr(descriptor, name)
    with ignore_unsupported():
        os.chmod(descriptor, stat.S_IMODE(desired.mode))
    for name, content in desired.xattrs.items():
        with ignore_unsupported(_NO_ROOM_ERRORS if name.startswith(_USER_PREFIX) else ()):
            os.setxattr(descriptor, name, base64.b64decode(content))
    os.utime(descriptor, ns=(desired.atime_ns, desired.mtime_ns))


@contextlib.contextmanager
def ignore_unsupported(also_ignored: tuple[int, ...] = ()) -> Iterator[None]:
    """Ignore an OSError of the `with` body if the file system lacks the feature.

    `also_ignored` are further error numbers to ignore.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (*_UNSUPPORTED_ERRORS, *also_ignored):
            raise

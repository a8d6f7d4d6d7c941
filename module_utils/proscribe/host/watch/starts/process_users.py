"""User of a process, from facts that the kernel itself states.

A process in a user namespace counts as a process of the user who made the namespace. A user with subordinate ids
(subuid(5)) has 65,536 of them, and can start programs under each. All of these processes count as that user's. The
kernel knows the maker of a namespace (ioctl_ns(2)), whatever ids are mapped into the namespace.
"""

from __future__ import annotations

import fcntl
import os

OWN_NAMESPACE = "/proc/self/ns/user"
GET_PARENT, GET_OWNER = 0xB702, 0xB704  # NS_GET_PARENT, NS_GET_OWNER_UID (linux/nsfs.h)
MAX_NAMESPACES = 34  # most nested namespaces that are followed; the kernel allows 32
UID_BYTES = 4
# part of the command line of an observation that the host itself started
OBSERVE_COMMAND = b"/libexec/proscribe/watch\0observe\0"


def find_accountable_uid(pid: int, uid: int) -> int:
    """Return the id of the user to whom a process counts. `uid` is the user id under which the process runs.

    In another user namespace, the result is the maker of the namespace. If this cannot be read, the result is `uid`.
    """
    try:
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink(OWN_NAMESPACE):
            return uid
        return _find_namespace_owner(
            os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC), os.stat(OWN_NAMESPACE).st_ino
        )
    except OSError:
        return uid


def find_real_uid(pid: int) -> int | None:
    """Return the real user id of a process; None if the process has ended.

    /proc shows root as the owner of a process that hides its memory, for example one with another effective user. For
    such a process, the id is read from the kernel's status file.
    """
    try:
        if uid := os.stat(f"/proc/{pid}").st_uid:
            return uid
        with open(f"/proc/{pid}/status", "rb") as stream:
            ids = stream.read().partition(b"\nUid:")[2].split(None, 1)
        return int(ids[0]) if ids else None
    except OSError:
        return None


def _find_namespace_owner(descriptor: int, own_inode: int) -> int:
    """Return the id of the user who made the outermost user namespace around the given one.

    `descriptor` is the open namespace, and this function closes it. `own_inode` identifies the namespace of this
    process, which does not count. Raises OSError.
    """
    try:
        for _ in range(MAX_NAMESPACES):
            parent = fcntl.ioctl(descriptor, GET_PARENT)
            if os.fstat(parent).st_ino == own_inode:
                os.close(parent)
                break
            os.close(descriptor)
            descriptor = parent
        return int.from_bytes(fcntl.ioctl(descriptor, GET_OWNER, bytes(UID_BYTES)), "little")
    finally:
        os.close(descriptor)


def is_own_observation(pid: int | str) -> bool:
    """Return whether a process is an observation that the host itself started (`proscribe/watch observe`)."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return OBSERVE_COMMAND in stream.read()
    except OSError:
        return False

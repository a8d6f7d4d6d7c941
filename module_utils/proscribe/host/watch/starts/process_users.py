"""User of a process, by the kernel's word. For a process in a user namespace, this is its maker.

A user with subordinate ids (subuid(5)) has 65,536 of them, and can start programs under each. All of these processes
count as that user's. The kernel knows the maker of a namespace (ioctl_ns(2)), whatever is mapped into it.
"""

from __future__ import annotations

import fcntl
import os

OWN_NAMESPACE = "/proc/self/ns/user"
GET_PARENT, GET_OWNER = 0xB702, 0xB704  # NS_GET_PARENT, NS_GET_OWNER_UID (linux/nsfs.h)
MAX_NAMESPACES = 34  # nested namespaces; the kernel allows 32
UID_BYTES = 4
OBSERVE_COMMAND = b"/libexec/proscribe/watch\0observe\0"  # in the command line of an own observation


def find_accountable_uid(pid: int, uid: int) -> int:
    """Return the id of the user to whom a process of the user `uid` is charged."""
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

    A process that hides its memory belongs to root in /proc, for example if its effective user is another. For such a
    process the kernel's status file has the id.
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
    """Return the maker of the outermost namespace around the given one, below our own (by its inode).

    Closes the descriptor. Raises OSError.
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
    """Return whether a process is an own observation of the host."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return OBSERVE_COMMAND in stream.read()
    except OSError:
        return False

"""Whose a process is: by the kernel's word, and for whoever has made the user namespace that it runs in.

A user who may use subordinate ids (subuid(5)) has 65,536 of them, and starts programs as each. They are his: the kernel
knows who has made a namespace (ioctl_ns(2)), whatever is mapped into it.
"""

from __future__ import annotations

import fcntl
import os

OWN = "/proc/self/ns/user"
GET_PARENT, GET_OWNER = 0xB702, 0xB704  # NS_GET_PARENT, NS_GET_OWNER_UID (linux/nsfs.h)
DEEPEST = 34  # namespaces in each other; the kernel has 32 at most
UID_SIZE = 4  # bytes
OBSERVING = b"/libexec/proscribe/watch\0observe\0"  # in the command line of an own observation


def owner_of(pid: int, uid: int) -> int:
    """The number of the user that a process counts for, which runs for a user."""
    try:
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink(OWN):
            return uid
        return _maker(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC), os.stat(OWN).st_ino)
    except OSError:
        return uid


def user_of(pid: int) -> int | None:
    """The number of the user that a process runs for (the real one); None if it has ended. One that hides its memory,
    as it does where the effective user is another, belongs to root in /proc: there the kernel says it in words.
    """
    try:
        if uid := os.stat(f"/proc/{pid}").st_uid:
            return uid
        with open(f"/proc/{pid}/status", "rb") as stream:
            ids = stream.read().partition(b"\nUid:")[2].split(None, 1)
        return int(ids[0]) if ids else None
    except OSError:
        return None


def _maker(descriptor: int, own: int) -> int:
    """Who has made the outermost namespace around one, below our own (by its inode); closes the descriptor. Raises
    OSError.
    """
    try:
        for _ in range(DEEPEST):
            above = fcntl.ioctl(descriptor, GET_PARENT)
            if os.fstat(above).st_ino == own:
                os.close(above)
                break
            os.close(descriptor)
            descriptor = above
        return int.from_bytes(fcntl.ioctl(descriptor, GET_OWNER, bytes(UID_SIZE)), "little")
    finally:
        os.close(descriptor)


def observes(pid: int | str) -> bool:
    """Whether a process is an own observation of the host."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return OBSERVING in stream.read()
    except OSError:
        return False

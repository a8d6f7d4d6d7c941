"""The privileges of a program: a restore gives them to the content that had them, and to no other.

The kernel takes set-user-id, set-group-id and capabilities from a file that is written to. In the quarantine a file has
none. A process that still has it open could write what it likes, and get them with the restore. So the sum of such a
file is read before its privileges are: whoever wrote earlier has lost them, and whoever writes later changes the sum.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat

from ....system import ControlError
from ....system.directories import open_entry
from ....system.file_attributes import FileAttributes, read_attributes
from .manifest import Item

CAPABILITY = "security.capability"
LARGEST = 1024**3  # bytes of a file that is read for the sake of its privileges
LOST = (
    "without its privileges (set-user-id, set-group-id or capabilities): it was changed, or a process could change it; "
    "look into it before you give them to it again"
)
_BITS = stat.S_ISUID | stat.S_ISGID
_PIECE = 1024 * 1024


def sum_before(descriptor: int) -> str:
    """Return the sum of an open file that has privileges; "" for another one, or one that is too large."""
    return _content_sum(descriptor) if _of(read_attributes(descriptor)) else ""


def returned(descriptor: int, item: Item) -> FileAttributes:
    """Return what an open file of the quarantine gets back. Nobody but root can open it by now."""
    if not _of(item.attributes):
        return item.attributes
    if item.privileged and not _is_open_for_writing(descriptor) and _content_sum(descriptor) == item.privileged:
        return item.attributes
    xattrs = {name: value for name, value in item.attributes.xattrs.items() if name != CAPABILITY}
    return item.attributes._replace(mode=item.attributes.mode & ~_BITS, xattrs=xattrs)


def lost(directory: int, name: str, item: Item) -> str:
    """Say so where a program came back without the privileges that it had; "" otherwise."""
    if not (expected := _of(item.attributes)):
        return ""
    with contextlib.suppress(OSError, ControlError):  # its user may have moved it by now
        descriptor = open_entry(directory, name)
        try:
            return "" if _of(read_attributes(descriptor)) == expected else LOST
        finally:
            os.close(descriptor)
    return ""


def _of(seen: FileAttributes) -> tuple[int, str] | None:
    """The privileges of a file; None for a file without, and for a directory, where these bits give none."""
    bits, capability = seen.mode & _BITS, seen.xattrs.get(CAPABILITY, "")
    return (bits, capability) if stat.S_ISREG(seen.mode) and (bits or capability) else None


def _content_sum(descriptor: int) -> str:
    digest, at = hashlib.sha256(), 0
    if os.fstat(descriptor).st_size > LARGEST:
        return ""
    while at <= LARGEST and (piece := os.pread(descriptor, _PIECE, at)):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def _is_open_for_writing(descriptor: int) -> bool:
    """Whether a process may still write to an open file, or nobody can tell (fcntl(2): a lease is refused then)."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False

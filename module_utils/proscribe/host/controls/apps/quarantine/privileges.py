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
from .manifest import QuarantineEntry

CAPABILITY_ATTRIBUTE = "security.capability"
MAX_FILE_BYTES = 1024**3  # bytes of a file that is read for the sake of its privileges
LOST_MESSAGE = (
    "without its privileges (set-user-id, set-group-id or capabilities): it was changed, or a process could change it; "
    "look into it before you give them to it again"
)
_PRIVILEGE_BITS = stat.S_ISUID | stat.S_ISGID
_PIECE_BYTES = 1024 * 1024


def hash_privileged_file(descriptor: int) -> str:
    """Return the sum of an open file that has privileges; "" for another one, or one that is too large."""
    return _hash_content(descriptor) if _find_privileges(read_attributes(descriptor)) else ""


def make_returned_attributes(descriptor: int, entry: QuarantineEntry) -> FileAttributes:
    """Return what an open file of the quarantine gets back. Nobody but root can open it by now."""
    if not _find_privileges(entry.attributes):
        return entry.attributes
    if entry.privileged and not _is_open_for_writing(descriptor) and _hash_content(descriptor) == entry.privileged:
        return entry.attributes
    xattrs = {name: attribute for name, attribute in entry.attributes.xattrs.items() if name != CAPABILITY_ATTRIBUTE}
    return entry.attributes._replace(mode=entry.attributes.mode & ~_PRIVILEGE_BITS, xattrs=xattrs)


def describe_lost_privileges(directory: int, name: str, entry: QuarantineEntry) -> str:
    """Say so where a program came back without the privileges that it had; "" otherwise."""
    if not (expected := _find_privileges(entry.attributes)):
        return ""
    with contextlib.suppress(OSError, ControlError):  # its user may have moved it by now
        descriptor = open_entry(directory, name)
        try:
            return "" if _find_privileges(read_attributes(descriptor)) == expected else LOST_MESSAGE
        finally:
            os.close(descriptor)
    return ""


def _find_privileges(file_attributes: FileAttributes) -> tuple[int, str] | None:
    """The privileges of a file; None for a file without, and for a directory, where these bits give none."""
    bits, capability = file_attributes.mode & _PRIVILEGE_BITS, file_attributes.xattrs.get(CAPABILITY_ATTRIBUTE, "")
    return (bits, capability) if stat.S_ISREG(file_attributes.mode) and (bits or capability) else None


def _hash_content(descriptor: int) -> str:
    digest, position = hashlib.sha256(), 0
    if os.fstat(descriptor).st_size > MAX_FILE_BYTES:
        return ""
    while position <= MAX_FILE_BYTES and (piece := os.pread(descriptor, _PIECE_BYTES, position)):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def _is_open_for_writing(descriptor: int) -> bool:
    """Whether a process may still write to an open file, or nobody can tell (fcntl(2): a lease is refused then)."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False

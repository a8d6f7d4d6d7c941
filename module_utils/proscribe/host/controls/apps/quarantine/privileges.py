"""Privileges of a program (set-user-id, set-group-id, capabilities).

Privileges let a program run with the rights of root or another account. A restore gives them only to unchanged content.

The kernel removes privileges from a file when a process writes to the file. But a file in the quarantine has none, and
a process that still has it open could write to it. The restore would then give privileges to the new content. So, on
the way into the quarantine, the checksum of the file is computed before its privileges are read. An earlier write has
removed the privileges, and a later write changes the checksum.
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
MAX_FILE_BYTES = 1024**3  # a larger file is not hashed, so it loses its privileges
LOST_MESSAGE = (
    "without its privileges (set-user-id, set-group-id or capabilities): it was changed, or a process could change it; "
    "look into it before you give them to it again"
)
_PRIVILEGE_BITS = stat.S_ISUID | stat.S_ISGID
_PIECE_BYTES = 1024 * 1024


def hash_privileged_file(descriptor: int) -> str:
    """Return the SHA-256 of an open file with privileges (set-user-id, set-group-id or capabilities).

    Return "" for a file without privileges and for a file that is too large.
    """
    return _hash_content(descriptor) if _find_privileges(read_attributes(descriptor)) else ""


def make_returned_attributes(descriptor: int, entry: QuarantineEntry) -> FileAttributes:
    """Return the attributes that a restore gives to an open file of the quarantine: owner, mode and so on.

    The privileges (set-user-id, for example) are left out if the content may have changed. At this time, only root can
    open the file. So if no process has it open for writing now, it cannot change any more.
    """
    if not _find_privileges(entry.attributes):
        return entry.attributes
    if entry.privileged and not _is_open_for_writing(descriptor) and _hash_content(descriptor) == entry.privileged:
        return entry.attributes
    xattrs = {name: attribute for name, attribute in entry.attributes.xattrs.items() if name != CAPABILITY_ATTRIBUTE}
    return entry.attributes._replace(mode=entry.attributes.mode & ~_PRIVILEGE_BITS, xattrs=xattrs)


def describe_lost_privileges(directory: int, name: str, entry: QuarantineEntry) -> str:
    """Return a message if a restored program lacks privileges that it had before (set-user-id, for example), or "".

    The directory with the descriptor `directory` has the program as `name`. Return "" if the program is gone.
    """
    if not (expected := _find_privileges(entry.attributes)):
        return ""
    with contextlib.suppress(OSError, ControlError):  # the user may have moved the program by now
        descriptor = open_entry(directory, name)
        try:
            return "" if _find_privileges(read_attributes(descriptor)) == expected else LOST_MESSAGE
        finally:
            os.close(descriptor)
    return ""


def _find_privileges(file_attributes: FileAttributes) -> tuple[int, str] | None:
    """Return the privileges of a file, as (set-user-id and set-group-id bits, capabilities).

    Return None for a file without privileges. Return None for a directory too, because its bits give no privileges.
    """
    bits, capability = file_attributes.mode & _PRIVILEGE_BITS, file_attributes.xattrs.get(CAPABILITY_ATTRIBUTE, "")
    return (bits, capability) if stat.S_ISREG(file_attributes.mode) and (bits or capability) else None


def _hash_content(descriptor: int) -> str:
    """Return the SHA-256 of an open file, or "" if the file is too large."""
    digest, position = hashlib.sha256(), 0
    if os.fstat(descriptor).st_size > MAX_FILE_BYTES:
        return ""
    while position <= MAX_FILE_BYTES and (piece := os.pread(descriptor, _PIECE_BYTES, position)):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def _is_open_for_writing(descriptor: int) -> bool:
    """Return whether a process may still write to an open file. If this is unknown, return True.

    The kernel refuses a read lease (a lock on a file, fcntl(2)) while the file is open for writing. So this process
    tries to get a lease, and gives it back.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False

"""Starts of programs as fanotify(7) reports them: `FAN_OPEN_EXEC` on whole file systems.

Only notification (FAN_CLASS_NOTIF): nobody waits for an answer, so whatever becomes of this process, no program of the
host hangs. The permission classes are for who wants to deny, and can freeze a host. Python has no function for these
two calls of the kernel, so they go through ctypes.

An event carries an open descriptor of the file. On a file system that another machine or a user's own program answers
for, opening may never end. So such ones are not marked (mounts.py).
"""

from __future__ import annotations

import ctypes
import os
import struct

from ....base.program_places import is_loader_name

CLOEXEC, NONBLOCK, CLASS_NOTIF = 0x1, 0x2, 0x0
ADD, IGNORED, IGNORED_SURVIVES, FILESYSTEM = 0x1, 0x20, 0x40, 0x100
OPEN_EXEC, OVERFLOW = 0x1000, 0x4000
FORMAT_VERSION = 3  # of the events' format
EVENT_HEADER = struct.Struct("=IBBHQii")  # length, version, reserved, length of the head, mask, descriptor, process
LARGE_FILE_FLAG = 0o100000  # O_LARGEFILE, which Python has as 0 where it is the default
BUFFER_BYTES = 4096  # bytes: at most 170 events, each with a descriptor, of the 1,024 that a process has by default
AT_FDCWD = -100


def parse_events(content: bytes) -> tuple[list[tuple[int, int]], bool]:
    """The events in what was read: (descriptor, process) of each start, and whether events were lost."""
    starts: list[tuple[int, int]] = []
    has_lost = False
    offset, end = 0, len(content)
    while end - offset >= EVENT_HEADER.size:
        length, version, _, _, mask, descriptor, pid = EVENT_HEADER.unpack_from(content, offset)
        if length < EVENT_HEADER.size or length > end - offset or version != FORMAT_VERSION:
            break
        offset += length
        if mask & OVERFLOW:
            has_lost = True
        elif descriptor >= 0:
            starts.append((descriptor, pid))
    return starts, has_lost


class Fanotify:
    """A group of marks. Raises OSError where the kernel refuses it: too old, or in a container without the rights."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.fanotify_mark.argtypes = [
            *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64),
            *(ctypes.c_int, ctypes.c_char_p),
        ]
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME | LARGE_FILE_FLAG
        self.descriptor: int = self._libc.fanotify_init(CLOEXEC | NONBLOCK | CLASS_NOTIF, flags)
        if self.descriptor < 0:
            raise self._make_error()

    def fileno(self) -> int:
        return self.descriptor

    @staticmethod
    def _make_error() -> OSError:
        error_number = ctypes.get_errno()
        return OSError(error_number, os.strerror(error_number))

    def mark_file_system(self, path: str) -> None:
        """Have starts from the file system reported that a path is on. Raises OSError."""
        self._add_mark(ADD | FILESYSTEM, path)

    def ignore_file(self, path: str) -> None:
        """Have the file of a path no more reported. Raises OSError."""
        self._add_mark(ADD | IGNORED | IGNORED_SURVIVES, path)

    def _add_mark(self, flags: int, path: str) -> None:
        if self._libc.fanotify_mark(self.descriptor, flags, OPEN_EXEC, AT_FDCWD, os.fsencode(path)):
            raise self._make_error()

    def read_events(self) -> tuple[list[tuple[int, int]], bool] | None:
        """The next events; None if there are none now. Whoever calls closes the descriptors. Raises OSError for one
        event that the kernel could not open the file of; the next ones are there all the same.
        """
        try:
            return parse_events(os.read(self.descriptor, BUFFER_BYTES))
        except BlockingIOError:
            return None


def is_system_loader(path: str) -> bool:
    """Whether a path is a dynamic loader's, where nobody but root can have put it. Each start opens the loader, so the
    kernel leaves it out.
    """
    return is_loader_name(path.rpartition("/")[2]) and path.startswith(("/lib", "/usr/lib"))

"""Starts of programs from fanotify(7): `FAN_OPEN_EXEC` on whole file systems.

The daemon is only notified (FAN_CLASS_NOTIF). The kernel waits for no answer of the daemon, so a failing daemon lets no
program hang. The permission classes of fanotify, which can deny access, could freeze a host. Python has no functions
for these two system calls, so ctypes calls them.

An event carries an open descriptor of the file. If another machine or a user's program serves the file system, opening
may never end. So such file systems are not marked (mounts.py).
"""

from __future__ import annotations

import ctypes
import os
import struct

from ....base.program_paths import is_loader_name

CLOEXEC, NONBLOCK, CLASS_NOTIF = 0x1, 0x2, 0x0
ADD, IGNORED, IGNORED_SURVIVES, FILESYSTEM = 0x1, 0x20, 0x40, 0x100
OPEN_EXEC, OVERFLOW = 0x1000, 0x4000
FORMAT_VERSION = 3  # FANOTIFY_METADATA_VERSION
# length, version, reserved, length of the header, mask, file descriptor, process id
EVENT_HEADER = struct.Struct("=IBBHQii")
LARGE_FILE_FLAG = 0o100000  # O_LARGEFILE; Python's constant is 0 on systems where this is the default
BUFFER_BYTES = 4096  # at most 170 events, each with an open descriptor; a process may have 1,024 of them by default
AT_FDCWD = -100


def parse_events(content: bytes) -> tuple[list[tuple[int, int]], bool]:
    """Return the program starts in `content` as [(descriptor, process id)], and whether events were lost."""
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
    """A fanotify group: marks on file systems, and one descriptor that delivers their events.

    Raises OSError if the kernel refuses the group: it is too old, or a container lacks the rights.
    """

    def __init__(self) -> None:
        """Open the group, without marks."""
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
        """Return the error of the last system call."""
        error_number = ctypes.get_errno()
        return OSError(error_number, os.strerror(error_number))

    def mark_file_system(self, path: str) -> None:
        """Ask the kernel to report program starts from the file system that contains `path`. Raises OSError."""
        self._add_mark(ADD | FILESYSTEM, path)

    def ignore_file(self, path: str) -> None:
        """Ask the kernel not to report starts of the file at `path` any more. Raises OSError."""
        self._add_mark(ADD | IGNORED | IGNORED_SURVIVES, path)

    def _add_mark(self, flags: int, path: str) -> None:
        if self._libc.fanotify_mark(self.descriptor, flags, OPEN_EXEC, AT_FDCWD, os.fsencode(path)):
            raise self._make_error()

    def read_events(self) -> tuple[list[tuple[int, int]], bool] | None:
        """Return the next events as `parse_events` does; None if there are none now.

        The caller closes the descriptors. Raises OSError if the kernel could not open the file of an event. Later
        events can still be read.
        """
        try:
            return parse_events(os.read(self.descriptor, BUFFER_BYTES))
        except BlockingIOError:
            return None


def is_system_loader(path: str) -> bool:
    """Return whether a path is that of a dynamic loader in a system directory, where only root can write.

    Every program start opens the loader, so the kernel is asked not to report the loader.
    """
    return is_loader_name(path.rpartition("/")[2]) and path.startswith(("/lib", "/usr/lib"))

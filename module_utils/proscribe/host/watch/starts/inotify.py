"""Changes of a few files that belong to root, from inotify(7) watches on their directories."""

from __future__ import annotations

import ctypes
import os
import struct

CLOEXEC, NONBLOCK = 0o2000000, 0o4000
# File closed after writing, moved out, moved in, or deleted. The watched path must be a directory and no symbolic link.
CHANGE_MASK = 0x8 | 0x40 | 0x80 | 0x200 | 0x01000000 | 0x02000000
# File opened. The same two conditions apply to the watched path.
OPEN_MASK = 0x20 | 0x01000000 | 0x02000000
OVERFLOW, GONE = 0x4000, 0x8000  # the kernel lost events; a directory is no longer watched
EVENT_HEADER = struct.Struct("=iIII")  # number of the watch, mask of the event, cookie, length of the file name
BUFFER_BYTES = 16384
MAX_READS = 64


def parse_events(content: bytes) -> tuple[set[str], bool]:
    """Return the names of changed files in `content`, and whether other files may have changed too.

    Other files may have changed if the kernel lost events, or if a watched directory is gone.
    """
    names: set[str] = set()
    has_more = False
    offset, end = 0, len(content)
    while end - offset >= EVENT_HEADER.size:
        _, mask, _, length = EVENT_HEADER.unpack_from(content, offset)
        offset += EVENT_HEADER.size
        if length > end - offset:
            break
        has_more = has_more or bool(mask & (OVERFLOW | GONE))
        name = content[offset : offset + length].split(b"\0", 1)[0]
        if name:
            names.add(os.fsdecode(name))
        offset += length
    return names, has_more


class Inotify:
    """An inotify instance, which watches directories for changes of their files.

    Raises OSError if root may open no more instances (fs.inotify.max_user_instances).
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.inotify_init1(CLOEXEC | NONBLOCK)
        if self.descriptor < 0:
            error_number = ctypes.get_errno()
            raise OSError(error_number, os.strerror(error_number))

    def fileno(self) -> int:
        return self.descriptor

    def watch_directory(self, path: str, mask: int = CHANGE_MASK) -> bool:
        """Watch a directory for the events in `mask`. Return whether the directory is watched.

        A second call for the same directory has no further effect.
        """
        return bool(self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), mask) >= 0)

    def read_changes(self) -> tuple[set[str], bool]:
        """Return the names of changed files, and whether other files may have changed too."""
        changed_names: set[str] = set()
        for _ in range(MAX_READS):
            try:
                names, has_more = parse_events(os.read(self.descriptor, BUFFER_BYTES))
            except BlockingIOError:
                return changed_names, False
            changed_names |= names
            if has_more:
                return changed_names, True
        return changed_names, True

"""Changes of a few files of root's, by the directories that they are in, as inotify(7) reports them."""

from __future__ import annotations

import ctypes
import os
import struct

CLOEXEC, NONBLOCK = 0o2000000, 0o4000
# Written and closed, moved in, out, deleted; only a directory, and never through a link.
MASK = 0x8 | 0x40 | 0x80 | 0x200 | 0x01000000 | 0x02000000
OPENED = 0x20 | 0x01000000 | 0x02000000
OVERFLOW, GONE = 0x4000, 0x8000  # events were lost; a directory is no longer watched
HEAD = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
BUFFER = 16384
MOST_READS = 64


def parsed(content: bytes) -> tuple[set[str], bool]:
    """The names in what was read, and whether something else may have changed too."""
    names: set[str] = set()
    more = False
    at, end = 0, len(content)
    while end - at >= HEAD.size:
        _, mask, _, length = HEAD.unpack_from(content, at)
        at += HEAD.size
        if length > end - at:
            break
        more = more or bool(mask & (OVERFLOW | GONE))
        name = content[at : at + length].split(b"\0", 1)[0]
        if name:
            names.add(os.fsdecode(name))
        at += length
    return names, more


class Inotify:
    """Raises OSError where root has no more of them (fs.inotify.max_user_instances)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.inotify_init1(CLOEXEC | NONBLOCK)
        if self.descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def fileno(self) -> int:
        return self.descriptor

    def watch(self, path: str, mask: int = MASK) -> bool:
        """Watch a directory, once however often this is called; whether that is possible."""
        return bool(self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), mask) >= 0)

    def read(self) -> tuple[set[str], bool]:
        """The names that something happened to, and whether something else may have changed too."""
        found: set[str] = set()
        for _ in range(MOST_READS):
            try:
                names, more = parsed(os.read(self.descriptor, BUFFER))
            except BlockingIOError:
                return found, False
            found |= names
            if more:
                return found, True
        return found, True

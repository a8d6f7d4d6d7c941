"""A path resolved step by step by descriptors; of its links, only those that root made are followed.

The kernel follows a link by its name, and a user may replace it after its owner was checked. So a link is opened
itself, and asked whose it is and what it says. What it says is gone along in the same way.
"""

from __future__ import annotations

import errno
import os
import stat

from .types import ControlError

MOST = 32  # links in the path of one file; the kernel follows 40
PATH = getattr(os, "O_PATH", 0)  # macOS has no such flag: there no link is followed, and places are opened for reading
PLACE = PATH | os.O_DIRECTORY
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


class Traversal:
    """The resolution of one path. `root` is where an absolute link begins."""

    __slots__ = ("left", "root")

    def __init__(self, root: str) -> None:
        self.root, self.left = root, MOST

    def step(self, directory: int, name: str, path: str) -> int:
        """Open the directory of that name in a directory, as a place (O_PATH). `path` is what it is called in errors.

        Raises OSError, and ControlError for a link that a user made.
        """
        try:
            return os.open(name, PLACE | os.O_NOFOLLOW, dir_fd=directory)
        except OSError as error:
            # ENOTDIR of a link too, with O_PATH; without it, ELOOP.
            to = link_target(directory, name, path) if error.errno == (errno.ENOTDIR if PATH else errno.ELOOP) else ""
            if not to:
                raise
        return self._along(directory, to, path)

    def file(self, directory: int, name: str, path: str) -> int:
        """Open the file of that name in a directory for reading. Raises as `step`."""
        try:
            return os.open(name, FILE, dir_fd=directory)
        except OSError as error:
            to = link_target(directory, name, path) if error.errno == errno.ELOOP else ""
            if not to:
                raise
        base = to.rpartition("/")[2]
        above = self._along(directory, to[: len(to) - len(base)], path)
        try:
            return self.file(above, base, path)
        finally:
            os.close(above)

    def _along(self, directory: int, to: str, path: str) -> int:
        """Open the directory that a link in a directory leads to."""
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        at = os.open(self.root if to.startswith("/") else ".", PLACE, dir_fd=directory)
        try:
            for name in to.split("/"):
                if name:
                    following = self.step(at, name, path)
                    os.close(at)
                    at = following
        except BaseException:
            os.close(at)
            raise
        return at


def link_target(directory: int, name: str, path: str) -> str:
    """What a link of root's says; "" for what is none. Raises OSError, and ControlError for a link that a user made."""
    if not PATH:
        raise ControlError(f"{path} is a link: not followed")
    link = os.open(name, PATH | os.O_NOFOLLOW, dir_fd=directory)
    try:
        seen = os.fstat(link)
        if not stat.S_ISLNK(seen.st_mode):
            return ""
        if seen.st_uid != 0:
            raise ControlError(f"{path} is a link that uid {seen.st_uid} made: not followed")
        return os.readlink("", dir_fd=link)  # of the link that is open, whatever its name leads to by now (readlink(2))
    finally:
        os.close(link)

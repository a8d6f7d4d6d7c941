"""Resolution of a path step by step by descriptors. Only links that root made are followed.

The kernel follows a link by its name, and a user may replace it after a check of its owner. So the link itself is
opened, and its owner and target are read from the descriptor. The target is resolved in the same way.
"""

from __future__ import annotations

import errno
import os
import stat

from .types import ControlError

MAX_LINKS = 32  # links in the path of a file; the kernel follows 40
# macOS has no such flag: no link is followed there, and directories are opened for reading
PATH_FLAG = getattr(os, "O_PATH", 0)
PLACE_FLAGS = PATH_FLAG | os.O_DIRECTORY
FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


class PathTraversal:
    """Resolution of one path. Absolute links begin at `root`."""

    __slots__ = ("links_left", "root")

    def __init__(self, root: str) -> None:
        self.root, self.links_left = root, MAX_LINKS

    def open_directory(self, directory: int, name: str, path: str) -> int:
        """Open the directory of that name in a directory, with O_PATH. `path` is its name in errors.

        Raises OSError, and ControlError for a link that a user made.
        """
        try:
            return os.open(name, PLACE_FLAGS | os.O_NOFOLLOW, dir_fd=directory)
        except OSError as error:
            # With O_PATH a link gives ENOTDIR too; without it ELOOP.
            target = (
                read_link_target(directory, name, path)
                if error.errno == (errno.ENOTDIR if PATH_FLAG else errno.ELOOP)
                else ""
            )
            if not target:
                raise
        return self._follow_link(directory, target, path)

    def open_file(self, directory: int, name: str, path: str) -> int:
        """Open the file of that name in a directory for reading. `path` is its name in errors.

        Raises OSError, and ControlError for a link that a user made.
        """
        try:
            return os.open(name, FILE_FLAGS, dir_fd=directory)
        except OSError as error:
            target = read_link_target(directory, name, path) if error.errno == errno.ELOOP else ""
            if not target:
                raise
        target_name = target.rpartition("/")[2]
        parent = self._follow_link(directory, target[: len(target) - len(target_name)], path)
        try:
            return self.open_file(parent, target_name, path)
        finally:
            os.close(parent)

    def _follow_link(self, directory: int, target: str, path: str) -> int:
        """Open the directory that a link in a directory leads to."""
        self.links_left -= 1
        if self.links_left < 0:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        current = os.open(self.root if target.startswith("/") else ".", PLACE_FLAGS, dir_fd=directory)
        try:
            for name in target.split("/"):
                if name:
                    child = self.open_directory(current, name, path)
                    os.close(current)
                    current = child
        except BaseException:
            os.close(current)
            raise
        return current


def read_link_target(directory: int, name: str, path: str) -> str:
    """Return the target of a link of root; "" if the entry is no link.

    Raises OSError, and ControlError for a link that a user made.
    """
    if not PATH_FLAG:
        raise ControlError(f"{path} is a link: not followed")
    link = os.open(name, PATH_FLAG | os.O_NOFOLLOW, dir_fd=directory)
    try:
        status = os.fstat(link)
        if not stat.S_ISLNK(status.st_mode):
            return ""
        if status.st_uid != 0:
            raise ControlError(f"{path} is a link that uid {status.st_uid} made: not followed")
        return os.readlink("", dir_fd=link)  # reads the open link, whatever its name leads to by now (readlink(2))
    finally:
        os.close(link)

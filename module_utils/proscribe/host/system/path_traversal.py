"""Traversal of a path, one component after the other, that follows only links that root made.

If the kernel followed a link by name, a user could replace the link after the check of its owner. So the link itself is
opened. Its owner and target are read from that descriptor. The target is then traversed in the same way.
"""

from __future__ import annotations

import errno
import os
import stat

from .types import ControlError

MAX_LINKS = 32  # most links that are followed for a path; the kernel's limit is 40
# macOS has no O_PATH: there, no link is followed, and directories are opened for reading
PATH_FLAG = getattr(os, "O_PATH", 0)
PLACE_FLAGS = PATH_FLAG | os.O_DIRECTORY
FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


class PathTraversal:
    """Traversal of one path, which counts the followed links. Absolute links begin at `root`."""

    __slots__ = ("links_left", "root")

    def __init__(self, root: str) -> None:
        self.root, self.links_left = root, MAX_LINKS

    def open_directory(self, directory: int, name: str, path: str) -> int:
        """Open the entry `name` of an open directory as a directory, and return its descriptor.

        The descriptor is opened with O_PATH. `path` stands in error messages. Raises OSError. Raises ControlError for a
        link that a user made.
        """
        try:
            return os.open(name, PLACE_FLAGS | os.O_NOFOLLOW, dir_fd=directory)
        except OSError as error:
            # A link gives the error ENOTDIR with O_PATH, and ELOOP without O_PATH.
            target = (
                read_link_target(directory, name, path)
                if error.errno == (errno.ENOTDIR if PATH_FLAG else errno.ELOOP)
                else ""
            )
            if not target:
                raise
        return self._follow_link(directory, target, path)

    def open_file(self, directory: int, name: str, path: str) -> int:
        """Open the entry `name` of an open directory as a file for reading, and return its descriptor.

        `path` stands in error messages. Raises OSError. Raises ControlError for a link that a user made.
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
        """Open the directory `target` of a link that is in an open directory, and return the descriptor.

        Raises the errors of `open_directory`.
        """
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
    """Return the target of a link that root made; "" if the entry is not a link.

    Raises OSError. Raises ControlError for a link that a user made.
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
        # an empty path reads the link of the descriptor, even if the name now leads to another entry (readlink(2))
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)

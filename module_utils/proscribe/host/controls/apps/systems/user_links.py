"""Targets of links that users made, read without following the links."""

from __future__ import annotations

import errno
import os

from ....system import ControlError, Host, ObservationError

_NO_LINK_ERRORS = (errno.EINVAL, errno.ENOENT, errno.ENOTDIR)


def read_link(host: Host, path: str) -> str:
    """Return the target of the link at a path, as it is written in the link.

    Raises ObservationError. Return "" if something else or nothing is at the path. Return "" too if its directory is
    behind a link of a user.
    """
    parent, _, name = path.rpartition("/")
    try:
        with host.open_directory(parent) as directory:
            return os.readlink(name, dir_fd=directory)
    except ControlError:
        return ""  # the path contains a user's link, which is not followed
    except OSError as error:
        if error.errno in _NO_LINK_ERRORS:
            return ""
        raise ObservationError(f"{path} cannot be read: {error.strerror}") from None

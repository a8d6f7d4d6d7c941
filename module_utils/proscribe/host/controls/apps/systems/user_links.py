"""Links that users made: what they say, without following them."""

from __future__ import annotations

import errno
import os

from ....system import ControlError, Host, ObservationError

_NO_LINK_ERRORS = (errno.EINVAL, errno.ENOENT, errno.ENOTDIR)


def read_link(host: Host, path: str) -> str:
    """What a link says, as it was written; "" for what is no link, or not there. Raises Unseen."""
    parent, _, name = path.rpartition("/")
    try:
        with host.open_directory(parent) as directory:
            return os.readlink(name, dir_fd=directory)
    except ControlError:
        return ""  # somebody's link in the path: nobody says where it leads
    except OSError as error:
        if error.errno in _NO_LINK_ERRORS:
            return ""
        raise ObservationError(f"{path} cannot be read: {error.strerror}") from None

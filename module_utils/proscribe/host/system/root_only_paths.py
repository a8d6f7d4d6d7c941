"""Check that only root can change or replace a program that root will run."""

from __future__ import annotations

import errno
import os
import stat

from ...base.foreign_access import find_write_right, list_path_steps, read_acl

# Directories of the distribution's packages, whose files are trusted.
DISTRIBUTION_PREFIXES = ("/usr/", "/bin/", "/sbin/")
LOCAL_PREFIX = "/usr/local/"


def find_changeable_part(path: str) -> str:
    """Return the first directory, link or file of a path that a user other than root can change; "" for none.

    A directory where other users can add entries counts too. Returns "" for a missing path, for files of the
    distribution, and if this process is not root.
    """
    if os.geteuid() or (_is_from_distribution(path) and _is_from_distribution(os.path.realpath(path))):
        return ""
    try:
        for entry, status, is_last in list_path_steps(path):
            is_link = stat.S_ISLNK(status.st_mode)  # only the owner of a link counts: its mode means nothing
            if (
                status.st_uid
                if is_link
                else find_write_right(status, (0,), (0,), read_acl(entry), is_passed=not is_last)
            ):
                return entry
    except OSError as error:
        return str(error.filename) if error.errno == errno.ELOOP else ""
    return ""


def _is_from_distribution(path: str) -> bool:
    return path.startswith(DISTRIBUTION_PREFIXES) and not f"{path}/".startswith(LOCAL_PREFIX)

"""Check of the programs that root may run: no other user can change or replace them."""

from __future__ import annotations

import errno
import os
import stat

from ...base.foreign_access import find_write_right, list_path_steps, read_acl

# Files of the distribution's packages are trusted as the packages are.
DISTRIBUTION_PREFIXES = ("/usr/", "/bin/", "/sbin/")
LOCAL_PREFIX = "/usr/local/"


def find_changeable_part(path: str) -> str:
    """Return the first part of a path, links included, that others than root can change; "" for none.

    Returns "" too for a missing path, for files of the distribution, and if this process is not root. A directory also
    counts as changeable if others can add entries to it.
    """
    if os.geteuid() or (_is_from_distribution(path) and _is_from_distribution(os.path.realpath(path))):
        return ""
    try:
        for entry, status, is_last in list_path_steps(path):
            is_link = stat.S_ISLNK(status.st_mode)
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

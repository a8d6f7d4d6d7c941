"""What root may run: nothing that somebody else can change, or put another file in place of."""

from __future__ import annotations

import errno
import os
import stat

from ...base.others import find_write_right, read_acl, walk_path

# What the distribution's packages bring is trusted, as they are.
DISTRIBUTION = ("/usr/", "/bin/", "/sbin/")
LOCAL = "/usr/local/"


def changeable(path: str) -> str:
    """The first part of a path, links included, that others than root can change. "" for none, for what does not exist,
    and where root does not ask. Of a directory, also who can put something into it.
    """
    if os.geteuid() or (_of_the_distribution(path) and _of_the_distribution(os.path.realpath(path))):
        return ""
    try:
        for entry, seen, last in walk_path(path):
            link = stat.S_ISLNK(seen.st_mode)
            if seen.st_uid if link else find_write_right(seen, (0,), (0,), read_acl(entry), is_passed=not last):
                return entry
    except OSError as error:
        return str(error.filename) if error.errno == errno.ELOOP else ""
    return ""


def _of_the_distribution(path: str) -> bool:
    return path.startswith(DISTRIBUTION) and not f"{path}/".startswith(LOCAL)

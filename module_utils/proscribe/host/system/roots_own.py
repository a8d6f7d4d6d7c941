"""What root may run: nothing that somebody else can change, or put another file in place of."""

from __future__ import annotations

import os
import stat
from typing import List

LINKS = 40  # on the way to one file, as in path_resolution(7)
# What the distribution's packages bring is trusted, as they are.
DISTRIBUTION = ("/usr/", "/bin/", "/sbin/")
LOCAL = "/usr/local/"


def changeable(path: str) -> str:
    """The first part of a path, links included, that others than root can change; "" for none, for what does not exist,
    and where root does not ask. Of a directory, also who can put something into it.
    """
    if os.geteuid() or (_of_the_distribution(path) and _of_the_distribution(os.path.realpath(path))):
        return ""
    at, links = "", 0
    rest: List[str] = path.split("/")[::-1]
    while rest:
        part = rest.pop()
        if part in ("", "."):
            continue
        if part == "..":
            at = at.rpartition("/")[0]
            continue
        entry = f"{at}/{part}"
        try:
            seen = os.lstat(entry)
        except OSError:
            return ""
        if stat.S_ISLNK(seen.st_mode):
            links += 1
            if seen.st_uid or links > LINKS:
                return entry
            target = os.readlink(entry)
            rest += target.split("/")[::-1]
            at = "" if target.startswith("/") else at
            continue
        shared = seen.st_mode & stat.S_IWOTH or (seen.st_mode & stat.S_IWGRP and seen.st_gid)
        # In a sticky directory nobody can replace what is another's.
        if seen.st_uid or (shared and not (seen.st_mode & stat.S_ISVTX and any(rest))):
            return entry
        at = entry
    return ""


def _of_the_distribution(path: str) -> bool:
    return path.startswith(DISTRIBUTION) and not f"{path}/".startswith(LOCAL)

"""Cache on the host for code and plan, so that a run neither sends nor computes them again.

The cache holds the observing code, compiled for the host's Python, and the plan with its derived data (plan.Known).
Only an enforcing run fills the cache; an audit writes nothing. The file names contain the Python version and the hashes
of code and plan. So older files are never used, and new files replace them.
"""

from __future__ import annotations

import contextlib
from typing import Mapping

from .system import ControlError, Host, ObservationError

CACHE_DIRECTORY = "/var/lib/proscribe/observe"


def keep(host: Host, parts: Mapping[str, bytes | None]) -> bool:
    """Write these files to the cache and delete all other files in the cache. Return whether that succeeded.

    `parts` has the contents by file name. A content of None leaves the file as it is. A host without a working cache
    only loses time. Returns False without root.
    """
    try:
        if not host.privileged:
            return False
        for name in set(host.list_directory(CACHE_DIRECTORY)) - parts.keys():
            host.delete_file(f"{CACHE_DIRECTORY}/{name}")
        for name, content in parts.items():
            if content is not None:
                host.write_file(f"{CACHE_DIRECTORY}/{name}", content, 0o600)
        return True
    except (ControlError, ObservationError):
        return False


def clear_cache(host: Host) -> None:
    """Delete all files of the cache.

    Errors are ignored. A file that stays does no harm, because its name says for which code and plan it is valid.
    """
    with contextlib.suppress(ControlError, ObservationError):
        for name in host.list_directory(CACHE_DIRECTORY):
            host.delete_file(f"{CACHE_DIRECTORY}/{name}")

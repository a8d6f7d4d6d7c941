"""A host's cache of the stream, so that it is neither sent nor computed again: the observing code, compiled for
its own Python, and the plan with what follows from it (plan.Known).

Only an enforcing run caches them; an audit writes nothing. They are named for the hashes of code and plan and for the
Python. So older ones are never used, and are removed when new ones come.
"""

from __future__ import annotations

import contextlib
from typing import Mapping

from .system import ControlError, Host, ObservationError

CACHE_DIRECTORY = "/var/lib/proscribe/observe"


def keep(host: Host, parts: Mapping[str, bytes | None]) -> bool:
    """Cache these files, by name, and no other; None is one that stays as it is. Returns whether they are cached now: a
    host where that cannot be only loses time.
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
    """Empty the cache."""
    with contextlib.suppress(ControlError, ObservationError):
        for name in host.list_directory(CACHE_DIRECTORY):
            host.delete_file(f"{CACHE_DIRECTORY}/{name}")

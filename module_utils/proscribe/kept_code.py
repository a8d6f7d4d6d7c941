"""The observing code that a host keeps, compiled for its own Python, so that it is neither sent nor compiled again.

Only an enforcing run keeps it; an audit writes nothing. What is kept is named for the code's hash and for the Python,
so an older one is never used, and is taken away when a new one comes.
"""

from __future__ import annotations

import contextlib

from .host import ControlError, Host, Unseen

PLACE = "/var/lib/proscribe/observe"


def keep(host: Host, path: str, compiled: bytes) -> bool:
    """Keep the compiled code at that path; whether it is kept now. A host where that cannot be only loses time."""
    try:
        if not host.privileged:
            return False
        forget(host)
        host.write(path, compiled, 0o600)
        return True
    except (ControlError, Unseen):
        return False


def forget(host: Host) -> None:
    """Take away what is kept."""
    with contextlib.suppress(ControlError, Unseen):
        for name in host.list(PLACE):
            host.delete(f"{PLACE}/{name}")

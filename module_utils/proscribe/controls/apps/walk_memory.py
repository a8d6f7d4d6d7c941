"""What a look at apps remembers for the next one. Observing writes nothing: an enforcing run keeps it, an audit
uses it.

A directory that has not changed is not read again (host/walking.py), nor is a package system asked again whose database
has not. That rests on the kernel's times alone, so now and then a look forgets all of it and reads everything: in every
so many enforcing runs (proscribe_full_scan_every).
"""

from __future__ import annotations

import json
import time
from typing import Any, Mapping

from ...host import ControlError, Host, Unseen
from ...tuples import NamedTuple

MEMORY = "/var/lib/proscribe/apps/walk.json"
VERSION = 3  # of what is remembered, and of how names are chosen


class Memory(NamedTuple):
    """What is remembered of earlier walks."""

    known: Mapping[str, Any]  # directories; empty for a walk that reads everything
    stamp: str  # which names were looked for
    full_at: str  # when everything was read: UTC, 2026-11-25T08:00:00Z
    runs: int  # how many runs have begun with it or since
    # By package system: its database as it then was, and the packages that were found, in the order of their fields.
    packages: Mapping[str, tuple[Any, Any]] = {}


def remembered(host: Host, names: str, every: int) -> Memory:
    """What earlier looks remembered, if they looked for the same names and it is not time to read everything again."""
    stamp = f"{VERSION} {names}"
    try:
        kept = json.loads(host.read(MEMORY) or b"{}")
        if isinstance(kept, dict) and kept.get("stamp") == stamp and kept["runs"] < every:
            return Memory(kept["directories"], stamp, kept["full_at"], kept["runs"], kept["packages"])
    except (Unseen, ControlError, ValueError, KeyError, TypeError):
        pass  # an ordinary user may not read it; without it all is read anew
    return Memory({}, stamp, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), 0)


def keep(host: Host, memory: Memory | None, begins: bool = False) -> None:
    """Remember a look, for root alone: the names in it are users' own. `begins`: it was the first of a run, which then
    counts. Raises ControlError.
    """
    if memory is None:
        return
    kept = {
        "stamp": memory.stamp,
        "full_at": memory.full_at,
        "runs": memory.runs + begins,
        "packages": memory.packages,
        "directories": memory.known,
    }
    content = json.dumps(kept, separators=(",", ":"))
    if host.read(MEMORY) != content.encode():
        host.write(MEMORY, content, 0o600)

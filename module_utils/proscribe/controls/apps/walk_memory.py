"""What a walk remembers for the next one. Observing writes nothing: an enforcing run keeps it, and an audit uses it."""

from __future__ import annotations

import json
from typing import Any, Iterable, Mapping

from ...host import ControlError, Host, Unseen

MEMORY = "/var/lib/proscribe/apps/walk.json"
VERSION = 1  # of what is remembered, and of how names are chosen


def remembered(host: Host, names: Iterable[str]) -> tuple[Mapping[str, Any], str]:
    """What the last walk remembered if it looked for the same names, and a stamp that says which names these are."""
    stamp = f"{VERSION} {' '.join(sorted(names))}"
    try:
        kept = json.loads(host.read(MEMORY) or b"{}")
        same = isinstance(kept, dict) and kept.get("stamp") == stamp
        return (kept["directories"] if same and "directories" in kept else {}), stamp
    except (Unseen, ControlError, ValueError):  # an ordinary user may not read it; without it all is read anew
        return {}, stamp


def keep(host: Host, walked: Any) -> None:
    """Remember a walk (portable.Copies), for root alone: the names in it are users' own. Raises ControlError."""
    if walked is None or walked.known is None:
        return
    content = json.dumps({"stamp": walked.stamp, "directories": walked.known}, separators=(",", ":"))
    if host.read(MEMORY) != content.encode():
        host.write(MEMORY, content, 0o600)

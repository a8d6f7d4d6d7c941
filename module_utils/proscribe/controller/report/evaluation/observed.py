"""When a host was observed, as far as the run can vouch for that."""

from __future__ import annotations

import datetime
import re

from ....model.types.record import Record

SPELLING = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def observed_at(record: Record, started: str, finished: str) -> str:
    """When a host was observed: by its own clock, as far as that lies within the run by ours."""
    at = str(record["checked_at"] or "")
    if not SPELLING.fullmatch(at):
        return finished
    at = min(max(at, started), finished)
    try:
        datetime.datetime.fromisoformat(at)
    except ValueError:  # such as a second 75
        return finished
    return at

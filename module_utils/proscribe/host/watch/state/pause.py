"""A pause of the watch on one host, by root, with a reason, for a bounded time.

Meanwhile the host is still observed, and what drifts is written down; nothing is corrected and no program ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import dump_json
from ....base.moments import is_timestamp
from ...system import Host, Unseen, one_line
from . import clock, files, journal

if TYPE_CHECKING:
    from ....model.types.record import WatchPause

LONGEST = 7 * 24 * 3600  # seconds
LONGEST_REASON = 300  # characters


def active(host: Host) -> WatchPause | None:
    """The pause that is in force; None for none. What is no pause, or too long a one, is none."""
    try:
        given = files.given_in(files.content_of(host, files.FROZEN, files.LARGEST_OF_OURS) or b"{}")
    except (files.Damaged, Unseen):
        return None
    if not is_timestamp(given.get("until")) or not all(type(given.get(key)) is str for key in ("reason", "by")):
        return None
    if not clock.is_ahead(host, given, LONGEST):
        return None
    reason, by = (one_line(given[key])[:LONGEST_REASON] for key in ("reason", "by"))
    return {"until": given["until"], "reason": reason, "by": by}


def freeze(host: Host, duration: str, reason: str, by: str) -> str:
    """Begin a pause of a duration such as `2h`, and return when it ends. Raises ValueError and ControlError."""
    length = _length(duration)
    reason = one_line(reason)
    if not reason or len(reason) > LONGEST_REASON:
        raise ValueError(f"a reason is needed, of at most {LONGEST_REASON} characters: it goes into the host's record")
    deadline = clock.deadline_after(host, length)
    until = str(deadline["until"])
    given = {"until": until, "reason": reason, "by": one_line(by)[:100]}
    host.write(files.FROZEN, dump_json({**deadline, **given}) + "\n", 0o600)
    journal.append(host, "frozen", **given)
    return until


def thaw(host: Host) -> bool:
    """End a pause. Whether there was one. Raises ControlError."""
    was = active(host) is not None
    if host.stat(files.FROZEN):
        host.delete(files.FROZEN)
    if was:
        journal.append(host, "thawed")
    return was


def _length(duration: str) -> int:
    from ....base.duration import parse_duration  # only who begins a pause pays for it

    length = parse_duration(duration)
    if length > LONGEST:
        raise ValueError("a pause lasts at most 7d")
    return length

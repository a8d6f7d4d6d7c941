"""Pause of the watch on one host, which root begins with a reason and for a limited time.

During a pause, the watch still observes the host and writes drift into the journal. It corrects nothing, and ends no
program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import dump_json
from ....base.timestamps import is_timestamp
from ...system import Host, ObservationError, format_one_line
from . import clock, journal, watch_files

if TYPE_CHECKING:
    from ....model.types.record import WatchPause

MAX_PAUSE_SECONDS = 7 * 24 * 3600
MAX_REASON_LENGTH = 300  # characters


def read_active_pause(host: Host) -> WatchPause | None:
    """Return the pause in force; None if there is none. An invalid pause, or one that is too long, is ignored."""
    try:
        entries = watch_files.parse_mapping(
            watch_files.read_watch_file(host, watch_files.FROZEN_PATH, watch_files.MAX_OWN_FILE_BYTES) or b"{}"
        )
    except (watch_files.DamagedFileError, ObservationError):
        return None
    if not is_timestamp(entries.get("until")) or not all(type(entries.get(key)) is str for key in ("reason", "by")):
        return None
    if not clock.is_ahead(host, entries, MAX_PAUSE_SECONDS):
        return None
    reason, author = (format_one_line(entries[key])[:MAX_REASON_LENGTH] for key in ("reason", "by"))
    return {"until": entries["until"], "reason": reason, "by": author}


def freeze_watch(host: Host, duration: str, reason: str, author: str) -> str:
    """Begin a pause of the watch. Return the time of its end.

    `duration` is a text such as `2h`, and `author` names the caller. Raises ValueError and ControlError.
    """
    seconds = _parse_length(duration)
    reason = format_one_line(reason)
    if not reason or len(reason) > MAX_REASON_LENGTH:
        raise ValueError(
            f"a reason is needed, of at most {MAX_REASON_LENGTH} characters: it goes into the host's record"
        )
    deadline = clock.make_deadline(host, seconds)
    until = str(deadline["until"])
    entry = {"until": until, "reason": reason, "by": format_one_line(author)[:100]}
    host.write_file(watch_files.FROZEN_PATH, dump_json({**deadline, **entry}) + "\n", 0o600)
    journal.append_event(host, "frozen", **entry)
    return until


def end_pause(host: Host) -> bool:
    """End the pause of the watch. Return whether a pause was in force. Raises ControlError."""
    was_active = read_active_pause(host) is not None
    if host.find_entry(watch_files.FROZEN_PATH):
        host.delete_file(watch_files.FROZEN_PATH)
    if was_active:
        journal.append_event(host, "thawed")
    return was_active


def _parse_length(duration: str) -> int:
    """Return the length of a pause in seconds, from a text such as `2h`. Raises ValueError if it is too long."""
    from ....base.duration import parse_duration  # imported only when a pause begins

    seconds = parse_duration(duration)
    if seconds > MAX_PAUSE_SECONDS:
        raise ValueError("a pause lasts at most 7d")
    return seconds

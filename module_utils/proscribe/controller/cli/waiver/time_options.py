"""Times in options: `now`, a day, or a time with its zone. An end may also be a duration from now (`90d`)."""

from __future__ import annotations

import datetime
import re

from ....base.duration import parse_duration
from ...compile.waivers.document import MOMENT_PATTERN
from ...policy_errors import PolicyError

DAY_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LAST_SECOND = datetime.time(23, 59, 59)


def format_time_option(text: str, option: str, now: datetime.datetime, *, is_end: bool = False) -> str:
    """Convert the time in an option to the form of a waiver's file: `2026-12-31T18:00:00+08:00`. Raises PolicyError.

    Without a zone in `text`, the zone is that of the controller. A day means its first second. For an end (`is_end`) it
    means its last second, because `--expires 2027-01-31` includes that day. An end may also be a duration from now,
    such as `90d`. The error names `option`.
    """
    if text == "now":
        return _format_local_time(now)
    if MOMENT_PATTERN.fullmatch(text):
        return text
    if DAY_PATTERN.fullmatch(text):
        try:
            day = datetime.date.fromisoformat(text)
        except ValueError:
            raise PolicyError(option, "", text, "a day of the calendar") from None
        return _format_local_time(datetime.datetime.combine(day, LAST_SECOND if is_end else datetime.time()))
    if is_end:
        try:
            return _format_local_time(now + datetime.timedelta(seconds=parse_duration(text)))
        except ValueError:
            pass
    length_note = ", or a length from now such as 90d" if is_end else ""
    expected = "now, a day such as 2026-12-31 (in the zone of this machine), a time with its zone such as"
    raise PolicyError(option, "", text, f"{expected} 2026-12-31T18:00:00+08:00{length_note}")


def _format_local_time(time: datetime.datetime) -> str:
    return time.astimezone().isoformat(timespec="seconds")  # a time without a zone is in the zone of this machine

"""Durations and times as text: `12h`, `30d`, `2w`; `5 minutes`, `30 days`; `2026-11-25T08:00:00Z`."""

from __future__ import annotations

import datetime
import re

# The units, longest first: the letter, its name and its length in seconds.
UNITS = {"w": ("week", 7 * 86400), "d": ("day", 86400), "h": ("hour", 3600), "m": ("minute", 60)}
DURATION_GRAMMAR = "a length of time such as 12h, 30d or 2w (m minutes, h hours, d days, w weeks)"

# A longer duration is a typing error, and no date could hold it.
MAX_DURATION_SECONDS = 100 * 366 * 86400


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as `12h`.

    Raises ValueError, with the grammar, for any other text and for a duration of 0 or above MAX_DURATION_SECONDS.
    """
    match = re.fullmatch(r"([0-9]{1,9})([wdhm])", text)
    length = int(match[1]) * UNITS[match[2]][1] if match else 0
    if not 0 < length <= MAX_DURATION_SECONDS:
        raise ValueError(f"{text!r} is not {DURATION_GRAMMAR}")
    return length


def format_duration(seconds: float) -> str:
    """Format seconds in the greatest unit, rounded down: `3 days`, `1 hour`; `less than a minute`."""
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


def parse_moment(text: str) -> datetime.datetime:
    """Parse a UTC time such as `2026-11-25T08:00:00Z`.

    Raises ValueError for any other spelling.
    """
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def format_moment(moment: datetime.datetime) -> str:
    """Format a datetime with a zone as UTC, to the second, so that texts sort as times do."""
    return f"{moment.astimezone(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def count_calendar_days(start: datetime.datetime, end: datetime.datetime) -> int:
    """Return the difference in days between the UTC dates of `start` and `end`.

    An `end` at midnight belongs to the day before it.
    """
    last_second = end.astimezone(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    return (last_second.date() - start.astimezone(datetime.timezone.utc).date()).days

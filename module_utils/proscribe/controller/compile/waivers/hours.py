"""The weekly hours in which a waiver is open on a host, in the host's own time zone.

    mon-fri 09:00-18:00      weekdays 09:00-12:00      sat,sun 10:00-16:00      daily 22:00-06:00

A window that ends before it begins ends on the next day. The local time of the host's clock counts, also on days when
clocks change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ....base.lazy_patterns import compile_pattern

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMED_DAYS = {"weekdays": "mon-fri", "weekends": "sat-sun", "daily": "mon-sun"}
DAY_MINUTES = 24 * 60  # minutes
MAX_HOURS_TEXTS = 20  # most texts in the `hours` of a waiver

_DAY_EXPRESSION = "(?:" + "|".join(DAYS) + ")"
_DAYS_EXPRESSION = f"{_DAY_EXPRESSION}(?:-{_DAY_EXPRESSION})?"
_TIME_EXPRESSION = r"(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)"
HOURS_PATTERN = compile_pattern(
    rf"(?:{'|'.join(NAMED_DAYS)}|{_DAYS_EXPRESSION}(?:,{_DAYS_EXPRESSION}){{0,6}}) "
    rf"{_TIME_EXPRESSION}-{_TIME_EXPRESSION}",
    re.ASCII,
)

Window = tuple[int, int, int]  # day (0 is Monday), first minute of the day, end minute (exclusive)


def check_hours(text: str) -> str:
    """Return "" for days and times of a week, else what was expected."""
    if not HOURS_PATTERN.fullmatch(text):
        return "days and times of the host's own zone, such as mon-fri 09:00-18:00"
    try:
        merge_windows([text])
    except ValueError:
        return "a time that ends at another minute than it begins at"
    return ""


def merge_windows(texts: Iterable[str]) -> list[Window]:
    """Return the open windows of a week, sorted and joined within each day. Raises ValueError for an empty window."""
    merged: list[Window] = []
    for day, begin, end in sorted(window for text in texts for window in _parse_windows(text)):
        if merged and merged[-1][0] == day and begin <= merged[-1][2]:
            merged[-1] = (day, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((day, begin, end))
    return merged


def _parse_windows(text: str) -> Iterator[Window]:
    """Yield the windows of a text such as `mon-fri 09:00-18:00`. A window past midnight becomes two windows.

    Raises ValueError for an empty window.
    """
    days, times = text.split(" ")
    begin, end = map(_parse_minute, times.split("-"))
    if begin % DAY_MINUTES == end % DAY_MINUTES and (begin, end) != (0, DAY_MINUTES):
        raise ValueError(text)
    for day in _parse_days(NAMED_DAYS.get(days, days)):
        if begin < end:
            yield day, begin, end
        else:
            yield from ((day, begin, DAY_MINUTES),) if begin < DAY_MINUTES else ()
            yield from (((day + 1) % 7, 0, end),) if end else ()


def _parse_days(text: str) -> Iterator[int]:
    """Yield the days of a text such as `mon-fri,sun`, where 0 is Monday.

    A span may go past Sunday: `sat-mon`.
    """
    for span in text.split(","):
        first, _, last = span.partition("-")
        begin = DAYS.index(first)
        yield from ((begin + offset) % 7 for offset in range((DAYS.index(last or first) - begin) % 7 + 1))


def _parse_minute(text: str) -> int:
    """Return the minute of the day for a time such as 09:30."""
    return int(text[:2]) * 60 + int(text[3:])

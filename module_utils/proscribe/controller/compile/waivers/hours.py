"""The hours of a waiver: on which days of the week, from when to when, it is open on a host, by the host's own zone.

    mon-fri 09:00-18:00      weekdays 09:00-12:00      sat,sun 10:00-16:00      daily 22:00-06:00

A time that ends before it begins ends on the day after. What a clock of the host's shows is what counts, also on the
days on which it is put forward or back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ....base.patterns import compile_pattern

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMED_DAYS = {"weekdays": "mon-fri", "weekends": "sat-sun", "daily": "mon-sun"}
DAY_MINUTES = 24 * 60  # minutes
MAX_HOURS_TEXTS = 20  # texts of one waiver

_DAY_EXPRESSION = "(?:" + "|".join(DAYS) + ")"
_DAYS_EXPRESSION = f"{_DAY_EXPRESSION}(?:-{_DAY_EXPRESSION})?"
_TIME_EXPRESSION = r"(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)"
HOURS_PATTERN = compile_pattern(
    rf"(?:{'|'.join(NAMED_DAYS)}|{_DAYS_EXPRESSION}(?:,{_DAYS_EXPRESSION}){{0,6}}) {_TIME_EXPRESSION}-{_TIME_EXPRESSION}",
    re.ASCII,
)
HOURS_DESCRIPTION = "days and times of the host's own zone, such as mon-fri 09:00-18:00"

Window = tuple[int, int, int]  # the day, 0 for Monday; the minute of the day from which, and the one until which


def merge_windows(texts: Iterable[str]) -> list[Window]:
    """When it is open in a week: ordered, and none touches another on its day. Raises ValueError for an empty time."""
    merged: list[Window] = []
    for day, begin, end in sorted(window for text in texts for window in _parse_windows(text)):
        if merged and merged[-1][0] == day and begin <= merged[-1][2]:
            merged[-1] = (day, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((day, begin, end))
    return merged


def _parse_windows(text: str) -> Iterator[Window]:
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
    for span in text.split(","):
        first, _, last = span.partition("-")
        begin = DAYS.index(first)
        yield from ((begin + offset) % 7 for offset in range((DAYS.index(last or first) - begin) % 7 + 1))


def _parse_minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])

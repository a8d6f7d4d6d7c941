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
NAMED = {"weekdays": "mon-fri", "weekends": "sat-sun", "daily": "mon-sun"}
DAY = 24 * 60  # minutes
MOST = 20  # texts of one waiver

_ONE = "(?:" + "|".join(DAYS) + ")"
_SPAN = f"{_ONE}(?:-{_ONE})?"
_TIME = r"(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)"
HOURS = compile_pattern(rf"(?:{'|'.join(NAMED)}|{_SPAN}(?:,{_SPAN}){{0,6}}) {_TIME}-{_TIME}", re.ASCII)
EXPECTED = "days and times of the host's own zone, such as mon-fri 09:00-18:00"

Window = tuple[int, int, int]  # the day, 0 for Monday; the minute of the day from which, and the one until which


def windows(texts: Iterable[str]) -> list[Window]:
    """When it is open in a week: ordered, and none touches another on its day. Raises ValueError for an empty time."""
    found: list[Window] = []
    for day, begin, end in sorted(window for text in texts for window in _windows(text)):
        if found and found[-1][0] == day and begin <= found[-1][2]:
            found[-1] = (day, found[-1][1], max(end, found[-1][2]))
        else:
            found.append((day, begin, end))
    return found


def _windows(text: str) -> Iterator[Window]:
    days, times = text.split(" ")
    begin, end = map(_minute, times.split("-"))
    if begin % DAY == end % DAY and (begin, end) != (0, DAY):
        raise ValueError(text)
    for day in _days(NAMED.get(days, days)):
        if begin < end:
            yield day, begin, end
        else:
            yield from ((day, begin, DAY),) if begin < DAY else ()
            yield from (((day + 1) % 7, 0, end),) if end else ()


def _days(text: str) -> Iterator[int]:
    for span in text.split(","):
        first, _, last = span.partition("-")
        begin = DAYS.index(first)
        yield from ((begin + more) % 7 for more in range((DAYS.index(last or first) - begin) % 7 + 1))


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])

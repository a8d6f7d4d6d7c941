"""Moments as hosts write them, and plans: `2026-11-27T03:00:00Z`, UTC, to the second; they sort as texts.

The standard library's parsers take longer to load than an observation may take.
"""

from __future__ import annotations

import time

FORM = "%Y-%m-%dT%H:%M:%SZ"
PATTERN = "0000-00-00T00:00:00Z"
LAST = 253402300799  # the last second of the year 9999


def stamp(seconds: float) -> str:
    """A moment as text, of the seconds since 1970."""
    return time.strftime(FORM, time.gmtime(min(max(seconds, 0), LAST)))


def is_stamp(value: object) -> bool:
    """Whether a value is a moment as text."""
    try:
        seconds(value)
    except ValueError:
        return False
    return True


def seconds(value: object) -> int:
    """The seconds since 1970 of a moment as text. Raises ValueError for anything else."""
    if type(value) is not str or len(value) != len(PATTERN) or not value.isascii():
        raise ValueError("no moment: it is not of the form 2026-11-27T03:00:00Z")
    if any(c != form if form != "0" else not c.isdigit() for c, form in zip(value, PATTERN)):
        raise ValueError("no moment: it is not of the form 2026-11-27T03:00:00Z")
    year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
    hour, minute, second = int(value[11:13]), int(value[14:16]), int(value[17:19])
    found = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    if stamp(found) != value:  # the 31st of a month that has 30 days, the 13th month, 24:00, a year before 1970
        raise ValueError("no moment: there is no such time")
    return found


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, in a calendar whose years begin in March, so that the leap day is the last one."""
    year -= month <= 2
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468

"""Times in the spelling of plans and hosts: `2026-11-27T03:00:00Z`, UTC, to the second. They sort as texts.

Loading the parsers of the standard library takes longer than an observation may take.
"""

from __future__ import annotations

import time

MOMENT_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
MOMENT_SHAPE = "0000-00-00T00:00:00Z"  # each 0 stands for a digit
MAX_MOMENT_SECONDS = 253402300799  # the last second of the year 9999


def format_timestamp(seconds: float) -> str:
    """Format the seconds since 1970 as a time such as `2026-11-27T03:00:00Z`.

    Seconds before 1970 or after the year 9999 become the first or the last possible time.
    """
    return time.strftime(MOMENT_FORMAT, time.gmtime(min(max(seconds, 0), MAX_MOMENT_SECONDS)))


def is_timestamp(text: object) -> bool:
    """Return whether a value is a time such as `2026-11-27T03:00:00Z`."""
    try:
        parse_timestamp(text)
    except ValueError:
        return False
    return True


def parse_timestamp(text: object) -> int:
    """Return a time such as `2026-11-27T03:00:00Z` as seconds since 1970.

    Raises ValueError for anything else.
    """
    if type(text) is not str or len(text) != len(MOMENT_SHAPE) or not text.isascii():
        raise ValueError("no moment: it is not of the form 2026-11-27T03:00:00Z")
    if any(
        character != expected if expected != "0" else not character.isdigit()
        for character, expected in zip(text, MOMENT_SHAPE)
    ):
        raise ValueError("no moment: it is not of the form 2026-11-27T03:00:00Z")
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    total = _count_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    if format_timestamp(total) != text:  # the 31st of a month with 30 days, a 13th month, 24:00, a year before 1970
        raise ValueError("no moment: there is no such time")
    return total


def _count_days(year: int, month: int, day: int) -> int:
    """Count the days from 1970-01-01 to a date.

    The count uses years that begin in March, so that a leap day is the last day of its year.
    """
    year -= month <= 2
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468

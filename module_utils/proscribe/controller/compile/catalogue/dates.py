"""With what a file of the catalogue was compared, and how old its knowledge may be: keys of entries, amendments, feeds.

`catalog refresh` writes `compared`: which publisher's list it was, of which day, with its digest. A day of checking
without it was written by a person. `checked_accepted` is a person's word, bounded to a year, that nobody can check.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from ..reading import grammar
from .kinds import Group, Kind, Listed, Mistake, Text, listed

LONGEST = 366  # days for which an age is accepted

_DAY = Text(grammar.day)
_DIGEST = Text(grammar.matching(r"[0-9a-f]{64}", "a SHA-256 digest: 64 digits and letters a to f"))
_NUMBER = Text(grammar.matching(r"[0-9]{1,6}", "a number, 0 to 999999"))


def _until(text: str) -> str:
    """A day of the calendar (ISO 8601), at most a year after `day`."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return "a day such as 2027-05-31"
    return ""


KEYS: Mapping[str, Kind] = {
    "compared": Listed(
        Group(
            {
                "with": Text(grammar.service_id),
                "day": _DAY,
                "sha256": _DIGEST,
                "values": _NUMBER,
                "version": Text(grammar.prose),
            },
            required=("with", "day", "sha256", "values"),
        )
    ),
    "checked_accepted": Group(
        {"day": _DAY, "until": Text(_until), "why": Text(grammar.prose)}, required=("day", "until", "why")
    ),
}


def check(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """What is wrong between these keys of an entry whose values are well-formed."""
    publishers: set[object] = set()
    for index, one in enumerate(listed(entry, "compared")):
        id_ = one.get("with") if isinstance(one, Mapping) else None
        if id_ in publishers:
            yield ("compared", index, "with"), id_, "each publisher once"
        publishers.add(id_)
    accepted = entry.get("checked_accepted")
    if isinstance(accepted, Mapping):
        first, last = (_day(accepted.get(key)) for key in ("day", "until"))
        if first and last and not first <= last <= first + datetime.timedelta(days=LONGEST):
            expected = f"a day from {first} to {first + datetime.timedelta(days=LONGEST)}: a year at most"
            yield ("checked_accepted", "until"), str(last), expected


def _day(text: object) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None

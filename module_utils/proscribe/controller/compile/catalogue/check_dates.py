"""Keys of entries, amendments and feeds about their last check, and about the acceptance of an old check.

`catalog refresh` writes `compared`: the publisher of a list, the day of the comparison, and the digest of the list. A
day in `checked` without such a record was written by a person. `checked_accepted` is a person's statement, which no
program can verify. It is limited to a year.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from ..reading import grammar
from ..reading.document_schema import GroupSchema, KeySchema, ListSchema, Mistake, TextSchema, get_key_list

MAX_ACCEPTED_DAYS = 366  # most days for which a person can accept an old check

_DAY = TextSchema(grammar.check_day)
_DIGEST = TextSchema(grammar.make_pattern_check(r"[0-9a-f]{64}", "a SHA-256 digest: 64 digits and letters a to f"))
_NUMBER = TextSchema(grammar.make_pattern_check(r"[0-9]{1,6}", "a number, 0 to 999999"))


def _check_until_day(text: str) -> str:
    """A day (ISO 8601) such as 2027-05-31, at most a year after `day`."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return "a day such as 2027-05-31"
    return ""


DATE_KEYS: Mapping[str, KeySchema] = {
    "compared": ListSchema(
        GroupSchema(
            {
                "with": TextSchema(grammar.check_service_id),
                "day": _DAY,
                "sha256": _DIGEST,
                "values": _NUMBER,
                "version": TextSchema(grammar.check_prose),
            },
            required=("with", "day", "sha256", "values"),
        )
    ),
    "checked_accepted": GroupSchema(
        {"day": _DAY, "until": TextSchema(_check_until_day), "why": TextSchema(grammar.check_prose)},
        required=("day", "until", "why"),
    ),
}


def check_dates(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield the mistakes in `compared` and `checked_accepted`: a publisher twice, an end before its day or too late.

    Each single value is already well-formed.
    """
    publishers: set[object] = set()
    for index, comparison in enumerate(get_key_list(entry, "compared")):
        publisher_id = comparison.get("with") if isinstance(comparison, Mapping) else None
        if publisher_id in publishers:
            yield ("compared", index, "with"), publisher_id, "each publisher once"
        publishers.add(publisher_id)
    acceptance = entry.get("checked_accepted")
    if isinstance(acceptance, Mapping):
        first_day, last_day = (_parse_day(acceptance.get(key)) for key in ("day", "until"))
        if (
            first_day
            and last_day
            and not first_day <= last_day <= first_day + datetime.timedelta(days=MAX_ACCEPTED_DAYS)
        ):
            expected = (
                f"a day from {first_day} to {first_day + datetime.timedelta(days=MAX_ACCEPTED_DAYS)}: a year at most"
            )
            yield ("checked_accepted", "until"), str(last_day), expected


def _parse_day(text: object) -> datetime.date | None:
    """Return the day of a text; None for anything else, which the schema of the key reports."""
    try:
        return datetime.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None

"""A section that is one table of plain texts: what it is called, its columns and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..text.wording import format_count

INITIAL_ROWS = 16  # rows that are shown without being asked for
MAX_ROWS = 300  # rows that the page has

# (class, name) of a column. What a cell holds follows from the class: a state in "status", a number in "number", the
# name of its row in "what", and text elsewhere.
ListingColumn = tuple[str, str]


class TableListing(NamedTuple):
    """A section; see templates/listing.html.j2."""

    id: str
    heading: str
    caption: str
    columns: Sequence[ListingColumn]
    rows: Sequence[Sequence[object]]
    noun: str = ""  # what a row is
    few: int = INITIAL_ROWS  # rows that are shown at first
    kind: str = "story"  # the class of the table
    note: str = ""
    more: str = ""  # what is not in the table, "" where all is
    nothing: str = ""  # what to say where there are no rows


def describe_omitted_rows(rows: Sequence[object], noun: str, file_names: str) -> str:
    """What a page does not have of a long list; "" where it has all."""
    return f"{format_count(len(rows) - MAX_ROWS, noun)} more in {file_names}." if len(rows) > MAX_ROWS else ""

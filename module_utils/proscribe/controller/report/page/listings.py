"""A section with a single table of plain texts: its heading, its columns and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..text.wording import format_count

INITIAL_ROWS = 16  # rows that are shown at first
MAX_ROWS = 300  # rows that the page has

# (class, name) of a column. The class decides the content of a cell: a state in "status", a number in "number", the
# name of the row in its main column, and text otherwise.
ListingColumn = tuple[str, str]


class TableListing(NamedTuple):
    """A section; see templates/listing.html.j2."""

    id: str
    heading: str
    caption: str
    columns: Sequence[ListingColumn]
    rows: Sequence[Sequence[object]]
    noun: str = ""  # the noun for a row
    few: int = INITIAL_ROWS  # rows that are shown at first
    kind: str = "story"  # the class of the table
    note: str = ""
    more: str = ""  # the rows that the table leaves out, "" for none
    nothing: str = ""  # the text of a table without rows


def describe_omitted_rows(rows: Sequence[object], noun: str, file_names: str) -> str:
    """Describe the rows of a long list that a page leaves out; "" for none."""
    return f"{format_count(len(rows) - MAX_ROWS, noun)} more in {file_names}." if len(rows) > MAX_ROWS else ""

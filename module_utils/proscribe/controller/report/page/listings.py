"""A section with a single table of plain texts: its heading, its columns and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..text.wording import format_count

INITIAL_ROWS = 16  # rows that a table shows before a reader unfolds it
MAX_ROWS = 300  # most rows of a table on the page

# (CSS class, heading) of a column. The class decides the form of a cell: "status" for a state, "number" for a number,
# "what" for the subject of the row, "" for text.
ListingColumn = tuple[str, str]


class TableListing(NamedTuple):
    """A section of the page with a single table of plain texts; see templates/listing.html.j2."""

    id: str
    heading: str
    caption: str
    columns: Sequence[ListingColumn]
    rows: Sequence[Sequence[object]]
    noun: str = ""  # the noun with which rows are counted, such as "host"
    few: int = INITIAL_ROWS  # rows that a table shows before a reader unfolds it
    kind: str = "story"  # the CSS class of the table
    note: str = ""
    more: str = ""  # text about the rows that the table leaves out; "" for none
    nothing: str = ""  # the text of a table without rows


def describe_omitted_rows(rows: Sequence[object], noun: str, file_names: str) -> str:
    """Describe how many rows of a long list the page leaves out, and which files have them; "" for none."""
    return f"{format_count(len(rows) - MAX_ROWS, noun)} more in {file_names}." if len(rows) > MAX_ROWS else ""

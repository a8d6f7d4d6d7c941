"""The minutes of the first hour."""

from __future__ import annotations

from pathlib import Path

from first_hour import PAGE, steps, waiting_of

from .part import Part, table

PROJECT = Path(__file__).resolve().parents[2]


def minutes() -> str:
    rows = [(one.title, one.reading, one.typing, waiting_of(one.title)) for one in steps((PROJECT / PAGE).read_text())]
    sums = [sum(row[column] for row in rows) for column in (1, 2, 3)]
    cells = [(title, *map(str, numbers)) for title, *numbers in [*rows, ("in all", *sums)]]
    return table(
        ("step", "reading", "typing", "waiting", "minutes"), [(*row, str(sum(map(int, row[1:])))) for row in cells]
    )


DERIVED = (Part(PAGE, minutes, "minutes"),)

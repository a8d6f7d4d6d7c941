"""Text that fits: widths, wrapping, and the words for evidence and causes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.text.layout import cells, clip, row, screen_width, table, wrap

# As str.isprintable has them. A filter would drop so many that Hypothesis now and then gives up.
CHARACTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
PRINTABLE = st.text(CHARACTERS, max_size=80)
NOT_BLANK = st.text(CHARACTERS, min_size=1, max_size=80).filter(str.split)


@given(text=PRINTABLE, width=st.integers(10, 60), most=st.integers(0, 5))
def test_lines_fit_or_are_one_word_and_nothing_is_lost(text, width, most):
    lines = wrap(text, width, most)
    assert all(cells(line) <= width or len(line.split()) == 1 for line in lines)
    if most:  # what it takes of the screen
        assert 1 <= sum(max(1, -(-cells(line) // width)) for line in lines) <= most
    if not most or not lines[-1].endswith("..."):
        assert "".join("".join(lines).split()) == "".join(text.split())


@given(text=PRINTABLE, first=NOT_BLANK, width=st.integers(40, 90))
def test_a_row_fits_and_has_all_of_its_text(text, first, width):
    lines = row(first, "unknown", text, (20, 12), width)
    assert all(cells(line) <= width or len(line.split()) == 1 for line in lines)
    assert sorted("".join("".join(lines).split())) == sorted("".join(f"{first}unknown{text}".split()))


@given(st.lists(st.tuples(*[NOT_BLANK] * 3), min_size=2, max_size=4), st.integers(40, 90))
def test_a_table_fits_in_columns_or_row_by_row(rows, width):
    lines = list(table(rows, width))
    assert all(cells(line) <= width or len(line.split()) <= 2 for line in lines)
    printed, shown = "".join("".join(lines).split()), [cell for row_ in rows[1:] for cell in row_ if cell != "-"]
    assert all("".join(cell.split()) in printed for cell in shown)


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("120", 120), ("40", 40), ("7", 40), ("0", 80), ("wide", 80)])
def test_the_width_is_that_of_columns_or_80_where_there_is_no_terminal(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert screen_width() == width


@given(text=PRINTABLE, width=st.integers(4, 60))
def test_a_clipped_text_fits_and_shows_the_cut(text, width):
    short = clip(text, width)
    assert cells(short) <= width
    assert short == text or short.endswith("...")

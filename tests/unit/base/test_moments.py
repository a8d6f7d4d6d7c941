"""Moments as texts."""

from __future__ import annotations

import calendar
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.moments import FORM, LAST, is_stamp, seconds, stamp


@given(st.integers(0, LAST))
def test_there_and_back(moment: int) -> None:
    text = stamp(moment)
    assert seconds(text) == moment == calendar.timegm(time.strptime(text, FORM))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-5, "1970-01-01T00:00:00Z"),
        (1.9, "1970-01-01T00:00:01Z"),
        (LAST, "9999-12-31T23:59:59Z"),
        (LAST + 1, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_moment_beyond_what_can_be_written_is_the_first_or_the_last(moment: float, text: str) -> None:
    assert stamp(moment) == text and is_stamp(text)


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fullmatch=True))
def test_of_what_looks_like_a_moment_those_are_that_python_reads(text: str) -> None:
    try:
        read = calendar.timegm(time.strptime(text, FORM))
    except ValueError:
        read = -1
    assert is_stamp(text) == (read >= 0 and stamp(read) == text)  # strptime has 61 seconds


@pytest.mark.parametrize(
    "value",
    [None, 5, "", "2026-11-27", "2026-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-27T24:00:00Z"]
    + ["2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "9999-12-31T23:59:60Z"]
    + ["0000-00-00T00:00:00Z", "9999-99-99T99:99:99Z", "2026-11-27T03:60:00Z", b"2026-11-27T03:00:00Z"]
    + ["2026-11-27T03:00:00z", "2026-11-27T03:00:00ZZ", "2026-11-27T03:00:0٣Z"]
    + ["2026-11-27T03:00:60Z", "2026-11-27 03:00:00Z", "1969-12-31T23:59:59Z", "２026-11-27T03:00:00Z"],
)
def test_what_is_none(value: object) -> None:
    assert not is_stamp(value)

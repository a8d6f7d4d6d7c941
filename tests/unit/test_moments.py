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
    "value",
    [None, 5, "", "2026-11-27", "2026-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-27T24:00:00Z"]
    + ["2026-11-27T03:00:60Z", "2026-11-27 03:00:00Z", "1969-12-31T23:59:59Z", "２026-11-27T03:00:00Z"],
)
def test_what_is_none(value: object) -> None:
    assert not is_stamp(value)

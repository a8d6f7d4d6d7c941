"""Lengths of time: what is read, what is refused, how they are said."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.duration import LONGEST, moment_of, seconds_of, shown, spelled


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("007d", 604_800), ("1m", 60)]
    + [("36600d", LONGEST), ("36599d", LONGEST - 86_400), ("000000001h", 3_600)],
)
def test_a_length_is_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "0d", "-3d", "3 d", "3D", "1.5d", "3d12h", "99999999w", "36601d", "0000000001h", "३d", "3d\n"],
)
def test_what_is_no_length_is_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="such as 12h, 30d or 2w"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (3_599, "59 minutes"),
        (3_600, "1 hour"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (7_199, "1 hour"),
        (86_400 * 2 - 1, "1 day"),
        (86_400 * 1234, "1,234 days"),
    ],
)
def test_a_length_is_said_floored(seconds, said):
    assert shown(seconds) == said


@given(seconds=st.integers(0, 250_000_000_000), zone=st.timezones())
def test_times_are_spelled_in_utc_so_that_they_sort(seconds, zone):
    text = spelled(datetime.datetime.fromtimestamp(seconds, zone))
    assert moment_of(text).timestamp() == seconds
    assert (text < "2026-11-25T08:00:00Z") == (seconds < moment_of("2026-11-25T08:00:00Z").timestamp())


def test_the_longest_length_still_fits_a_date():
    assert datetime.datetime(2026, 11, 25, tzinfo=datetime.timezone.utc) - datetime.timedelta(seconds=LONGEST)

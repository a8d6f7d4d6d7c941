"""The hours of a waiver: what may be written, and when in a week that is; and what a waiver leaves closed, in words."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.waivers.hours import HOURS, windows

NINE, NOON, SIX, TEN, DAY = 9 * 60, 12 * 60, 18 * 60, 22 * 60, 24 * 60


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("mon 09:00-18:00", [(0, NINE, SIX)]),
        ("sun 09:00-18:00", [(6, NINE, SIX)]),
        ("mon-fri 09:00-12:00", [(day, NINE, NOON) for day in range(5)]),
        ("weekdays 09:00-12:00", [(day, NINE, NOON) for day in range(5)]),
        ("weekends 09:00-12:00", [(5, NINE, NOON), (6, NINE, NOON)]),
        ("daily 09:00-12:00", [(day, NINE, NOON) for day in range(7)]),
        ("sat-mon 00:00-24:00", [(0, 0, DAY), (5, 0, DAY), (6, 0, DAY)]),
        ("wed,mon 09:45-18:00", [(0, NINE + 45, SIX), (2, NINE + 45, SIX)]),
        ("tue-tue 09:00-12:00", [(1, NINE, NOON)]),
        # over midnight
        ("mon 22:00-09:00", [(0, TEN, DAY), (1, 0, NINE)]),
        ("sun 22:00-09:00", [(0, 0, NINE), (6, TEN, DAY)]),
        ("mon 22:00-00:00", [(0, TEN, DAY)]),
        ("mon 24:00-09:00", [(1, 0, NINE)]),
        # what touches on a day is one, and what follows on the next day is not
        ("mon 09:00-12:00;mon 12:00-18:00", [(0, NINE, SIX)]),
        ("mon 09:00-18:00;mon 12:00-13:00", [(0, NINE, SIX)]),
        ("mon 12:01-18:00;mon 09:00-12:00", [(0, NINE, NOON), (0, NOON + 1, SIX)]),
        ("mon 09:00-10:00;mon 11:00-12:00;mon 12:00-18:00", [(0, NINE, NINE + 60), (0, NINE + 120, SIX)]),
        ("mon 09:00-24:00;tue 00:00-12:00", [(0, NINE, DAY), (1, 0, NOON)]),
        ("mon 09:00-12:00;tue 09:00-12:00;mon 11:00-18:00", [(0, NINE, SIX), (1, NINE, NOON)]),
    ],
)
def test_when_it_is_open_in_a_week(texts: str, expected: list[tuple[int, int, int]]) -> None:
    assert all(HOURS.fullmatch(text) for text in texts.split(";"))
    assert windows(texts.split(";")) == expected


@pytest.mark.parametrize("times", ["09:00-09:00", "00:00-00:00", "24:00-24:00", "24:00-00:00"])
def test_no_time_at_all_is_a_mistake(times: str) -> None:
    with pytest.raises(ValueError, match=times):
        windows([f"daily {times}"])


@pytest.mark.parametrize(
    "text",
    [
        *("mon", "09:00-18:00", "mon 9:00-18:00", "mon 09:00-18:60", "mon 09:00-25:00", "mon 09:00-24:01"),
        *("mon 09:00", "mon 09:00-18:00 ", "mon  09:00-18:00", "mon 09:00-18:00\n", "Mon 09:00-18:00"),
        *("mon- 09:00-18:00", "mon;tue 09:00-18:00", "weekdays,sat 09:00-18:00", "monday 09:00-18:00"),
        *(f"{'mon,' * 7}mon 09:00-18:00", "mon \u0660\u0669:00-18:00"),
    ],
)
def test_what_is_no_time_of_a_week(text: str) -> None:
    assert not HOURS.fullmatch(text)

"""The picture of 90 days: a column for each day with a run, a gap for each without, and the file of its own."""

from __future__ import annotations

import re

import pytest
from proscribe.controller.report.page.days import DAYS, STEP, picture, svg

FINISHED = "2026-11-25T00:31:00Z"


def day(date, **hosts):
    share = {"numerator": 1, "denominator": 1, "percent": 100.0}
    shares = dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share)
    return {"run": date, "finished": f"{date}T00:31:00Z", "mode": "audit", "hosts": hosts, **shares}


TWO = [day("2026-11-23", compliant=3), day("2026-11-25", compliant=3)]


@pytest.mark.parametrize(
    ("hosts", "words", "states", "foot"),
    [
        ({"noncompliant": 2, "compliant": 8}, "2 noncompliant, of 10 hosts", ["noncompliant"], "ran"),
        ({"unknown": 1, "compliant": 9}, "1 unknown, of 10 hosts", ["unknown"], "ran"),
        (
            {"error": 1, "noncompliant": 2, "unknown": 3},
            "1 error, 2 noncompliant, 3 unknown, of 6 hosts",
            ["error", "noncompliant", "unknown"],
            "ran",
        ),
        ({"compliant": 10, "noncompliant": 0}, "every host met the ban (10 hosts)", [], "compliant"),
        ({"repaired": 1, "waived": 2}, "every host met the ban (3 hosts, 2 by waivers)", [], "compliant"),
        ({"not_applicable": 4}, "nothing applied to any host", [], "ran"),  # nothing evaluated is no success
        ({}, "nothing applied to any host", [], "ran"),
    ],
)
def test_a_day_has_its_states_and_a_foot_that_says_whether_all_met_the_ban(hosts, words, states, foot):
    last = picture([TWO[0], day("2026-11-25", **hosts)], FINISHED).days[-1]
    assert last.words == f"2026-11-25: {words}"
    assert [piece.state for piece in last.pieces] == states
    assert last.foot == foot


def test_a_day_without_a_run_is_a_gap_and_the_places_of_days_are_those_of_the_calendar():
    drawn = picture(
        [day(date, unknown=1) for date in ("2026-08-27", "2026-08-28", "2026-11-01", "2026-11-25")], FINISHED
    )
    assert [one.x // STEP for one in drawn.days] == [0, 65, DAYS - 1]  # the 27th of August is a day too old
    assert drawn.ends == ("2026-08-28", "2026-11-25")
    text = svg(drawn)
    assert len(re.findall("<g><title>", text)) == 3
    assert not re.search("<(path|line|polyline)", text)  # nothing goes on across a gap


def test_the_days_are_counted_from_the_run_and_not_from_today():
    assert picture(TWO, "2026-11-25T23:59:59Z").days[-1].x == (DAYS - 1) * STEP
    assert picture(TWO, "2026-11-26T00:00:00Z").days[-1].x == (DAYS - 2) * STEP


@pytest.mark.parametrize("number", [0, 1])
def test_one_run_is_no_trend(number):
    assert picture(TWO[:number], FINISHED) is None

"""The picture of 90 days: a column for each day with a run, a gap for each without, and the file of its own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from fleets import clean_answer, run
from pasts import bad, good, unseen
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.page.days import DAYS, STEP, picture, svg
from proscribe.controller.report.page.document import page

FINISHED = "2026-11-25T00:31:00Z"
SVG = "{http://www.w3.org/2000/svg}"


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


def test_no_column_leaves_the_drawing_and_none_is_invisible():
    runs = [
        day("2026-11-22", error=1, noncompliant=1, unknown=20_000),
        day("2026-11-23", noncompliant=1),
        day("2026-11-24", error=20_000, noncompliant=1, unknown=1),
        day("2026-11-25", unknown=1),
    ]
    pieces = [piece for one in picture(runs, FINISHED).days for piece in one.pieces]
    assert all(piece.y >= 0 and piece.height >= 1.5 for piece in pieces)


def test_the_file_needs_nothing_else_says_what_it_shows_and_is_small():
    runs = [
        day(f"2026-{month:02}-{date:02}", error=3, noncompliant=2, unknown=1)
        for month in (9, 10, 11)
        for date in range(1, 31)
    ]
    text = svg(picture(runs, "2026-11-30T01:00:00Z", 'web<01> & "co"'))
    tree = ElementTree.fromstring(text)
    named = tree.get("aria-labelledby").split()
    title, words = (next(one for one in tree.iter() if one.get("id") == name) for name in named)
    assert (title.tag, words.tag) == (f"{SVG}title", f"{SVG}desc")
    assert title.text == "Hosts that do not meet the ban, in the 90 days to 2026-11-30"
    assert 'Runs like this one: web<01> & "co".' in words.text
    assert words.text.startswith("89 days have a run. Not meeting the ban on these: at most 6, on 2026-11-30.")
    assert not {one.tag for one in tree.iter()} & {f"{SVG}script", f"{SVG}image", f"{SVG}use", f"{SVG}a"}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|href", text)
    assert not [name for one in tree.iter() for name in one.attrib if name.startswith("on")]
    assert len(text) < 64_000


def test_the_page_has_the_picture_with_its_words():
    collector = Collector(run(["web01"]))
    collector.answered("web01", clean_answer())
    fleet = collector.fleet()
    report = fleet_report(collector.run, fleet, FINISHED)
    text = "".join(page(report, fleet.records, days=TWO))
    assert 'aria-labelledby="days-title days-words"' in text
    assert "2 days have a run. Not meeting the ban on these: none." in text
    assert 'class="days"' not in "".join(page(report, fleet.records, days=TWO[:1]))


def test_the_history_gives_the_last_run_of_each_day_of_those_that_can_be_compared(past):
    past.run({"a": bad(), "b": bad()}, day=20, hour=8)
    past.run({"a": bad(), "b": good()}, day=20, hour=20)
    past.run({"a": good()}, day=22, hour=8, limit="a")  # over a part
    past.run({"a": unseen(), "b": good()}, day=23, hour=0)
    past.run({"a": good(), "b": good()}, day=25, hour=9)  # after the time in question
    days = past.history.days("2026-11-25T08:00:00Z", 90)
    assert [(one["run"], one["hosts"]["noncompliant"], one["hosts"]["unknown"]) for one in days] == [
        ("run2", 1, 0),
        ("run4", 0, 1),
    ]
    assert [one["run"] for one in past.history.days("2026-11-25T08:00:00Z", 5)] == ["run4"]
    assert [one["run"] for one in past.history.days("2026-11-25T08:00:00Z", 6)] == ["run2", "run4"]
    assert [one["run"] for one in past.history.days("2026-11-25T08:00:00Z", 90, "run3")] == ["run3"]

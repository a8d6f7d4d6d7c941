"""How many days a waiver is still good for: by the run's own time, on the page, on the screen and in report.json."""

from __future__ import annotations

import json

import pytest
from fleets import WAIVERS, clean_answer, run
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.history import open_history
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.controller.report.text.wording import left

FINISHED = "2026-11-25T22:30:00Z"


def waiver(end, status="active", **more):
    return {**WAIVERS[0], "expires": end, "status": status, **more}


@pytest.mark.parametrize(
    ("end", "days", "said"),
    [
        ("2026-11-25T22:29:59Z", None, "ended"),
        (FINISHED, None, "ended"),  # it waives until then, and no longer
        ("2026-11-25T22:30:01Z", 0, "ends today"),
        ("2026-11-25T23:59:59Z", 0, "ends today"),
        ("2026-11-26T00:00:00Z", 0, "ends today"),  # its last second is today's
        ("2026-11-26T00:00:01Z", 1, "ends tomorrow"),  # in less than two hours, and tomorrow all the same
        ("2026-11-26T23:00:00Z", 1, "ends tomorrow"),
        ("2026-11-27T00:00:00Z", 1, "ends tomorrow"),
        ("2026-12-25T22:30:00Z", 30, "30 days left"),
        ("2028-02-29T12:00:00Z", 461, "461 days left"),
        ("2030-11-26T12:00:00Z", 1462, "1,462 days left"),
    ],
)
def test_every_output_counts_the_days_from_the_end_of_the_run(end, days, said):
    collector = Collector(run(["web02"], waivers=[waiver(end)]))
    collector.answered("web02", clean_answer())
    fleet = collector.fleet()
    report = fleet_report(collector.run, fleet, FINISHED)
    assert report["waivers"][0]["days_left"] == days
    assert f"<b>{said}</b>, until {end[:10]}" in "".join(page(report, fleet.records))
    assert f"{said}, until {end[:10]}" in " ".join(render(report, fleet.records, Screen(200)).split())


@pytest.mark.parametrize(
    ("status", "more", "said"),
    [
        ("active", {}, "5 days left"),
        ("active", {"review_overdue": True}, "5 days left"),
        ("not_yet_valid", {}, "5 days left"),
        ("active", {"revoked": {"on": "2026-11-28T10:00:00Z", "by": "mei", "why": "left"}}, "3 days left"),
        ("revoked", {"revoked": {"on": "2026-11-24T10:00:00Z", "by": "mei", "why": "left"}}, "ended"),
        ("unauthorised", {}, ""),  # days would sound as if it waived something
        ("unsigned", {}, ""),
        ("active", {"expires": "soon"}, ""),
    ],
)
def test_a_waiver_has_days_where_its_time_is_what_counts(status, more, said):
    assert left(waiver("2026-11-30T10:00:00Z", status, **more), FINISHED) == said


def test_the_days_of_a_waiver_are_no_new_terms_for_the_history(tmp_path):
    history = open_history("sqlite", tmp_path)
    for day in (25, 26, 27):
        started = f"2026-11-{day}T22:00:00Z"
        collector = Collector(run(["web02"], waivers=[waiver("2026-11-30T10:00:00Z")], id=f"run{day}", started=started))
        collector.answered("web02", clean_answer())
        fleet = collector.fleet()
        history.record(fleet_report(collector.run, fleet, f"2026-11-{day}T22:30:00Z"), fleet.records)
    with history.database.reading() as session:
        facts = list(session.rows("SELECT facts, seen FROM proscribe_waiver"))
    assert [seen for _, seen in facts] == ["2026-11-27T22:30:00Z"]
    assert "days_left" not in json.loads(facts[0][0])

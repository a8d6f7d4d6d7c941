"""What `report --format html|svg` draws: from which history, and of a department its own alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import Refused, report_pages

RUN: Any = {"id": "r1", "finished": "2026-11-30T01:00:00Z"}
KNOWN: Any = {"since": {"web01": "x"}, "days": [1, 2]}


@pytest.mark.parametrize(("named", "own", "opened"), [("named", "own", "named"), ("", "own", "own"), ("", None, "off")])
def test_the_past_is_of_the_history_that_is_named_or_of_the_runs_own(
    named: str, own: str | None, opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Any = RUN if own is None else {**RUN, "history": own}
    monkeypatch.setattr(report_pages, "open_history", lambda *given: given if given[0] != "off" else None)
    monkeypatch.setattr(report_pages, "past_of", lambda *given: given)
    expected = {} if opened == "off" else ((opened, Path("/srv/reports")), run)
    assert report_pages.past(run, named, Path("/srv/reports")) == expected


@pytest.mark.parametrize(
    ("department", "known", "given"),
    [
        ({}, KNOWN, {"directory": "/srv/r1", **KNOWN}),
        ({"department": {"name": "press"}}, KNOWN, {"directory": "", "since": KNOWN["since"]}),
    ],
)
def test_a_page_has_the_trend_of_all_hosts_or_nothing_of_others(
    department: Any, known: Any, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_pages.document, "page", lambda _, records, **given: [*records, json.dumps(given)])
    drawn = report_pages.drawn("html", {"run": RUN, **department}, ["<p>"], known, "/srv/r1")  # type: ignore[list-item]
    assert drawn.startswith("<p>") and json.loads(drawn[3:]) == given


@pytest.mark.parametrize(("known", "days"), [(KNOWN, [1, 2]), ({}, ())])
def test_a_picture_is_of_the_days_up_to_the_run(known: Any, days: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pages, "parts", lambda _: ["web*", "audit"])
    monkeypatch.setattr(report_pages, "picture", lambda *given: given)
    monkeypatch.setattr(report_pages, "svg", lambda drawn: drawn)
    report: Any = {"run": RUN}
    assert report_pages.drawn("svg", report, [], known, "/srv/r1") == (days, RUN["finished"], "web*; audit")
    monkeypatch.setattr(report_pages, "picture", lambda *_: None)
    with pytest.raises(Refused, match="no two days"):
        report_pages.drawn("svg", report, [], known, "/srv/r1")


@pytest.mark.parametrize(
    ("departments", "said"),
    [
        ({}, "no department 'pre.s'; it has none$"),
        (None, "it has none$"),
        ({"b": [], "a": []}, "it has a, b$"),
        ({f"d{number:02}": [] for number in range(report_pages.MOST_NAMED + 1)}, "d00, .*d11.* 1 more$"),
    ],
)
def test_a_department_that_is_not_there_is_named_with_those_that_are(departments: Any, said: str) -> None:
    report: Any = {"run": RUN, "departments": departments}
    with pytest.raises(Refused, match=f"^the report of r1 has .*{said}"):
        report_pages.department(report, [], "pre\x1bs")

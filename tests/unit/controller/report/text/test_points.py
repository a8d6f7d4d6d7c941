"""The rows of fed exports in each output of a report that has any."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from fleets import clean_answer, run
from prometheus_client.parser import text_string_to_metric_families
from proscribe.controller.report.evaluation.merge import Part, merged
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.exports import pour
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.controller.report.text import points
from proscribe.model.words import POINT_STATES
from proscribe.wire.replies.record import read

FINISHED = "2026-11-25T00:31:00Z"
HOSTILE = 'x\x1b[31m</td><script>"\\\u202e\n'
CURRENT: dict[str, Any] = {
    "format": "rpz",
    "directory": "/srv/dns/guests",
    "group": "guests",
    "state": "current",
    "why": [],
    "written": "2026-11-24T08:00:00Z",
    "plan": "sha256:" + "a" * 64,
    "valid_until": "2026-12-24T18:00:00Z",
    "older": False,
    "expired": False,
    "signed_with": "ED25519 key SHA256:abc",
    "fetched_by": {
        "since": "2026-11-20T00:00:00Z",
        "addresses": 5,
        "last": [
            {"address": f"192.0.2.{number}", "at": f"2026-11-2{number}T09:00:00Z", "file": "proscribe.rpz"}
            for number in (4, 3, 2, 1)
        ],
    },
    "fetched_by_unknown": "",
}
NOTHING: dict[str, Any] = dict.fromkeys(CURRENT) | {
    "format": "nft",
    "directory": f"/srv/{HOSTILE}",
    "group": "",
    "state": "unknown",
    "why": [f"{HOSTILE} cannot be read"],
    "fetched_by_unknown": f"{HOSTILE} is no log",
}


def report(*points: dict[str, Any], **changes: Any) -> tuple[Any, Any]:
    made = run(["web01"], **changes)
    fleet = reconcile(made["hosts"], [read("web01", clean_answer())])
    return {**fleet_report(made, fleet, FINISHED), "points": list(points)}, fleet.records


def metrics(found: Any) -> list[tuple[str, dict[str, str], float]]:
    stream = io.StringIO()
    pour(stream, *found, "prometheus")
    families = text_string_to_metric_families(stream.getvalue())
    return [
        (sample.name.removeprefix("proscribe_export_"), sample.labels, sample.value)
        for family in families
        for sample in family.samples
        if sample.name.startswith("proscribe_export_")
    ]


def test_the_terminal_names_each_the_worst_first() -> None:
    text = render(
        *report(CURRENT, {**CURRENT, "state": "expired", "why": ["it was valid until then"]}), Screen(160, 60)
    )
    bad, good = (line for line in text.splitlines() if line.startswith("export "))
    assert "expired" in bad and "rpz of group guests: it was valid until then" in bad
    assert "current" in good and "written 2026-11-24 08:00 UTC, plan sha256:aaaaaaaaaaaa" in good
    assert "export" not in render(*report(), Screen(160, 60))


def test_the_page_says_who_fetched_it_and_what_is_not_known() -> None:
    text = "".join(page(*report(CURRENT, NOTHING)))
    assert "192.0.2.4 on 2026-11-24 09:00 UTC, 192.0.2.3 on 2026-11-23 09:00 UTC (an earlier export)" in text
    assert "and 2 more" in text and "signed with ED25519 key SHA256:abc" in text
    assert "not known: x" in text
    nobody = {**CURRENT, "fetched_by": {"since": "2026-11-20T00:00:00Z", "addresses": 0, "last": []}}
    assert "nobody since 2026-11-20 00:00 UTC, by the access log" in "".join(page(*report(nobody)))
    assert 'id="points"' not in "".join(page(*report()))


@pytest.mark.parametrize(
    ("change", "name", "written"),
    [
        (
            {},
            "rpz of group guests",
            "2026-11-24 08:00 UTC, plan sha256:aaaaaaaaaaaa, valid until 2026-12-24 18:00 UTC, "
            "signed with ED25519 key SHA256:abc",
        ),
        (
            {"group": "", "valid_until": None, "signed_with": None},
            "rpz",
            "2026-11-24 08:00 UTC, plan sha256:aaaaaaaaaaaa",
        ),
        ({"written": None}, "rpz of group guests", "not known"),
    ],
)
def test_an_export_has_a_name_and_says_when_it_was_written(change: dict[str, Any], name: str, written: str) -> None:
    one: Any = {**CURRENT, **change}
    assert (points.name_of(one), points.written(one)) == (name, written)


NEWER = [{"address": f"192.0.2.{number}", "at": "2026-11-24T08:00:00Z", "file": "x"} for number in (1, 2, 3)]
EACH = "192.0.2.1 on 2026-11-24 08:00 UTC, 192.0.2.2 on 2026-11-24 08:00 UTC, 192.0.2.3 on 2026-11-24 08:00 UTC"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fetched_by": {"since": None, "addresses": 0, "last": []}}, "nobody, by the access log"),
        ({"fetched_by": {"since": None, "addresses": 3, "last": NEWER}}, EACH),
        ({"fetched_by": {"since": None, "addresses": 4, "last": NEWER}}, f"{EACH}, and 1 more"),
        ({"fetched_by": {"since": None, "addresses": 1, "last": NEWER[:1]}, "written": None}, EACH.partition(",")[0]),
        ({"fetched_by": None, "fetched_by_unknown": "no log"}, "not known: no log"),
    ],
)
def test_an_export_says_who_fetched_it(change: dict[str, Any], words: str) -> None:
    one: Any = {**CURRENT, **change}
    assert points.fetched(one) == words


def test_exports_are_listed_the_worst_first_and_then_by_their_place() -> None:
    found = [{**CURRENT, "state": state, "directory": place} for state in reversed(POINT_STATES) for place in "ba"]
    listed = points.points_of(report(*found)[0])
    assert [(one["state"], one["directory"]) for one in listed] == [(s, place) for s in POINT_STATES for place in "ab"]
    alike = [points.LIKE[state] for state in POINT_STATES]
    assert alike == [*["noncompliant"] * (len(POINT_STATES) - 2), "unknown", "compliant"]


def test_the_metrics_have_state_and_times() -> None:
    labels = {"directory": "/srv/dns/guests", "format": "rpz", "group": "guests"}
    assert metrics(report(CURRENT)) == [
        ("state", {**labels, "state": "current"}, 1),
        ("written_timestamp_seconds", labels, 1795507200),
        ("valid_until_timestamp_seconds", labels, 1798135200),
        ("fetched_timestamp_seconds", labels, 1795510800),
    ]
    assert [(name, seen["state"]) for name, seen, _ in metrics(report(NOTHING))] == [("state", "unknown")]
    assert metrics(report()) == []


@pytest.mark.parametrize("state", POINT_STATES)
def test_every_state_is_shown_and_hostile_text_is_shown_as_text(state: str) -> None:
    found = report({**NOTHING, "state": state}, {**CURRENT, "state": state})
    screen, html = render(*found, Screen(200, 60)), "".join(page(*found))
    for text in (screen, html):
        assert "\x1b" not in text and "\u202e" not in text
        assert state.replace("_", " ") in text
    assert "</td><script>" not in html.partition("</style>")[2]
    assert {seen["state"] for name, seen, _ in metrics(found) if name == "state"} == {state}


def test_a_merged_report_has_what_the_last_part_found() -> None:
    parts = [
        Part(
            *report({**CURRENT, "state": state}, id=f"run-{number}", started=f"2026-11-25T0{number}:00:00Z", round="7")
        )
        for number, state in ((2, "current"), (1, "older"))
    ]
    together, _ = merged("all", parts)
    assert [(one["directory"], one["state"]) for one in together["points"]] == [("/srv/dns/guests", "current")]
    assert json.loads(json.dumps(together["points"])) == [CURRENT]
    assert "points" not in merged("all", [Part(*report())])[0]

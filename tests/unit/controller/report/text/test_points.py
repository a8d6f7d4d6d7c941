"""The rows of fed exports in each output of a report that has any."""

from __future__ import annotations

from typing import Any

from fleets import clean_answer, run
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.page.document import page
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


def test_the_page_says_who_fetched_it_and_what_is_not_known() -> None:
    text = "".join(page(*report(CURRENT, NOTHING)))
    assert "192.0.2.4 on 2026-11-24 09:00 UTC, 192.0.2.3 on 2026-11-23 09:00 UTC (an earlier export)" in text
    assert "and 2 more" in text and "signed with ED25519 key SHA256:abc" in text
    assert "not known: x" in text
    nobody = {**CURRENT, "fetched_by": {"since": "2026-11-20T00:00:00Z", "addresses": 0, "last": []}}
    assert "nobody since 2026-11-20 00:00 UTC, by the access log" in "".join(page(*report(nobody)))
    assert 'id="points"' not in "".join(page(*report()))

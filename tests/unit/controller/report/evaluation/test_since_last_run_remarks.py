"""What is said of the time between two runs: of one host, of several that say the same, and in numbers."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.evaluation.since_last_run import (
    remarks,
    together,
)

NOW, RENEWED, FIRST = "2026-11-25T12:00:00Z", "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"
INCIDENT = {
    "control": "apps", "cause": "policy", "rules": ["apps/x"], "rules_left_out": 0, "first": FIRST, "last": NOW,
    "times": 3, "corrected": 3, "users": [],
}  # fmt: skip
ENDED = {"rule": "apps/x", "program": "/opt/x", "user": "al\x1b", "first": FIRST, "last": NOW, "times": 1}
FROZEN = {"until": NOW, "by": "ro\x1bot", "reason": "an\nupdate"}


def record(host: str = "web01", *incidents: Any, wrong: tuple[str, ...] = (), **watch: Any) -> Any:
    facts = {"stale": False, "renewed": RENEWED, "last": NOW, "every": 300, "ended": [], "left_out": {}}
    rules = [{"rule": name, "state": "noncompliant"} for name in wrong] + [{"rule": "apps/ok", "state": "waived"}]
    return {"host": host, "checked_at": NOW, "rules": rules, "watch": {**facts, "incidents": list(incidents), **watch}}


SINCE = "since Tuesday 2026-11-24 08:00 UTC"


@pytest.mark.parametrize(
    ("watch", "text", "first"),
    [
        ({"frozen": FROZEN}, "frozen until 2026-11-25 12:00 UTC by ro\ufffdot: an update", NOW),
        ({"stale": True}, "no run has renewed its plan since Monday 2026-11-23 08:00 UTC", RENEWED),
        ({"stale": True, "renewed": None}, "no run has renewed its plan yet", ""),
        ({"last": None}, "its watcher has not observed it yet", ""),
        ({"last": None, "renewed": "2026-11-25T11:30:00Z"}, "", ""),  # installed half an hour ago
        ({"last": None, "renewed": None}, "its watcher has not observed it yet", ""),
        ({"last": "2026-11-25T11:00:00Z"}, "", ""),
        (
            {"last": "2026-11-25T10:59:59Z"},
            "its watcher last observed it on Wednesday 2026-11-25 10:59 UTC, 1 hour before this run",
            "2026-11-25T10:59:59Z",
        ),
        ({"last": "2026-11-25T00:00:00Z", "every": 3600}, "", ""),
        (
            {"last": "2026-11-24T23:59:00Z", "every": 3600},
            "its watcher last observed it on Tuesday 2026-11-24 23:59 UTC, 12 hours before this run",
            "2026-11-24T23:59:00Z",
        ),
        ({"last": "2026-11-24T00:00:00", "every": 60}, "", ""),
    ],
)
def test_a_watcher(watch: Any, text: str, first: str) -> None:
    found = remarks(record(**watch))
    assert [(one.text, one.first) for one in found] == ([(text, first)] if text else [])
    assert all(one.filed == (f"watch/{one.kind}", "not_applicable") for one in found)
    assert all(one.finding == (one.kind, "", "", "", "", "", one.text) for one in found)


def test_what_several_hosts_say_is_one() -> None:
    many = {**INCIDENT, "rules": ["apps/x", "apps/y"], "cause": "policy"}
    later = {**INCIDENT, "first": NOW, "times": 2, "corrected": 1, "users": ["b", "a"]}
    records = [
        record("a", {**INCIDENT, "users": ["a"]}, many, ended=[ENDED], frozen=FROZEN, stale=True),
        record("b", later, many, ended=[{**ENDED, "program": "/opt/y", "times": 4}], frozen=FROZEN, last=None),
        record("c", {**INCIDENT, "first": RENEWED}, wrong=("apps/x",), stale=True, renewed="2026-11-22T08:00:00Z"),
        record("d", ended=[{**ENDED, "user": "bob"}], stale=True, renewed=None, last=None),
    ]
    frozen = "frozen until 2026-11-25 12:00 UTC by ro\ufffdot: an update"
    plans = "no run has renewed their plans"
    twice = "policy: closed again 6 times since Tuesday 2026-11-24 08:00 UTC"
    assert [tuple(one) for one in together(records[:3])] == [
        ("frozen", "", ("a",), frozen, False),
        ("frozen", "", ("b",), frozen, False),
        ("stale", "", ("a", "c"), f"{plans} since Sunday 2026-11-22 08:00 UTC or later", False),
        ("unobserved", "", ("b",), "its watcher has not observed it yet", False),
        ("incident", "apps", ("a", "b"), twice, False),
        (
            "incident", "apps/x", ("a", "b"),
            f"found open 5 times {SINCE}; closed by the host 4 of 5 times; logged in: a, b", False,
        ),
        (
            "incident", "apps/x", ("c",),
            "closed again 3 times since Monday 2026-11-23 08:00 UTC; open now", True,
        ),
        ("ended", "apps/x", ("a", "b"), f"/opt/x and 1 more of al\ufffd ended 5 times {SINCE}", False),
    ]  # fmt: skip
    assert [one.text for one in together(records) if one.kind == "stale"] == [plans]
    assert [one.hosts for one in together(records) if one.kind in ("unobserved", "ended")] == [
        ("b", "d"), ("a", "b"), ("d",)
    ]  # fmt: skip

"""What is said of the time between two runs: of one host, of several that say the same, and in numbers."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.evaluation.since_last_run import (
    count,
    count_requests,
    day,
    headline,
    remarks,
    together,
    waiting,
)

NOW, RENEWED, FIRST = "2026-11-25T12:00:00Z", "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"
INCIDENT = {
    "control": "apps", "cause": "policy", "rules": ["apps/x"], "rules_left_out": 0, "first": FIRST, "last": NOW,
    "times": 3, "corrected": 3, "users": [],
}  # fmt: skip
ENDED = {"rule": "apps/x", "program": "/opt/x", "user": "al\x1b", "first": FIRST, "last": NOW, "times": 1}
FROZEN = {"until": NOW, "by": "ro\x1bot", "reason": "an\nupdate"}
LEFT_OUT = {"incidents": 2, "ended": 3}


def record(host: str = "web01", *incidents: Any, wrong: tuple[str, ...] = (), **watch: Any) -> Any:
    facts = {"stale": False, "renewed": RENEWED, "last": NOW, "every": 300, "ended": [], "left_out": {}}
    rules = [{"rule": name, "state": "noncompliant"} for name in wrong] + [{"rule": "apps/ok", "state": "waived"}]
    return {"host": host, "checked_at": NOW, "rules": rules, "watch": {**facts, "incidents": list(incidents), **watch}}


@pytest.mark.parametrize(
    ("date", "name"),
    [
        (23, "Monday"),
        (24, "Tuesday"),
        (25, "Wednesday"),
        (26, "Thursday"),
        (27, "Friday"),
        (28, "Saturday"),
        (29, "Sunday"),
    ],
)
def test_a_day_has_its_name(date: int, name: str) -> None:
    assert day(f"2026-11-{date}T08:00:00Z") == f"{name} 2026-11-{date} 08:00 UTC"


SINCE = "since Tuesday 2026-11-24 08:00 UTC"


@pytest.mark.parametrize(
    ("change", "wrong", "said"),
    [
        ({}, (), f"closed again 3 times {SINCE}"),
        ({"times": 1, "corrected": 1}, (), "closed again once, on Tuesday 2026-11-24 08:00 UTC"),
        ({"times": 2000}, (), f"found open 2,000 times {SINCE}; closed by the host 3 of 2,000 times"),
        ({}, ("apps/x",), f"closed again 3 times {SINCE}; open now"),
        ({}, ("apps/y",), f"closed again 3 times {SINCE}"),
        ({"rules": ["apps/x", "apps/y"]}, ("apps/y",), f"2 rules (policy) closed again 3 times {SINCE}; open now"),
        ({"rules_left_out": 1, "cause": "a\x1b"}, (), f"2 rules (a\ufffd) closed again 3 times {SINCE}"),
        ({"users": ["a\x1b", "b"]}, (), f"closed again 3 times {SINCE}; logged in: a\ufffd, b"),
        ({"users": list("abcdef")}, (), f"closed again 3 times {SINCE}; logged in: a, b, c, d, e and 1 more"),
    ],
)
def test_an_incident(change: Any, wrong: Any, said: str) -> None:
    (one,) = remarks(record("web01", {**INCIDENT, **change}, wrong=wrong))
    many = "2 rules" in said
    assert (one.text, one.kind, one.rule, one.reason) == (
        said, "incident", "apps" if many else "apps/x", change.get("cause", "policy") if many else ""
    )  # fmt: skip
    assert (one.first, one.last, one.users) == (FIRST, NOW, tuple(change.get("users", ())))
    is_open = said.endswith("; open now")
    filed = ("watch/still-open", "not_applicable") if is_open else ("watch/closed-again", "repaired")
    assert (one.filed, one.open_now) == (filed, is_open)


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


def test_an_ended_program_is_evidence_of_its_user() -> None:
    (one,) = remarks(record(ended=[ENDED]))
    assert one.text == "ended once, on Tuesday 2026-11-24 08:00 UTC"
    assert one.filed == ("watch/ended", "repaired") and one.key == ("ended", "apps/x", "/opt/x", "al\x1b", FIRST)
    assert (one.finding.kind, one.finding.id, one.finding.scope, one.finding.path) == (
        "process", "apps/x", "user:al\x1b", "/opt/x"
    )  # fmt: skip


def test_the_newest_of_each_kind_comes_first() -> None:
    older = {"last": "2026-11-24T09:00:00Z"}
    incidents = [{**INCIDENT, **older, "rules": ["apps/old"]}, INCIDENT]
    ended = [{**ENDED, **older, "rule": "apps/old"}, ENDED]
    found = remarks(record("web01", *incidents, ended=ended, frozen=FROZEN, stale=True, last=None))
    assert [(one.kind, one.rule) for one in found] == [
        ("frozen", ""), ("stale", ""), ("unobserved", ""), ("incident", "apps/x"), ("incident", "apps/old"),
        ("ended", "apps/x"), ("ended", "apps/old"),
    ]  # fmt: skip
    assert remarks({"host": "web01"}) == remarks({"host": "web01", "watch": None}) == []  # type: ignore[typeddict-item]


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


def test_the_numbers_of_a_fleet() -> None:
    records = [
        record("a", INCIDENT, {**INCIDENT, "times": 4}, ended=[ENDED, {**ENDED, "times": 5}], left_out=LEFT_OUT),
        record("b", INCIDENT, wrong=("apps/x",), frozen=FROZEN, stale=True, last=None),
        record("c"),
        {"host": "d"},
    ]
    found: Any = count(records)
    assert found == {
        "hosts": 3, "opened": 2, "closed_again": 1, "incidents": 10, "ended": 6, "ended_on": 1, "frozen": 1, "stale": 1,
        "unobserved": 1, "left_out": 5,
    }  # fmt: skip
    assert headline({"watch": found}) == [  # type: ignore[typeddict-item]
        "1 host open in between and closed again", "restricted programs ended on 1 host", "1 host frozen",
        "1 host with a stale plan", "1 host: watcher has not reported",
    ]  # fmt: skip
    assert (count(records[3:]), headline({"watch": None})) == (None, [])  # type: ignore[typeddict-item]


def test_requests_that_wait() -> None:
    one: Any = {"id": "1", "user": "a", "service": "x", "reason": "", "at": NOW}
    records: Any = [
        {"host": "a", "requests": [one, {**one, "answer": "granted"}], "requests_left_out": 3},
        {"host": "b", "requests": [one]},
        {},
    ]
    found: Any = count_requests(records)
    assert found == {"waiting": 2, "hosts": 2, "left_out": 3}
    texts = [waiting({"requests": {"waiting": number}}) for number in (0, 1, 2000)]  # type: ignore[typeddict-item]
    assert texts == ["", "1 request waits", "2,000 requests wait"] and waiting({}) == ""  # type: ignore[typeddict-item]
    assert count_requests([{"host": "c"}]) is None  # type: ignore[typeddict-item]

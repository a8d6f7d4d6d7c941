"""What hosts did between two runs, in every output, of one host and of several."""

import re
from typing import Any

import fleets
import pytest
from export_fleet import FINISHED
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.report.evaluation import watch_remark_groups
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.evaluation.watch_remark_groups import group_remarks, list_remarks
from proscribe.controller.report.page.html_page import render_page
from proscribe.wire.answers.record import read_record
from watched_hosts import ENDED, FROZEN, INCIDENT, watch, watched

NOW, RENEWED, FIRST = "2026-11-25T12:00:00Z", "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z"
SHORT_INCIDENT = {**INCIDENT, "cause": "policy", "rules": ["apps/x"], "first": FIRST, "last": NOW, "users": []}
SHORT_ENDED = {"rule": "apps/x", "program": "/opt/x", "user": "al\x1b", "first": FIRST, "last": NOW, "times": 1}
SHORT_FROZEN = {"until": NOW, "by": "ro\x1bot", "reason": "an\nupdate"}
SINCE = "since Tuesday 2026-11-24 08:00 UTC"


def make_fleet(answers):
    run = fleets.run(tuple(answers))
    result = reconcile_records(run["hosts"], [read_record(host, answer) for host, answer in answers.items()])
    return make_run_report(run, result, FINISHED), result.records


def test_the_page_has_what_was_open_first_and_the_most_frequent_before_the_others():
    often, seldom = {**INCIDENT, "times": 9, "corrected": 9}, {**INCIDENT, "times": 2, "corrected": 2}
    answers = {"a": watched(frozen=FROZEN), "b": watched(ended=[ENDED]), "c": watched(seldom), "d": watched(often)}
    section = "".join(render_page(*make_fleet(answers))).partition('<section id="between">')[2]
    assert re.findall(r'class="what">(\w)<', section.partition("</section>")[0]) == ["d", "c", "b", "a"]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=6), st.booleans(), st.booleans()
)
@examples(60)
def test_no_incident_is_lost_between_a_record_and_its_words(incidents, frozen, stale):
    listed = [
        {**INCIDENT, "rules": [f"apps/a{number}"], "rules_left_out": 3 * many, "cause": f"policy {number}",
         "times": times, "corrected": min(times, corrected), "users": []}
        for number, (times, corrected, many) in enumerate(incidents)
    ]  # fmt: skip
    more = {"frozen": FROZEN} if frozen else {}
    record = read_record("a", {**fleets.clean_answer(), "watch": watch(*listed, stale=stale, **more)})
    result = watch_remark_groups.list_remarks(record)
    assert len(result) == len(listed) + frozen + stale
    assert len({item.identity for item in result}) == len(result)
    assert sum(len(entry.hosts) for entry in watch_remark_groups.group_remarks([record])) == len(result)


def watch_record(host: str = "web01", *incidents: Any, wrong: tuple[str, ...] = (), **watch: Any) -> Any:
    facts = {"stale": False, "renewed": RENEWED, "last": NOW, "every": 300, "ended": [], "left_out": {}}
    rules = [{"rule": name, "state": "noncompliant"} for name in wrong] + [{"rule": "apps/ok", "state": "waived"}]
    return {"host": host, "checked_at": NOW, "rules": rules, "watch": {**facts, "incidents": list(incidents), **watch}}


@pytest.mark.parametrize(("watch", "text", "first"), [
    ({"frozen": SHORT_FROZEN}, "frozen until 2026-11-25 12:00 UTC by ro\ufffdot: an update", NOW),
    ({"stale": True}, "no run has renewed its plan since Monday 2026-11-23 08:00 UTC", RENEWED),
    ({"stale": True, "renewed": None}, "no run has renewed its plan yet", ""),
    ({"last": None, "renewed": "2026-11-25T11:30:00Z"}, "", ""),  # installed half an hour ago
    ({"last": None, "renewed": None}, "its watcher has not observed it yet", ""),
    ({"last": "2026-11-25T11:00:00Z"}, "", ""),
    ({"last": "2026-11-25T10:59:59Z"},
     "its watcher last observed it on Wednesday 2026-11-25 10:59 UTC, 1 hour before this run", "2026-11-25T10:59:59Z"),
    ({"last": "2026-11-24T23:59:00Z", "every": 3600},
     "its watcher last observed it on Tuesday 2026-11-24 23:59 UTC, 12 hours before this run", "2026-11-24T23:59:00Z"),
    ({"last": "2026-11-24T00:00:00", "every": 60}, "", ""),
])  # fmt: skip
def test_watcher_remark_depends_on_its_age(watch, text, first):
    result = list_remarks(watch_record(**watch))
    assert [(item.text, item.first) for item in result] == ([(text, first)] if text else [])
    assert all(entry.listed_rule == (f"watch/{entry.kind}", "not_applicable") for entry in result)
    assert all(element.finding == (element.kind, "", "", "", "", "", element.text) for element in result)


def test_same_remark_of_several_hosts_is_one():
    many = {**SHORT_INCIDENT, "rules": ["apps/x", "apps/y"], "cause": "policy"}
    later = {**SHORT_INCIDENT, "first": NOW, "times": 2, "corrected": 1, "users": ["b", "a"]}
    records = [
        watch_record("a", {**SHORT_INCIDENT, "users": ["a"]}, many, ended=[SHORT_ENDED], frozen=SHORT_FROZEN,
                     stale=True),
        watch_record("b", later, many, ended=[{**SHORT_ENDED, "program": "/opt/y", "times": 4}], frozen=SHORT_FROZEN,
                     last=None),
        watch_record("c", {**SHORT_INCIDENT, "first": RENEWED}, wrong=("apps/x",), stale=True,
                     renewed="2026-11-22T08:00:00Z"),
        watch_record("d", ended=[{**SHORT_ENDED, "user": "bob"}], stale=True, renewed=None, last=None),
    ]  # fmt: skip
    frozen = "frozen until 2026-11-25 12:00 UTC by ro\ufffdot: an update"
    plans = "no run has renewed their plans"
    twice = "policy: closed again 6 times since Tuesday 2026-11-24 08:00 UTC"
    assert [tuple(item) for item in group_remarks(records[:3])] == [
        ("frozen", "", ("a",), frozen, False), ("frozen", "", ("b",), frozen, False),
        ("stale", "", ("a", "c"), f"{plans} since Sunday 2026-11-22 08:00 UTC or later", False),
        ("unobserved", "", ("b",), "its watcher has not observed it yet", False),
        ("incident", "apps", ("a", "b"), twice, False),
        ("incident", "apps/x", ("a", "b"),
         f"found open 5 times {SINCE}; closed by the host 4 of 5 times; logged in: a, b", False),
        ("incident", "apps/x", ("c",), "closed again 3 times since Monday 2026-11-23 08:00 UTC; open now", True),
        ("ended", "apps/x", ("a", "b"), f"/opt/x and 1 more of al\ufffd ended 5 times {SINCE}", False),
    ]  # fmt: skip
    assert [entry.text for entry in group_remarks(records) if entry.kind == "stale"] == [plans]
    assert [element.hosts for element in group_remarks(records) if element.kind in ("unobserved", "ended")] == [
        ("b", "d"), ("a", "b"), ("d",)
    ]  # fmt: skip

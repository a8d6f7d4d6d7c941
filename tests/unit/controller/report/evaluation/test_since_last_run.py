"""What hosts did between two runs is said by every output: a host that is compliant now is not plainly compliant."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import fleets
import pytest
from export_fleet import FINISHED, exported
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.report.evaluation import since_last_run
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.wire.replies.record import read
from watched_hosts import ENDED, FROZEN, HOSTS, INCIDENT, REQUEST, watch, watched

CLOSED = "closed again 3 times since Monday 2026-11-23 08:00 UTC"
# What each host has to say of itself, in words of the screen and of every export.
SAID = {
    "closed": [CLOSED, "ended 7 times since Tuesday 2026-11-24 09:00 UTC"],
    "once": ["closed again once, on Monday 2026-11-23 08:00 UTC"],
    "frozen": ["frozen until 2026-11-25 06:00 UTC by root: a demonstration"],
    "stale": ["no run has renewed its plan since Sunday 2026-11-01 00:00 UTC"],
    "unobserved": ["its watcher has not observed it yet"],
    "late": ["its watcher last observed it on Monday 2026-11-23 00:27 UTC, 2 days before this run"],
    "open": ["found open 3 times since Monday 2026-11-23 08:00 UTC; closed by the host 2 of 3 times; open now"],
    "quiet": [],
    "asking": [],
    "plain": [],
}


def fleet(answers=HOSTS, **changes):
    run = fleets.run(tuple(answers), **changes)
    found = reconcile(run["hosts"], [read(host, answer) for host, answer in answers.items()])
    return fleet_report(run, found, FINISHED), found.records


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return exported(
        tmp_path_factory.mktemp("exports"), ["csv", "junit", "oscal", "prometheus", "sarif", "events"], HOSTS, HOSTS
    )


def screen(answers, width=400):
    report, records = fleet(answers)
    return render(report, records, Screen(width, 200))


# -- in words ----------------------------------------------------------------------------------------------------------


def test_hosts_that_say_the_same_are_one_row():
    answers = {f"lap{number}": watched({**INCIDENT, "users": []}) for number in range(30)}
    (row,) = [line for line in screen(answers).splitlines() if line.startswith("apps/wechat")]
    assert "30 hosts: closed again 90 times since Monday 2026-11-23 08:00 UTC; lap0, lap1, lap2 and 27 more" in row


def test_the_page_has_what_was_open_first_and_the_most_frequent_before_the_others():
    often, seldom = {**INCIDENT, "times": 9, "corrected": 9}, {**INCIDENT, "times": 2, "corrected": 2}
    answers = {"a": watched(frozen=FROZEN), "b": watched(ended=[ENDED]), "c": watched(seldom), "d": watched(often)}
    section = "".join(page(*fleet(answers))).partition('<section id="between">')[2].partition("</section>")[0]
    assert re.findall(r'class="what">(\w)<', section) == ["d", "c", "b", "a"]


def test_a_fleet_without_watch_says_nothing_of_it():
    report, records = fleet({"a": fleets.clean_answer()})
    assert (report["watch"], report["requests"], since_last_run.headline(report), since_last_run.together(records)) == (
        None, None, [], [],
    )  # fmt: skip
    assert 'id="between"' not in "".join(page(report, records))


# -- exports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [host for host in SAID if SAID[host]])
@pytest.mark.parametrize("format_", ["csv", "junit", "oscal", "sarif"])
def test_every_export_that_names_hosts_says_it(texts, format_, host):
    assert all(text in texts[format_] for text in SAID[host])


def test_csv_has_the_state_of_the_host_and_a_row_for_each_event(texts):
    rows = [row for row in csv.DictReader(io.StringIO(texts["csv"], newline="")) if row["host"] == "closed"]
    assert [(row["rule"], row["host_state"], row["state"], row["kind"], row["id"], row["path"]) for row in rows] == [
        ("host/answer", "compliant", "compliant", "", "", ""),
        ("watch/closed-again", "compliant", "repaired", "incident", "apps/wechat", ""),
        ("watch/ended", "compliant", "repaired", "process", "apps/telegram", "/home/alice/Telegram/Telegram"),
    ]


def test_junit_skips_a_frozen_host_beside_the_rules_that_hold(texts):
    suite = next(one for one in ET.fromstring(texts["junit"]) if one.get("name") == "frozen")
    assert [(case.get("name"), [child.tag for child in case]) for case in suite.findall("testcase")] == [
        ("rules that hold", ["system-out"]),
        ("watch/frozen", ["skipped"]),
    ]


def test_sarif_declares_the_rules_of_what_happened(texts):
    (run,) = json.loads(texts["sarif"])["runs"]
    declared = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} <= declared
    prints = [result["partialFingerprints"]["proscribe/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_metrics(texts):
    lines = texts["prometheus"].splitlines()
    for line in (
        "proscribe_watch_hosts 8",
        "proscribe_watch_opened_hosts 3",
        'proscribe_watch_incidents{rule="apps/wechat"} 7',
        'proscribe_watch_ended_total{rule="apps/telegram"} 7',
        'proscribe_watch_stale{host="stale"} 1',
        'proscribe_watch_stale{host="quiet"} 0',
        'proscribe_watch_last_observation_timestamp_seconds{host="unobserved"} 0',
        'proscribe_watch_frozen_until_timestamp_seconds{host="frozen"} 1795586400',
        "proscribe_requests_waiting 1",
    ):
        assert line in lines
    assert not [line for line in lines if "watch" in line and 'host="plain"' in line]


def test_events_have_one_for_each_thing_that_happened(texts):
    events = [json.loads(line) for line in texts["events"].splitlines()]
    happened = [(one["host"], one["what"]) for one in events if one["kind"] == "between"]
    assert happened == [
        ("closed", "incident"), ("closed", "ended"), ("once", "incident"), ("frozen", "frozen"), ("stale", "stale"),
        ("unobserved", "unobserved"), ("late", "unobserved"), ("open", "incident"),
    ]  # fmt: skip
    (request,) = [one for one in events if one["kind"] == "request"]
    assert (request["request"], request["user"], request["service"]) == (REQUEST["id"], "alice", "whatsapp")


# -- what hosts make of it ---------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=6),
    st.booleans(),
    st.booleans(),
)
@examples(60)
def test_no_incident_is_lost_between_a_record_and_its_words(incidents, frozen, stale):
    listed = [
        {
            **INCIDENT,
            "rules": [f"apps/a{number}"],
            "rules_left_out": 3 * many,
            "cause": f"policy {number}",
            "times": times,
            "corrected": min(times, corrected),
            "users": [],
        }
        for number, (times, corrected, many) in enumerate(incidents)
    ]
    more = {"frozen": FROZEN} if frozen else {}
    record = read("a", {**fleets.clean_answer(), "watch": watch(*listed, stale=stale, **more)})
    found = since_last_run.remarks(record)
    assert len(found) == len(listed) + frozen + stale
    assert len({one.key for one in found}) == len(found)
    assert sum(len(one.hosts) for one in since_last_run.together([record])) == len(found)

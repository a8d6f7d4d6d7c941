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
from proscribe.controller.compile.inventory.reporting import policies
from proscribe.controller.report.evaluation import since_last_run
from proscribe.controller.report.evaluation.fleet_state import FleetState
from proscribe.controller.report.evaluation.modes import Modes
from proscribe.controller.report.evaluation.reconcile import Clock, fleet_report, reconcile
from proscribe.controller.report.page.document import page
from proscribe.controller.report.storage import fleet_state_file
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.wire.replies.record import read
from watched_hosts import ENDED, FROZEN, HOSTS, INCIDENT, POLICY, REQUEST, asking, watch, watched

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


@pytest.mark.parametrize("host", SAID)
def test_a_remark_says_what_happened(host):
    said = [one.text for one in since_last_run.remarks(read(host, HOSTS[host]))]
    assert len(said) == len(SAID[host])
    assert all(text in one for text, one in zip(SAID[host], said))


@pytest.mark.parametrize("host", [host for host in SAID if SAID[host]])
def test_one_host_says_it_on_the_screen_and_the_page(host):
    answers = {host: HOSTS[host]}
    report, records = fleet(answers)
    written = "".join(page(report, records))
    for text in SAID[host]:
        assert text in screen(answers)
        assert text in written


def test_hosts_that_say_the_same_are_one_row():
    answers = {f"lap{number}": watched({**INCIDENT, "users": []}) for number in range(30)}
    (row,) = [line for line in screen(answers).splitlines() if line.startswith("apps/wechat")]
    assert "30 hosts: closed again 90 times since Monday 2026-11-23 08:00 UTC; lap0, lap1, lap2 and 27 more" in row


def test_what_many_rules_were_open_by_is_one_row_of_their_control():
    one = {**POLICY, "users": []}
    answers = {"a": watched(one, left_out={"browser": 2, "journal": 1}), "b": watched(one)}
    report, records = fleet(answers)
    assert report["watch"]["left_out"] == 3 and report["watch"]["incidents"] == 6
    cause = "policy /etc/opt/chrome/policies/managed/proscribe.json"
    assert [(item.rule, item.text) for item in since_last_run.remarks(records[0])] == [
        ("browser", f"196 rules ({cause}) closed again 3 times since Monday 2026-11-23 08:00 UTC")
    ]
    (row,) = since_last_run.together(records)
    assert (row.hosts, row.rule) == (("a", "b"), "browser")
    assert row.text == f"{cause}: closed again 6 times since Monday 2026-11-23 08:00 UTC"
    open_ = {"rule": "browser/gmail", "state": "noncompliant", "waiver": None, "reason": None, "findings": []}
    record = {**records[0], "rules": [open_]}
    assert since_last_run.remarks(record)[0].open_now


def test_a_compliant_fleet_says_that_it_did_not_at_all_times():
    report, records = fleet({"a": watched(INCIDENT), "b": watched(frozen=FROZEN), "c": fleets.clean_answer()})
    assert "<h1>The ban is in effect on all 3 hosts, but was open in between on 1 and 1 is frozen</h1>" in "".join(
        page(report, records)
    )
    text = render(report, records, Screen(200, 80))
    assert "1 host open in between and closed again   1 host frozen" in text
    assert "read what happened between two runs" in text


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


def test_the_numbers_of_a_fleet():
    report, _ = fleet()
    assert report["watch"] == {
        "hosts": 8,
        "opened": 3,
        "closed_again": 2,
        "incidents": 7,
        "ended": 7,
        "ended_on": 1,
        "frozen": 1,
        "stale": 1,
        "unobserved": 2,
        "left_out": 0,
    }


def test_requests_are_counted_with_the_command_that_lists_them():
    answers = {"a": asking(REQUEST, {**REQUEST, "id": "f" * 16}), "b": asking(REQUEST, left_out=4)}
    report, records = fleet(answers)
    assert report["requests"] == {"waiting": 3, "hosts": 2, "left_out": 4}
    text = render(report, records, Screen(200, 80))
    assert "3 requests wait:\n        ./proscribe requests -i inventory/prod" in text
    written = "".join(page(report, records))
    assert "3 requests wait" in written and "answers readers there" in written


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


# -- the rules of the watch, and the state of the fleet ----------------------------------------------------------------

POLICIES = {
    fleets.DIGEST: {
        **dict.fromkeys(("apps", "browser", "firewall", "dns"), {"mode": "enforce", "policy": "p"}),
        "watch": {"mode": "enforce", "policy": "w"},
    }
}
EDITED = {"rule": "watch/watcher", "state": "noncompliant", "waiver": None, "reason": "stopped", "findings": []}


def edited():
    answer = watched()
    counts = {**answer["controls"], "watch": {"evaluated": 2, "not_applicable": 0}}
    return {**answer, "rules": [EDITED], "rules_evaluated": 5, "controls": counts}


def settled(answer, observed=("apps", "browser", "firewall", "dns")):
    modes = Modes(POLICIES, observed)
    (record,) = reconcile({"a": fleets.DIGEST}, [read("a", answer)], modes=modes).records
    return record


def test_the_watch_is_a_control_of_the_hosts_that_have_it():
    assert settled(edited())["controls"]["watch"] == {
        "mode": "enforce", "policy": "w", "state": "noncompliant", "evaluated": 2, "not_applicable": 0,
    }  # fmt: skip
    # A plan that has it, and a host that says nothing of it: nobody knows.
    assert settled(fleets.clean_answer())["controls"]["watch"]["state"] == "unknown"
    assert settled(fleets.clean_answer(), ["apps"])["controls"]["watch"]["state"] is None
    (record,) = reconcile({"a": "other"}, [read("a", fleets.clean_answer(digest="other"))]).records
    assert "watch" not in record["controls"]


def test_the_mode_of_the_watch_is_the_plans():
    plan = {"controls": {}, "watch": {"every": 300, "max_age": 1209600}}
    assert policies(plan)["watch"]["mode"] == "enforce"
    assert policies(plan)["watch"] != policies({**plan, "watch": {"every": 60, "max_age": 1209600}})["watch"]
    assert "watch" not in policies({"controls": {}})


def test_enforcing_is_proposed_where_only_the_watcher_is_wrong():
    run = fleets.run(("a",))
    found = reconcile(run["hosts"], [read("a", edited())], modes=Modes(POLICIES, run["controls"]))
    text = render(fleet_report(run, found, FINISHED), found.records, Screen(200, 80))
    assert "watch/watcher" in text and "./proscribe enforce --check --diff" in text


def test_the_fleet_state_has_the_watch_on_disk_and_back(tmp_path):
    run = fleets.run(("a", "b"))
    answers = {"a": {**edited(), **asking(REQUEST, answer=edited())}, "b": fleets.clean_answer()}
    records = [read(host, answer) for host, answer in answers.items()]
    found = reconcile(run["hosts"], records, modes=Modes(POLICIES, run["controls"]))
    report = fleet_report(run, found, FINISHED)
    state = FleetState().take(report, found.records)
    fleet_state_file.write(tmp_path, state)
    again, wrong = fleet_state_file.read(tmp_path)
    assert (again.hosts, wrong) == (state.hosts, "")
    assert (again.hosts["a"].state, again.hosts["a"].requests) == ("noncompliant", 1)
    assert again.hosts["a"].observations["apps"].state == "compliant"  # the watcher is wrong, and nothing else
    assert again.hosts["b"].watch == {}


def test_a_record_that_a_host_made_long_ago_is_stale_with_a_watch_too():
    """`collect` reads what the host stored: its own observation has to be as young as any other."""
    clock = Clock("2026-11-25T01:00:00Z", 3600, {})
    old = watched(INCIDENT, answer=fleets.clean_answer(checked_at="2026-11-24T23:00:00Z"))
    young = watched(INCIDENT, answer=fleets.clean_answer(checked_at="2026-11-25T00:57:00Z"))
    expected = dict.fromkeys(("old", "young"), fleets.DIGEST)
    records = reconcile(expected, [read("old", old), read("young", young)], clock=clock).records
    assert [record["state"] for record in records] == ["unknown", "compliant"]
    assert "watch" not in records[0] and records[1]["watch"]["incidents"]


# -- what hosts make of it ---------------------------------------------------------------------------------------------

HOSTILE = "=cmd|' /C calc'!A0,\x00\x1b[31m\r\n]]></testcase><script>alert(1)</script>\\{}\ud800\u202e\ufffe "


def hostile():
    incident = {**INCIDENT, "rules": [f"apps/{HOSTILE}"], "cause": HOSTILE, "users": [HOSTILE] * 20}
    ended = {**ENDED, "rule": f"apps/{HOSTILE}", "program": HOSTILE, "user": HOSTILE}
    frozen = {**FROZEN, "reason": HOSTILE, "by": HOSTILE}
    request = {**REQUEST, "user": HOSTILE, "service": HOSTILE, "reason": HOSTILE}
    return {"evil": asking(request, answer=watched(incident, ended=[ended], frozen=frozen))}


def test_no_text_of_a_host_breaks_out(tmp_path):
    report, records = fleet(hostile())
    written = "".join(page(report, records))
    assert "<script>alert" not in written
    assert all(character.isprintable() or character == "\n" for character in screen(hostile()))
    made = exported(tmp_path, ["csv", "junit", "oscal", "prometheus", "sarif", "events"], hostile(), ("evil",))
    ET.fromstring(made["junit"])
    for name in ("oscal", "sarif"):
        json.loads(made[name])
    for line in made["events"].splitlines():
        assert len(line) <= 7680 and line.isascii() and line.isprintable()
        json.loads(line)
    cells = [cell for row in csv.reader(io.StringIO(made["csv"], newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


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

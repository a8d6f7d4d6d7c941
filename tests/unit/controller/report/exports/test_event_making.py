"""events.jsonl: what a run says of what began, changed and ended, and that nothing of a host can become more of it."""

from __future__ import annotations

import hashlib
import json

import fleets
import pytest
from event_runs import made, reported
from export_fleet import HOSTILE, exported, hostile_answers
from fleets import answer, no_policy, wechat
from hypothesis import given
from hypothesis import strategies as st
from pasts import bad, good, made_plan, repaired, unseen, waived
from properties import examples
from proscribe.controller.report.evaluation.observed import observed_at
from proscribe.controller.report.exports.event_changes import Before
from proscribe.controller.report.exports.event_kinds import ACTION, GATE, RUN
from proscribe.controller.report.exports.event_texts import LONGEST, cut
from proscribe.controller.report.history.transitions import Span
from proscribe.model.finding import STATES, Finding, Verdict
from proscribe.model.types.event import EventCounts

COUNTED = EventCounts.__annotations__
WRONG, RIGHT, BLIND, EXCUSED, MENDED = "noncompliant", "compliant", "unknown", "waived", "repaired"


# -- what changed ------------------------------------------------------------------------------------------------------

STORIES = {
    "in order from the beginning": ([good(), good()], []),
    "broken in the first run": ([bad()], [("", None, WRONG), ("apps/wechat", None, WRONG)]),
    "drifted": ([good(), bad()], [("", None, WRONG), ("apps/wechat", None, WRONG)]),
    "goes on": ([bad(), bad()], []),
    "repaired": ([bad(), repaired()], [("", WRONG, MENDED), ("apps/wechat", WRONG, MENDED)]),
    "drifted and repaired in one run": ([good(), repaired()], [("", None, MENDED), ("apps/wechat", None, MENDED)]),
    "again and again": ([repaired(), repaired()], [("", None, MENDED), ("apps/wechat", None, MENDED)]),
    "compliant by itself": ([bad(), good()], [("", WRONG, RIGHT), ("apps/wechat", WRONG, RIGHT)]),
    "compliant after a repair": ([repaired(), good()], []),
    "waived": ([bad(), waived()], [("", WRONG, EXCUSED), ("apps/wechat", WRONG, EXCUSED)]),
    "waiver ends": ([waived(), bad()], [("", EXCUSED, WRONG), ("apps/wechat", EXCUSED, WRONG)]),
    "nobody could see it": ([bad(), unseen()], [("", WRONG, BLIND), ("apps/wechat", WRONG, BLIND)]),
    "seen again as it was": ([bad(), unseen(), bad()], [("", BLIND, WRONG), ("apps/wechat", BLIND, WRONG)]),
    "seen again in order": ([bad(), unseen(), good()], [("", BLIND, RIGHT), ("apps/wechat", BLIND, RIGHT)]),
    "silent": ([good(), None], [("", None, BLIND)]),
    "silent while broken": ([bad(), None], [("", WRONG, BLIND)]),
    "answers again": ([None, good()], [("", BLIND, RIGHT)]),
    "answers again as it was": ([bad(), None, bad()], [("", BLIND, WRONG)]),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_change_is_reported_with_the_state_before(past, story):
    answers, expected = STORIES[story]
    for one in answers[:-1]:
        past.report({"web01": one})
    events = past.events({"web01": answers[-1]})
    assert reported(events) == [("web01", *event) for event in expected]
    assert [event["kind"] for event in events][-1] == RUN
    assert all(event["changed"] is True for event in events)
    assert events[-1]["events"] == {
        **dict.fromkeys(COUNTED, 0),
        "host": bool(expected),
        "rule": max(len(expected) - 1, 0),
    }


def test_all_that_was_observed_is_there_on_request_and_what_changed_is_the_same_line(past):
    fleet = {"web01": bad(), "web02": good(), "web03": waived()}
    past.report(fleet)
    report, records, changes = past.report({**fleet, "web02": bad()})
    everything = made(report, records, changes, only_changed=False)
    assert [event["changed"] for event in everything] == [False, False, True, True, False, False, True]
    assert [event for event in everything if event["changed"]] == made(report, records, changes)
    unchanged = [event for event in everything if event["changed"] is False]
    assert {(event["previous"], event.get("since")) for event in unchanged} == {(None, None)}


def test_the_events_of_an_old_run_stay_as_they_were(past):
    past.report({"web01": bad(), "web02": bad()})
    report, records, changes = past.report({"web01": unseen(), "web02": good()})
    before = made(report, records, changes)
    assert ("web01", "apps/wechat", WRONG, BLIND) in reported(before)
    past.report({"web01": good(), "web02": bad()})
    assert made(report, records, past.history.transitions(report["run"]["id"])) == before


def test_without_a_history_nothing_is_said_to_have_changed(past):
    past.report({"web01": good()})
    report, records, changes = past.report({"web01": bad()}, record=False)
    assert changes is None
    assert [event["kind"] for event in made(report, records, changes)] == [RUN]
    everything = made(report, records, changes, only_changed=False)
    assert [event["changed"] for event in everything] == [None, None, True]
    assert everything[-1]["events"] is None


def test_a_waiver_is_named_and_the_beginning_of_the_incident(past):
    past.report({"web01": bad()})
    past.report({"web01": bad()})
    (_, rule, _) = past.events({"web01": waived()})
    assert (rule["waiver"], rule["since"]) == ("press", "2026-11-25T01:00:30Z")
    assert rule["findings"] == [Finding("package", "wechat", "dpkg", "4.0", "system").as_dict()]


def test_a_rule_that_the_plan_does_not_have_any_more_is_withdrawn_and_not_compliant(past, tmp_path):
    both, one = (made_plan(tmp_path, apps=apps, dns=["x"]) for apps in (["wechat"], []))
    past.report({"web01": bad(digest=both)})
    events = past.events({"web01": answer(evaluated=["dns/x"], digest=one)})
    assert ("web01", "apps/wechat", WRONG, "withdrawn") in reported(events)


def test_a_host_that_left_the_inventory_is_gone(past):
    past.report({"web01": bad(), "web02": good()})
    assert reported(past.events({"web02": good()}, left_out=[])) == [("web01", "", WRONG, "gone")]


def test_a_run_over_one_control_says_nothing_of_the_others(past):
    past.report({"web01": answer(wechat(fleets.WECHAT), Verdict("dns/x", WRONG, reason="open"))})
    only = answer(evaluated=["apps/wechat"])
    host, rule, run = past.events({"web01": only}, controls=["apps"])
    assert (host["previous"], host["state"], host["controls"]) == (WRONG, RIGHT, ["apps"])
    assert rule["rule"] == "apps/wechat" and run["controls"] == ["apps"]


def test_actions_are_events_where_they_were_done(past):
    actions = [
        {"control": "apps", "action": "remove wechat"},
        {"control": "apps", "action": "move", "quarantine_id": "w-1"},
    ]
    done = [one for one in past.events({"web01": repaired()}, mode="enforce", actions=actions) if one["kind"] == ACTION]
    assert [(one["action"], one["quarantine_id"], one["changed"]) for one in done] == [
        ("remove wechat", None, True),
        ("move", "w-1", True),
    ]
    assert len({one["id"] for one in done}) == 2
    checked = past.events({"web01": bad()}, mode="check", actions=actions)
    assert ACTION not in [one["kind"] for one in checked]
    everything = past.events({"web01": bad()}, mode="check", actions=actions, only_changed=False)
    assert [one["changed"] for one in everything if one["kind"] == ACTION] == [False, False]


def test_the_parts_of_a_merged_run_have_told_their_actions(past):
    report, records, changes = past.report(
        {"web01": good()}, mode="enforce", actions=[{"control": "dns", "action": "x"}]
    )
    assert [one["kind"] for one in made(report, records, changes)] == [ACTION, RUN]
    report["run"]["parts"] = ["run1", "run2"]
    assert [one["kind"] for one in made(report, records, changes)] == [RUN]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (None, []),
        ({"gate": None, "passed": True, "exit": None, "reason": None}, []),
        ({"gate": "noncompliant", "passed": True, "exit": None, "reason": None}, [(True, None)]),
        ({"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}, [(False, 10)]),
        ({"gate": None, "passed": False, "exit": 13, "reason": "stopped"}, [(False, 13)]),
    ],
)
def test_the_gate_is_an_event_where_there_was_one_or_the_run_failed(past, verdict, expected):
    events = past.events({"web01": good()}, verdict=verdict)
    assert [(one["passed"], one["exit"]) for one in events if one["kind"] == GATE] == expected


def test_an_unchanged_fleet_is_one_event(past):
    fleet = {f"web{number:03}": (bad if number % 3 else good)() for number in range(60)}
    assert len(past.events(fleet)) == 40 * 2 + 1
    (run,) = past.events(fleet)
    assert run["hosts"] == {**dict.fromkeys(STATES, 0), WRONG: 40, RIGHT: 20}
    assert run["events"] == dict.fromkeys(COUNTED, 0)


def test_the_same_report_gives_the_same_lines_and_no_id_twice(past):
    report, records, changes = past.report({"web01": answer(*no_policy()), "web02": answer(*no_policy())})
    events = made(report, records, changes)
    assert events == made(report, records, past.history.transitions(report["run"]["id"]))
    assert len({event["id"] for event in events}) == len(events) == 2 * (1 + 1) + 1


def test_before_takes_the_newest_state_that_ended():
    wrong, blind = Span(("a",), WRONG, "1", False, RIGHT), Span(("a",), BLIND, "2", False, RIGHT)
    before = Before.of([wrong, blind])
    assert (before.previous["a"], before.since["a"], before.ended["a"]) == (BLIND, "1", RIGHT)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_findings_that_have_no_room_are_counted(past):
    many = [
        Finding("process", "wechat", scope=f"pid:{number} user:u", path=f"/opt/{'x' * 200}") for number in range(300)
    ]
    rule = past.events({"web01": answer(wechat(*many))})[1]
    assert rule["findings"] == [one.as_dict() for one in many[: len(rule["findings"])]]
    assert len(rule["findings"]) > 5 and rule["findings_left_out"] == 300 - len(rule["findings"])


def test_a_finding_that_is_too_long_is_cut_and_not_lost(past):
    long = Finding("package", "é" * 4000, path="/" + "ü" * 4000, detail="\U0001f600" * 1900)
    rule = past.events({"web01": answer(wechat(long, fleets.WECHAT))})[1]
    assert [found["id"][-3:] for found in rule["findings"]] == ["...", "hat"][: len(rule["findings"])]
    assert rule["findings_left_out"] == 2 - len(rule["findings"])


@pytest.mark.parametrize("text", ["", "a", '"' * 400, "\\" * 400, "é" * 400, "\U0001f600" * 400, "a" * 299, "a" * 298])
def test_a_text_is_whole_or_cut_with_dots_within_its_bytes(text):
    read = cut(text, 300)
    assert len(json.dumps(read)) <= 300
    assert read == text if len(json.dumps(text)) <= 300 else read.endswith("...") and text.startswith(read[:-3])


def test_hostile_texts_stay_texts(tmp_path):
    answers = hostile_answers()
    lines = exported(tmp_path, ["events"], answers, tuple(answers))["events"].split("\n")
    assert lines.pop() == ""
    events = [json.loads(line) for line in lines]
    assert len([event for event in events if event["kind"] == "host"]) == len(answers)
    assert max(map(len, lines)) <= LONGEST
    assert HOSTILE not in "".join(lines) and all(line.isascii() and line.isprintable() for line in lines)


ANY = st.text(max_size=300)
LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(0, 600))
TEXTS = st.one_of(ANY, LONG)
FINDINGS = st.lists(
    st.builds(Finding, *2 * [TEXTS.filter(bool)], *(len(Finding._fields) - 2) * [TEXTS]), min_size=1, max_size=6
)


@examples(60)
@given(
    host=TEXTS,
    service=st.text(min_size=1, max_size=190),
    findings=FINDINGS,
    reason=TEXTS,
    errors=st.lists(TEXTS, max_size=4),
)
def test_whatever_a_host_says_is_one_line_within_the_limit(tmp_path_factory, host, service, findings, reason, errors):
    verdict = Verdict(f"apps/{service}", WRONG, tuple(findings), reason[:200], reason)
    said = fleets.answer(verdict, errors=[{"control": "dns", "message": text} for text in errors])
    folder = tmp_path_factory.mktemp("events")
    text = exported(folder, ["events"], {host: said}, (host,), not_served={host: reason})["events"]
    assert text.isascii()
    lines = text.split("\n")
    assert [json.loads(line)["kind"] for line in lines[:-1]] == ["host", "rule", "host", "run"] and lines[-1] == ""
    assert all(len(line) <= LONGEST and line.isprintable() for line in lines)
    rule = json.loads(lines[1])
    assert len(rule["findings"]) + rule["findings_left_out"] == len(findings) and rule["findings"]


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("2026-11-25T00:30:05Z", "2026-11-25T00:30:05Z"),
        ("1999-01-01T00:00:00Z", "2026-11-25T00:30:00Z"),
        ("2999-01-01T00:00:00Z", "2026-11-25T00:31:00Z"),
        ("2026-11-25T00:30:75Z", "2026-11-25T00:31:00Z"),
        ("2026-11-25T00:30:٠٥Z", "2026-11-25T00:31:00Z"),
        ("yesterday", "2026-11-25T00:31:00Z"),
        (None, "2026-11-25T00:31:00Z"),
    ],
)
def test_no_host_dates_its_events_out_of_the_run(said, taken):
    assert observed_at({"checked_at": said}, "2026-11-25T00:30:00Z", "2026-11-25T00:31:00Z") == taken


def test_the_id_is_of_run_kind_host_and_rule(past):
    host, rule, _ = past.events({"web01": bad()})
    for event, kind, about in ((host, "host", ""), (rule, "rule", "apps/wechat")):
        assert event["id"] == hashlib.sha256(f"run1\0{kind}\0web01\0{about}\0".encode()).hexdigest()[:32]


def test_a_deleted_file_of_policies_is_one_event_with_its_rules(past):
    past.report({"web01": good()})
    broken = [
        event
        for event in past.events({"web01": answer(*no_policy(), evaluated=["apps/wechat"])})
        if event["kind"] == "rule"
    ]
    assert len(broken) == 1
    rules = [broken[0]["rule"], *broken[0]["same_cause"]]
    assert len(rules) + broken[0]["same_cause_left_out"] == len(no_policy()) and set(rules) <= {
        one.rule for one in no_policy()
    }
    (mended,) = [event for event in past.events({"web01": good()}) if event["kind"] == "rule"]
    assert (mended["state"], 1 + len(mended["same_cause"]) + mended["same_cause_left_out"]) == (RIGHT, len(no_policy()))

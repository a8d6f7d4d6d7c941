"""Events of a run: what began, changed and ended, and the limits of their texts."""

import json
from typing import Any

import fleets
import pytest
from event_runs import made, reported
from export_fleet import exported
from fleets import answer
from hypothesis import given
from hypothesis import strategies as st
from pasts import bad, good, made_plan, repaired, unseen, waived
from properties import examples
from proscribe.controller.report.evaluation.observed import observed_at
from proscribe.controller.report.exports.event_kinds import ACTION, GATE, RUN
from proscribe.controller.report.exports.event_texts import cut, errors_of, names
from proscribe.controller.report.exports.format import encoded
from proscribe.model.finding import Finding, Verdict
from proscribe.model.types.event import EventCounts

COUNTED = EventCounts.__annotations__
WRONG, RIGHT, BLIND, EXCUSED, MENDED = "noncompliant", "compliant", "unknown", "waived", "repaired"
STORIES = {
    "in order from the beginning": ([good(), good()], []),
    "as bad as before": ([bad(), bad()], []),
    "drifted": ([good(), bad()], [("", None, WRONG), ("apps/wechat", None, WRONG)]),
    "repaired": ([bad(), repaired()], [("", WRONG, MENDED), ("apps/wechat", WRONG, MENDED)]),
    "drifted and repaired in one run": ([good(), repaired()], [("", None, MENDED), ("apps/wechat", None, MENDED)]),
    "compliant by itself": ([bad(), good()], [("", WRONG, RIGHT), ("apps/wechat", WRONG, RIGHT)]),
    "compliant after a repair": ([repaired(), good()], []),
    "waived": ([bad(), waived()], [("", WRONG, EXCUSED), ("apps/wechat", WRONG, EXCUSED)]),
    "waiver ends": ([waived(), bad()], [("", EXCUSED, WRONG), ("apps/wechat", EXCUSED, WRONG)]),
    "nobody could see it": ([bad(), unseen()], [("", WRONG, BLIND), ("apps/wechat", WRONG, BLIND)]),
    "seen again as it was": ([bad(), unseen(), bad()], [("", BLIND, WRONG), ("apps/wechat", BLIND, WRONG)]),
    "seen again in order": ([bad(), unseen(), good()], [("", BLIND, RIGHT), ("apps/wechat", BLIND, RIGHT)]),
    "silent": ([good(), None], [("", None, BLIND)]),
    "answers again": ([None, good()], [("", BLIND, RIGHT)]),
    "answers again as it was": ([bad(), None, bad()], [("", BLIND, WRONG)]),
}
ANY = st.text(max_size=300)
LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(0, 600))
TEXTS = st.one_of(ANY, LONG)
FINDINGS = st.lists(
    st.builds(Finding, *2 * [TEXTS.filter(bool)], *(len(Finding._fields) - 2) * [TEXTS]), min_size=1, max_size=6
)
ERROR: Any = {"control": "apps", "message": "m" * 50, "refused": None}
ENDLESS: Any = {"control": "c" * 9000, "message": "m" * 9000, "refused": "r" * 9000}


@pytest.mark.parametrize("story", STORIES)
def test_a_change_is_reported_with_the_state_before(past, story):
    answers, expected = STORIES[story]
    for item in answers[:-1]:
        past.report({"web01": item})
    events = past.events({"web01": answers[-1]})
    assert reported(events) == [("web01", *event) for event in expected]
    assert [event["kind"] for event in events][-1] == RUN
    assert all(event["changed"] is True for event in events)
    assert events[-1]["events"] == {
        **dict.fromkeys(COUNTED, 0), "host": bool(expected), "rule": max(len(expected) - 1, 0),
    }  # fmt: skip


def test_a_rule_that_the_plan_does_not_have_any_more_is_withdrawn_and_not_compliant(past, tmp_path):
    both, item = (made_plan(tmp_path, apps=apps, dns=["x"]) for apps in (["wechat"], []))
    past.report({"web01": bad(digest=both)})
    events = past.events({"web01": answer(evaluated=["dns/x"], digest=item)})
    assert ("web01", "apps/wechat", WRONG, "withdrawn") in reported(events)


def test_a_host_that_left_the_inventory_is_gone(past):
    past.report({"web01": bad(), "web02": good()})
    assert reported(past.events({"web02": good()}, left_out=[])) == [("web01", "", WRONG, "gone")]


def test_the_parts_of_a_merged_run_have_told_their_actions(past):
    report, records, changes = past.report(
        {"web01": good()}, mode="enforce", actions=[{"control": "dns", "action": "x"}]
    )
    assert [item["kind"] for item in made(report, records, changes)] == [ACTION, RUN]
    report["run"]["parts"] = ["run1", "run2"]
    assert [entry["kind"] for entry in made(report, records, changes)] == [RUN]


@pytest.mark.parametrize(("verdict", "expected"), [
    (None, []),
    ({"gate": "noncompliant", "passed": True, "exit": None, "reason": None}, [(True, None)]),
    ({"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}, [(False, 10)]),
    ({"gate": None, "passed": False, "exit": 13, "reason": "stopped"}, [(False, 13)]),
])  # fmt: skip
def test_the_gate_is_an_event_where_there_was_one_or_the_run_failed(past, verdict, expected):
    events = past.events({"web01": good()}, verdict=verdict)
    assert [(event["passed"], event["exit"]) for event in events if event["kind"] == GATE] == expected


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
    message = fleets.answer(verdict, errors=[{"control": "dns", "message": text} for text in errors])
    folder = tmp_path_factory.mktemp("events")
    text = exported(folder, ["events"], {host: message}, (host,), not_served={host: reason})["events"]
    assert text.isascii()
    lines = text.split("\n")
    assert [json.loads(line)["kind"] for line in lines[:-1]] == ["host", "rule", "host", "run"] and lines[-1] == ""
    assert all(len(line) <= 7_680 and line.isprintable() for line in lines)
    rule = json.loads(lines[1])
    assert len(rule["findings"]) + rule["findings_left_out"] == len(findings) and rule["findings"]


@pytest.mark.parametrize(("text", "taken"), [
    ("2026-11-25T00:30:05Z", "2026-11-25T00:30:05Z"),
    ("1999-01-01T00:00:00Z", "2026-11-25T00:30:00Z"),
    ("2999-01-01T00:00:00Z", "2026-11-25T00:31:00Z"),
    ("2026-11-25T00:30:٠٥Z", "2026-11-25T00:31:00Z"),
    ("yesterday", "2026-11-25T00:31:00Z"),
])  # fmt: skip
def test_no_host_dates_its_events_out_of_the_run(text, taken):
    assert observed_at({"checked_at": text}, "2026-11-25T00:30:00Z", "2026-11-25T00:31:00Z") == taken


@pytest.mark.parametrize(
    ("result", "shown"),
    [([], 0), (["a" * 20] * 3, 3), (["a" * 20] * 400, 173), (["x" * 290] * 20, 13), (["x" * 5000], 1)],
)
def test_listed_names_are_cut_to_the_limit(result, shown):
    assert names(result) == ([cut(item, 300) for item in result[:shown]], len(result) - shown)


@pytest.mark.parametrize(("result", "lengths", "left_out"), [
    ([ERROR] * 100, [50] * 41, 59),
    ([{**ERROR, "message": "m" * 3900}], [3900], 0),
    ([{**ERROR, "message": "m" * 9000}, ERROR], [1310, 50], 0),
    ([ERROR, {**ERROR, "message": "m" * 9000}, ERROR], [50], 2),
    ([ENDLESS, ERROR], [1310], 1),
])  # fmt: skip
def test_listed_errors_are_cut_to_the_limit(result, lengths, left_out):
    shown, remaining = errors_of(result)
    assert ([len(item["message"] or "") for item in shown], remaining) == (lengths, left_out)
    assert len(encoded(shown)) <= 4_000
    assert shown[0] == {key: text and cut(text, lengths[0] + 3) for key, text in result[0].items()}

"""The expected hosts times the records that came: nobody is compliant for want of an answer."""

from __future__ import annotations

import pytest
from fleets import DIGEST, OTHER_DIGEST, WAIVERS, WECHAT, answer, clean_answer, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import Clock, fleet_report, reconcile
from proscribe.wire.replies.record import read

FINISHED = "2026-11-25T00:31:00Z"


def states(fleet):
    return {record["host"]: record["state"] for record in fleet.records}


@given(answering=st.sets(st.sampled_from(["web01", "web02", "web03", "ghost"])))
def test_the_records_are_the_expected_hosts_whoever_answers(answering):
    expected = dict.fromkeys(["web01", "web02", "web03"], DIGEST)
    fleet = reconcile(expected, [read(host, clean_answer()) for host in sorted(answering)])
    assert [record["host"] for record in fleet.records] == list(expected)
    assert {host for host, state in states(fleet).items() if state == "compliant"} == answering - {"ghost"}


def test_the_fleet_report_has_the_keys_that_others_rely_on():
    made = run(waivers=WAIVERS)
    collector = Collector(made)
    collector.answered("web01", answer(wechat(WECHAT)))
    report = fleet_report(made, collector.fleet(), FINISHED)
    assert report["schema"] == "proscribe/report/1"
    assert report["run"].keys() >= {
        "id", "playbook", "started", "finished", "mode", "catalog_version", "inventory", "expected_hosts", "limit",
    }  # fmt: skip
    assert report["run"]["expected_hosts"] == 2
    assert report["summary"]["coverage"] == {"numerator": 1, "denominator": 2, "percent": 50.0}
    assert report["rules"] == [{"rule": "apps/wechat", "counts": {"noncompliant": 1}}]
    assert [waiver["id"] for waiver in report["waivers"]] == ["press-office", "old-project"]


NOW = "2026-11-25T08:00:00Z"
THREE_DAYS = 3 * 86400


@pytest.mark.parametrize(
    ("checked_at", "state", "kind", "reason"),
    [
        ("2026-11-25T07:59:59Z", "compliant", None, None),
        ("2026-11-22T08:00:00Z", "compliant", None, None),
        ("2026-11-22T07:59:59Z", "unknown", "stale", "stale: its record is 3 days old (2026-11-22T07:59:59Z)"),
        ("2026-11-25T08:05:00Z", "compliant", None, None),
        ("2026-11-25T10:00:00Z", "compliant", "clock_ahead", None),
        ("2026-11-25 08:00:00", "unknown", "no_time", "its record does not say when it was checked"),
        ("9999-99-99T00:00:00Z", "unknown", "no_time", "its record does not say when it was checked"),
    ],
)
def test_an_old_record_is_no_answer_and_a_clock_that_is_ahead_is_reported(checked_at, state, kind, reason):
    clock = Clock(NOW, THREE_DAYS, {})
    fleet = reconcile({"web01": DIGEST}, [read("web01", clean_answer(checked_at=checked_at))], clock=clock)
    record = fleet.records[0]
    assert (record["state"], record["rules_evaluated"] > 0) == (state, state == "compliant")
    assert str(record["reason"]).startswith(str(reason))
    assert [note.kind for note in fleet.notes] == ([kind] if kind else [])
    assert record["checked_at"] == checked_at


@pytest.mark.parametrize(
    ("total", "made", "state", "noted"),
    [
        (3, clean_answer(), "compliant", False),
        (4, clean_answer(), "unknown", True),
        (4, answer(wechat(WECHAT), evaluated=["dns/x"]), "noncompliant", True),
    ],
)
def test_what_was_not_evaluated_is_not_taken_as_good(total, made, state, noted):
    fleet = reconcile({"web01": DIGEST}, [read("web01", made)], rules={DIGEST: total})
    assert states(fleet) == {"web01": state}
    assert [note.kind for note in fleet.notes] == (["too_few_rules"] if noted else [])


def test_a_change_in_a_run_that_only_audits_is_an_error_of_its_host():
    made = run(["web01"])
    collector = Collector(made)
    collector.answered("web01", clean_answer())
    collector.changed("web01", "apps", {"changed": True, "actions": ["remove wechat"]}, dry=True)
    assert states(collector.fleet()) == {"web01": "compliant"}
    collector.changed("web01", "apps", {"changed": True, "actions": ["remove wechat"]})
    fleet = collector.fleet()
    assert states(fleet) == {"web01": "error"}
    assert fleet_report(made, fleet, FINISHED)["unexpected"] == [
        {"host": "web01", "kind": "changed", "detail": "changed in a run that only audits: remove wechat"}
    ]


ANSWERS = {
    "clean": clean_answer(),
    "bad": answer(wechat(WECHAT)),
    "other plan": clean_answer(digest=OTHER_DIGEST),
    "old": clean_answer(checked_at="2026-11-01T00:00:00Z"),
    "nothing evaluated": answer(),
}


@given(
    events=st.lists(st.tuples(st.sampled_from(["a", "b", "c", "ghost"]), st.sampled_from(list(ANSWERS))), max_size=8)
)
def test_only_a_fresh_answer_for_its_own_plan_makes_a_host_compliant_and_nobody_is_lost(events):
    expected = dict.fromkeys("abc", DIGEST)
    records = [read(host, ANSWERS[kind]) for host, kind in events]
    fleet = reconcile(expected, records, clock=Clock("2026-11-25T01:00:00Z", THREE_DAYS, {}))
    summary = fleet_report(run(list(expected)), fleet, FINISHED)["summary"]
    assert sum(summary["hosts"].values()) == len(expected) == summary["coverage"]["denominator"]
    for host, state in states(fleet).items():
        kinds = {kind for name, kind in events if name == host}
        assert state != "compliant" or "clean" in kinds
        assert state == "unknown" or kinds & {"clean", "bad"}
    repeated = {host for host, _ in events if sum(name == host for name, _ in events) > 1} - {"ghost"}
    assert {note.host for note in fleet.notes if note.kind == "duplicate"} == repeated
    assert list(fleet.unexpected) == (["ghost"] if any(host == "ghost" for host, _ in events) else [])

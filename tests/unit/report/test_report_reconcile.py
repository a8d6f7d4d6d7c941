"""The expected hosts times the records that came: nobody is compliant for want of an answer."""

from __future__ import annotations

from fleets import DIGEST, OTHER_DIGEST, WAIVERS, WECHAT, answer, clean_answer, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.report.answer import read
from proscribe.report.collect import Collector
from proscribe.report.reconcile import fleet_report, reconcile

EXPECTED = {"web01": DIGEST, "web02": DIGEST}
FINISHED = "2026-11-25T00:31:00Z"


def states(fleet):
    return {record["host"]: record["state"] for record in fleet.records}


def test_every_expected_host_has_one_record_in_their_order():
    fleet = reconcile(EXPECTED, [read("web02", clean_answer()), read("web01", answer(wechat(WECHAT)))])
    assert states(fleet) == {"web01": "noncompliant", "web02": "compliant"}
    assert [record["host"] for record in fleet.records] == ["web01", "web02"]
    assert not fleet.warnings


def test_a_host_without_a_record_is_unknown_with_the_reason():
    fleet = reconcile(EXPECTED, [], {"web01": "unreachable: no route to host"})
    assert states(fleet) == {"web01": "unknown", "web02": "unknown"}
    assert [record["reason"] for record in fleet.records] == ["unreachable: no route to host", "no answer"]
    assert [record["rules_evaluated"] for record in fleet.records] == [0, 0]


def test_an_answer_for_another_plan_is_no_answer():
    fleet = reconcile({"web01": DIGEST}, [read("web01", clean_answer(digest=OTHER_DIGEST))])
    record = fleet.records[0]
    assert (record["state"], record["rules_evaluated"], record["plan"]) == ("unknown", 0, OTHER_DIGEST)
    assert record["reason"].startswith("answered for another plan (sha256:bbbb")


def test_a_record_without_a_rule_is_unknown():
    record = reconcile({"web01": DIGEST}, [read("web01", answer())]).records[0]
    assert (record["state"], record["reason"]) == ("unknown", "no rule was evaluated")


def test_an_unexpected_host_is_told_and_not_counted():
    fleet = reconcile(EXPECTED, [read("web09", clean_answer())])
    assert fleet.unexpected == ["web09"]
    assert fleet.warnings == ["web09 answered and was not expected; its record is left out"]
    assert states(fleet) == {"web01": "unknown", "web02": "unknown"}


def test_of_two_records_the_later_one_counts_whichever_came_first():
    early = read("web01", clean_answer(checked_at="2026-11-25T00:30:05Z"))
    late = read("web01", answer(wechat(WECHAT), checked_at="2026-11-25T00:30:09Z"))
    for records in ([early, late], [late, early]):
        fleet = reconcile({"web01": DIGEST}, records)
        assert states(fleet) == {"web01": "noncompliant"}
        assert fleet.warnings == ["web01 answered more than once; its last record counts"]


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

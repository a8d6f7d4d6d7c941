"""Several runs over parts of a fleet as one report."""

from typing import Any

import pytest
from made_records import make_record, make_rule
from proscribe.controller.report.evaluation.report_merge import ReportPart, UnmergeableReports, merge_reports
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN
from proscribe.wire.answers.record import make_silent_record

RUN = {
    "playbook": "enforce", "mode": "enforce", "catalog_version": "2026.11", "inventory": ["/inv"], "limit": "",
    "controls": ["apps"], "history": "sqlite", "exports": [], "events": {"journald": True}, "baseline": None,
    "stale_after": 259200, "expected_hosts": 1, "round": "r1",
}  # fmt: skip
ROLLOUT = {"to_correct": 1, "batches": [1], "not_reached": 0, "why": None, "allow": {}, "set_aside": []}
WRONG = make_record("a", NONCOMPLIANT, make_rule("apps/x"), checked_at="2026-11-25T02:00:30Z")
AT_TWO, TO_THREE = "2026-11-21T02:00:00Z", "2026-11-21T03:00:00Z"


def make_part(number: int, *records: dict[str, Any], run: dict[str, Any] | None = None, **more: Any) -> ReportPart:
    run_ = {
        **RUN, "id": f"2026112{number}T020000Z-enforce-000{number}", "started": f"2026-11-2{number}T02:00:00Z",
        "finished": f"2026-11-2{number}T02:01:00Z", **(run or {}),
    }  # fmt: skip
    return ReportPart({"run": run_, "rollout": ROLLOUT, "unexpected": [], "warnings": [], **more}, list(records))


def states_by_host(records: Any) -> dict[str, str]:
    return {record["host"]: record["state"] for record in records}


def test_merge_reports_missing_hosts_as_unknown_and_unserved_ones_apart():
    report, records = merge_reports("id", [make_part(1, make_record("a"))], ["a", "b"])
    assert states_by_host(records) == {"a": COMPLIANT, "b": UNKNOWN} and len(report["warnings"]) == 1
    switch = {"host": "switch", "why": "a network device"}
    parts = [make_part(number, make_record(host), not_served=[switch]) for number, host in ((1, "a"), (2, "b"))]
    report, records = merge_reports("id", parts, ["a", "b", "switch"])
    assert report["not_served"] == [switch] and states_by_host(records) == {"a": COMPLIANT, "b": COMPLIANT}
    assert report["summary"]["coverage"] == {"numerator": 2, "denominator": 3, "percent": 66.6}


@pytest.mark.parametrize(("first", "second", "state"), [
    (WRONG, make_record("a", COMPLIANT, checked_at="2026-11-25T05:00:00Z"), COMPLIANT),
    (WRONG, make_silent_record("a", "unreachable"), NONCOMPLIANT),
    (make_silent_record("a", "unreachable"), make_record("a"), COMPLIANT),
    (make_silent_record("a", "unreachable"), make_silent_record("a", "failed"), UNKNOWN),
])  # fmt: skip
def test_a_host_that_was_tried_again_counts_once_by_what_was_seen_last(first, second, state):
    report, records = merge_reports("id", [make_part(1, first), make_part(2, second)])
    assert states_by_host(records) == {"a": state}
    assert report["warnings"] == ["a is in more than one part of the run; its last record counts"]


def test_merged_report_has_what_its_parts_have():
    waiver = {"id": "w", "status": "active", "expires": "x"}
    idle = [{"rule": "apps/x", "hosts": 1}]
    stopped = {**ROLLOUT, "to_correct": 9, "not_reached": 8, "why": "stopped", "allow": {"hosts": 9}}
    of_a = {"waivers": [{**waiver, "hosts": ["a"]}], "departments": {"press": ["a"]}, "nothing_known": idle}
    of_b = {"waivers": [{**waiver, "hosts": ["b"]}], "departments": {"press": ["b"], "it": ["c"]}, "rollout": stopped}
    parts = [make_part(1, make_record("a"), **of_a), make_part(2, make_record("b"), nothing_known=idle, **of_b)]
    report, _ = merge_reports("id", parts)
    assert report["waivers"] == [{**waiver, "hosts": ["a", "b"]}]
    assert report["departments"] == {"press": ["a", "b"], "it": ["c"]}
    assert report["nothing_known"] == [{"rule": "apps/x", "hosts": 2}]
    rollout = report["rollout"]
    assert (rollout["to_correct"], rollout["not_reached"], rollout["why"]) == (10, 8, "stopped")
    assert rollout["allow"] == {"hosts": 9}


def test_runs_of_other_kinds_and_no_runs_are_refused():
    for key in ("playbook", "mode", "controls", "catalog_version", "baseline"):
        with pytest.raises(UnmergeableReports, match=f"has {key}"):
            merge_reports("id", [make_part(1, make_record("a")), make_part(2, make_record("b"), run={key: "other"})])
    with pytest.raises(UnmergeableReports):
        merge_reports("id", [])


def test_merged_run_has_the_facts_of_all_parts_in_their_order():
    facts = {"command": {"word": "enforce"}, "started": "2026-11-21T02:00:00Z", "left_out": 2, "limit": "a"}
    first = make_part(1, make_record("a"), run={**facts, "version": "1", "verdict": {"gate": "x", "passed": True}})
    later = {**facts, "limit": "b", "version": "2", "verdict": {"gate": "x", "passed": False}}
    run = merge_reports("id", [make_part(2, make_record("b"), run=later), first])[0]["run"]
    assert run["parts"] == ["20261121T020000Z-enforce-0001", "20261122T020000Z-enforce-0002"]
    assert (run["command"], run["limit"], run["version"]) == ({"word": "enforce"}, "a,b", "1, 2")
    assert (run["left_out"], run["expected_hosts"], run["finished"]) == (1, 2, "2026-11-22T02:01:00Z")
    assert run["verdict"] == {"gate": "x", "passed": False}
    other = make_part(2, make_record("b"), run={**later, "command": {"word": "check"}})
    assert merge_reports("id", [first, other])[0]["run"]["command"] is None
    cut = {"why": "killed", "closed_by": "r9"}
    parts = (make_part(2, run=more) for more in ({}, {"interrupted": cut}))
    whole, part = (merge_reports("id", [first, item])[0]["run"] for item in parts)
    assert [(run["interrupted"], run["verdict"]) for run in (whole, part)] == [(None, None), (cut, None)]


def make_part_without_round(number: int, *hosts: str, started: str = "", finished: str = "", **more: Any) -> ReportPart:
    times = {"started": started, "finished": finished} if started else {}
    return make_part(number, *map(make_record, hosts), run={"round": "", **times, **more})


@pytest.mark.parametrize(("parts", "expected", "refused"), [
    # An older round, or a run of none, would stand for a slice that died.
    ([make_part(1, make_record("a")), make_part(2, make_record("b"), run={"round": "r2"})], None,
     "not of one round: .*-0001 has the round r1, and .*-0002 has the round r2"),
    ([make_part_without_round(1, "a"), make_part(2, make_record("b"))], None,
     "not of one round: .*-0001 has none, and .*-0002 has the round r1"),
    ([make_part(1, make_record("a")), make_part(2, make_record("b"), make_record("a"))], ["a", "b"],
     "-0002 is a run over the whole, and no slice"),
    ([make_part(1, make_record("a"), not_served=[{"host": "b", "why": "a switch"}])], ["a", "b"],
     "is a run over the whole"),
    ([make_part(1, make_record("a")), make_part(2, make_record("z"))], ["a", "b", "c"],
     "-0002 is of another inventory: z is no host"),
    ([make_part_without_round(1, "a"), make_part_without_round(2, "b")], None,
     "-0002 began after .*-0001 had ended, and neither has a round"),
    ([make_part_without_round(1, "a", started=AT_TWO, finished=TO_THREE),
      make_part_without_round(2, "b", started=AT_TWO, finished=TO_THREE, inventory=["/other"])],
     None, "-0001 and .*-0002 are of different inventories; -i names"),
    ([make_part_without_round(1, "a", "b", started=AT_TWO, finished=TO_THREE),
      make_part_without_round(2, "b", started=AT_TWO, finished=TO_THREE)],
     None, "-0001 is a run over the whole, and no slice"),
])  # fmt: skip
def test_part_that_is_no_slice_of_the_round_is_refused(parts, expected, refused):
    with pytest.raises(UnmergeableReports, match=refused):
        merge_reports("id", parts, expected)


@pytest.mark.parametrize(("parts", "expected"), [
    ([make_part(1, make_record("a")), make_part(2, make_record("b"))], ["a", "b"]),
    ([make_part(1, make_record("a")), make_part(2, make_record("b"), run={"inventory": ["/slice2"]})], None),
    ([make_part_without_round(1, "a", started=AT_TWO, finished="2026-11-21T02:10:00Z"),
      make_part_without_round(2, "b", started="2026-11-21T02:10:00Z", finished="2026-11-21T02:20:00Z"),
      make_part_without_round(3, "c", started="2026-11-21T02:15:00Z", finished=TO_THREE)],
     None),
])  # fmt: skip
def test_slices_of_one_round_or_of_one_time_are_merged(parts, expected):
    report, records = merge_reports("id", parts, expected)
    assert set(states_by_host(records).values()) == {COMPLIANT} and len(report["run"]["parts"]) == len(parts)

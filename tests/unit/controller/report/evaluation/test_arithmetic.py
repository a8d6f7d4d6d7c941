"""Counting: what is floored, what is never rounded away, what is not a success."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.evaluation.arithmetic import MET, by_rule, nothing_known, share, summarise
from proscribe.model.finding import NOTHING_KNOWN, STATES


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 0), (-1, 2), (3, 2)])
def test_a_part_is_not_more_than_its_whole(numerator, denominator):
    with pytest.raises(ValueError, match="not a part"):
        share(numerator, denominator)


@given(whole=st.integers(1, 10**7), data=st.data())
def test_only_all_is_100_and_only_none_is_0(whole, data):
    part = data.draw(st.integers(0, whole))
    percent = share(part, whole)["percent"]
    assert (percent == 100) == (part == whole)
    assert (percent == 0) == (part == 0)
    assert percent <= part * 100 / whole or percent == 0.1


def test_the_states_in_which_nothing_is_left_to_do():
    """What the page folds away and the advice calls done: never what is waived, wrong or was not seen."""
    assert set(MET) == {"compliant", "repaired", "not_applicable"}


def record(host, state, rules_evaluated=1, rules=(), **more):
    return {"host": host, "state": state, "rules_evaluated": rules_evaluated, "rules": list(rules), **more}


@given(states=st.lists(st.sampled_from(STATES), max_size=60))
def test_the_hosts_by_state_add_up_to_the_expected_hosts(states):
    summary = summarise([record(f"h{index}", state) for index, state in enumerate(states)])
    assert sum(summary["hosts"].values()) == len(states)
    assert summary["compliance_strict"]["numerator"] <= summary["compliance_with_waivers"]["numerator"] <= len(states)
    if set(states) & {"error", "noncompliant", "unknown"}:
        assert summary["compliance_with_waivers"]["percent"] < 100


def test_of_which_rules_nothing_is_known_is_counted_by_plan_and_by_host():
    """A rule that has nothing to search for is not compliant. The report names it, with the number of such hosts."""
    idle = {"rule": "apps/c", "state": "not_applicable", "reason": f"{NOTHING_KNOWN}: this host has no snap"}
    other = {"rule": "apps/d", "state": "not_applicable", "reason": "upcoming"}
    waived = {"rule": "apps/e", "state": "waived", "reason": None}
    records = [
        {"plan": "p1", "rules_evaluated": 3, "rules": [idle, other, waived]},
        {"plan": "p1", "rules_evaluated": 1, "rules": [{"rule": "apps/f", "state": "waived"}]},
        {"plan": "p2", "rules_evaluated": 1, "rules": [idle]},
        {"plan": "p3", "rules_evaluated": 1, "rules": []},
        {"plan": None, "rules_evaluated": 0, "rules": []},  # silent
        {"plan": "p2", "rules_evaluated": 0, "rules": []},
    ]
    assert nothing_known(records, {"p1": ["apps/b", "apps/a"], "p2": ["apps/a"], "p9": ["apps/z"]}) == [
        {"rule": "apps/a", "hosts": 3},
        {"rule": "apps/b", "hosts": 2},
        {"rule": "apps/c", "hosts": 2},
    ]
    assert nothing_known([], {"p1": ["apps/a"]}) == []


def test_a_rule_is_of_a_service_or_of_a_setting_and_is_audited_or_not():
    rules = [
        {"rule": "apps/wechat", "state": "noncompliant", "mode": "audit"},
        {"rule": "apps/boot", "state": "unknown", "mode": "enforce"},
    ]
    records = [{"rules": rules}, {"rules": [{**rules[0], "mode": "enforce"}, rules[1]]}, {"rules": rules[:1]}]
    assert by_rule(records, ["wechat"]) == [
        {"rule": "apps/boot", "kind": "setting", "counts": {"unknown": 2}},
        {"rule": "apps/wechat", "kind": "service", "counts": {"noncompliant": 3}, "audited": 2},
    ]
    assert [row.get("kind") for row in by_rule(records)] == [None, None]
    assert [row["kind"] for row in by_rule(records, [])] == ["setting", "setting"]


@given(st.lists(st.sampled_from(STATES), max_size=20), st.integers(0, 20))
def test_a_host_that_is_not_served_makes_no_number_better(states, apart):
    records = [record(f"h{index}", state) for index, state in enumerate(states)]
    without, with_them = summarise(records), summarise(records, apart)
    assert with_them["not_served"] == apart
    for name in ("coverage", "compliance_strict", "compliance_with_waivers"):
        assert with_them[name]["numerator"] == without[name]["numerator"]
        assert with_them[name]["denominator"] >= without[name]["denominator"]
    assert with_them["coverage"]["denominator"] == len(states) + apart

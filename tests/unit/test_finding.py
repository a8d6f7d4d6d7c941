"""Verdicts and records: what evidence means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.finding import STATES, Finding, Verdict, host_record, judge, mark_repaired, worst

FOUND = Finding("package", "wechat", manager="dpkg")


@pytest.mark.parametrize(
    ("mode", "found", "unseen", "state", "drifted"),
    [
        ("enforce", [FOUND], "", "noncompliant", True),
        ("audit", [FOUND], "", "noncompliant", False),
        ("waived", [FOUND], "", "waived", False),
        ("report", [FOUND], "", "not_applicable", False),
        ("upcoming", [FOUND], "", "not_applicable", False),
        ("enforce", [], "", "compliant", False),
        ("waived", [], "", "compliant", False),
        ("enforce", [], "homes can only be read by root", "unknown", False),
        ("waived", [], "homes can only be read by root", "unknown", False),
        ("enforce", [FOUND], "homes can only be read by root", "noncompliant", True),  # what was seen is enough
    ],
)
def test_evidence_and_mode_make_the_verdict(mode, found, unseen, state, drifted):
    entry = {"mode": mode, "waiver": "w1", "effective_from": "2027-01-01"}
    verdict = judge("apps/wechat", entry, found, unseen)
    assert (verdict.state, verdict.drifted) == (state, drifted)
    assert verdict.waiver == ("w1" if state == "waived" else "")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "unknown"),
        (["compliant", "not_applicable"], "compliant"),
        (["not_applicable"], "not_applicable"),
        (["compliant", "unknown", "waived"], "unknown"),
        (["unknown", "noncompliant"], "noncompliant"),
        (["noncompliant", "error"], "error"),
    ],
)
def test_the_worst_state_counts(states, expected):
    assert worst(states) == expected


@given(st.lists(st.sampled_from(STATES), min_size=1))
def test_no_state_is_worse_than_the_worst(states):
    assert all(STATES.index(worst(states)) <= STATES.index(state) for state in states)


def record(*verdicts: Verdict):
    return host_record(plan_digest="d", checked_at="t", platform={}, verdicts=verdicts, errors=(), duration_ms=1)


def test_a_record_tells_what_is_not_plainly_compliant_and_counts_the_rest():
    told = record(
        Verdict("apps/b", "noncompliant", (FOUND,)),
        Verdict("apps/a", "compliant"),
        Verdict("apps/c", "not_applicable"),
        Verdict("apps/d", "not_applicable", (FOUND,), reason="report only"),
    )
    assert [rule["rule"] for rule in told["rules"]] == ["apps/b", "apps/d"]
    assert (told["state"], told["rules_evaluated"]) == ("noncompliant", 4)
    assert told["rules"][0]["findings"] == [
        {
            "kind": "package",
            "id": "wechat",
            "manager": "dpkg",
            "version": None,
            "scope": None,
            "path": None,
            "detail": None,
        }
    ]


@pytest.mark.parametrize(
    ("before", "after", "rules", "state"),
    [
        ([Verdict("a", "noncompliant", (FOUND,))], [Verdict("a", "compliant")], {"a": "repaired"}, "repaired"),
        ([Verdict("a", "error")], [Verdict("a", "compliant")], {"a": "repaired"}, "repaired"),
        (
            [Verdict("a", "noncompliant", (FOUND,))],
            [Verdict("a", "noncompliant", (FOUND,))],
            {"a": "noncompliant"},
            "noncompliant",
        ),
        ([Verdict("a", "noncompliant", (FOUND,))], [Verdict("a", "unknown")], {"a": "unknown"}, "unknown"),
        ([Verdict("a", "unknown")], [Verdict("a", "compliant")], {}, "compliant"),  # it was never seen to be wrong
        ([Verdict("a", "waived", (FOUND,))], [Verdict("a", "compliant")], {}, "compliant"),
    ],
)
def test_only_a_fresh_look_makes_a_rule_repaired(before, after, rules, state):
    merged = mark_repaired(record(*before), record(*after))
    assert {rule["rule"]: rule["state"] for rule in merged["rules"]} == rules
    assert merged["state"] == state

"""Verdicts and records: what evidence means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.model.finding import (
    COMPLIANT,
    GATES,
    LARGEST_EVIDENCE,
    MOST_FINDINGS,
    NONCOMPLIANT,
    REPAIRED,
    STATES,
    UNKNOWN,
    Finding,
    Verdict,
    exception_for,
    host_record,
    judge,
    mark_repaired,
    worst,
)

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


HERS = Finding("package", "wechat", "flatpak", "", "user:alice", "/home/alice/app")
HIS = HERS._replace(scope="user:bob", path="/home/bob/app")


FINDINGS = st.builds(
    Finding,
    kind=st.just("package"),
    id=st.sampled_from(["a", "b"]),
    version=st.sampled_from(["", "1", "2"]),
    scope=st.sampled_from(["system", "user:alice", "user:bob"]),
    path=st.sampled_from(["", "/a", "/b"]),
)
EXCEPTIONS = st.builds(
    lambda keys: {"waiver": "w", **keys},
    st.dictionaries(st.sampled_from(["users", "versions", "paths"]), st.just(["alice", "1", "/a"]), min_size=1),
)


@given(st.lists(FINDINGS, max_size=5), st.lists(EXCEPTIONS, max_size=3), st.booleans())
def test_nothing_that_no_waiver_covers_is_ever_waived(found, exceptions, hidden):
    entry = {"mode": "enforce", "exceptions": exceptions}
    verdict = judge("apps/a", entry, found, "hidden" if hidden else "")
    counting = [finding for finding in found if not exception_for(entry, finding)]
    assert (verdict.state == "noncompliant") == bool(counting)
    assert (verdict.state == "waived") == (bool(found) and not counting and not hidden)
    assert verdict.state != "compliant" or (not found and not hidden)


@given(st.lists(st.sampled_from(STATES), min_size=1))
def test_no_state_is_worse_than_the_worst(states):
    assert all(STATES.index(worst(states)) <= STATES.index(state) for state in states)


def record(*verdicts: Verdict):
    return host_record(plan_digest="d", checked_at="t", platform={}, verdicts=verdicts, errors=(), duration_ms=1)


def test_a_repaired_record_says_when_it_was_wrong_and_who_was_there_then():
    wrong = [Verdict("apps/a", NONCOMPLIANT, (FOUND,))]
    common = {"plan_digest": "d", "platform": {}, "errors": (), "duration_ms": 1}
    before = {**host_record(checked_at="8:00", verdicts=wrong, **common), "logged_in": ["alice"]}
    after = host_record(checked_at="8:05", verdicts=[Verdict("apps/a", COMPLIANT)], **common)
    result = mark_repaired(before, {**after, "logged_in": ["bob"]})
    assert (result["found_at"], result["checked_at"], result["logged_in"]) == ("8:00", "8:05", ["alice"])
    unseen = {key: value for key, value in before.items() if key != "logged_in"}
    assert "logged_in" not in mark_repaired(unseen, after)
    assert "found_at" not in mark_repaired(after, after)


def test_the_gates_from_the_mildest_on():
    assert {gate: set(states) for gate, states in GATES.items()} == {
        "never": set(),
        "noncompliant": {"error", "noncompliant"},
        "incomplete": {"error", "noncompliant", "unknown"},
    }
    assert list(GATES) == ["never", "noncompliant", "incomplete"]


def test_of_a_control_that_could_not_be_observed_again_nothing_is_repaired():
    """Rules that are no services (the gate of dpkg) are not listed then: that says nothing about them."""

    def record(*verdicts):
        facts = {"plan_digest": "", "checked_at": "", "platform": {}, "errors": [], "duration_ms": 1}
        return host_record(verdicts=verdicts, nothing_known={"apps": 2}, **facts)

    wrong = [Verdict("apps/reinstall-gate", NONCOMPLIANT, (FOUND,)), Verdict("dns/x", NONCOMPLIANT, (FOUND,))]
    seen = Verdict("apps/wechat", UNKNOWN, reason="x")
    after = mark_repaired(record(Verdict("apps/wechat", COMPLIANT), *wrong), record(seen, Verdict("dns/x", COMPLIANT)))
    assert {rule["rule"]: rule["state"] for rule in after["rules"]} == {"apps/wechat": UNKNOWN, "dns/x": REPAIRED}
    both = record(seen, Verdict("apps/reinstall-gate", COMPLIANT), Verdict("dns/x", COMPLIANT))
    assert {r["rule"] for r in mark_repaired(record(*wrong), both)["rules"]} >= {"apps/reinstall-gate", "dns/x"}


def evidence(rules):
    """A record of so many rules: (findings of each, characters of a path, its characters, characters of a reason)."""
    verdicts = [
        Verdict(
            f"apps/service{number}",
            NONCOMPLIANT,
            tuple(Finding("file", f"{number}.{one}", path=f"/home/{letter * length}") for one in range(findings)),
            reason=letter * reason,
        )
        for number, (findings, length, letter, reason) in enumerate(rules)
    ]
    return host_record(plan_digest="", checked_at="", platform={}, verdicts=verdicts, errors=[], duration_ms=1)["rules"]


@pytest.mark.parametrize(
    "rules",
    [
        [(1001, 20, "x", 0)],
        [(900, 20, "x", 0)] * 9,
        [(300, 20, "x", 0)] * 275,
        [(20, 4000, "x", 0)] * 275,
        [(20, 4000, "微", 0)] * 275,
        [(20, 4000, "\N{GRINNING FACE}", 0)] * 275,
        [(0, 0, "x", 100_000)] * 1_100,
        [(4, 300, "微", 5000)] * 2_000,
    ],
    ids=lambda rules: f"{len(rules)} times {rules[0]}",
)
def test_a_record_has_as_much_evidence_as_the_controller_takes(rules):
    """Users can make more: it is counted, and no rule is lost, or its answer would cost the host its record."""
    found = evidence(rules)
    assert len(found) == len(rules) and {rule["state"] for rule in found} == {NONCOMPLIANT}
    assert sum(len(rule["findings"]) for rule in found) <= MOST_FINDINGS
    texts = [rule["reason"] for rule in found] + [v for r in found for one in r["findings"] for v in one.values()]
    assert len(json.dumps(texts)) - 2 * len(texts) <= LARGEST_EVIDENCE
    for (number, *_), rule in zip(rules, sorted(found, key=lambda rule: int(rule["rule"][len("apps/service") :]))):
        *shown, last = rule["findings"] or [{"kind": "none"}]
        left_out = int(last["id"].split()[0].replace(",", "")) if last["kind"] == "more" else number - len(shown)
        assert len(shown) + left_out == number


def test_no_users_many_findings_hide_those_of_others_from_the_record():
    made_up = [HERS._replace(scope="user:mallory", path=f"/home/mallory/{number}") for number in range(6_000)]
    his, hosts = HIS._replace(path="/home/bob/app"), FOUND._replace(scope="system")
    (rule,) = host_record(
        plan_digest="",
        checked_at="",
        platform={},
        verdicts=[Verdict("apps/wechat", NONCOMPLIANT, (*made_up, his, hosts))],
        errors=[],
        duration_ms=1,
    )["rules"]
    shown = {finding["scope"] for finding in rule["findings"]}
    assert shown == {"user:mallory", "user:bob", "system", None}, "None is the one that counts the others"


def test_a_repaired_record_is_no_larger_than_another():
    """A host that corrects itself keeps it, and a run collects it."""
    before = {"checked_at": "1", "rules": evidence([(900, 20, "x", 0)] * 4), "controls": {}}
    after = {
        "state": NONCOMPLIANT,
        "rules": [{**r, "rule": f"dns/{r['rule']}"} for r in before["rules"]],
        "controls": {},
    }
    merged = mark_repaired(before, after)
    assert [rule["state"] for rule in merged["rules"]] == [REPAIRED] * 4 + [NONCOMPLIANT] * 4
    assert 1000 < sum(len(rule["findings"]) for rule in merged["rules"]) <= MOST_FINDINGS

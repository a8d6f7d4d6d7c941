"""Verdicts and records: what evidence means."""

import json

import pytest
from fleets import DIGEST, PLATFORM, answer
from hypothesis import given
from hypothesis import strategies as st
from proscribe.model import finding as module
from proscribe.model.finding import (
    STATES,
    Finding,
    RuleVerdict,
    find_covering_waiver,
    find_worst_state,
    judge_rule,
    mark_repaired_rules,
)

FOUND = Finding("package", "wechat", manager="dpkg")
VERDICTS = [
    ("enforce", [FOUND], "", "noncompliant", True),
    ("audit", [FOUND], "", "noncompliant", False),
    ("waived", [FOUND], "", "waived", False),
    ("report", [FOUND], "", "not_applicable", False),
    ("enforce", [], "", "compliant", False),
    ("waived", [], "", "compliant", False),
    ("enforce", [], "homes", "unknown", False),
    ("waived", [], "homes", "unknown", False),
    ("enforce", [FOUND], "homes", "noncompliant", True),  # what was seen is enough
]


@pytest.mark.parametrize(("mode", "findings", "unseen", "state", "drifted"), VERDICTS)
def test_verdict_follows_from_evidence_and_mode(mode, findings, unseen, state, drifted):
    entry = {"mode": mode, "waiver": "w1", "effective_from": "2027-01-01"}
    verdict = judge_rule("apps/wechat", entry, findings, unseen)
    reason = "report only: the catalogue does not restrict it by itself" if mode == "report" else ""
    reason = unseen if state == "unknown" else reason
    waiver = "w1" if state == "waived" else ""
    assert verdict == RuleVerdict("apps/wechat", state, tuple(findings), waiver, reason, drifted)


OF_ANN, OF_BOB = (
    Finding("process", "tor", version="1", scope=f"pid:7 user:{name}", path="/t") for name in ("ann", "bob")
)
BOTH = "waiver w1 covers process tor 1 (ann); waiver w2 covers process tor 1 (bob)"


@pytest.mark.parametrize(
    ("entry", "findings", "unseen", "verdict"),
    [
        (
            {"mode": "upcoming"},
            [FOUND],
            "",
            ("not_applicable", (FOUND,), "", "upcoming: in force from 2027-01-01", False),
        ),
        ({"exceptions": [("w1", "users", "ann")]}, [OF_ANN], "", ("waived", (OF_ANN,), "w1", "", False)),
        (
            {"exceptions": [("w1", "users", "ann")]},
            *([OF_ANN, OF_BOB], "homes", ("noncompliant", (OF_BOB,), "", BOTH.partition(";")[0], True)),
        ),
        (
            {"exceptions": [("w1", "versions", "1")]},
            [OF_ANN],
            "homes",
            ("unknown", (), "", f"homes; {BOTH[:36]}", False),
        ),
        (
            {"exceptions": [("w1", "users", "ann"), ("w2", "paths", "/t")]},
            *([OF_ANN, OF_BOB], "", ("waived", (OF_ANN, OF_BOB), "w1", BOTH, False)),
        ),
        ({"only": {"users": [], "unresolved": "no group x"}}, [], "", ("unknown", (), "", "no group x", False)),
    ],
)
def test_verdict_names_the_waivers_of_some_findings(entry, findings, unseen, verdict):
    exceptions = [{"waiver": waiver, key: [value]} for waiver, key, value in entry.get("exceptions", ())]
    entry = {"mode": "enforce", "effective_from": "2027-01-01", **entry, "exceptions": exceptions}
    assert judge_rule("apps/tor", entry, findings, unseen) == ("apps/tor", *verdict, 0)


def test_record_has_all_of_its_verdicts_and_counts():
    fields = ("kind", "id", "manager", "version", "scope", "path", "detail")
    assert Finding(*"abcdefg").convert_to_dict() == dict(zip(fields, "abcdefg", strict=True))
    rules = [("waived", (FOUND,), "w1", "why"), ("compliant", ()), ("not_applicable", ())]
    verdicts = [RuleVerdict(f"apps/{number}", *rule, attempts=number) for number, rule in enumerate(rules)]
    package = {"kind": "package", "id": "wechat", "manager": "dpkg"}
    empty = dict.fromkeys(("version", "scope", "path", "detail"))
    assert answer(*reversed(verdicts), nothing_known={"dns": 2, "browser": 0}) == {
        "schema": "proscribe/host/1", "state": "waived", "plan": DIGEST,
        "checked_at": "2026-11-25T00:30:05Z", "platform": PLATFORM,
        "rules_evaluated": 5, "rules_not_applicable": 3, "attempts": {"apps/1": 1, "apps/2": 2}, "errors": [],
        "controls": {
            "apps": {"evaluated": 3, "not_applicable": 1}, "dns": {"evaluated": 2, "not_applicable": 2},
        },
        "rules": [
            {"rule": "apps/0", "state": "waived", "waiver": "w1", "reason": "why", "findings": [{**package, **empty}]},
        ],
        "duration_ms": 120,
    }  # fmt: skip


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
def test_finding_that_no_waiver_covers_is_never_waived(findings, exceptions, hidden):
    entry = {"mode": "enforce", "exceptions": exceptions}
    verdict = judge_rule("apps/a", entry, findings, "hidden" if hidden else "")
    counting = [finding for finding in findings if not find_covering_waiver(entry, finding)]
    assert (verdict.state == "noncompliant") == bool(counting)
    assert (verdict.state == "waived") == (bool(findings) and not counting and not hidden)
    assert verdict.state != "compliant" or (not findings and not hidden)


@given(st.lists(st.sampled_from(STATES), min_size=1))
def test_worst_state_is_none_milder_than_another(states):
    assert all(STATES.index(find_worst_state(states)) <= STATES.index(state) for state in states)


def test_repaired_record_has_the_time_and_the_users_of_the_first_look():
    before = {**answer(RuleVerdict("apps/a", "noncompliant", (FOUND,)), checked_at="8:00"), "logged_in": ["alice"]}
    after = answer(RuleVerdict("apps/a", "compliant"), checked_at="8:05")
    result = mark_repaired_rules(before, {**after, "logged_in": ["bob"]})
    assert (result["found_at"], result["checked_at"], result["logged_in"]) == ("8:00", "8:05", ["alice"])
    unseen = {key: value for key, value in before.items() if key != "logged_in"}
    assert "logged_in" not in mark_repaired_rules(unseen, after) and "found_at" not in mark_repaired_rules(after, after)


def test_gates_are_ordered_from_the_mildest_on():
    assert {gate: set(states) for gate, states in module.GATES.items()} == {
        "never": set(),
        "noncompliant": {"error", "noncompliant"},
        "incomplete": {"error", "noncompliant", "unknown"},
    }
    assert list(module.GATES) == ["never", "noncompliant", "incomplete"]


def test_control_that_could_not_be_observed_again_has_no_repaired_rule():
    # Rules that are no services (the gate of dpkg) are not listed then, which proves no repair.
    wrong = [RuleVerdict(rule, "noncompliant", (FOUND,)) for rule in ("apps/reinstall-gate", "dns/x")]
    seen, repaired = RuleVerdict("apps/wechat", "unknown", reason="x"), RuleVerdict("dns/x", "compliant")
    before = answer(RuleVerdict("apps/wechat", "compliant"), *wrong, nothing_known={"apps": 2})
    after = mark_repaired_rules(before, answer(seen, repaired, nothing_known={"apps": 2}))
    assert {rule["rule"]: rule["state"] for rule in after["rules"]} == {"apps/wechat": "unknown", "dns/x": "repaired"}
    both = answer(seen, RuleVerdict("apps/reinstall-gate", "compliant"), repaired, nothing_known={"apps": 2})
    assert {rule["rule"] for rule in mark_repaired_rules(before, both)["rules"]} >= {"apps/reinstall-gate", "dns/x"}


def make_rules(sizes):
    """Make the rules of a record: (findings of each, characters of a path, its letter, characters of a reason)."""
    verdicts = []
    for number, (count, length, letter, reason) in enumerate(sizes):
        long = {("manager", "version", "scope", "path", "detail")[number % 5]: f"/home/{letter * length}"}
        findings = [Finding("file", f"{number}.{index}", **long) for index in range(count)]
        verdicts.append(RuleVerdict(f"apps/service{number}", "noncompliant", tuple(findings), reason=letter * reason))
    return answer(*verdicts)["rules"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [
        [(1001, 20, "x", 0)],
        [(900, 20, "x", 0)] * 9,
        [(300, 20, "x", 0)] * 275,
        [(20, 4000, "x", 0)] * 275,
        [(20, 4000, "\N{GRINNING FACE}", 0)] * 275,
        [(0, 0, "x", 100_000)] * 1_100,
        [(4, 300, "微", 5000)] * 2_000,
    ],
    ids=range(7),
)
def test_record_has_as_much_evidence_as_the_controller_takes(sizes):
    # Users can make more: it is counted, and no rule is lost, or its answer would cost the host its record.
    rules = make_rules(sizes)
    assert len(rules) == len(sizes) and {rule["state"] for rule in rules} == {"noncompliant"}
    assert sum(len(rule["findings"]) for rule in rules) <= 4_000
    texts = [rule["reason"] for rule in rules]
    texts += [value for rule in rules for finding in rule["findings"] for value in finding.values()]
    assert len(json.dumps(texts)) - 2 * len(texts) <= 1_048_576
    for (number, *_), rule in zip(sizes, sorted(rules, key=lambda rule: int(rule["rule"][len("apps/service") :]))):
        *shown, last = rule["findings"] or [{"kind": "none"}]
        left_out = int(last["id"].split()[0].replace(",", "")) if last["kind"] == "more" else number - len(shown)
        assert len(shown) + left_out == number


def test_many_findings_of_one_user_hide_none_of_others_from_the_record():
    his = Finding("package", "wechat", "flatpak", "", "user:bob", "/home/bob/app")
    many = [his._replace(scope="user:mallory", path=f"/home/mallory/{number}") for number in range(6_000)]
    verdict = RuleVerdict("apps/wechat", "noncompliant", (*many, his, FOUND._replace(scope="system")))
    (rule,) = answer(verdict)["rules"]
    shown = {finding["scope"] for finding in rule["findings"]}
    assert shown == {"user:mallory", "user:bob", "system", None}, "None is the one that counts the others"


def test_repaired_record_is_no_larger_than_another():
    before = {"checked_at": "1", "rules": make_rules([(900, 20, "x", 0)] * 4), "controls": {}}
    rules = [{**rule, "rule": f"dns/{rule['rule']}"} for rule in before["rules"]]
    merged = mark_repaired_rules(before, {"state": "noncompliant", "rules": rules, "controls": {}})
    assert [rule["state"] for rule in merged["rules"]] == ["repaired"] * 4 + ["noncompliant"] * 4
    assert 1000 < sum(len(rule["findings"]) for rule in merged["rules"]) <= 4_000

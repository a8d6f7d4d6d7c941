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
    LONGEST_REASON,
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
OLD, NEW = FOUND._replace(version="4.0", scope="system"), FOUND._replace(version="4.1", scope="system")
FOR_ALICE, FOR_OLD = {"waiver": "w1", "users": ["alice"]}, {"waiver": "w2", "versions": ["4.0"]}


@pytest.mark.parametrize(
    ("exception", "finding", "covered"),
    [
        ({"users": ["alice"]}, HERS, True),
        ({"users": ["alice"]}, HIS, False),
        ({"users": ["alice", "bob"]}, HIS, True),
        ({"users": ["alice"]}, HERS._replace(scope="pid:7 user:alice"), True),
        ({"users": ["alice"]}, HERS._replace(scope="user:alice2"), False),
        ({"users": ["system"]}, OLD, False),  # the system is nobody's own
        ({"users": [""]}, OLD, False),
        ({"versions": ["4.0"]}, OLD, True),
        ({"versions": ["4.0"]}, NEW, False),
        ({"versions": ["4"]}, OLD, False),
        ({"versions": ["4.0"]}, Finding("process", "wechat", "", "4.0", "user:alice"), True),
        ({"versions": ["4.0"]}, Finding("process", "wechat", "", "4.1", "user:alice"), False),
        ({"versions": ["4.0"]}, Finding("file", "wechat", "", "4.0", "system"), False),  # as its name says
        ({"versions": ["4.0"]}, OLD._replace(scope="user:alice"), False),  # his word
        ({"versions": [""]}, HERS, False),  # a version that is not known is no version
        ({"paths": ["/home/alice/app"]}, HERS, True),
        ({"paths": ["/home/alice"]}, HERS, False),
        ({"users": ["alice"], "paths": ["/home/bob/app"]}, HERS, False),
        ({"users": ["alice"], "paths": ["/home/alice/app"]}, HERS, True),
    ],
)
def test_an_exception_covers_what_fits_all_that_it_names(exception, finding, covered):
    entry = {"mode": "enforce", "exceptions": [{"waiver": "w1", **exception}]}
    assert exception_for(entry, finding) == ("w1" if covered else "")


def test_a_program_may_fit_by_the_place_that_it_belongs_to():
    entry = {"mode": "enforce", "exceptions": [{"waiver": "w1", "paths": ["/var/lib/flatpak/app/x"]}]}
    assert exception_for(entry, HERS, "/var/lib/flatpak/app/x") == "w1"
    assert exception_for(entry, HERS, "/var/lib/flatpak/app/y") == ""


@pytest.mark.parametrize(
    ("found", "unseen", "state", "waiver", "counting", "reason"),
    [
        ([HERS], "", "waived", "w1", [HERS], ""),
        ([HERS, HIS], "", "noncompliant", "", [HIS], "waiver w1 covers package wechat (alice)"),
        ([OLD, NEW], "", "noncompliant", "", [NEW], "waiver w2 covers package wechat 4.0"),
        (
            [HERS, OLD],
            "",
            "waived",
            "w1",
            [HERS, OLD],
            "waiver w1 covers package wechat (alice); waiver w2 covers package wechat 4.0",
        ),
        # Where the look was incomplete, there may be something that no waiver covers.
        ([HERS], "hidden", "unknown", "", [], "hidden; waiver w1 covers package wechat (alice)"),
        ([], "hidden", "unknown", "", [], "hidden"),
        ([], "", "compliant", "", [], ""),
    ],
)
@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_what_a_partial_waiver_does_not_cover_counts(mode, found, unseen, state, waiver, counting, reason):
    verdict = judge("apps/wechat", {"mode": mode, "exceptions": [FOR_ALICE, FOR_OLD]}, found, unseen)
    assert (verdict.state, verdict.waiver, list(verdict.findings), verdict.reason) == (state, waiver, counting, reason)
    assert verdict.drifted == (state == "noncompliant" and mode == "enforce")


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


def test_a_record_has_these_keys_with_these_values():
    """Others read it: the callback, the history, every export. A key that is renamed is data that is lost."""
    verdicts = [Verdict("apps/b", COMPLIANT, attempts=3), Verdict("apps/a", "not_applicable", reason="upcoming")]
    result = host_record(
        plan_digest="sha256:d",
        checked_at="2026-11-26T08:00:00Z",
        platform={"os": "debian"},
        verdicts=[*verdicts, Verdict("apps/c", NONCOMPLIANT, (FOUND,))],
        errors=[{"control": "dns", "message": "m"}],
        duration_ms=7,
    )
    empty = dict.fromkeys(("version", "scope", "path", "detail"))
    assert result == {
        "schema": "proscribe/host/1",
        "state": "noncompliant",
        "plan": "sha256:d",
        "checked_at": "2026-11-26T08:00:00Z",
        "platform": {"os": "debian"},
        "rules_evaluated": 3,
        "rules_not_applicable": 1,
        "controls": {"apps": {"evaluated": 3, "not_applicable": 1}},
        "rules": [
            {
                "rule": "apps/c",
                "state": "noncompliant",
                "waiver": None,
                "reason": None,
                "findings": [{"kind": "package", "id": "wechat", "manager": "dpkg", **empty}],
            }
        ],
        "attempts": {"apps/b": 3},
        "errors": [{"control": "dns", "message": "m"}],
        "duration_ms": 7,
    }


def test_of_what_nothing_is_known_a_record_counts_the_rules_of_each_control():
    """It is evaluated and does not apply; were it not counted, a host would seem to have left rules out."""
    facts = {"plan_digest": "d", "checked_at": "t", "platform": {}, "errors": (), "duration_ms": 1}
    known = {"apps": 2, "dns": 3, "browser": 0}
    result = host_record(verdicts=[Verdict("apps/a", COMPLIANT)], nothing_known=known, **facts)
    assert result["controls"] == {
        "apps": {"evaluated": 3, "not_applicable": 2},
        "dns": {"evaluated": 3, "not_applicable": 3},
    }
    assert (result["rules_evaluated"], result["rules_not_applicable"], result["state"]) == (6, 5, "compliant")
    result = host_record(verdicts=[], nothing_known={"dns": 1}, **facts)
    assert (result["rules_evaluated"], result["state"]) == (1, "not_applicable")
    result = host_record(verdicts=[], nothing_known={"dns": 0}, **facts)
    assert (result["rules_evaluated"], result["state"], result["controls"]) == (0, "unknown", {})


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


def test_a_record_lists_what_is_not_plainly_compliant_and_counts_the_rest():
    result = record(
        Verdict("apps/b", "noncompliant", (FOUND,)),
        Verdict("apps/a", "compliant"),
        Verdict("apps/c", "not_applicable"),
        Verdict("apps/d", "not_applicable", (FOUND,), reason="report only"),
    )
    assert [rule["rule"] for rule in result["rules"]] == ["apps/b", "apps/d"]
    assert (result["state"], result["rules_evaluated"]) == ("noncompliant", 4)


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


def test_a_compliant_rule_with_something_to_tell_is_listed_and_a_repaired_one_replaces_it():
    def record(state):
        verdicts = [Verdict("browser/probe", state, (Finding("browser", "chromium"),)), Verdict("dns/x", COMPLIANT)]
        facts = {"plan_digest": "", "checked_at": "", "platform": {}, "errors": [], "duration_ms": 1}
        return host_record(verdicts=verdicts, **facts)

    before, after = record(NONCOMPLIANT), record(COMPLIANT)
    assert [(rule["rule"], rule["state"]) for rule in after["rules"]] == [("browser/probe", COMPLIANT)]
    repaired = mark_repaired(before, after)
    assert [(rule["rule"], rule["state"]) for rule in repaired["rules"]] == [("browser/probe", REPAIRED)]
    assert repaired["state"] == REPAIRED


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


LARGEST_HONEST = [(1, 60, "x", 40)] * 1_140 + [(500, 60, "x", 0)] * 4  # the whole catalogue, and a shared desktop


def test_the_largest_honest_record_is_whole():
    rules = evidence(LARGEST_HONEST)
    assert [len(rule["findings"]) for rule in rules if "more findings" in json.dumps(rule)] == []
    assert sum(len(rule["findings"]) for rule in rules) == 3_140


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


def test_what_is_too_long_keeps_its_end():
    """There a path has the file's name, and a reason what is wrong."""
    deep = "/home/mallory" + 2_000 * "/d"
    found = Finding("file", "viber", path=f"{deep}/Viber")
    (rule,) = host_record(
        plan_digest="",
        checked_at="",
        platform={},
        verdicts=[Verdict("apps/viber", UNKNOWN, (found,), reason=f"{deep} is too deep")],
        errors=[],
        duration_ms=1,
    )["rules"]
    assert rule["reason"].startswith("/home/mallory/d/d") and rule["reason"].endswith("/d/d is too deep")
    assert len(rule["reason"]) <= LONGEST_REASON
    assert rule["findings"][0]["path"].endswith("/d/d/Viber")


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

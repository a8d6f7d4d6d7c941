"""Counts, baselines, modes of controls, groups of hosts and reconciled records."""

import json
from typing import Any

import pytest
from fleets import DIGEST, OTHER_DIGEST, WECHAT, answer, clean_answer, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_rule
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation import arithmetic, finding_groups
from proscribe.controller.report.evaluation import scope as scopes
from proscribe.controller.report.evaluation.arithmetic import count_unsearchable_rules, summarise_records
from proscribe.controller.report.evaluation.baseline import Baseline, BaselineDeviation
from proscribe.controller.report.evaluation.control_modes import ControlModes
from proscribe.controller.report.evaluation.fleet_state import ControlObservation, FleetState
from proscribe.controller.report.evaluation.reconciliation import StaleLimits, make_run_report, reconcile_records
from proscribe.controller.report.evaluation.unobserved_corrections import UnobservedCorrection, settle_corrections
from proscribe.controller.report.evaluation.verdict import judge_run
from proscribe.controller.report.storage import corrections_file
from proscribe.controller.report.text.wording import SharedCause
from proscribe.model.finding import GROUP_POLICY, NO_IDENTIFIERS_REASON, STATES, Finding, RuleVerdict, judge_rule
from proscribe.model.plan import CONTROLS
from proscribe.wire.answers.record import make_silent_record, read_record

FINISHED = "2026-11-25T00:31:00Z"
NOT_OBSERVED = {"state": None, "evaluated": 0, "not_applicable": 0}
WECHAT_FOUND = Finding("package", "wechat", "dpkg", "4.0").convert_to_dict()
THREE_DAYS = 3 * 86400
REASONS = ("failed: x: y", "unreachable: no\nroute", "unreachable: z", "asleep", None)
ANSWERS = {
    "clean": clean_answer(), "bad": answer(wechat(WECHAT)), "other plan": clean_answer(digest=OTHER_DIGEST),
    "old": clean_answer(checked_at="2026-11-01T00:00:00Z"), "nothing evaluated": answer(),
}  # fmt: skip


@given(whole=st.integers(1, 10**7), data=st.data())
def test_only_all_is_100_and_only_none_is_0(whole, data):
    part = data.draw(st.integers(0, whole))
    percent = arithmetic.compute_share(part, whole)["percent"]
    assert ((percent == 100), (percent == 0)) == ((part == whole), (part == 0))
    assert percent <= part * 100 / whole or percent == 0.1
    for numerator, denominator in ((1, 0), (-1, 2), (whole + 1, whole)):
        with pytest.raises(ValueError, match="not a part"):
            arithmetic.compute_share(numerator, denominator)


@given(states=st.lists(st.sampled_from(STATES), max_size=60))
def test_the_hosts_by_state_add_up_to_the_expected_hosts(states):
    summary = summarise_records([make_record(f"h{index}", state) for index, state in enumerate(states)])
    assert sum(summary["hosts"].values()) == len(states)
    assert summary["compliance_strict"]["numerator"] <= summary["compliance_with_waivers"]["numerator"] <= len(states)
    if set(states) & {"error", "noncompliant", "unknown"}:
        assert summary["compliance_with_waivers"]["percent"] < 100


def test_rules_without_anything_known_are_counted_by_plan_and_host():
    idle = {"rule": "apps/c", "state": "not_applicable", "reason": f"{NO_IDENTIFIERS_REASON}: this host has no snap"}
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
    by_plan = {"p1": ["apps/b", "apps/a"], "p2": ["apps/a"], "p9": ["apps/z"]}
    assert count_unsearchable_rules(records, NO_IDENTIFIERS_REASON, by_plan) == [
        {"rule": "apps/a", "hosts": 3}, {"rule": "apps/b", "hosts": 2}, {"rule": "apps/c", "hosts": 2},
    ]  # fmt: skip
    assert count_unsearchable_rules([], NO_IDENTIFIERS_REASON, {"p1": ["apps/a"]}) == []
    assert count_unsearchable_rules(records, "upcoming") == [{"rule": "apps/d", "hosts": 1}]


@pytest.mark.parametrize(("state", "exit_codes"), [
    ("error", ["2", "10", "10"]), ("noncompliant", ["ansible", "10", "10"]), ("unknown", ["ansible", "ansible", "11"]),
    ("waived", ["ansible"] * 3), ("compliant", ["ansible"] * 3),
])  # fmt: skip
def test_gate_that_is_not_met_has_its_exit_code(state, exit_codes):
    records = [make_record("web01", state), make_record("web02")]
    verdicts = [judge_run(records, ["never", gate], False) for gate in ("never", "noncompliant", "incomplete")]
    assert [verdict.exit_code for verdict in verdicts] == exit_codes


@pytest.mark.parametrize(("evaluated", "idle", "listed", "compliant", "not_applicable"), [
    (5, 0, ["error"], 4, 0), (5, 2, ["not_applicable"], 3, 2), (5, 9, ["error", "not_applicable"], 0, 4),
])  # fmt: skip
def test_rules_that_a_record_only_counts_hold_or_do_not_apply(evaluated, idle, listed, compliant, not_applicable):
    rules = [{"state": state} for state in listed]
    counts = arithmetic.count_rule_states({"rules": rules, "rules_evaluated": evaluated, "rules_not_applicable": idle})
    assert (counts["compliant"], counts["not_applicable"]) == (compliant, not_applicable)
    assert sum(counts.values()) == evaluated


def test_interrupted_run_reached_only_hosts_with_another_reason():
    reasons = (scopes.NOT_REACHED_REASON, "unreachable", scopes.NOT_KNOWN_REASON, None)
    records = [{"reason": reason} for reason in reasons]
    assert scopes.select_reached_records(records) == [records[1], records[3]]


@given(st.lists(st.sampled_from(STATES), max_size=20), st.integers(0, 20))
def test_a_host_that_is_not_served_makes_no_number_better(states, apart):
    records = [make_record(f"h{index}", state) for index, state in enumerate(states)]
    without, with_them = summarise_records(records), summarise_records(records, apart)
    assert with_them["not_served"] == apart
    for name in ("coverage", "compliance_strict", "compliance_with_waivers"):
        assert with_them[name]["numerator"] == without[name]["numerator"]
        assert with_them[name]["denominator"] >= without[name]["denominator"]
    assert with_them["coverage"]["denominator"] == len(states) + apart


def baseline_record(*verdicts):
    return read_record("web01", answer(*verdicts, evaluated=["dns/x"]))


@pytest.mark.parametrize(
    ("state", "reason"), [("noncompliant", ""), ("unknown", ""), ("error", "broken"), ("unknown", "no")]
)
def test_a_rule_that_is_wrong_without_evidence_is_new_once(state, reason):
    wrong = baseline_record(RuleVerdict("dns/y", state, reason=reason))
    new = BaselineDeviation("web01", "dns/y", state, reason)
    assert Baseline([baseline_record()]).find_deviations([wrong]) == [new]
    assert Baseline([wrong]).find_deviations([wrong]) == []
    other = baseline_record(RuleVerdict("dns/z", state, reason=reason))
    assert [item.rule for item in Baseline([wrong]).find_deviations([other])] == ["dns/z"]


def test_defect_of_a_whole_host_has_no_rule():
    refused = {"control": "apps", "message": "it would take gnome", "refused": "apps/wechat"}
    errors = [refused, {"control": "apps", "message": "apt is locked"}]
    failed = {**baseline_record(), "state": "error", "errors": errors}
    without_reason = {**make_silent_record("web01", ""), "reason": None}
    for record, state, why in ((failed, "error", "apt is locked"), (without_reason, "unknown", "no answer")):
        found = Baseline([baseline_record()]).find_deviations([record])
        assert found == [BaselineDeviation("web01", "", state, why)]


def record_with_modes(states=(), counts=None, evaluated=None, policy=None, observed=CONTROLS):
    """Return the record of rules of `apps`; `counts` are (evaluated, not applicable) by control."""
    rules = [{"rule": f"apps/{number}", "state": state, "reason": None} for number, state in enumerate(states)]
    record = {"rules": rules, "rules_evaluated": len(rules) if evaluated is None else evaluated, "errors": ()}
    if counts is not None:
        record["controls"] = {n: {"evaluated": e, "not_applicable": i} for n, (e, i) in counts.items()}
    policies = {DIGEST: {"apps": {"mode": "audit", "policy": "p"}} if policy is None else policy}
    return ControlModes(policies, observed).add_modes(record, DIGEST)


@pytest.mark.parametrize(("observed", "counts", "policy", "value"), [
    (CONTROLS, {GROUP_POLICY: (3, 1)}, {}, (None, "compliant", 3)),
    (["dns"], {GROUP_POLICY: (3, 1)}, {}, (None, "compliant", 3)),  # a run over it, though not over all controls
    (["dns"], {}, {GROUP_POLICY: {"mode": "audit", "policy": "p"}}, ("audit", None, 0)),
    (CONTROLS, {}, {GROUP_POLICY: {"mode": "audit", "policy": "p"}}, ("audit", "unknown", 0)),
    (CONTROLS, {}, {}, None),
])  # fmt: skip
def test_group_policy_is_in_a_record_where_the_host_or_the_plan_has_it(observed, counts, policy, value):
    controls = record_with_modes(counts=counts, evaluated=3, policy=policy, observed=observed)["controls"]
    result = controls.get(GROUP_POLICY)
    assert (result and (result["mode"], result["state"], result["evaluated"])) == value


def test_a_record_has_all_controls_with_their_policies_and_its_rules_with_their_modes():
    policy = {"apps": {"mode": "audit", "policy": "p"}, "dns": None}
    result = record_with_modes(["waived"], {"dns": (3, 0)}, policy=policy)
    assert result["controls"] == {
        "apps": {"mode": "audit", "policy": "p", "state": "waived", "evaluated": 1, "not_applicable": 0},
        **dict.fromkeys(("browser", "firewall"), {"mode": None, "policy": None, **NOT_OBSERVED}),
        "dns": {"mode": None, "policy": None, "state": "compliant", "evaluated": 3, "not_applicable": 0},
    }
    assert result["rules"] == [{"rule": "apps/0", "state": "waived", "reason": None, "mode": "audit"}]
    assert result["rules_evaluated"] == 4, "a host that counts its controls higher than itself evaluated as many"
    nothing = record_with_modes(evaluated=0)["controls"]["apps"]
    assert nothing == {"mode": "audit", "policy": "p", **NOT_OBSERVED, "state": "unknown"}
    assert record_with_modes(["waived"], policy={"apps": None})["rules"][0]["mode"] is None
    assert record_with_modes(["waived"], evaluated=9)["rules_evaluated"] == 9
    record = {"rules": [{"rule": "apps/x", "state": "waived"}], "rules_evaluated": 1, "errors": ()}
    modes = ControlModes({mode: {"apps": {"mode": mode, "policy": "p"}} for mode in ("audit", "enforce")}, CONTROLS)
    first, again, other = (modes.add_modes(record, digest)["rules"][0] for digest in ("audit", "audit", "enforce"))
    assert first is again and (first["mode"], other["mode"]) == ("audit", "enforce")


HAVE = [(host, f"dpkg {host}") for host in "abcd"]


@pytest.mark.parametrize(("rules", "hosts", "evidence", "text"), [
    ("dns/a dns/b dns/c", "web01", (), "dns/a, dns/b, dns/c on web01: down"),
    ("dns/a dns/b dns/c dns/d", "a b", (), "4 rules on 2 hosts: down; a, b"),
    ("apps/a", "a b c", HAVE[:3], "3 hosts: a: dpkg a; b: dpkg b; c: dpkg c (down)"),
    ("apps/a", "a b c d", HAVE, "4 hosts: a: dpkg a; b: dpkg b; c: dpkg c; and 1 more (down)"),
])  # fmt: skip
def test_a_group_in_a_sentence(rules, hosts, evidence, text):
    names, causes = (tuple(rules.split()), tuple(hosts.split())), (SharedCause("down"),)
    group = finding_groups.FindingGroup("dns", "noncompliant", *names, causes, tuple(evidence))
    assert group.describe_group() == text


def test_hosts_with_the_same_share_a_part_and_an_error_is_one_too():
    grouping = finding_groups.Grouping()
    same = make_rule("dns/a", reason="down")
    error = {"errors": [{"control": "dns", "message": "it is\nlocked"}]}
    assert grouping.add_record(make_record("a", "noncompliant", same, make_rule("dns/b", "not_applicable"))) == (0, 1)
    assert grouping.add_record(make_record("b", "noncompliant", dict(same), same)) == (2,)
    assert grouping.add_record(make_record("c", "noncompliant", same, **error)) == (0, 3)
    assert [rule["rule"] for rule in grouping.rules] == ["dns/a", "dns/b"]
    assert [(part.control, part.state, part.rules, part.group) for part in grouping.parts] == [
        ("dns", "noncompliant", (0,), 0), ("dns", "not_applicable", (1,), None), ("dns", "noncompliant", (0, 0), 0),
        ("dns", "error", (), 1),
    ]  # fmt: skip
    of_browsers = [make_rule(f"browser/{name}", "noncompliant", None, WECHAT_FOUND) for name in "ab"]
    assert len(grouping.add_record(make_record("d", "noncompliant", *of_browsers))) == 1, (
        "evidence is a part of its own for apps only"
    )
    first, second, _ = grouping.make_groups()
    assert (first.hosts, second.hosts, second.causes_text) == (("a", "b", "c"), ("c",), "it is locked")
    others = ({"waiver": "w"}, {"reason": "up"}, {"state": "error"}, {"mode": "audit"}, {"findings": [WECHAT_FOUND]})
    for number, more in enumerate(others, len(grouping.rules)):
        grouping.add_record(make_record("e", "noncompliant", {**same, **more}))
        assert len(grouping.rules) == number + 1


def test_hosts_that_gave_no_answer_by_the_kind_of_reason():
    records = [make_record(host, "unknown", reason=reason) for host, reason in zip("abcde", REASONS)]
    assert finding_groups.group_silent_hosts([*records, make_record("f", "error", reason="failed: x")]) == [
        ("unreachable", (("b", "no route"), ("c", "z"))), ("asleep", (("d", ""),)), ("failed", (("a", "x: y"),))
    ]  # fmt: skip


@pytest.mark.parametrize(("reason", "state", "needs"), [
    *((f"it {words} root", "unknown", True) for words in ("can be seen as", "is read by", "needs", "is for only")),
    *(("needs root", "noncompliant", False), ("in /as/root", "unknown", False), ("he needs roots", "unknown", False)),
])  # fmt: skip
def test_reason_that_needs_root_is_recognized(reason, state, needs):
    records = [make_record("web01", "noncompliant", make_rule("apps/x", state, reason))]
    assert finding_groups.list_root_hosts(records) == ["web01"] * needs


def states_by_host(fleet):
    return {record["host"]: record["state"] for record in fleet.records}


@pytest.mark.parametrize(("checked_at", "state", "kind", "reason"), [
    ("2026-11-22T08:00:00Z", "compliant", None, None),
    ("2026-11-22T07:59:59Z", "unknown", "stale", "stale: its record is 3 days old (2026-11-22T07:59:59Z)"),
    ("2026-11-25T08:05:00Z", "compliant", None, None),
    ("2026-11-25T10:00:00Z", "compliant", "clock_ahead", None),
    ("2026-11-25 08:00:00", "unknown", "no_time", "its record does not say when it was checked"),
])  # fmt: skip
def test_an_old_record_is_no_answer_and_a_clock_that_is_ahead_is_reported(checked_at, state, kind, reason):
    clock = StaleLimits("2026-11-25T08:00:00Z", THREE_DAYS, {})
    answered = [read_record("web01", clean_answer(checked_at=checked_at))]
    fleet = reconcile_records({"web01": DIGEST}, answered, stale_limits=clock)
    record = fleet.records[0]
    assert (record["state"], record["rules_evaluated"] > 0) == (state, state == "compliant")
    assert str(record["reason"]).startswith(str(reason))
    assert [note.kind for note in fleet.notes] == ([kind] if kind else [])
    assert record["checked_at"] == checked_at


@pytest.mark.parametrize(("total", "result", "state", "noted"), [
    (3, clean_answer(), "compliant", False),
    (4, clean_answer(), "unknown", True),
    (4, answer(wechat(WECHAT), evaluated=["dns/x"]), "noncompliant", True),
])  # fmt: skip
def test_rule_that_was_not_evaluated_is_not_compliant(total, result, state, noted):
    fleet = reconcile_records({"web01": DIGEST}, [read_record("web01", result)], rule_counts={DIGEST: total})
    assert states_by_host(fleet) == {"web01": state}
    assert [note.kind for note in fleet.notes] == (["too_few_rules"] if noted else [])


def test_a_change_in_a_run_that_only_audits_is_an_error_of_its_host():
    result = run(["web01"])
    collector = Collector(result)
    collector.answered("web01", clean_answer())
    collector.changed("web01", "apps", {"changed": True, "actions": ["remove wechat"]}, is_dry_run=True)
    assert states_by_host(collector.reconcile_hosts()) == {"web01": "compliant"}
    collector.changed("web01", "apps", {"changed": True, "actions": ["remove wechat"]})
    fleet = collector.reconcile_hosts()
    assert states_by_host(fleet) == {"web01": "error"}
    note = {"host": "web01", "kind": "changed", "detail": "changed in a run that only audits: remove wechat"}
    assert make_run_report(result, fleet, FINISHED)["unexpected"] == [note]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "ghost"]), st.sampled_from(list(ANSWERS))), max_size=8))
def test_only_a_fresh_answer_for_its_own_plan_makes_a_host_compliant_and_nobody_is_lost(events):
    expected = dict.fromkeys("abc", DIGEST)
    records = [read_record(host, ANSWERS[kind]) for host, kind in events]
    fleet = reconcile_records(expected, records, stale_limits=StaleLimits("2026-11-25T01:00:00Z", THREE_DAYS, {}))
    summary = make_run_report(run(list(expected)), fleet, FINISHED)["summary"]
    assert sum(summary["hosts"].values()) == len(expected) == summary["coverage"]["denominator"]
    for host, state in states_by_host(fleet).items():
        kinds = {kind for name, kind in events if name == host}
        assert state != "compliant" or "clean" in kinds
        assert state == "unknown" or kinds & {"clean", "bad"}
    repeated = {host for host, _ in events if sum(name == host for name, _ in events) > 1} - {"ghost"}
    assert {note.host for note in fleet.notes if note.kind == "duplicate"} == repeated
    assert list(fleet.unexpected) == (["ghost"] if any(host == "ghost" for host, _ in events) else [])


GMAIL = judge_rule("browser/gmail", {"mode": "enforce"}, [Finding("policy", "mail.google.com", manager="chromium")])
WAIVED = judge_rule("apps/zoom", {"mode": "waived", "waiver": "press"}, [WECHAT._replace(id="zoom")])
BAD_ANSWER = answer(wechat(WECHAT), GMAIL, WAIVED, evaluated=["apps/x"])
AFTER_APPS = answer(GMAIL, WAIVED, evaluated=["apps/x", "apps/wechat"], checked_at="2026-11-25T00:30:09Z")
GOOD = clean_answer(checked_at="2026-11-25T00:30:12Z")
POLICIES = {DIGEST: {name: {"mode": "enforce", "policy": f"sha256:{name}"} for name in ("apps", "browser")}}
CORRECTED = "corrected, not observed again"
BEGUN = "its correction began and gave no answer, not observed again"
OBSERVED, BEGINS = ("answered", BAD_ANSWER), ("began", "apps")
REMOVED = ("changed", "apps", {"actions": ["remove wechat"]})
NOTHING = ("changed", "apps", {"actions": []})
REFUSAL = {"rule": "apps/wechat", "subject": "wechat", "reason": "others need it"}
REFUSED = ("changed", "apps", {"actions": ["end 311"], "refused": [REFUSAL]})
BROKE = ("changed", "apps", {"msg": "a module that broke says nothing of what it did"})
WRITTEN = ("changed", "browser", {"actions": ["write policy"]})
LOST = ("unreachable", "connection timed out")
EARLIER = "20261125T003000Z-enforce-1a2b"
LEFT, OTHERS = make_rule("apps/wechat", "unknown", f"{CORRECTED}; x"), make_rule("apps/line")
THEN = {"rules": [LEFT, OTHERS], "checked_at": "2026-11-24T00:00:00Z", "controls": {"apps": {"policy": "sha256:1"}}}
COMPLIANT_NOW = {"rules": [], "state": "compliant", "rules_evaluated": 1}
SAME = {"apps": {"mode": "enforce", "policy": "sha256:1"}, "browser": {"mode": "enforce", "policy": "sha256:1"}}


def collect(*events, mode="enforce", **changes):
    collector = Collector(run(["web01"], mode, policies=POLICIES, **changes))
    for name, *arguments in events:
        getattr(collector, name)("web01", *arguments)
    return collector


def states_by_rule(record):
    return {rule["rule"]: rule["state"] for rule in record["rules"]}


def expected_states(state, browser="noncompliant"):
    return {"apps/wechat": state, "browser/gmail": browser, "apps/zoom": "waived"}


@pytest.mark.parametrize(("events", "state", "expected", "unobserved"), [
    pytest.param([OBSERVED, BEGINS, REMOVED], "noncompliant", expected_states("unknown"), ["apps"], id="corrected"),
    pytest.param([OBSERVED, BEGINS], "noncompliant", expected_states("unknown"), ["apps"], id="begun"),
    pytest.param([OBSERVED, BEGINS, NOTHING], "noncompliant", expected_states("noncompliant"), None, id="did nothing"),
    pytest.param([OBSERVED, BEGINS, REFUSED], "noncompliant", expected_states("noncompliant"), ["apps"], id="refused"),
    pytest.param([OBSERVED, BEGINS, LOST], "error", expected_states("unknown"), ["apps"],
                 id="lost while it was corrected"),
    pytest.param([OBSERVED, BEGINS, REMOVED, LOST], "error", expected_states("unknown"), ["apps"],
                 id="lost afterwards"),
    pytest.param([OBSERVED, BEGINS, BROKE, ("failed", "apps", "MODULE FAILURE")], "error", expected_states("unknown"),
                 ["apps"], id="the module broke"),
    pytest.param([OBSERVED, BEGINS, REMOVED, ("answered", AFTER_APPS), ("began", "browser"), WRITTEN], "unknown",
                 expected_states("repaired", "unknown"), ["browser"],
                 id="roles one after the other, the last without its observation"),
    pytest.param([OBSERVED, BEGINS, REMOVED, ("answered", AFTER_APPS), ("began", "browser"), WRITTEN,
                  ("answered", GOOD)],
                 "repaired", {"apps/wechat": "repaired", "browser/gmail": "repaired"}, None,
                 id="roles one after the other"),
])  # fmt: skip
def test_control_that_was_corrected_and_not_observed_again_is_unknown(events, state, expected, unobserved):
    fleet = collect(*events).reconcile_hosts()
    (record,) = fleet.records
    assert (record["state"], states_by_rule(record), record.get("not_observed_again")) == (state, expected, unobserved)
    assert summarise_records(fleet.records)["coverage"]["numerator"] == (unobserved is None)
    assert [note.kind for note in fleet.notes] == []


def test_dry_run_corrects_nothing_and_the_next_run_names_a_begun_correction(tmp_path):
    events = [OBSERVED, BEGINS, ("changed", "apps", {"actions": ["remove wechat"]}, True)]
    (record,) = collect(*events, mode="check").reconcile_hosts().records
    assert (states_by_rule(record), "not_observed_again" in record) == (expected_states("noncompliant"), False)
    publish(tmp_path, collect(OBSERVED, BEGINS, id=EARLIER))
    record = publish(tmp_path, collect(("answered", GOOD), mode="audit", id="20261126T003000Z-audit-77c0"))
    assert record["rules"][0]["reason"] == f"{BEGUN} by {EARLIER}; compliant now"


def publish(reports, collector):
    """Write the records of a run and its open corrections."""
    collector.corrections = corrections_file.list_unobserved_corrections(reports, collector.run)
    records = collector.reconcile_hosts().records
    directory = reports / collector.run["id"]
    directory.mkdir(parents=True)
    (directory / "hosts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corrections_file.update_open_controls(reports, collector.run, records)
    return records[0]


@pytest.mark.parametrize(("earlier_rule", "about", "now", "policies", "reason"), [
    ({}, ["apps"], {}, SAME, f"{CORRECTED} by r1; compliant now"),
    ({"reason": f"{BEGUN}; x"}, ["apps"], {}, SAME, f"{BEGUN} by r1; compliant now"),
    ({"state": "noncompliant"}, ["apps"], {}, SAME, ""),
    ({"reason": "needs root"}, ["apps"], {}, SAME, ""),
    ({}, ["browser"], {}, SAME, ""),
    ({"rule": "browser/gmail"}, ["apps", "browser"], {}, SAME, ""),  # of another policy, or none
    ({}, ["apps"], {}, {"apps": {"mode": "enforce", "policy": "sha256:2"}}, ""),
    ({}, ["apps"], {"not_observed_again": ["apps"]}, SAME, ""),
    ({}, ["apps"], {"rules": [{**LEFT, "state": "compliant"}]}, SAME, f"{CORRECTED} by r1; compliant now"),
    ({}, ["apps"], {"rules": [{**LEFT, "state": "noncompliant"}]}, SAME, ""),
])  # fmt: skip
def test_open_correction_of_an_earlier_run_is_repaired_where_compliant_now(earlier_rule, about, now, policies, reason):
    then = {**THEN, "rules": [{**LEFT, **earlier_rule}, OTHERS]}
    record = settle_corrections({**COMPLIANT_NOW, **now}, [UnobservedCorrection("r1", then, about)], policies)
    if reason:
        assert record == {
            **COMPLIANT_NOW, "found_at": "2026-11-24T00:00:00Z", "state": "repaired",
            "rules": [{**LEFT, "state": "repaired", "reason": reason}],
        }  # fmt: skip
    else:
        assert record == {**COMPLIANT_NOW, **now}


T1, T2, T3 = (f"2026-11-25T0{hour}:00:00Z" for hour in (1, 2, 3))
SWITCHED_OFF = ControlObservation("off", state="not_applicable", is_valid=True)
STATE_BY_RULE = {"apps/x": "noncompliant", "dns/y": "waived", "apps/z": "waived"}
WRONG = [{"rule": rule, "state": state} for rule, state in STATE_BY_RULE.items()]
X, Z, DOUBTED_Z = ("apps/x", "noncompliant"), ("apps/z", "waived"), ("apps/z", "unknown")
EARLIER_OBSERVATION = ControlObservation("enforce", "p", "noncompliant", T1, "r-02", 3, 1, True, (X, Z))
DOUBTED = EARLIER_OBSERVATION._replace(evaluated=2, not_applicable=0, is_valid=False, rules=(X, DOUBTED_Z))


def make_run(finished: str = T2, **more: Any) -> dict[str, Any]:
    """Return a report of a run over its whole inventory."""
    facts = {"id": f"r-{finished[11:13]}", "mode": "audit", "finished": finished, "inventory": ["inv"], "left_out": 0}
    waivers = more.pop("waivers", ())
    return {"run": {**facts, "controls": list(CONTROLS), **more}, "waivers": waivers}


def make_control(state: str | None = "compliant", evaluated: int = 3, idle: int = 1, mode: str | None = "enforce",
            policy: str = "p") -> dict[str, Any]:  # fmt: skip
    return {"mode": mode, "policy": policy, "state": state, "evaluated": evaluated, "not_applicable": idle}


def make_answer(host="web01", state="compliant", at=T1, rules=(), **controls):
    controls_ = {**dict.fromkeys(CONTROLS, make_control()), **controls}
    return make_record(host, state, *rules, checked_at=at, controls=controls_)


def observe(report, record_, before=None, name="apps"):
    of = before or FleetState()
    of.add_run(report, [record_])
    return of.hosts["web01"].observations[name]


@pytest.mark.parametrize(("at", "when"), [(T1, T1), (T3, T2), (None, T2)])
def test_an_observation_is_never_later_than_its_run(at, when):
    assert observe(make_run(), make_answer(at=at)).observed_at == when


NOT_IN_PLAN = ControlObservation(state="not_applicable", observed_at=T1, run_id="r-02", is_valid=True)


@pytest.mark.parametrize(("control_", "expected"), [
    (make_control(None, 0, 0, mode="off"), SWITCHED_OFF),
    # Nothing says that the plan has it.
    *((control, NOT_IN_PLAN) for control in (make_control(None, 0, 0, mode=None), {})),
    # It did not answer for it.
    (make_control(None, 0, 0), ControlObservation("enforce")),
    # A report that knows no modes says how it stands all the same; one that evaluated nothing does not.
    (make_control("compliant", 0, 0, mode=None), ControlObservation("", "p", "compliant", T1, "r-02", 0, 0, True)),
    (make_control("unknown", 0, 0), ControlObservation("enforce", "p", "unknown", T1, "r-02", 0, 0, False)),
])  # fmt: skip
def test_control_counts_by_its_record(control_, expected):
    assert observe(make_run(), make_answer(apps=control_)) == expected


DNS = make_run(T3, controls=["dns"])
COMPLIANT_LATER = ControlObservation("enforce", "p", "compliant", T2, "r-03", 3, 1, True)


@pytest.mark.parametrize(("before", "report", "record_", "expected"), [
    # A later run that does not observe the control leaves the observation, under its mode and policy of now.
    ({}, DNS, make_answer(apps=make_control(None)), EARLIER_OBSERVATION),
    ({}, DNS, make_answer(apps=make_control(None, mode="audit")), EARLIER_OBSERVATION._replace(mode="audit")),
    ({}, DNS, make_answer(apps=make_control(None, policy="q")), DOUBTED),
    ({}, DNS, make_answer(apps=make_control(None, mode=None, policy="")), EARLIER_OBSERVATION),
    ({}, DNS, make_answer(apps=make_control(None, mode="off")), SWITCHED_OFF),
    ({"mode": "off"}, DNS, make_answer(apps=make_control(None, 3, 1, "audit", "q")), ControlObservation("audit", "q")),
    # A run that includes the control, but gets no answer for it, leaves what was wrong.
    ({}, make_run(T3), make_answer(apps=make_control(None)), DOUBTED),
    ({}, make_run(T3), {**make_answer(apps=make_control(None)), "rules_evaluated": 0}, DOUBTED),
    # A run that ends late brings an older observation.
    ({}, make_run(T3), make_answer(at="2026-11-24T00:00:00Z"), EARLIER_OBSERVATION),
    ({}, make_run(T3), make_answer(at=T2), COMPLIANT_LATER),
    # A host is worse than its controls where a task failed that is no control's.
    ({}, make_run(T3), make_answer(state="error", at=T2), COMPLIANT_LATER._replace(state="error")),
    ({}, make_run(T3), make_answer(state="waived", at=T2), COMPLIANT_LATER),
])  # fmt: skip
def test_earlier_observation_stays_until_a_later_one_of_its_policy(before, report, record_, expected):
    of = FleetState()
    of.add_run(make_run(), [make_answer(rules=WRONG, apps=make_control("noncompliant", **before))])
    assert observe(report, record_, of) == expected


@pytest.mark.parametrize("used", [False, True])
def test_the_example_inventory_is_over_with_the_first_run_over_another_where_it_only_audited(used):
    waivers = [{"id": "w1", "status": "active", "expires": T3, "hosts": ["localhost"]}]
    of = FleetState()
    mode = "enforce" if used else "audit"
    of.add_run(make_run(inventory=[scopes.EXAMPLE_INVENTORY], mode=mode, waivers=waivers), [make_answer("localhost")])
    of.add_run(make_run(mode="enforce", waivers=waivers), [make_answer("a")])
    assert (of.is_example_used, set(of.hosts)) == (used, {"a", *["localhost"] * used})
    assert set(of.whole_run_ends) == set(of.waivers) == {"inv", *[scopes.EXAMPLE_INVENTORY] * used}
    # A waiver keeps the hosts that a later run did not ask.
    of.add_run(make_run(left_out=["b"], waivers=[{**waivers[0], "hosts": ["a"]}]), [make_answer("a")])
    assert of.waivers["inv"] == [{**waivers[0], "review_by": None, "revoked": None, "hosts": ["localhost", "a"]}]


@pytest.mark.parametrize(("at", "attempts"), [(T2, {"firewall/x": 9}), ("2026-11-24T00:00:00Z", {"firewall/x": 5})])
def test_attempts_are_those_of_the_newest_look(at, attempts):
    of = FleetState()
    of.add_run(make_run(), [{**make_answer(), "attempts": {"firewall/x": 5}}])
    of.add_run(make_run(T3), [{**make_answer(at=at), "attempts": {"firewall/x": 9}}])
    assert of.hosts["web01"].attempts == attempts


@pytest.mark.parametrize(
    ("oldest", "good"), [({}, True), ({3600: T1}, True), ({3600: T2}, False), ({60: T2}, True), ({0: T2}, True)]
)
def test_an_observation_before_the_oldest_that_counts_says_nothing_good(oldest, good):
    of = FleetState()
    off = make_control(None, mode="off")
    of.add_run(make_run(stale_after=3600), [make_answer(rules=WRONG, apps=make_control("noncompliant"), firewall=off)])
    (host,) = of.iterate_hosts(oldest)
    assert host.observations["apps"] == (EARLIER_OBSERVATION if good else DOUBTED)
    assert host.observations["dns"].state == ("compliant" if good else "unknown")
    assert host.observations["firewall"] == SWITCHED_OFF
    assert of.hosts["web01"].observations["apps"] == EARLIER_OBSERVATION, "tomorrow it is asked again"


def inventories_by_host(of: FleetState) -> dict[str, str]:
    return {name: host.inventory for name, host in of.hosts.items()}


def test_hosts_come_with_runs_and_go_with_a_whole_one_over_their_own_inventory():
    of = FleetState()
    assert of.add_run(make_run(), [make_answer("a"), make_answer("b")], ["c"]) is of
    assert inventories_by_host(of) == {"a": "inv", "b": "inv"}, "a whole run leaves nobody out"
    of.add_run(make_run(left_out=["c"]), [make_answer("a")], ["c", "b"])
    assert inventories_by_host(of) == {"a": "inv", "b": "inv", "c": "inv"} and of.hosts["c"].state == "unknown"
    of.add_run(make_run(inventory=["lab"]), [make_answer("x")])
    assert inventories_by_host(of) == {"a": "inv", "b": "inv", "c": "inv", "x": "lab"}
    of.add_run(make_run(controls=["dns"]), [make_answer("a")])
    assert len(of.hosts) == 4, "one over some controls is over a part"
    of.add_run(make_run(), [make_answer("a")])
    assert inventories_by_host(of) == {"a": "inv", "x": "lab"}

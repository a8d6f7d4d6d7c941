"""Hosts that were corrected and not observed again: what their records say, and what the next run says of them."""

import json

import pytest
from fleets import DIGEST, WECHAT, answer, clean_answer, run, wechat
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.arithmetic import summarise
from proscribe.controller.report.evaluation.unobserved import Earlier, settled
from proscribe.controller.report.storage import corrected
from proscribe.model.finding import Finding, judge

GMAIL = judge("browser/gmail", {"mode": "enforce"}, [Finding("policy", "mail.google.com", manager="chromium")])
WAIVED = judge("apps/zoom", {"mode": "waived", "waiver": "press"}, [WECHAT._replace(id="zoom")])
BAD = answer(wechat(WECHAT), GMAIL, WAIVED, evaluated=["apps/x"])
AFTER_APPS = answer(GMAIL, WAIVED, evaluated=["apps/x", "apps/wechat"], checked_at="2026-11-25T00:30:09Z")
GOOD = clean_answer(checked_at="2026-11-25T00:30:12Z")
POLICIES = {DIGEST: {name: {"mode": "enforce", "policy": f"sha256:{name}"} for name in ("apps", "browser")}}
CORRECTED = "corrected, not observed again"
BEGUN = "its correction began and gave no answer, not observed again"
OBSERVED, BEGINS = ("answered", BAD), ("began", "apps")
REMOVED = ("changed", "apps", {"actions": ["remove wechat"]})
NOTHING = ("changed", "apps", {"actions": []})
REFUSAL = {"rule": "apps/wechat", "subject": "wechat", "reason": "others need it"}
REFUSED = ("changed", "apps", {"actions": ["end 311"], "refused": [REFUSAL]})
BROKE = ("changed", "apps", {"msg": "a module that broke says nothing of what it did"})
WRITTEN = ("changed", "browser", {"actions": ["write policy"]})
LOST = ("unreachable", "connection timed out")
EARLIER = "20261125T003000Z-enforce-1a2b"
LATER = "20261126T003000Z-audit-77c0"
LEFT = {"rule": "apps/wechat", "state": "unknown", "waiver": None, "reason": f"{CORRECTED}; x", "findings": []}
OTHERS = {"rule": "apps/line", "state": "noncompliant", "waiver": None, "reason": None, "findings": []}
THEN = {"rules": [LEFT, OTHERS], "checked_at": "2026-11-24T00:00:00Z", "controls": {"apps": {"policy": "sha256:1"}}}
NOW = {"rules": [], "state": "compliant", "rules_evaluated": 1}
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
    fleet = collect(*events).fleet()
    (record,) = fleet.records
    assert (record["state"], states_by_rule(record), record.get("not_observed_again")) == (state, expected, unobserved)
    assert summarise(fleet.records)["coverage"]["numerator"] == (unobserved is None)
    assert [note.kind for note in fleet.notes] == []


def test_a_dry_run_corrects_nothing():
    events = [OBSERVED, BEGINS, ("changed", "apps", {"actions": ["remove wechat"]}, True)]
    (record,) = collect(*events, mode="check").fleet().records
    assert (states_by_rule(record), "not_observed_again" in record) == (expected_states("noncompliant"), False)


def publish(reports, collector):
    """Write the records of a run and its open corrections."""
    collector.earlier = corrected.earlier(reports, collector.run)
    records = collector.fleet().records
    directory = reports / collector.run["id"]
    directory.mkdir(parents=True)
    (directory / "hosts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    corrected.take(reports, collector.run, records)
    return records[0]


def test_begun_is_named_as_such_by_the_next_run(tmp_path):
    publish(tmp_path, collect(OBSERVED, BEGINS, id=EARLIER))
    record = publish(tmp_path, collect(("answered", GOOD), mode="audit", id=LATER))
    assert record["rules"][0]["reason"] == f"{BEGUN} by {EARLIER}; compliant now"


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
    record = settled({**NOW, **now}, [Earlier("r1", then, about)], policies)
    if reason:
        assert record == {
            **NOW, "found_at": "2026-11-24T00:00:00Z", "state": "repaired",
            "rules": [{**LEFT, "state": "repaired", "reason": reason}],
        }  # fmt: skip
    else:
        assert record == {**NOW, **now}

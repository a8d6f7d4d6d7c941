"""The mode of each control in every view: what is only audited, or off, looks like it, and no run corrects it."""

from __future__ import annotations

import pytest
from fleets import DIGEST, WECHAT, answer, run, wechat
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.modes import (
    Modes,
    correctable,
    only_observed,
)
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import GROUP_POLICY
from proscribe.model.plan import CONTROLS

FINISHED = "2026-11-25T00:31:00Z"
SERVICES = ["wechat", *(f"service{number:03}" for number in range(118))]


def modes(**changed):
    """The policies of a plan with those modes; the rest is enforced."""
    modes_ = {**dict.fromkeys(CONTROLS, "enforce"), **changed}
    return {DIGEST: {name: {"mode": mode, "policy": "p"} for name, mode in modes_.items()}}


def made(*verdicts, changed=(), mode="audit", hosts=1, **policy):
    """A fleet report and its records of hosts that say so."""
    names = [f"web{number:02}" for number in range(1, hosts + 1)]
    facts = run(names, mode, policies=modes(**policy), left_out=[], services=SERVICES)
    collector = Collector(facts)
    evaluated = [
        f"{name}/x" for name, mode_ in {**dict.fromkeys(CONTROLS, "enforce"), **policy}.items() if mode_ != "off"
    ]
    for host in [*facts["hosts"]] * (2 if changed else 1):
        collector.answered(host, answer(*verdicts, evaluated=evaluated))
        for control, refused in changed:
            collector.changed("web01", control, {"actions": [], "refused": [refused]})
    fleet = collector.fleet()
    return fleet_report(facts, fleet, FINISHED), fleet.records


def screen(report, records):
    return summary.render(report, records, summary.Screen(120, 60), "reports/r1")


def test_the_screen_says_what_is_only_audited_and_does_not_say_that_enforcing_corrects_it():
    said = screen(*made(wechat(WECHAT), apps="audit", firewall="off"))
    assert "only audited: apps" in said
    assert "off: firewall" in said
    assert "apps/wechat (audited)  noncompliant" in said
    assert "corrects it" not in said
    assert "./proscribe enforce" not in said
    assert "what is noncompliant is only audited: enforcing leaves it as it is" in said


NOT_OBSERVED = {"state": None, "evaluated": 0, "not_applicable": 0}


def given_record(
    states=(), counts=None, errors=(), evaluated=None, policy=None, observed=CONTROLS, digest=DIGEST, again=()
):
    """What a record of rules of `apps` in these states becomes; `counts` are (evaluated, not_applicable) by control."""
    rules = [{"rule": f"apps/{number}", "state": state, "reason": None} for number, state in enumerate(states)]
    record = {"rules": rules, "rules_evaluated": len(rules) if evaluated is None else evaluated, "errors": errors}
    if counts is not None:
        record["controls"] = {n: {"evaluated": e, "not_applicable": i} for n, (e, i) in counts.items()}
    if again:
        record["not_observed_again"] = again
    policies = {DIGEST: {"apps": {"mode": "audit", "policy": "p"}} if policy is None else policy}
    return Modes(policies, observed).given(record, digest)


@pytest.mark.parametrize(
    ("observed", "counts", "policy", "given"),
    [
        (CONTROLS, {GROUP_POLICY: (3, 1)}, {}, (None, "compliant", 3)),
        (["dns"], {GROUP_POLICY: (3, 1)}, {}, (None, "compliant", 3)),  # a run over it, though not over all controls
        (["dns"], {}, {GROUP_POLICY: {"mode": "audit", "policy": "p"}}, ("audit", None, 0)),
        (CONTROLS, {}, {GROUP_POLICY: {"mode": "audit", "policy": "p"}}, ("audit", "unknown", 0)),
        (CONTROLS, {}, {}, None),
    ],
)
def test_what_is_beside_the_controls_is_in_a_record_where_the_host_or_the_plan_has_it(observed, counts, policy, given):
    made = given_record(counts=counts, evaluated=3, policy=policy, observed=observed)["controls"].get(GROUP_POLICY)
    assert (made and (made["mode"], made["state"], made["evaluated"])) == given


def test_a_record_has_all_controls_with_their_policies_and_its_rules_with_their_modes():
    made = given_record(["waived"], {"dns": (3, 0)}, policy={"apps": {"mode": "audit", "policy": "p"}, "dns": None})
    assert made["controls"] == {
        "apps": {"mode": "audit", "policy": "p", "state": "waived", "evaluated": 1, "not_applicable": 0},
        "browser": {"mode": None, "policy": None, **NOT_OBSERVED},
        "firewall": {"mode": None, "policy": None, **NOT_OBSERVED},
        "dns": {"mode": None, "policy": None, "state": "compliant", "evaluated": 3, "not_applicable": 0},
    }
    assert made["rules"] == [{"rule": "apps/0", "state": "waived", "reason": None, "mode": "audit"}]
    assert made["rules_evaluated"] == 4, "a host that counts its controls higher than itself evaluated as many"
    nothing = given_record(evaluated=0)["controls"]["apps"]
    assert nothing == {"mode": "audit", "policy": "p", **NOT_OBSERVED, "state": "unknown"}
    assert given_record(["waived"], policy={"apps": None})["rules"][0]["mode"] is None
    assert given_record(["waived"], evaluated=9)["rules_evaluated"] == 9


@pytest.mark.parametrize(
    ("platform", "corrects"),
    [({"os": "windows"}, False), ({"os": "macos"}, False), ({"os": "linux"}, True), ({}, True), (None, True)],
)
def test_no_run_corrects_a_host_on_which_nothing_is_ever_changed(platform, corrects):
    for controls in ({}, {"apps": {"mode": "enforce", "state": "noncompliant"}}):
        record = {"state": "noncompliant", "platform": platform, "controls": controls}
        assert (correctable(record), only_observed(record)) == (corrects, not corrects)


def test_a_refused_removal_stays_as_bad_as_its_rule():
    refused = {"rule": "apps/wechat", "subject": "wechat", "reason": "it would take gnome with it"}
    said = screen(*made(wechat(WECHAT), changed=[("apps", refused)], mode="enforce"))
    assert "apps         noncompliant  web01: apps/wechat: wechat was left as it is" in said

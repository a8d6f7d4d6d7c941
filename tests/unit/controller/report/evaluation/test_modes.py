"""The mode of each control in every view: what is only audited, or off, looks like it, and no run corrects it."""

from __future__ import annotations

import csv
import json
import re

import pytest
from fleets import DIGEST, WECHAT, answer, no_policy, run, wechat
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.modes import (
    Modes,
    by_control,
    correctable,
    described,
    only_observed,
    stays_noncompliant,
)
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.exports import usual, write
from proscribe.controller.report.page import document
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import GROUP_POLICY, Verdict
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


def test_the_record_has_the_mode_and_the_state_of_each_control(tmp_path):
    _, (record,) = made(wechat(WECHAT), apps="audit", firewall="off")
    said = {name: (control["mode"], control["state"]) for name, control in record["controls"].items()}
    assert said == {
        "apps": ("audit", "noncompliant"),
        "browser": ("enforce", "compliant"),
        "firewall": ("off", None),
        "dns": ("enforce", "compliant"),
    }
    assert [rule["mode"] for rule in record["rules"]] == ["audit"]


def test_a_mode_is_the_plans_and_not_what_a_host_says():
    facts = run(["web01"], policies=modes(apps="audit"), left_out=[])
    collector = Collector(facts)
    answer_ = answer(wechat(WECHAT))
    answer_["controls"]["apps"]["mode"] = "enforce"
    collector.answered("web01", answer_)
    assert collector.fleet().records[0]["controls"]["apps"]["mode"] == "audit"


def test_the_screen_says_what_is_only_audited_and_does_not_say_that_enforcing_corrects_it():
    said = screen(*made(wechat(WECHAT), apps="audit", firewall="off"))
    assert "only audited: apps" in said
    assert "off: firewall" in said
    assert "apps/wechat (audited)  noncompliant" in said
    assert "corrects it" not in said
    assert "./proscribe enforce" not in said
    assert "what is noncompliant is only audited: enforcing leaves it as it is" in said


def test_where_some_is_enforced_and_some_audited_only_the_enforced_is_said_to_be_corrected():
    said = screen(*made(wechat(WECHAT), *no_policy(), apps="audit"))
    assert "the same without --check --diff corrects what is enforced" in said
    both = screen(*made(wechat(WECHAT), *no_policy()))
    assert "the same without --check --diff corrects it" in both


def test_the_page_distinguishes_audited_controls_from_enforced_ones():
    report, records = made(wechat(WECHAT), *no_policy(), hosts=2, apps="audit", firewall="off")
    page = "".join(document.page(report, records, directory="reports/r1"))
    assert "only audited: apps" in page
    assert "apps/wechat (audited)" in re.sub("<wbr>", "", page)
    assert "browser (audited)" not in page
    assert "corrects it" not in page
    by_control = page.partition("<h2>By control</h2>")[2].partition("</div>")[0]
    assert by_control.count("noncompliant (audited)") == 1
    data = json.loads(page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])
    texts = [data["texts"][number] for number in data["controls"][0]]
    assert dict(zip(texts[::2], texts[1::2])) == {
        "apps": "only audited: noncompliant",
        "browser": "enforced: noncompliant",
        "firewall": "off",
        "dns": "enforced: compliant",
    }


def test_a_setting_such_as_boot_is_no_service_in_the_report_and_on_the_page():
    report, records = made(
        wechat(WECHAT), Verdict("firewall/boot", "noncompliant"), Verdict("dns/wechat", "noncompliant"), hosts=2
    )
    assert {rule["rule"]: rule["kind"] for rule in report["rules"]} == {
        "apps/wechat": "service",
        "firewall/boot": "setting",
        "dns/wechat": "service",
    }
    page = "".join(document.page(report, records))
    services = page.partition("<h2>Services not blocked yet</h2>")[2].partition("</div>")[0]
    settings = page.partition("<h2>Settings not in effect</h2>")[2].partition("</div>")[0]
    assert ('data-service="wechat"' in services, "boot" in services) == (True, False)
    assert 'data-service="firewall/boot"' in settings


@pytest.fixture
def exported(tmp_path):
    report, records = made(wechat(WECHAT), *no_policy(services=["service001"]), apps="audit", firewall="off")
    write(tmp_path, report, records, usual())
    return tmp_path


def test_each_export_distinguishes_audited_rules_from_enforced_ones(exported):
    rows = list(csv.DictReader((exported / "report.csv").open(encoding="utf-8", newline="")))
    assert {(row["rule"], row["mode"]) for row in rows} == {("apps/wechat", "audit"), ("browser/service001", "enforce")}
    junit = (exported / "junit.xml").read_text()
    assert 'name="controls" value="apps audit, browser enforce, firewall off, dns enforce"' in junit
    assert junit.count("only audited: no run corrects it") == 1
    sarif = json.loads((exported / "report.sarif").read_text())["runs"][0]["results"]
    assert {r["ruleId"]: r["properties"]["mode"] for r in sarif} == {
        "apps/wechat": "audit",
        "browser/service001": "enforce",
    }
    oscal = json.loads((exported / "oscal.json").read_text())["assessment-results"]["results"][0]["observations"]
    props = [{prop["name"]: prop["value"] for prop in one["props"]} for one in oscal]
    assert {(one["rule"], one["mode"]) for one in props} == {
        ("apps/wechat", "audit"),
        ("browser/service001", "enforce"),
    }
    metrics = (exported / "metrics.prom").read_text().splitlines()
    assert 'proscribe_control_hosts{control="apps",mode="audit",state="noncompliant"} 1' in metrics
    assert 'proscribe_control_hosts{control="firewall",mode="off",state="off"} 1' in metrics


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
    ("facts", "apps"),
    [
        # What is listed and what is only counted, and what of that does not apply.
        ({"states": ["noncompliant"], "counts": {"apps": (5, 1)}}, ("noncompliant", 5, 1)),
        ({"states": [], "counts": {"apps": (5, 1)}, "evaluated": 5}, ("compliant", 5, 1)),
        ({"states": [], "counts": {"apps": (5, 5)}, "evaluated": 5}, ("not_applicable", 5, 5)),
        ({"states": ["not_applicable"], "counts": {"apps": (1, 1)}}, ("not_applicable", 1, 1)),
        ({"states": ["not_applicable"], "counts": {"apps": (2, 1)}}, ("compliant", 2, 1)),
        ({"states": ["not_applicable"], "counts": {"apps": (2, 2)}}, ("not_applicable", 2, 2)),
        ({"states": ["waived"], "counts": {"apps": (1, 0)}}, ("waived", 1, 0)),
        # It lists more than it counts, or does not count.
        ({"states": ["waived", "unknown"], "counts": {"apps": (1, 0)}}, ("unknown", 2, 0)),
        ({"states": ["waived", "not_applicable"], "counts": {}}, ("waived", 2, 1)),
        ({"states": ["waived"], "counts": None}, ("waived", 1, 0)),
        ({"states": ["waived"], "counts": {"apps": (1, 3)}}, ("waived", 1, 1)),
        # Nothing of it came: unknown, unless nothing says that the plan has it.
        ({"counts": {"dns": (1, 0)}, "evaluated": 1}, ("unknown", 0, 0)),
        ({"counts": {"dns": (1, 0)}, "evaluated": 1, "policy": {}}, (None, 0, 0)),
        ({"states": ["waived"], "policy": {}}, ("waived", 1, 0)),
        ({"states": ["waived"], "digest": "sha256:another"}, ("waived", 1, 0)),
        ({"states": [], "evaluated": 0}, ("unknown", 0, 0)),
        ({"states": ["waived"], "observed": ["dns"]}, (None, 0, 0)),
        ({"states": ["waived"], "policy": {"apps": {"mode": "off", "policy": "p"}}}, (None, 0, 0)),
        # It was changed, and what became of it was not observed.
        ({"states": ["waived"], "again": ["apps"]}, ("unknown", 1, 0)),
        ({"states": ["waived"], "again": ["dns"]}, ("waived", 1, 0)),
        # What failed, and no rule says so.
        (
            {"states": [], "counts": {"apps": (2, 0)}, "evaluated": 2, "errors": [{"control": "apps", "message": "m"}]},
            ("error", 2, 0),
        ),
        (
            {"states": [], "counts": {"apps": (2, 0)}, "evaluated": 2, "errors": [{"control": "dns", "message": "m"}]},
            ("compliant", 2, 0),
        ),
    ],
)
def test_a_control_has_the_state_of_its_rules(facts, apps):
    controls_ = given_record(**facts)["controls"]["apps"]
    assert (controls_["state"], controls_["evaluated"], controls_["not_applicable"]) == apps


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


def test_a_rule_that_many_hosts_list_is_one_object_for_each_mode():
    """Thousands of hosts list the same one; and two plans may have it in two modes."""
    rule = {"rule": "apps/x", "state": "waived", "reason": None}
    record = {"rules": [rule], "rules_evaluated": 1, "errors": []}
    modes = {"a": "audit", "b": "enforce"}
    of = Modes({digest: {"apps": {"mode": mode, "policy": None}} for digest, mode in modes.items()}, CONTROLS)
    first, again, other = (of.given(record, digest)["rules"][0] for digest in ("a", "a", "b"))
    assert first is again and (first["mode"], other["mode"]) == ("audit", "enforce") and "mode" not in rule


def test_hosts_are_counted_by_mode_and_state_in_the_order_of_the_controls():
    """A control that the run did not observe is in no state, and never in a good one."""
    observed = {"mode": "enforce", "state": "compliant"}
    records = [
        {"controls": {"dns": observed, "firewall": observed, "apps": {"mode": "audit", "state": "noncompliant"}}},
        {"controls": {"dns": {"mode": "enforce", "state": None}, "apps": {"mode": "off", "state": None}}},
        {"controls": {"dns": observed, "apps": {"mode": None, "state": "unknown"}}},
        {},
    ]
    counts_ = by_control(records)
    assert list(counts_) == ["apps", "firewall", "dns"]
    assert counts_ == {
        "firewall": {"enforce": {"compliant": 1}},
        "apps": {"audit": {"noncompliant": 1}, "off": {"off": 1}},
        "dns": {"enforce": {"compliant": 2, "not_looked_at": 1}},
    }
    assert described(counts_) == ["only audited: apps on 1 host", "off: apps on 1 host"]
    assert described({"apps": {"off": {"off": 2}}, "dns": {"audit": {"compliant": 1, "unknown": 2}}}) == [
        "only audited: dns",
        "off: apps",
    ]


@pytest.mark.parametrize(
    ("state", "controls", "corrects", "stays"),
    [
        ("noncompliant", {}, True, False),  # of a run that knew no modes
        ("compliant", {}, False, False),
        ("noncompliant", {"apps": (None, "noncompliant")}, True, False),
        ("noncompliant", {"apps": ("enforce", "noncompliant")}, True, False),
        ("noncompliant", {"apps": ("audit", "noncompliant")}, False, True),
        ("noncompliant", {"apps": ("audit", "noncompliant"), "dns": ("enforce", "compliant")}, False, True),
        ("noncompliant", {"apps": ("audit", "noncompliant"), "dns": ("enforce", "error")}, True, True),
        ("noncompliant", {"apps": ("audit", "noncompliant"), "dns": (None, "noncompliant")}, True, True),
        ("error", {"apps": ("enforce", "error")}, False, False),
        ("compliant", {"apps": ("audit", "compliant")}, False, False),
    ],
)
def test_whether_enforcing_would_correct_something_of_a_host(state, controls, corrects, stays):
    controls_ = {name: {"mode": mode, "state": of} for name, (mode, of) in controls.items()}
    record = {"state": state, **({"controls": controls_} if controls_ else {})}
    assert (correctable(record), stays_noncompliant(record)) == (corrects, stays)


@pytest.mark.parametrize(
    ("platform", "corrects"),
    [({"os": "windows"}, False), ({"os": "macos"}, False), ({"os": "linux"}, True), ({}, True), (None, True)],
)
def test_no_run_corrects_a_host_on_which_nothing_is_ever_changed(platform, corrects):
    for controls in ({}, {"apps": {"mode": "enforce", "state": "noncompliant"}}):
        record = {"state": "noncompliant", "platform": platform, "controls": controls}
        assert (correctable(record), only_observed(record)) == (corrects, not corrects)


STAYS = {"rule": "firewall/own-rules", "subject": "10.0.0.1", "reason": "default gateway: stays reachable"}


def test_what_own_firewall_rules_leave_reachable_is_no_error_on_a_host_that_is_compliant(tmp_path):
    report, records = made(changed=[("firewall", STAYS)], mode="enforce")
    assert report["summary"]["compliance_strict"]["percent"] == 100
    said = screen(report, records)
    assert "firewall  not applicable  web01: firewall/own-rules: 10.0.0.1 was left as it is" in said
    assert "error" not in said
    page = "".join(document.page(report, records))
    assert 'class="icon error"' not in page.partition("<main>")[2]
    write(tmp_path, report, records, usual())
    assert 'errors="0"' in (tmp_path / "junit.xml").read_text()
    assert ",firewall/refused,firewall,,not_applicable," in (tmp_path / "report.csv").read_text()
    sarif = json.loads((tmp_path / "report.sarif").read_text())["runs"][0]
    assert sarif["invocations"][0]["executionSuccessful"] is True


def test_a_refused_removal_stays_as_bad_as_its_rule():
    refused = {"rule": "apps/wechat", "subject": "wechat", "reason": "it would take gnome with it"}
    said = screen(*made(wechat(WECHAT), changed=[("apps", refused)], mode="enforce"))
    assert "apps         noncompliant  web01: apps/wechat: wechat was left as it is" in said

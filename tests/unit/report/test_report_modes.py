"""The mode of each control in every view: what is only audited, or off, looks like it, and no run corrects it."""

from __future__ import annotations

import csv
import json
import re

import pytest
from fleets import DIGEST, WECHAT, answer, no_policy, run, wechat
from proscribe.finding import Verdict
from proscribe.plan import CONTROLS
from proscribe.report import html, terminal
from proscribe.report.collect import Collector
from proscribe.report.exports import EVERY, write
from proscribe.report.modes import by_control, correctable, in_words, stays_noncompliant
from proscribe.report.reconcile import fleet_report

FINISHED = "2026-11-25T00:31:00Z"
SERVICES = ["wechat", *(f"service{number:03}" for number in range(118))]


def modes(**changed):
    """The policies of a plan with those modes; the rest is enforced."""
    wanted = {**dict.fromkeys(CONTROLS, "enforce"), **changed}
    return {DIGEST: {name: {"mode": mode, "policy": "p"} for name, mode in wanted.items()}}


def made(*verdicts, changed=(), mode="audit", **policy):
    """A fleet report and its records of a host that says so."""
    facts = run(["web01"], mode, policies=modes(**policy), left_out=[], services=SERVICES)
    collector = Collector(facts)
    evaluated = [
        f"{name}/x" for name, mode_ in {**dict.fromkeys(CONTROLS, "enforce"), **policy}.items() if mode_ != "off"
    ]
    for _ in range(2 if changed else 1):
        collector.answered("web01", answer(*verdicts, evaluated=evaluated))
        for control, refused in changed:
            collector.changed("web01", control, {"actions": [], "refused": [refused]})
    fleet = collector.fleet()
    return fleet_report(facts, fleet, FINISHED), fleet.records


def screen(report, records):
    return terminal.render(report, records, terminal.Screen(120, 60), "reports/r1")


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
    told = answer(wechat(WECHAT))
    told["controls"]["apps"]["mode"] = "enforce"
    collector.answered("web01", told)
    assert collector.fleet().records[0]["controls"]["apps"]["mode"] == "audit"


def test_the_screen_says_what_is_only_audited_and_does_not_say_that_enforcing_puts_it_right():
    said = screen(*made(wechat(WECHAT), apps="audit", firewall="off"))
    assert "only audited: apps" in said
    assert "off: firewall" in said
    assert "apps/wechat (audited)  noncompliant" in said
    assert "puts it right" not in said
    assert "./proscribe enforce" not in said
    assert "what is noncompliant is only audited: enforcing leaves it as it is" in said


def test_where_some_is_enforced_and_some_audited_only_the_one_is_said_to_be_put_right():
    said = screen(*made(wechat(WECHAT), *no_policy(), apps="audit"))
    assert "the same without --check --diff puts right what is enforced" in said
    both = screen(*made(wechat(WECHAT), *no_policy()))
    assert "the same without --check --diff puts it right" in both


def test_the_page_tells_audited_controls_from_enforced_ones():
    report, records = made(wechat(WECHAT), *no_policy(), apps="audit", firewall="off")
    page = "".join(html.page(report, records, directory="reports/r1"))
    assert "only audited: apps" in page
    assert "apps/wechat (audited)" in re.sub("<wbr>", "", page)
    assert "browser (audited)" not in page
    assert "puts it right" not in page
    by_control = page.partition("<h2>By control</h2>")[2].partition("</div>")[0]
    assert by_control.count("noncompliant (audited)") == 1
    data = json.loads(page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])
    told = [data["texts"][number] for number in data["controls"][0]]
    assert dict(zip(told[::2], told[1::2])) == {
        "apps": "only audited: noncompliant",
        "browser": "enforced: noncompliant",
        "firewall": "off",
        "dns": "enforced: compliant",
    }


def test_a_setting_such_as_boot_is_no_service_in_the_report_and_on_the_page():
    report, records = made(wechat(WECHAT), Verdict("firewall/boot", "noncompliant"))
    assert {rule["rule"]: rule["kind"] for rule in report["rules"]} == {
        "apps/wechat": "service",
        "firewall/boot": "setting",
    }
    page = "".join(html.page(report, records))
    services = page.partition("<h2>By service</h2>")[2].partition("</div>")[0]
    settings = page.partition("<h2>By setting</h2>")[2].partition("</div>")[0]
    assert ('data-service="wechat"' in services, "boot" in services) == (True, False)
    assert 'data-service="firewall/boot"' in settings


@pytest.fixture
def exported(tmp_path):
    report, records = made(wechat(WECHAT), *no_policy(services=["service001"]), apps="audit", firewall="off")
    write(tmp_path, report, records, EVERY)
    return tmp_path


def test_each_export_tells_audited_rules_from_enforced_ones(exported):
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


def test_hosts_are_counted_by_mode_and_state_in_the_order_of_the_controls():
    """A control that the run did not look at is in no state, and never in a good one."""
    looked = {"mode": "enforce", "state": "compliant"}
    records = [
        {"controls": {"dns": looked, "apps": {"mode": "audit", "state": "noncompliant"}}},
        {"controls": {"dns": {"mode": "enforce", "state": None}, "apps": {"mode": "off", "state": None}}},
        {"controls": {"dns": looked, "apps": {"mode": None, "state": "unknown"}}},
        {},
    ]
    told = by_control(records)
    assert list(told) == ["apps", "dns"]
    assert told == {
        "apps": {"audit": {"noncompliant": 1}, "off": {"off": 1}},
        "dns": {"enforce": {"compliant": 2, "not_looked_at": 1}},
    }
    assert in_words(told) == ["only audited: apps on 1 host", "off: apps on 1 host"]
    assert in_words({"apps": {"off": {"off": 2}}, "dns": {"audit": {"compliant": 1, "unknown": 2}}}) == [
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
    told = {name: {"mode": mode, "state": of} for name, (mode, of) in controls.items()}
    record = {"state": state, "controls": told}
    assert (correctable(record), stays_noncompliant(record)) == (corrects, stays)


STAYS = {"rule": "firewall/own-rules", "subject": "10.0.0.1", "reason": "default gateway: stays reachable"}


def test_what_own_firewall_rules_leave_reachable_is_no_error_on_a_host_that_is_compliant(tmp_path):
    report, records = made(changed=[("firewall", STAYS)], mode="enforce")
    assert report["summary"]["compliance_strict"]["percent"] == 100
    said = screen(report, records)
    assert "firewall  not counted  web01: firewall/own-rules: 10.0.0.1 was left as it is" in said
    assert "error" not in said
    page = "".join(html.page(report, records))
    assert 'class="icon error"' not in page.partition("<main>")[2]
    write(tmp_path, report, records, EVERY)
    assert 'errors="0"' in (tmp_path / "junit.xml").read_text()
    assert ",firewall/refused,firewall,,not_applicable," in (tmp_path / "report.csv").read_text()
    sarif = json.loads((tmp_path / "report.sarif").read_text())["runs"][0]
    assert sarif["invocations"][0]["executionSuccessful"] is True


def test_a_refused_removal_stays_as_bad_as_its_rule():
    refused = {"rule": "apps/wechat", "subject": "wechat", "reason": "it would take gnome with it"}
    said = screen(*made(wechat(WECHAT), changed=[("apps", refused)], mode="enforce"))
    assert "apps         noncompliant  web01: apps/wechat: wechat was left as it is" in said

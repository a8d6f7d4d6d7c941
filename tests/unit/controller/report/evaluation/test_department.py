"""`report --group`: what the head of one department may have, who is not to see the others."""

from __future__ import annotations

import json

import pytest
import watched_hosts
from fleets import WAIVERS, answer, clean_answer, run, wechat
from proscribe.controller.cli import Refused
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.department import NoSuchDepartment, of_department
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.model.finding import Finding, judge

FINISHED = "2026-11-25T00:31:00Z"
OWN = ("web01", "web02", "lap-press")
OTHERS = ("vault-db07", "Geldschrank9", "lager.example.org", "web01-spare", "\u4e2d\u6587\u673a")
DEPARTMENTS = {"press": list(OWN), "treasury": [*OTHERS, "web02"], "cellar-and-attic": ["lager.example.org"]}
HIDDEN = (*OTHERS, "treasury", "cellar-and-attic")
# Every one of these is in every text that a host, a person or the run says.
SAID = f"of {', '.join(HIDDEN)}: /srv/treasury/x, VAULT-DB07, vault_db07.example.org, (geldschrank9)"


def talkative(host):
    """A host that says all of the others' names wherever it may say a text of its own."""
    finding = Finding("package", SAID, SAID, SAID, f"user:{SAID}", SAID, SAID)
    incident = {**watched_hosts.INCIDENT, "cause": SAID, "users": [SAID]}
    ended = {**watched_hosts.ENDED, "program": SAID, "user": SAID}
    frozen = {**watched_hosts.FROZEN, "reason": SAID, "by": SAID}
    request = {**watched_hosts.REQUEST, "user": SAID, "reason": SAID, "service": SAID}
    return {
        **answer(
            judge("apps/wechat", {"mode": "enforce"}, [finding]),
            judge("browser/gmail", {"mode": "waived", "waiver": SAID}, [finding]),
            judge("dns/signal", {"mode": "enforce"}, [], unseen=SAID),
            errors=[{"control": "run", "message": SAID}],
        ),
        "watch": watched_hosts.watch(incident, ended=[ended], frozen=frozen),
        "requests": [request],
        "requests_left_out": 0,
        "attempts": {f"firewall/{SAID}": 7},
        "actions": [{"control": "apps", "action": SAID}],
        "other_runs": [{"control": "apps", "by": SAID, "since": FINISHED, "waited": 1}],
        "logged_in": [SAID],
        "commit_trust": SAID,
        "quarantine": {"items": 1, "bytes": 2, "oldest": FINISHED, "owners": {SAID: 2}},
    }


def waiver(name, hosts, **more):
    texts = ("why", "reason", "risk", "ticket", "request", "requested_by", "approved_by", "file", "signed_with")
    lists = ("groups", "users", "posix_groups", "versions", "paths", "zones", "hours", "compensating_controls")
    said = {**dict.fromkeys(texts, SAID), **{key: [SAID] for key in lists}}
    return {**WAIVERS[0], **said, "id": name, "hosts": list(hosts), "another_key": SAID, **more}


def fleet(**changes):
    """The report and the records of a run in which everything names the others."""
    waivers = [
        waiver("of-press", ["web02"]),
        waiver(f"shared-{SAID}", ["web01", OTHERS[0]], revoked={"on": "2027-01-01T00:00:00Z", "by": SAID, "why": SAID}),
        waiver("of-others", OTHERS),
    ]
    command = {**run()["command"], "options": ["-i", SAID], "cwd": f"/srv/{SAID}"}
    said = {"inventory": [SAID], "limit": SAID, "pattern": SAID, "history": SAID, "playbook": SAID, "command": command}
    upcoming = [{"service": SAID, "control": "apps", "effective_from": "2027-01-01"}]
    facts = {**said, "waivers": waivers, "upcoming": upcoming, "warnings": [SAID], "baseline": f"/x/{SAID}", **changes}
    collector = Collector(run([*OWN, *OTHERS], **facts))
    collector.answered("web01", talkative("web01"))
    collector.answered("web02", clean_answer())
    collector.unreachable("lap-press", SAID)
    for host in OTHERS[1:]:
        collector.answered(host, talkative(host))
    found = collector.fleet()
    report = fleet_report(collector.run, found, FINISHED)
    departments = {**DEPARTMENTS, "press": [*OWN, "lost01"]}
    report.update(departments=departments)
    report["run"].update(verdict={"gate": "incomplete", "passed": False, "exit": 10, "reason": SAID})
    report["run"].update(parts=[SAID], events={"file": SAID}, exports=["csv"])
    report["run"].update(exports_fed=[{"format": SAID, "directory": SAID, "group": SAID}])
    report["run"].update(interrupted={"why": SAID, "closed_by": SAID})
    notes = [{"host": host, "kind": "clock_ahead", "detail": SAID} for host in ("web01", *OTHERS)]
    new = [{"host": host, "rule": "apps/wechat", "state": "noncompliant", "what": SAID} for host in ("web01", *OTHERS)]
    not_served = [{"host": host, "why": SAID} for host in ("switch-press", OTHERS[1])]
    departments["press"].append("switch-press")
    report.update(unexpected=notes, unexpected_hosts=list(OTHERS), new=new, not_served=not_served)
    report.update(points=[], rollout=None)
    return report, found.records


# -- the attack --------------------------------------------------------------------------------------------------------


def test_what_is_missing_and_what_is_left_out_is_said(ask):
    found = json.loads(ask("--group", "press", "--json"))["department"]
    assert (found["name"], found["missing"], found["partial"]) == ("press", ["lost01"], True)
    for format_ in ("table", "html"):
        text = " ".join(ask("--group", "press", "--format", format_).split())
        assert "press alone" in text
        assert "no record of lost01" in text
        assert "Left out is what belongs to no single host" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--group", "pres"), "the report of .* has no department 'pres'.*press"),
        (("--group", "press", "--write"), "--write"),
        (("--group", "press", "--merge", "x"), "--merge"),
        (("--group", "press", "--since", "30d"), "--since"),
        (("--group", "press", "--host", "web01"), "--host"),
        (("--group", "press", "--rule", "apps/wechat"), "--rule"),
        (("--group", "press", "--exceptions"), "--exceptions"),
        (("--group", "press", "--format", "svg"), "svg"),
        (("--group", "press", "--format", "events"), "events"),
        (("--group", "press", "--format", "prometheus"), "prometheus"),
    ],
)
def test_what_would_be_about_others_is_refused(ask, options, message):
    with pytest.raises(Refused, match=message):
        ask(*options)


# -- the report of a department ----------------------------------------------------------------------------------------


def simple(**changes):
    collector = Collector(run(["web01", "web02", "db01"], waivers=WAIVERS, **changes))
    collector.answered("web01", answer(wechat(Finding("package", "wechat", "dpkg", "4.0"))))
    collector.answered("web02", clean_answer())
    collector.answered("db01", clean_answer())
    found = collector.fleet()
    return {
        **fleet_report(collector.run, found, FINISHED),
        "departments": {"press": ["web01", "web02"], "it": ["db01"]},
    }, found.records


def test_a_report_without_that_department_is_no_empty_page():
    with pytest.raises(NoSuchDepartment):
        of_department(*simple(), "treasury")


# -- names in texts ----------------------------------------------------------------------------------------------------


def test_the_page_says_since_when_of_its_own_hosts(ask):
    assert '<time datetime="2026-11-25T00:30' in ask("--group", "press", "--format", "html")

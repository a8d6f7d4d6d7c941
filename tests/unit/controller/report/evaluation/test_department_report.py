"""`report --group`: what the head of one department may have, who is not to see the others."""

import html
import json
import re

import pytest
import watched_hosts
from fleets import WAIVERS, answer, clean_answer, run
from proscribe.controller.cli import command_line
from proscribe.controller.cli import report as command
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation import department_report, reconciliation
from proscribe.controller.report.history import open_history
from proscribe.controller.report.storage.report_directory import ReportDirectory
from proscribe.controller.report.terminal.summary import TerminalScreen
from proscribe.model.finding import Finding, judge_rule

FINISHED = "2026-11-25T00:31:00Z"
OWN = ("web01", "web02", "lap-press")
OTHERS = ("vault-db07", "Geldschrank9", "lager.example.org", "web01-spare", "\u4e2d\u6587\u673a")
DEPARTMENTS = {"press": list(OWN), "treasury": [*OTHERS, "web02"], "cellar-and-attic": ["lager.example.org"]}
HIDDEN = (*OTHERS, "treasury", "cellar-and-attic")
# Every one of these is in every text that a host, a person or the run says.
SAID = f"of {', '.join(HIDDEN)}: /srv/treasury/x, VAULT-DB07, vault_db07.example.org, (geldschrank9)"


def make_talkative_host(host):
    finding = Finding("package", SAID, SAID, SAID, f"user:{SAID}", SAID, SAID)
    incident = {**watched_hosts.INCIDENT, "cause": SAID, "users": [SAID]}
    ended = {**watched_hosts.ENDED, "program": SAID, "user": SAID}
    frozen = {**watched_hosts.FROZEN, "reason": SAID, "by": SAID}
    request = {**watched_hosts.REQUEST, "user": SAID, "reason": SAID, "service": SAID}
    return {
        **answer(judge_rule("apps/wechat", {"mode": "enforce"}, [finding]),
                 judge_rule("browser/gmail", {"mode": "waived", "waiver": SAID}, [finding]),
                 judge_rule("dns/signal", {"mode": "enforce"}, [], unchecked=SAID),
                 errors=[{"control": "run", "message": SAID}]),
        "watch": watched_hosts.watch(incident, ended=[ended], frozen=frozen), "requests": [request],
        "requests_left_out": 0, "attempts": {f"firewall/{SAID}": 7}, "actions": [{"control": "apps", "action": SAID}],
        "other_runs": [{"control": "apps", "by": SAID, "since": FINISHED, "waited": 1}], "logged_in": [SAID],
        "commit_trust": SAID, "quarantine": {"items": 1, "bytes": 2, "oldest": FINISHED, "owners": {SAID: 2}},
    }  # fmt: skip


def make_waiver(name, hosts, **more):
    texts = ("why", "reason", "risk", "ticket", "request", "requested_by", "approved_by", "file", "signed_with")
    lists = ("groups", "users", "posix_groups", "versions", "paths", "zones", "hours", "compensating_controls")
    facts = {**dict.fromkeys(texts, SAID), **{key: [SAID] for key in lists}}
    return {**WAIVERS[0], **facts, "id": name, "hosts": list(hosts), "another_key": SAID, **more}


def make_fleet(**changes):
    revoked = {"on": "2027-01-01T00:00:00Z", "by": SAID, "why": SAID}
    waivers = [make_waiver("of-press", ["web02"]), make_waiver("of-others", OTHERS)]
    waivers.insert(1, make_waiver(f"shared-{SAID}", ["web01", OTHERS[0]], revoked=revoked))
    command = {**run()["command"], "options": ["-i", SAID], "cwd": f"/srv/{SAID}"}
    named = {"inventory": [SAID], "limit": SAID, "pattern": SAID, "history": SAID, "playbook": SAID, "command": command}
    upcoming = [{"service": SAID, "control": "apps", "effective_from": "2027-01-01"}]
    facts = {**named, "waivers": waivers, "upcoming": upcoming, "warnings": [SAID], "baseline": f"/x/{SAID}", **changes}
    collector = Collector(run([*OWN, *OTHERS], **facts))
    collector.answered("web01", make_talkative_host("web01"))
    collector.answered("web02", clean_answer())
    collector.unreachable("lap-press", SAID)
    for host in OTHERS[1:]:
        collector.answered(host, make_talkative_host(host))
    result = collector.reconcile_hosts()
    report = reconciliation.make_run_report(collector.run, result, FINISHED)
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
    return report, result.records


@pytest.fixture(name="ask")
def ask_fixture(tmp_path):
    report, records = make_fleet(history="sqlite")
    open_history("sqlite", tmp_path).record_run(report, records)
    ReportDirectory(tmp_path / "20261125T003000Z-audit-1a2b.partial").write_report(records, report, ["page"])
    place, parse = ReportsPlace(tmp_path, "treasury-vault of vault-db07"), command_line.parse_command
    return lambda *options: command.compose_answer(parse("report", options)[1], TerminalScreen(100, 1000), place)


@pytest.mark.parametrize("format_", ["table", "json", "html", "csv", "junit", "oscal", "sarif", "sarif_open"])
def test_no_output_names_another_host_or_department(ask, format_):
    text = ask("--group", "press", "--format", format_)
    assert "web01" in text
    unescaped = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    plain = (text + html.unescape(unescaped)).casefold()
    assert [name for name in (*HIDDEN, "vault_db07") if name.casefold() in plain] == []
    assert all(name in ask("--format", "json") or name == OTHERS[-1] for name in HIDDEN)


def test_department_report_names_missing_hosts_and_omissions(ask):
    result = json.loads(ask("--group", "press", "--json"))["department"]
    assert (result["name"], result["missing"], result["partial"]) == ("press", ["lost01"], True)
    for format_ in ("table", "html"):
        text = " ".join(ask("--group", "press", "--format", format_).split())
        assert "press alone" in text
        assert "no record of lost01" in text
        assert "Left out is what belongs to no single host" in text
    assert '<time datetime="2026-11-25T00:30' in ask("--group", "press", "--format", "html")


def test_a_report_without_that_department_is_no_empty_page():
    with pytest.raises(department_report.UnknownDepartment):
        department_report.make_department_report(*make_fleet(), "harbour")

"""`report --group`: what the head of one department may have, who is not to see the others."""

from __future__ import annotations

import argparse
import html
import json
import re

import pytest
import watched_hosts
from fleets import WAIVERS, answer, clean_answer, run, wechat
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report import exports
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.department import NoSuchDepartment, of_department
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.history import open_history
from proscribe.controller.report.page.document import page
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.terminal.summary import Screen
from proscribe.controller.report.text.redaction import LEFT_OUT, Redaction
from proscribe.model.finding import Finding, judge

FINISHED = "2026-11-25T00:31:00Z"
RUN = "20261125T003000Z-audit-1a2b"
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


@pytest.fixture(name="ask")
def ask_fixture(tmp_path):
    report, records = fleet(history="sqlite")
    history = open_history("sqlite", tmp_path)
    history.record(report, records)
    ReportDirectory(tmp_path / f"{RUN}.partial").finish(records, report, ["page"])
    parser = argparse.ArgumentParser()
    word.add_arguments(parser)
    place = Place(tmp_path, "treasury-vault of vault-db07")
    return lambda *options: word.answer(parser.parse_args(options), Screen(100, 1000), place)


OF_ONE_RUN = [
    name for name in exports.formats() if not exports.of_history([name]) and name not in exports.of_all_known()
]


# -- the attack --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["table", "json", "html", *OF_ONE_RUN])
def test_no_output_names_another_host_or_department(ask, format_):
    text = ask("--group", "press", "--format", format_)
    assert "web01" in text
    unescaped = re.sub(r"\\u([0-9a-f]{4})", lambda one: chr(int(one[1], 16)), text)
    plain = (text + html.unescape(unescaped)).casefold()
    found = [name for name in (*HIDDEN, "vault_db07") if name.casefold() in plain]
    assert found == []


def test_the_whole_has_all_of_these_names(ask):
    """What is absent above was there to be seen."""
    for format_ in ("json", "html", "csv"):
        assert all(
            name in ask("--format", format_) or name.encode("unicode_escape").decode() in ask("--format", format_)
            for name in HIDDEN
        )


def test_no_number_counts_another_host(ask):
    found = json.loads(ask("--group", "press", "--json"))
    assert found["run"]["expected_hosts"] == 3
    assert {state: count for state, count in found["summary"]["hosts"].items() if count} == {
        "error": 1, "unknown": 1, "compliant": 1,
    }  # fmt: skip
    assert found["summary"]["coverage"]["denominator"] == 4  # with the one that is not served
    assert {rule["rule"]: rule["counts"] for rule in found["rules"]}["apps/wechat"] == {"noncompliant": 1}
    assert found["watch"]["hosts"] == found["requests"]["hosts"] == 1
    assert [one["hosts"] for one in found["waivers"]] == [["web02"], ["web01"]]
    assert {one["host"] for name in ("new", "unexpected", "not_served") for one in found[name]} == {
        "web01", "switch-press",
    }  # fmt: skip
    assert found["departments"] == {"press": list(OWN)}
    for name in ("upcoming", "nothing_known", "unexpected_hosts", "warnings"):
        assert found[name] == []


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


@pytest.mark.parametrize(
    ("group", "title"),
    [
        ("press", "1 of 2 hosts of press is not compliant"),
        ("it", "The ban is in effect on the 1 host of it"),
    ],
)
def test_the_page_of_a_department_speaks_of_it_and_proposes_no_commands(group, title):
    report, records = of_department(*simple(), group)
    text = "".join(page(report, records))
    assert f"<h1>{title}</h1>" in text
    assert 'id="next"' not in text and "./proscribe" not in text
    assert report["department"]["missing"] == [] and not report["department"]["partial"]


def test_a_run_over_some_hosts_says_that_the_department_may_have_more():
    report, _ = of_department(*simple(limit="web*", left_out=["db02"]), "press")
    assert report["department"]["partial"]
    assert (report["run"]["limit"], report["run"]["left_out"]) == ("", 0)


def test_a_report_without_that_department_is_no_empty_page():
    with pytest.raises(NoSuchDepartment):
        of_department(*simple(), "treasury")


def test_the_report_itself_stays_as_it_was():
    report, records = fleet()
    before = json.dumps([report, list(records)])
    of_department(report, records, "press")
    assert json.dumps([report, list(records)]) == before


# -- names in texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ssh by db07 failed", f"ssh by {LEFT_OUT} failed"),
        ("DB07.example.org", f"{LEFT_OUT}.example.org"),
        ("/srv/db07/x", f"/srv/{LEFT_OUT}/x"),
        ("db071 and xdb07", "db071 and xdb07"),
        ("web01", "web01"),  # its own, though another is called web
        ("web and web-01", f"{LEFT_OUT} and {LEFT_OUT}-01"),
        ("db07-press", "db07-press"),  # its own name, in which another's is
        ("north-sea oil, north sea", f"{LEFT_OUT} oil, {LEFT_OUT}"),
        ("it is not there", "it is not there"),  # a department of that name is in no text that differs from the word
        ("***", LEFT_OUT),
        ("", ""),
    ],
)
def test_names_of_others_are_taken_out_of_texts(text, found):
    names = Redaction(["db07", "web", "north-sea", "it", "***"], ["web01", "db07-press"])
    assert names.text(text) == found


def test_a_long_text_of_beginnings_takes_time_as_it_is_long():
    names = Redaction(["-".join(["a"] * 400)], [])
    assert names.text("a-" * 100_000).startswith("(left out)")


def test_the_page_says_since_when_of_its_own_hosts(ask):
    assert '<time datetime="2026-11-25T00:30' in ask("--group", "press", "--format", "html")

"""The report on the terminal, as an operator sees it: golden texts of a few fleets."""

from __future__ import annotations

from textwrap import dedent

import pytest
from fleets import answer, judge, run
from hypothesis import given
from hypothesis import strategies as st
from printed import too_wide
from properties import examples
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.terminal import lifting
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.model.finding import Finding, Verdict

REFUSED_CONNECTION = "ssh: connect to host 10.0.0.7 port 22: Connection refused"


def shown(collector, directory="", **screen):
    """The report of what a collector heard, on such a screen."""
    fleet = collector.fleet()
    report = fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    return render(report, fleet.records, Screen(**screen), directory)


def golden(text):
    return "\n" + dedent(text).strip("\n")


@pytest.mark.parametrize(
    ("mode", "count", "missing", "line"),
    [
        ("enforce", 1, [], "programs on web01 reach names below blocked names: no resolver that filters there"),
        (
            "enforce",
            2,
            [],
            "programs on 2 hosts (web01, web02) reach names below blocked names: no resolver that filters",
        ),
        ("audit", 2, [], ""),
        ("enforce", 2, [Finding("hosts_line", "block", detail="missing")], ""),  # nothing is blocked
    ],
)
def test_hosts_without_a_resolver_are_named_once(mode, count, missing, line):
    hosts = ["web01", "web02"][:count]
    collector = Collector(run(hosts))
    reason = "the hosts file cannot cover them"
    below = Verdict("dns/sub-domains", "not_applicable", (Finding("coverage", "sub-domains"),), reason=reason)
    for host in hosts:
        collector.answered(host, answer(below, judge("dns/hosts-file", {"mode": "enforce"}, missing)))
    fleet = collector.fleet()
    for record in fleet.records:
        next(rule for rule in record["rules"] if rule["rule"] == "dns/sub-domains")["mode"] = mode
    report = fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    text = " ".join(render(report, fleet.records, Screen(width=200)).split())
    assert (line in text, text.count("below blocked names")) == (True, 1 if line else 0)


HOSTILE = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\x1b\r\n\x07\x9b\u202e\u2066\x00"), min_size=1, max_size=30
)


@examples(150)
@given(data=st.data(), width=st.integers(20, 140))
def test_nothing_from_a_host_steers_the_terminal(data, width):
    def text():
        return data.draw(HOSTILE)

    collector = Collector(run([host := text(), other := "web" + text()], "enforce"))
    finding = Finding(
        "package", text(), manager=text(), version=text(), scope=f"user:{text()}", path=text(), detail=text()
    )
    record = answer(
        judge(f"apps/{text()}", {"mode": "enforce"}, [finding]),
        judge(f"browser/{text()}", {"mode": "enforce"}, [finding]),
        judge(f"dns/{text()}", {"mode": "enforce"}, [], text()),
        errors=[{"control": text(), "message": text()}],
    )
    collector.answered(host, record)
    collector.unreachable(other, text())
    lines = shown(collector, "reports/r1", width=width).split("\n")
    assert all(line.isprintable() for line in lines)
    # A command has its line whole, and so has a word: every terminal goes on in its next row.
    assert too_wide("\n".join(lines), max(width, 40)) == []


def test_a_lift_says_where_the_ban_is_lifted_and_where_not():
    collector = Collector(run(["web01", "web02", "web03"], "lift"))
    collector.changed("web01", "apps", {"changed": True, "actions": ["delete gate", "delete hook"]})
    collector.failed("web02", "apps", "apt is locked")
    collector.unreachable("web03", REFUSED_CONNECTION)
    assert lifting.render(collector.expected, collector.heard, check=False, width=120) == golden(
        """
        lifted on 1 of 3 hosts (2 actions); the ban is not in force there
        not lifted on web02: apt is locked
        not lifted on web03: unreachable: ssh: connect to host 10.0.0.7 port 22: Connection refused
        """
    )
    check = lifting.render(collector.expected, collector.heard, check=True, width=120)
    assert check.splitlines()[1] == "would lift on 1 of 3 hosts (2 actions); nothing was changed"

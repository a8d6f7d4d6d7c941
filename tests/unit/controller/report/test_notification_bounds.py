"""How much a notification says: of many hosts, of many rules of one, and of long evidence."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report import notification
from proscribe.controller.report.history.news import Change
from proscribe.controller.report.notification import Known

AT = "2026-11-25T01:00:30Z"


def rule(name: str, reason: str | None = "why", state: str = "noncompliant") -> Any:
    return {"rule": name, "state": state, "reason": reason, "findings": []}


def record(host: str, *rules: Any, **more: Any) -> Any:
    facts = {"host": host, "state": "noncompliant", "checked_at": AT, "rules_evaluated": 9, "reason": None}
    return {**facts, "errors": [], "rules": list(rules), **more}


def notified(*records: Any, known: Known | None = None) -> Any:
    report: Any = {"run": {"id": "r1", "finished": AT}}
    return notification.notification(report, records, known, "reports/r1")


@pytest.mark.parametrize(
    ("hosts", "listed", "facts", "more"),
    [(20, 20, 20, []), (21, 20, 21, ["... and 1 more host"]), (101, 20, 100, ["... and 81 more hosts"])],
)
def test_many_hosts(hosts: int, listed: int, facts: int, more: list[str]) -> None:
    names = [f"web{number}" for number in range(hosts)]
    sent = notified(*(record(name, rule("apps/wechat")) for name in names))
    assert sent.subject == f"Proscribe: {hosts} hosts newly not compliant"
    line = "  apps/wechat: noncompliant: why; since 2026-11-25 01:00 UTC"
    shown = [text for name in names[:listed] for text in (name, line)]
    assert sent.lines == (*shown, *more, "", "The whole report: reports/r1/report.html")
    assert [one["host"] for one in sent.facts["hosts"]] == names[:facts]
    assert sent.facts["number_of_hosts"] == hosts


@pytest.mark.parametrize(
    ("rules", "facts", "more"), [(8, 8, []), (9, 9, ["  ... and more: 1 rule"]), (41, 40, ["  ... and more: 33 rules"])]
)
def test_many_rules_of_a_host(rules: int, facts: int, more: list[str]) -> None:
    names = [f"apps/app{number}" for number in range(rules)]
    sent = notified(record("web01", *map(rule, names)))
    assert [line.split(":")[0] for line in sent.lines[1:9]] == [f"  {name}" for name in names[:8]]
    assert sent.lines[9:-2] == tuple(more)
    (host,) = sent.facts["hosts"]
    assert [one["rule"] for one in host["changes"]] == names[:facts] and host["number_of_changes"] == rules


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([rule("dns/a")], "dns/a: noncompliant: why; "),
        ([rule("dns/a"), rule("dns/b"), rule("dns/c")], "dns/a, dns/b, dns/c: noncompliant: why; "),
        ([rule("dns/a"), rule("dns/b"), rule("dns/c"), rule("dns/d")], "4 dns rules: noncompliant: why; "),
        ([rule("dns/a", None)], "dns/a: noncompliant: "),
        ([rule("dns/a", "x" * 160)], f"dns/a: noncompliant: {'x' * 160}; "),
        ([rule("dns/a", "x" * 161)], f"dns/a: noncompliant: {'x' * 160}...; "),
    ],
)
def test_rules_of_one_cause_and_long_evidence(rules: Any, said: str) -> None:
    lines = notified(record("web01", *rules)).lines
    assert lines[:-2] == ("web01", f"  {said}since 2026-11-25 01:00 UTC")


def test_what_reverts_a_correction_is_named_by_host() -> None:
    hosts = [f"web{number:02}" for number in range(12)]
    changes = [Change(host, "apps/wechat", "noncompliant", "dpkg wechat 4.0", AT, "") for host in hosts]
    times = {(host, "apps/wechat"): 3 if host < "web11" else 2 for host in hosts}
    sent = notified(*(record(host, rule("apps/wechat")) for host in hosts), known=Known(changes, times))
    assert "Repeated drift, so something there reverts the correction: " in sent.text
    assert f"the correction: {', '.join(hosts[:10])} and 1 more\n" in sent.text
    assert sent.facts["again_and_again"] == hosts[:11]
    assert sent.text.count("(time 3 in 30 days)") == 11 and sent.text.count("(time 2 in 30 days)") == 1

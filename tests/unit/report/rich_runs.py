"""Runs in which a bit of everything happens, and all that is written of them: for the tests of whole outputs."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import export_fleet
import watched_hosts
from fleets import (
    DIGEST,
    ENFORCED,
    OTHER_DIGEST,
    SERVICES,
    WECHAT,
    answer,
    clean_answer,
    no_policy,
    run,
    wechat,
)
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.baseline import New
from proscribe.controller.report.evaluation.department import of_department
from proscribe.controller.report.evaluation.modes import Modes
from proscribe.controller.report.evaluation.reconcile import Clock, fleet_report, reconcile
from proscribe.controller.report.exports import formats, pour
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.model.finding import Finding, Verdict, judge
from proscribe.model.plan import CONTROLS
from proscribe.wire.replies.record import read
from rich_facts import POINT, STANDING, UNREAD
from shown_to_heads import past

FINISHED = "2026-11-25T00:31:00Z"
Made = tuple[Any, Any]  # a report and its records

MODES = {"apps": "enforce", "browser": "audit", "firewall": "off", "dns": "enforce"}
POLICIES = {
    OTHER_DIGEST: {
        name: {"mode": mode, "policy": None if mode == "off" else "sha256:0123456789abcdef"}
        for name, mode in MODES.items()
    },
    DIGEST: {name: {"mode": "enforce", "policy": "sha256:fedcba9876543210"} for name in CONTROLS},
}
FOUND = [
    Finding("file", "wechat", None, None, "user:bob", "/home/bob/.local/share/applications/wechat.desktop"),
    Finding("flatpak", "com.tencent.WeChat", "flatpak", "4.1", "user:alice", None, "from flathub"),
    Finding("container", "wechat", "podman", None, "user:alice", "/home/alice/.local/share/containers"),
]
TROUBLE = [
    {"control": "dns", "message": "/etc/hosts is locked"},
    {"control": "firewall", "message": "own rules would be cut off", "refused": "firewall/telegram"},
]

# Hosts of another department whose names are words of what no host writes itself.
ORDINARY = ["2026", "sha256", "apps", "firewall", "compliant", "enforce", "wechat", "active", "proscribe", "incident"]


def answers() -> dict[str, Any]:
    """What each host of a fleet of many kinds answers."""
    found: dict[str, Any] = {**export_fleet.ANSWERS, **watched_hosts.HOSTS}
    found["policies"] = answer(
        *no_policy(services=["gmail", "line", "zoom"]), wechat(*FOUND), evaluated=["dns/line"], errors=TROUBLE
    )
    found["asking-twice"] = watched_hosts.asking(
        watched_hosts.REQUEST,
        {**watched_hosts.REQUEST, "id": "fedcba9876543210", "user": "bob", "service": "line", "answer": "granted"},
        left_out=3,
    )
    found["browserless"] = watched_hosts.watched(watched_hosts.POLICY, left_out={"browser": 2})
    found["settings"] = answer(
        Verdict("apps/install-block", "unknown", reason="needs root"),
        judge("firewall/quic", {"mode": "enforce"}, [Finding("rule", "quic")]),
        Verdict("dns/resolver", "error", reason="it broke"),
        evaluated=["apps/line"],
        errors=[{"control": "dns", "message": "it broke"}],
    )
    found["audited"] = answer(wechat(WECHAT), *no_policy(["chromium"], ["gmail"]), digest=OTHER_DIGEST)
    found["named"] = named("gone broke")
    found["old"] = clean_answer(checked_at="2026-11-20T00:00:00Z")
    found["ahead"] = clean_answer(checked_at="2026-11-25T03:00:00Z")
    found["timeless"] = clean_answer(checked_at="yesterday")
    found["few"] = answer(evaluated=["apps/line"])
    return found


def named(text: str) -> dict[str, Any]:
    """The answer of a host whose every text is that one, which names other hosts."""
    request = {**watched_hosts.REQUEST, "user": text, "service": text, "reason": text}
    incident = {**watched_hosts.INCIDENT, "cause": text, "users": [text]}
    ended = {**watched_hosts.ENDED, "program": text, "user": text}
    frozen = {**watched_hosts.FROZEN, "reason": text, "by": text}
    one = export_fleet.hostile_answer(text) | {"checked_at": "2026-11-25T00:30:05Z"}
    return {
        **watched_hosts.watched(incident, answer=one, ended=[ended], frozen=frozen),
        "requests": [request],
        "attempts": {"firewall/gone": 7},
        "logged_in": [text],
        "found_at": "2026-11-25T00:30:00Z",
        "package_systems": ["dpkg", "gone"],
        "user_package_systems": ["gone"],
        "browsers": ["chromium", "gone"],
        "full_scan": {"at": "2026-11-24T00:00:00Z", "runs": 3},
        "quarantine": {"items": 2, "bytes": 3000, "oldest": "2026-11-01T00:00:00Z", "owners": {"gone": 2000, "bob": 9}},
    }


def audited() -> Made:
    """An audit of that fleet, compared with one before."""
    said = answers()
    hosts = [*said, "gone", "away1", "away2", "switched-off"]
    digests = dict.fromkeys(hosts, DIGEST) | {"audited": OTHER_DIGEST}
    made: Any = run(
        hosts,
        waivers=STANDING,
        policies=POLICIES,
        rules={DIGEST: 2},
        limit="all:!lab",
        pattern="managed",
        left_out=["lab1"],
        version="1.2.3",
        catalog={"version": "2026.11.1", "released": "2026-11-02"},
        services=["wechat", "line", "gmail", "telegram", "x"],
        not_served={"sw1": "is a network device", "sw2": "is a network device", "pc1": "runs Windows"},
        nothing_known={"apps/protonmail": ["holds", "broken"], "dns/protonmail": ["holds"]},
        upcoming=[
            {"service": "line", "control": "apps", "effective_from": "2027-01-01"},
            {"service": "line", "control": "dns", "effective_from": "2027-01-01"},
            {"service": "zalo", "control": "apps", "effective_from": "2026-12-01"},
        ],
        warnings=["the catalogue is 90 days old"],
        departments={
            "press": ["named", "sw2", "policies", "excused", "holds", "elsewhere"],
            "it": ["broken", "gone", "asking"],
        },
        stale_after={"usual": 86400, "hosts": {"old": 3600}},
        exports=["csv", "events"],
        history="sqlite",
        baseline="reports/20261124T003000Z-audit-0000",
    )
    made["hosts"] = digests
    records = [read(host, one) for host, one in said.items()]
    records += [read("stranger", clean_answer()), read("plain", answer(evaluated=["apps/line", "dns/line"]))]
    reasons = {
        "gone": "unreachable: no route to host",
        **{host: f"unreachable: {host} has no address" for host in ("away1", "away2")},
        "switched-off": "the connection broke",
    }
    clock = Clock.of(made, FINISHED)
    fleet = reconcile(digests, records, reasons, clock, made["rules"], Modes(POLICIES, CONTROLS))
    new = [New("broken", "apps/wechat", "noncompliant", "dpkg wechat 4.0"), New("gone", "", "unknown", "no route")]
    return {**fleet_report(made, fleet, FINISHED, new), "points": [POINT, UNREAD]}, fleet.records


def enforced() -> Made:
    """An enforcing run that was stopped half way."""
    hosts = [f"web{number:02}" for number in range(1, 9)]
    collector = Collector(run(hosts, "enforce", policies=POLICIES, gate=dict.fromkeys(hosts, "noncompliant")))
    bad = answer(wechat(WECHAT), *no_policy(["firefox"], ["gmail", "line", "zoom", "x"]), evaluated=["dns/line"])
    for host in hosts[:6]:
        collector.answered(host, bad)
    collector.answered(hosts[6], clean_answer())
    collector.unreachable(hosts[7], "ssh: connect to host web08 port 22: Connection refused")
    collector.decided(
        {
            "hosts": hosts[:5],
            "batches": [1, 2, 2],
            "allow": {},
            "set_aside": {"web06": "more than proscribe_max_change would change"},
        }
    )
    took = {"actions": ["remove wechat 4.0", "move aside /opt/wechat"], "refused": [], "changed": True}
    refusal = {"rule": "browser/x", "subject": "a policy of others", "reason": "it is not ours"}
    other = {"by": "root", "since": "2026-11-25T00:29:00Z", "waited": 12}
    wrote: Any = {"actions": ["write proscribe.json"], "refused": [refusal], "other_runs": [other]}
    for host in ("web01", "web02", "web03"):
        collector.began(host, "apps")
        collector.changed(host, "apps", took)
        collector.began(host, "browser")
        collector.changed(host, "browser", wrote)
    collector.answered("web01", clean_answer(checked_at="2026-11-25T00:30:40Z"))
    collector.failed("web02", "browser", "the disk is full")
    collector.answered("web02", answer(*no_policy(["firefox"], ["gmail"]), evaluated=["apps/wechat", "dns/line"]))
    collector.stopped("too many hosts failed")
    fleet = collector.fleet()
    rollout = collector.rollout()
    made = fleet_report(collector.run, fleet, FINISHED, rollout=rollout.as_dict() if rollout else None)
    return made, fleet.records


def many() -> Made:
    """A run over more than anybody wants to see at once."""
    hosts = [f"web{number:02}" for number in range(1, 18)]
    policies = {DIGEST: POLICIES[OTHER_DIGEST]}
    collector = Collector(run([*hosts, *(f"away{number}" for number in range(9))], services=None, policies=policies))
    for place, host in enumerate(hosts):
        apps = [judge(f"apps/app{number}", ENFORCED, [WECHAT]) for number in range(place)]
        collector.answered(host, answer(*no_policy(services=SERVICES[:8]), *apps, evaluated=["apps/line", "dns/line"]))
    for number in range(9):
        collector.unreachable(f"away{number}", f"reason {number % 7}")
    fleet = collector.fleet()
    return fleet_report(collector.run, fleet, FINISHED), fleet.records


def in_order(*hosts: str, **changes: Any) -> Made:
    """A run over hosts that are in order."""
    made: Any = run(hosts, **changes)
    fleet = reconcile(made["hosts"], [read(host, clean_answer()) for host in hosts])
    return fleet_report(made, fleet, FINISHED), fleet.records


# What is written of each run: in one of them a format, or a part of the page, has all that it can have.
WRITTEN = {
    "audit": ("page", "screen", "csv", "events", "junit", "oscal", "prometheus", "sarif"),
    "press": ("page", "screen", "report", "sarif_open"),
    "words": ("report",),
    "enforce": ("page", "screen", "csv", "events", "junit", "prometheus"),
    "many": ("page", "screen"),
    "one": ("page", "screen"),
    "none": ("page", "screen", "junit", "oscal", "prometheus"),
}


def runs() -> dict[str, Made]:
    """All of them."""
    report, records = audited()
    words = {**report, "departments": {**report["departments"], "words": ORDINARY}}
    return {
        "audit": (report, records),
        "press": of_department(report, records, "press"),
        "words": of_department(words, records, "press"),
        "enforce": enforced(),
        "many": many(),
        "one": in_order("web01", mode="check"),
        "none": in_order(),
    }


def pages(made: Made) -> str:
    """The page without what is in it as it is, a tag or a text in each line."""
    days: Any = past() if len(made[1]) > 20 else []
    since = {("broken", "apps/wechat"): "2026-11-20T08:00:00Z", ("gone", ""): "2026-10-01T00:00:00Z"}
    text = "".join(page(*made, trend=days[-20:], days=days, since=since, directory="reports/r1"))
    text = re.sub(r"(?s)^.*?</head>|<script>.*?</script>|<symbol.*?</symbol>", "", text)
    return re.sub(r"\n\s*\n+", "\n", re.sub(r"(</?(?:tr|p|section|rect|h\d)\b)|(?<=[\]}]),", r"\n\g<0>", text))


def screens(made: Made) -> str:
    """The report on terminals of several sizes."""
    shown = [
        render(*made, Screen()),
        render(*made, Screen(72, 24, True, "/srv/ban"), "/srv/ban/reports/r1"),
        render(*made, Screen(200, 400), "reports/r1"),
    ]
    return "\n\n====\n".join(shown)


def report(made: Made) -> str:
    """The report and its records."""
    return f"{compact(made[0])}\n{compact(made[1])}"


def export(made: Made, name: str) -> str:
    """The report in another format."""
    stream = io.StringIO(newline="")
    pour(stream, *made, name)
    text = stream.getvalue()
    return compact(json.loads(text)) if formats()[name].file.endswith(("json", "sarif")) else text


OWN = {"page": pages, "screen": screens, "report": report}


def compact(value: Any) -> str:
    """JSON in lines that a difference can show."""
    return json.dumps(value).replace("}, {", "},\n{")


def texts() -> dict[str, str]:
    """What is written, by the name of the file that has it."""
    found = {}
    for name, made in runs().items():
        for what in WRITTEN[name]:
            found[f"{name}.{what}"] = OWN[what](made) if what in OWN else export(made, what)
    return found

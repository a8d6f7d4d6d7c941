"""Runs that have each kind of result, and the outputs of these runs, for test_exports.py."""

import io
import json
import re
import sys
from typing import Any

import export_fleet
import watched_hosts
from fleets import DIGEST, OTHER_DIGEST, WAIVERS, WECHAT, answer, clean_answer, no_policy, run, wechat
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.baseline import BaselineDeviation
from proscribe.controller.report.evaluation.control_modes import ControlModes
from proscribe.controller.report.evaluation.department_report import make_department_report
from proscribe.controller.report.evaluation.lifts import Lift, apply_lifts
from proscribe.controller.report.evaluation.reconciliation import StaleLimits, make_run_report, reconcile_records
from proscribe.controller.report.exports import list_export_formats, write_export
from proscribe.controller.report.page.html_page import render_page
from proscribe.controller.report.terminal.summary import TerminalScreen, render_summary
from proscribe.model.finding import Finding, RuleVerdict, judge_rule
from proscribe.model.plan import CONTROLS
from proscribe.wire.answers.record import read_record
from recording import outline
from shown_to_heads import past

STATUS = [
    *WAIVERS, {**WAIVERS[0], "id": "ends-today", "expires": "2026-11-25T18:00:00Z", "services": ["line"], "hosts": []},
    {**WAIVERS[0], "id": "later", "status": "not_yet_valid", "valid_from": "2027-01-01T00:00:00Z", "risk": "",
     "users": []},
    {**WAIVERS[0], "id": "of-mallory", "status": "unauthorised", "waives": False, "why": "mallory may not approve it",
     "hosts": ["broken", "policies"], "signed_with": None},
    {**WAIVERS[0], "id": "taken-back", "hosts": ["named"], "status": "revoked",
     "revoked": {"on": "2026-11-20T08:00:00Z", "by": "bo.li", "why": "it was misused by gone"}},
    {**WAIVERS[0], "id": "of-everything", "waives": True, "valid_from": "2026-10-01T00:00:00Z",
     "review_by": "2026-11-20T00:00:00Z", "review_overdue": True, "why": "so says gone, and not gone-relay",
     "hosts": ["policies", "broken"], "zones": ["press"], "users": ["alice", "gone"], "posix_groups": ["editors"],
     "versions": ["4.0"], "paths": ["/opt/wechat"], "hours": ["08:00-18:00"],
     "compensating_controls": ["a proxy on gone"], "risk": "medium", "ticket": "BAN-12 of gone", "groups": ["desks"],
     "signed_by": "mei", "another_key": {"a": True, "b": ["x", False], "c": None},
     "request": "0123456789abcdef", "requested_by": "alice", "requested_on": "2026-09-30T08:00:00Z",
     "approved_on": "2026-09-30T09:00:00Z", "signed_with": "ED25519 key SHA256:abc",
     "file": "inventory/waivers/press.yml"},
]  # fmt: skip
POINT = {
    "format": "rpz", "directory": "/srv/dns/guests", "group": "guests", "state": "current", "why": [],
    "written": "2026-11-24T08:00:00Z", "plan": DIGEST, "valid_until": "2026-12-24T18:00:00Z", "older": False,
    "expired": False, "signed_with": "ED25519 key SHA256:abc",
    "fetched_by": {"since": "2026-11-20T00:00:00Z", "addresses": 5,
                   "last": [{"address": f"192.0.2.{day}", "at": f"2026-11-2{day}T09:00:00Z", "file": "proscribe.rpz"}
                            for day in (4, 3, 2, 1)]},
    "fetched_by_unknown": "",
}  # fmt: skip
UNREAD = {
    **dict.fromkeys(POINT), "format": "nft", "directory": "/srv/fw", "group": "", "state": "unknown",
    "why": ["it cannot be read"], "fetched_by_unknown": "there is no log",
}  # fmt: skip
OVER = {
    **POINT, "directory": "/srv/dns/old", "state": "expired", "why": ["it was valid until then"], "signed_with": None,
    "valid_until": None, "fetched_by": {"since": "2026-11-20T00:00:00Z", "addresses": 0, "last": []},
}  # fmt: skip
FINISHED = "2026-11-25T00:31:00Z"
Made = tuple[Any, Any]  # a report and its records
MODES = {"apps": "enforce", "browser": "audit", "firewall": "off", "dns": "enforce"}
POLICIES = {
    OTHER_DIGEST: {name: {"mode": mode, "policy": None if mode == "off" else "sha256:0123456789abcdef"}
     for name, mode in MODES.items()},
    DIGEST: {name: {"mode": "enforce", "policy": "sha256:fedcba9876543210"} for name in CONTROLS},
}  # fmt: skip
FOUND = [
    Finding("file", "wechat", None, None, "user:bob", "/home/bob/.local/share/applications/wechat.desktop"),
    Finding("flatpak", "com.tencent.WeChat", "flatpak", "4.1", "user:alice", None, "from flathub"),
    Finding("container", "wechat", "podman", None, "user:alice", "/home/alice/.local/share/containers"),
]
TROUBLE = [
    {"control": "dns", "message": "/etc/hosts is locked"},
    {"control": "firewall", "message": "own rules would be cut off", "refused": "firewall/telegram"},
]

# The page and the screen show all of these hosts, an export only those of FEW.
OF_OTHERS = ("holds", "broken", "failed", "excused", "other", "open", "frozen")
MILDER = ("holds", "blind", "mended", "early", "idle", "other")  # their states are not among those of FEW
FEW = ("policies", "named", "excused", "audited", "gone")
# The outputs of each run: in one of them a format, or a part of the page, has all that it can have.
WRITTEN = {
    "audit": ("page", "screen"), "few": ("csv", "events", "junit", "prometheus", "sarif", "json"),
    "press": ("screen",), "lifted": ("page", "csv", "prometheus", "limits"),
    "enforce": ("page", "screen", "json"), "none": ("page", "screen", "prometheus"),
    "states": ("oscal",), "milder": ("junit", "sarif"), "watched": ("events", "prometheus"),
}  # fmt: skip


def answers():
    result = {host: {**export_fleet.ANSWERS, **watched_hosts.HOSTS}[host] for host in OF_OTHERS}
    result["policies"] = answer(
        *no_policy(services=["gmail", "line"]), wechat(*FOUND), evaluated=["dns/line"], errors=TROUBLE
    )
    other = {"id": "fedcba9876543210", "user": "bob", "service": "line", "answer": "granted"}
    requests = (watched_hosts.REQUEST, {**watched_hosts.REQUEST, **other})
    result["asking-twice"] = watched_hosts.asking(*requests, left_out=3)
    result["settings"] = answer(
        RuleVerdict("apps/install-block", "unknown", reason="needs root"),
        judge_rule("firewall/quic", {"mode": "enforce"}, [Finding("rule", "quic")]),
        RuleVerdict("dns/resolver", "error", reason="it broke"),
        evaluated=["apps/line"],
        errors=[{"control": "dns", "message": "it broke"}],
    )
    result["audited"] = answer(wechat(WECHAT), *no_policy(["chromium"], ["gmail"]), digest=OTHER_DIGEST)
    result["named"] = named("gone broke")
    result["old"] = clean_answer(checked_at="2026-11-20T00:00:00Z")
    return result


def named(text):
    request = {**watched_hosts.REQUEST, "user": text, "service": text, "reason": text}
    incident = {**watched_hosts.INCIDENT, "cause": text, "users": [text]}
    ended = {**watched_hosts.ENDED, "program": text, "user": text}
    frozen = {**watched_hosts.FROZEN, "reason": text, "by": text}
    item = export_fleet.hostile_answer(text) | {"checked_at": "2026-11-25T00:30:05Z"}
    return {
        **watched_hosts.watched(incident, answer=item, ended=[ended], frozen=frozen), "requests": [request],
        "attempts": {"firewall/gone": 7}, "logged_in": [text], "found_at": "2026-11-25T00:30:00Z",
        "package_systems": ["dpkg", "gone"], "user_package_systems": ["gone"], "browsers": ["chromium", "gone"],
        "full_scan": {"at": "2026-11-24T00:00:00Z", "runs": 3},
        "quarantine": {"items": 2, "bytes": 3000, "oldest": "2026-11-01T00:00:00Z", "owners": {"gone": 2000, "bob": 9}},
    }  # fmt: skip


def audited(only=()):
    answers_by_host = {host: item for host, item in answers().items() if not only or host in only}
    hosts = [*answers_by_host, "gone", *([] if only else ("away1", "away2"))]
    digests = {host: OTHER_DIGEST if host == "audited" else DIGEST for host in hosts}
    result = run(
        hosts, waivers=STATUS, policies=POLICIES, rules={DIGEST: 2}, limit="all:!lab", pattern="managed",
        left_out=["lab1"], version="1.2.3", catalog={"version": "2026.11.1", "released": "2026-11-02"},
        services=["wechat", "line", "gmail", "telegram", "x"],
        not_served={"sw1": "is a network device", "sw2": "is a network device", "pc1": "runs Windows"},
        nothing_known={DIGEST: ["apps/protonmail", "dns/protonmail", "dns/zalo"]},
        upcoming=[{"service": "line", "control": "apps", "effective_from": "2027-01-01"},
                  {"service": "line", "control": "dns", "effective_from": "2027-01-01"},
                  {"service": "zalo", "control": "apps", "effective_from": "2026-12-01"}],
        warnings=["the catalogue is 90 days old"],
        departments={"press": ["named", "sw2", "policies", "excused", "holds", "gone-relay"],
                     "it": ["broken", "gone", "asking"],
                     **dict.fromkeys(("2026", "active", "apps", "error", "proscribe", "sha256", "waived"), ())},
        stale_after={"usual": 86400, "hosts": {"old": 3600}}, exports=["csv", "events"], history="sqlite",
        baseline="reports/20261124T003000Z-audit-0000",
    )  # fmt: skip
    result["hosts"] = digests
    records = [read_record(host, entry) for host, entry in answers_by_host.items()]
    if not only:
        records += [
            read_record("stranger", clean_answer()),
            read_record("holds", answer(evaluated=["apps/line", "dns/line"])),
        ]
    reasons = {host: f"unreachable: {host} has no address" for host in ("away1", "away2")}
    reasons["gone"] = "unreachable: no route to host"
    clock = StaleLimits.make_stale_limits(result, FINISHED)
    fleet = reconcile_records(digests, records, reasons, clock, result["rules"], ControlModes(POLICIES, CONTROLS))
    new = [
        BaselineDeviation("broken", "apps/wechat", "noncompliant", "dpkg wechat 4.0"),
        BaselineDeviation("gone", "", "unknown", "no route"),
    ]
    return {**make_run_report(result, fleet, FINISHED, new), "points": [POINT, UNREAD, OVER]}, fleet.records


def enforced():
    hosts = [f"web{number:02}" for number in range(1, 7)]
    collector = Collector(run(hosts, "enforce", policies=POLICIES, gate=dict.fromkeys(hosts, "noncompliant")))
    bad = answer(wechat(WECHAT), *no_policy(["firefox"], ["gmail", "line"]), evaluated=["dns/line"])
    for host in hosts[:4]:
        collector.answered(host, bad)
    collector.answered(hosts[4], clean_answer())
    collector.unreachable(hosts[5], "ssh: connect to host web06 port 22: Connection refused")
    collector.decided({
        "hosts": hosts[:3], "batches": [1, 2], "allow": {},
        "set_aside": {"web04": "more than proscribe_max_change would change"},
    })  # fmt: skip
    took = {"actions": ["remove wechat 4.0", "move aside /opt/wechat"], "refused": [], "changed": True}
    refusal = {"rule": "browser/x", "subject": "a policy of others", "reason": "it is not ours"}
    other = {"by": "root", "since": "2026-11-25T00:29:00Z", "waited": 12}
    wrote = {"actions": ["write proscribe.json"], "refused": [refusal], "other_runs": [other]}
    for host in ("web01", "web02"):
        collector.began(host, "apps")
        collector.changed(host, "apps", took)
        collector.began(host, "browser")
        collector.changed(host, "browser", wrote)
    collector.answered("web01", clean_answer(checked_at="2026-11-25T00:30:40Z"))
    collector.failed("web02", "browser", "the disk is full")
    collector.answered("web02", answer(*no_policy(["firefox"], ["gmail"]), evaluated=["apps/wechat", "dns/line"]))
    collector.stopped("too many hosts failed")
    fleet = collector.reconcile_hosts()
    rollout = collector.measure_rollout()
    result = make_run_report(collector.run, fleet, FINISHED, rollout=rollout.make_rollout_report() if rollout else None)
    return result, fleet.records


def observed(answers_by_host, *silent):
    result = run((*answers_by_host, *silent), waivers=WAIVERS if answers_by_host else [])
    records = [read_record(host, item) for host, item in answers_by_host.items()]
    fleet = reconcile_records(result["hosts"], records, {"gone": "unreachable: no route to host"})
    return make_run_report(result, fleet, FINISHED), fleet.records


def lifted():
    """Return a run after two lifts: of a host of which a control is off, and of some controls of another one."""
    whole, part = Lift("2026-11-25T05:01:00Z", "lift-5"), Lift("2026-11-25T06:01:00Z", "lift-6")
    lifts = {"audited": dict.fromkeys(("apps", "browser", "dns"), whole), "named": {"apps": whole, "dns": part}}
    report, records = audited(("audited", "excused", "named"))
    about_others: Any = {**dict.fromkeys(("waivers", "points", "upcoming", "not_served"), ()), "departments": {}}
    return apply_lifts({**report, **about_others}, records, lifts)


def runs():
    return {
        "audit": audited(), "few": audited(FEW), "lifted": lifted(),
        "press": make_department_report(*audited(FEW), "press"), "enforce": enforced(), "none": observed({}),
        "states": observed(export_fleet.ANSWERS, "gone"), "watched": observed(watched_hosts.HOSTS),
        "milder": observed({host: export_fleet.ANSWERS[host] for host in MILDER}),
    }  # fmt: skip


def pages(result):
    """Return the page without style, scripts and icons, a row or section in each line; a large one without its data."""
    days = past()[-4:] if len(result[1]) > 10 else []
    since = {("broken", "apps/wechat"): "2026-11-20T08:00:00Z", ("gone", ""): "2026-10-01T00:00:00Z"}
    text = "".join(render_page(*result, trend=days[-2:], days=days, since=since, directory="reports/r1"))
    data = "|<script type.*?</script>" if days or "lifted" in result[0] else ""
    icons = '<svg class="icon.*?</svg>|<symbol.*?</symbol>'
    text = re.sub(rf"(?s)^.*?</head>|<script>.*?</script>|{icons}{data}", "", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    text = re.sub(r",(?=[\"\[{])", ", ", text)
    return re.sub(r"<(?:tr|section|svg|h\d|details|script)\b", r"\n\g<0>", text)


def screens(result):
    shown = [render_summary(*result, TerminalScreen())]
    if "department" not in result[0]:
        shown.append(render_summary(*result, TerminalScreen(72, 24, True, "/srv/ban"), "/srv/ban/reports/r1"))
    heights = (sys.maxsize, *range(70, 24, -3))
    summaries = (render_summary(*result, TerminalScreen(100, height)) for height in heights)
    shown.append(f"lines: {' '.join(str(summary.count(chr(10))) for summary in summaries)}")
    return "\n\n====\n".join(shown)


def limits(result: Made):
    """Return what the page of a great fleet says of what it leaves out, and how many rows each section has."""
    report, records = result
    names = ("new", "not_served", "unexpected", "unexpected_hosts", "lifted", "warnings")
    more = {name: [*(report.get(name) or ())] * 400 for name in names}
    hosts = [{**record, "host": f"{record['host']}{number}"} for number in range(420) for record in records]
    hosts += [{**hosts[-1], "host": f"good{number}", "state": "compliant", "rules": [], "errors": [], "reason": None,
               "watch": None, "attempts": {f"apps/x{number}": 1}} for number in range(2100)]  # fmt: skip
    text = "".join(render_page({**report, **more}, hosts)).partition("<script type")[0]
    sections = re.findall(r'(?s)<section id="([\w-]+)">(.*?)</section>', text)
    lines = [f"{name}: {part.count('<tr')} rows, {part.count('<li')} items" for name, part in sections]
    return "\n".join([*lines, *re.findall(r"[^<>\n]*\d (?:\w+ )?more[^<>\n]*", text)])


def export(result: Made, name: str):
    stream = io.StringIO(newline="")
    write_export(stream, *result, name)
    text = stream.getvalue()
    if name == "events":
        return outline([json.loads(line) for line in text.splitlines()])
    return outline(json.loads(text)) if list_export_formats()[name].file_name.endswith(("json", "sarif")) else text


def changed(result, base=({}, ())):
    """Return a report and its records as JSON, without parts that are as those of another run."""
    report = {key: value for key, value in result[0].items() if value != base[0].get(key)}
    return outline({"report": report, "records": [record for record in result[1] if record not in base[1]]})


OWN = {"page": pages, "screen": screens, "limits": limits, "json": lambda result: changed(result, ({}, result[1]))}


def texts():
    result = runs()
    return {
        f"{name}.{output}": OWN[output](result[name]) if output in OWN else export(result[name], output)
        for name, outputs in WRITTEN.items()
        for output in outputs
    } | {f"{name}.json": changed(result[name], result["few"]) for name in ("press", "lifted")}

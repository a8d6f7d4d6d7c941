"""Layouts of texts, summaries of changes, and decisions by all that they depend on, for test_exports.py."""

import json
from itertools import combinations_with_replacement, product
from typing import Any

from proscribe.controller.report.evaluation import scope, verdict
from proscribe.controller.report.evaluation.baseline import BaselineDeviation
from proscribe.controller.report.evaluation.control_modes import has_audited_noncompliance, is_correctable
from proscribe.controller.report.evaluation.fleet_state import ControlObservation, FleetHost
from proscribe.controller.report.evaluation.scope import RunScope
from proscribe.controller.report.page.findings import format_age
from proscribe.controller.report.page.headline import format_title
from proscribe.controller.report.terminal.differences import (
    format_changes,
    format_full_differences,
    summarise_differences,
)
from proscribe.controller.report.terminal.dry_run import DryRunChanges
from proscribe.controller.report.text.redaction import NameRedaction
from proscribe.controller.report.text.terminal_layout import (
    clip_text,
    fit_lines,
    fit_message,
    format_table,
    format_table_row,
    pack_parts,
    wrap_text,
)
from proscribe.controller.report.text.wording import describe_idle_ban, describe_time_left
from proscribe.model.finding import STATES

SENTENCES = [
    "", "short", "the settings of other users cannot be read, so this needs root",
    "in /home/alice/.local/share/applications/wechat.desktop; and /opt/wechat",
    "微信在 /home/李/下载/微信 里, 并且 e\u0301e\u20dd 也在这里",
    "    a line that begins with blanks, and goes on for a while",
    "two lines\n  ./proscribe enforce --check --diff --limit web01 -i inventory/prod\nand one more", "x" * 30,
]  # fmt: skip
WIDTHS = (12, 40)
TABLES = [
    [("host", "state", "since"), ("web01", "-", "2026-11-20"), ("a-long-name.example", "noncompliant", "")],
    [("微信", "b"), ("x", "a text that is long enough to be wrapped"), ("a name that is too long for it", "y")],
]
# What may be hidden, what stays, and a text with them.
HIDDEN = [
    (["db07"], [], "db07, DB07! db08 and mydb07"),
    (["db-07", "it"], ["db 07 press"], "db_07; db.07.press; it is /srv/DB-07/x"),
    (["a b c", "a"], ["a b"], "a b c a b a c"), (["--", "-"], ["+"], "a -- b + c - d"), ([], ["x"], "x y"),
]  # fmt: skip


def layouts():
    for text, width in product(SENTENCES, WIDTHS):
        yield from ("", f"{width} {text!r}" if width == WIDTHS[0] else f"{width}, the same")
        yield from (f"wrap {most}: {wrap_text(text, width, most)}" for most in (0, 2))
        yield f"clip: {clip_text(text, width)!r}"
        yield f"fitted: {fit_lines(text, width)!r}"
        yield f"prose: {fit_message(text, width)!r}"
        yield f"row: {format_table_row('apps/wechat', 'unknown', text, (5, 12), width, 2)}"
    yield ""
    for width in WIDTHS:
        yield f"{width} flow: {pack_parts(SENTENCES[:5], width)} {pack_parts('abcdefg', width, ' | ')}"
        yield from (f"table: {list(format_table(rows, width))}" for rows in TABLES)
    for hidden, own, text in HIDDEN:
        yield f"without {hidden} but {own}: {NameRedaction(hidden, own).redact_text(text)}"


def _policy(sites, **settings):
    blocked = [f"s{number}.example" for number in range(sites)]
    return json.dumps({"policies": {"WebsiteFilter": {"Block": blocked}, "Deep": {"x": [1, {}]}, **settings}}, indent=1)


def _set(name, first, last, more=""):
    lines = "".join(f"    10.0.{number}.0/24\n" for number in range(first, last))
    return f"set {name}\n    type ipv4_addr\n    flags interval\n{lines}{more}"


HOSTS_FILE = "".join(f"0.0.0.0 s{number}.example # ours\n" for number in range(12))
CHANGES = {
    "nothing": ("a\n", "a\n"), "short": ("a\nb\nc\n", "a\nB\tb\nc\x1b\n"), "without an end": ("a", "a\nb"),
    "order": ("a\nb\n", "b\na\n"),
    "policy": (_policy(3, Proxy="none", Old=[1]), _policy(12, Proxy={"Mode": "x"}, New=True)),
    "the form of a policy": (_policy(9), json.dumps(json.loads(_policy(9)))),
    "a list": ("[\n1,\n2,\n3,\n4,\n5,\n6,\n7]", "{\n}"),
    "hosts": ("127.0.0.1 localhost\n", f"127.0.0.1 localhost\n{HOSTS_FILE}"),
    "other hosts": (HOSTS_FILE, HOSTS_FILE.replace("s1", "t1") + "# end\n"),
    "few names": ("\n".join(map(str, range(9))), "a.example\nb.example\nc.example"),
    "sets": (_set("one", 0, 9), _set("one", 3, 12) + _set("two", 0, 2) + "chain output\n    accept\n"),
    "parts": (_set("one", 0, 9) + "chain a\n    x\n", _set("one", 0, 9) + "chain a\n" + "    y\n" * 8 + "chain b\n"),
    "a script": ("", "#!/bin/sh\n\n# a comment\n" + "".join(f"command {number} {'x' * 70}\n" for number in range(9))),
    "gone": ("".join(f"line {number}\n" for number in range(9)), ""),
}  # fmt: skip


def differences():
    everything = []
    for name, (before, after) in CHANGES.items():
        item = {"before_header": name, "after_header": f"write {name}", "before": before, "after": after}
        everything.append(item)
        difference = [line for line in format_full_differences([item]) if line.strip()]
        shown = difference if name in ("short", "gone") else ()
        yield "\n".join([f"== {name}", *format_changes(summarise_differences([item])), *shown])
    actions = ["write policy", "restart it\x1b", "write sets"]
    yield "\n".join(["== all", *format_changes(summarise_differences([*everything, *everything[:5]], actions))])
    dry = DryRunChanges()
    for number in range(6):
        file = f"diffs/web{number:02}.diff" if number % 2 else ""
        notes = ["a note\x1b"] if number < 3 else []
        dry.add_host_changes(f"web{number:02}", "browser", summarise_differences(everything[4:6]), notes, file)
        if number < 3:
            dry.add_host_changes(f"web{number:02}", "apps", summarise_differences([], ["remove wechat"]))
    for host in ("other2", "other1"):
        dry.add_host_changes(host, "apps", summarise_differences([], [f"remove {host}"]))
    lines = [line for block in dry.take_blocks() for line in block]
    yield "\n".join(["== dry run", *lines, str(list(dry.take_blocks()))])


NEW = (
    BaselineDeviation("web01", "apps/wechat", "noncompliant", "dpkg"),
    BaselineDeviation("web02", "", "unknown", "no answer"),
)
ENDS = [  # the states of the hosts of a run; a host that is silent or has no rules evaluated none
    "", "silent", "silent compliant", "no-rules", "no-rules compliant", "compliant", "unknown compliant",
    "noncompliant silent", "noncompliant compliant", "error", "error compliant", "waived repaired not_applicable",
]  # fmt: skip


def decisions():
    yield "exits by states and gate (usual, Ansible failed, hosts not served, a baseline, its noncompliant, unknown)"
    for states, gate in product(ENDS, ("never", "noncompliant", "incomplete", "nonsense")):
        records = [
            {"host": "web01", "state": {"silent": "unknown", "no-rules": "compliant"}.get(state, state),
             "rules_evaluated": 0 if state in ("silent", "no-rules") else 3} for state in states.split()
        ]  # fmt: skip
        ends = [
            verdict.judge_run(records, ["never", gate], failed, apart) for failed, apart in ((0, 0), (1, 0), (0, 2))
        ]
        news = ((), NEW[:1], NEW[1:])
        ends += [verdict.judge_new_problems(records, [gate], False, new) for new in news]
        passed = [
            item.make_report_verdict([gate], number > 2, number == 1)["passed"] for number, item in enumerate(ends)
        ]
        exits = (f"{item.exit_code}{'' if good else '!'}" for item, good in zip(ends, passed))
        yield f"{states or 'none'}, {gate}: {' '.join(exits)}"
    for expected, lifted, failed in product(("", "ab"), ("", "a", "ab"), (False, True)):
        lift = verdict.judge_lift_run(expected, lifted, failed)
        quarantine = verdict.judge_quarantine_run(len(expected), len(lifted), failed, broken_count=len(lifted) * failed)
        yield f"{len(lifted)} of {len(expected)}, failed {failed}: lift {tuple(lift)}, quarantine {tuple(quarantine)}"
    decided = [verdict.RunVerdict(exit_, "why") for exit_ in (*verdict.EXITS_BY_PRIORITY, verdict.ANSIBLE_EXIT)]
    for first in decided:
        stopped = verdict.judge_stopped_run(first, "2 of 3\x1b hosts", 1200)
        ends = [stopped, verdict.judge_set_aside_hosts(first, ["a", "b"])]
        worst = [verdict.select_worst_exit([first.exit_code, other.exit_code]) for other in decided]
        yield f"{first.exit_code}: {[tuple(item) for item in ends]}"
        yield f"worst of {first.exit_code} and each: {' '.join(worst)}"
    kinds: Any = (([], ["never", "incomplete"], ["noncompliant", "never"]), (False, True), (False, True))
    for item, (levels, compared, failed) in product([decided[4], *decided[-2:]], product(*kinds)):
        values = [*item.make_report_verdict(levels, compared, failed).values()]
        yield f"{item.exit_code} {levels} {compared} {failed}: {values}"
    yield f"interrupted: {tuple(verdict.judge_interrupted_run('by SIGINT'))} {verdict.select_worst_exit([])}"
    yield from ("", "scope of a run (is it whole, what it leaves out, what it can say; what it covers)")
    scopes = [RunScope(["b", "a/"], limit, controls) for limit in ("", "w*") for controls in ((), ["dns"])]
    runs: Any = [*product((None, 0, 1, ["x", "y"]), ("", "w*"), (None, ["dns"])), (0, "", ["dns", "apps"])]
    for left_out, limit, controls in runs:
        run = {"inventory": ["a", "b/"], "left_out": left_out, "limit": limit, "controls": controls}
        cut = scope.is_whole_run({**run, "interrupted": {"why": "x", "closed_by": None}})
        covers = [scope.is_scope_covered(run, item) for item in (*scopes, RunScope(["a"]))]
        facts = scope.is_whole_run(run), cut, scope.describe_restrictions(run), scope.describe_ban_effect(run), *covers
        yield f"{left_out} {limit!r} {controls}: {facts}"
    yield from ("", "hosts by their controls (does enforcing correct them, are they audited and noncompliant)")
    modes = [None, *product((None, "enforce", "audit"), ("compliant", "noncompliant", "error"))]
    for state, apps, dns in product(("noncompliant", "error"), modes, (None, ("audit", "noncompliant"))):
        named = {name: {"mode": of[0], "state": of[1]} for name, of in (("apps", apps), ("dns", dns)) if of}
        hosts = [{"state": state, "controls": named, "platform": {"os": name}} for name in ("linux", "macos")]
        ends = [(is_correctable(host), has_audited_noncompliance(host)) for host in hosts]
        yield f"{state} {'/'.join(map(str, apps or '-'))} {'audited' if dns else '-'}: {ends}"
    yield from ("", "hosts by two observations (state, seen, checked)")
    seen = [ControlObservation("off"), ControlObservation()]
    seen.append(ControlObservation(state="unknown", observed_at="T1", is_valid=True))
    seen += [
        ControlObservation(state=state, observed_at="T2", is_valid=state != "lifted")
        for state in ("compliant", "error", "lifted")
    ]
    for first, second in combinations_with_replacement(seen, 2):
        host = FleetHost("web01", "inv", {"apps": first, "dns": second})
        names = (f"{item.mode}{item.state}{item.observed_at}" for item in (first, second))
        yield f"{' '.join(names)}: {host.state} {host.is_observed} {host.checked_at!r}"


ALL = {"host": "a", "controls": ["apps", "browser", "firewall", "dns"]}
PART = {"host": "b", "controls": ["dns"]}
PRESS = {"name": "press", "missing": [], "partial": False}
TITLED = {  # facts of a report
    "": {}, "left out": {"left_out": 1}, "not served": {"apart": 1}, "some controls": {"controls": ["dns"]},
    "press": {"department": PRESS}, "some of press": {"department": {**PRESS, "missing": ["x"]}},
    "watched": {"watch": {"opened": 1, "frozen": 2}}, "lifted": {"lifted": [ALL, {**ALL, "controls": ["watch"]}]},
    "partly lifted": {"lifted": [PART, {**PART, "host": "c"}]},
}  # fmt: skip
COUNTED = [
    {}, {"noncompliant": 1}, {"unknown": 1}, {"compliant": 1}, {"waived": 1}, {"unknown": 3}, {"not_applicable": 2},
    {"error": 1, "noncompliant": 1, "unknown": 2}, {"repaired": 2, "waived": 1},
]  # fmt: skip


def titles():
    for hosts, (name, more) in product(COUNTED, TITLED.items()):
        facts = {"left_out": 0, "controls": None, "apart": 0, "upcoming": [], **more}
        report = {**facts, "run": {**facts, "expected_hosts": sum(hosts.values())}}
        report["summary"] = {"hosts": {**dict.fromkeys(STATES, 0), **hosts}, "not_served": facts["apart"]}
        if not name:
            yield from ("", " ".join(f"{number} {state}" for state, number in hosts.items()) or "no host")
        yield f"{name}: {format_title(report)}"
    yield ""
    for idle, expected, days in product((0, 1, 2), (0, 2), ([], ["2027-01-02", "2026-12-01\x1b"])):
        report = {"summary": {"hosts": {"not_applicable": idle}}, "run": {"expected_hosts": expected}}
        report["upcoming"] = [{"effective_from": day} for day in days]
        yield f"{idle} of {expected} idle, {days}: {describe_idle_ban(report)}"
    revoked = [{"status": "revoked", "revoked": {"on": f"2026-{day}T00:00:00Z"}} for day in ("11-28", "12-24")]
    for change in ({}, *revoked, {"expires": "soon"}, {"status": "unsigned"}):
        waiver: Any = {"status": "active", "expires": "2026-12-01T00:00:00Z", **change}
        times = ("11-20T23:59:59Z", "11-29T00:00:00Z", "11-30T23:59:59Z", "12-01T00:00:00Z")
        yield f"{str(change).replace(': ', ' ')}: {[describe_time_left(waiver, f'2026-{time}') for time in times]}"
    ages = ("", "2026-11-25T00:31:00Z", "2026-11-24T23:31:00Z", "2026-11-24T00:31:00Z", "2026-11-20T08:00:00", "then")
    yield f"ages: {[format_age(age, '2026-11-25T00:31:00Z') for age in ages]}"


def merge(lines):
    """Join the cases of each outcome to one line, from a blank line to the next."""
    cases: dict[str, list[str]] = {}
    for line in (*lines, ""):
        case, colon, outcome = line.partition(": ")
        if line:
            cases.setdefault(outcome if colon else case, []).extend([case] * bool(colon))
            continue
        yield from (f"{outcome}{'  <- ' * bool(of)}{'; '.join(of)}" for outcome, of in cases.items())
        yield from [""] * bool(cases)
        cases.clear()


def texts():
    result = {"layouts": merge(layouts()), "decisions": merge(decisions()), "titles": merge(titles())}
    result["differences"] = differences()
    return {f"texts.{name}": "\n".join(lines) for name, lines in result.items()}

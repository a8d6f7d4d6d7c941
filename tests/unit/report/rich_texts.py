"""Texts of many kinds laid out, and changes of many kinds summed up: for whole outputs."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import rich_runs
from fleets import answer, run
from proscribe.controller.report import request_news
from proscribe.controller.report.collection.events import Heard
from proscribe.controller.report.collection.progress import Progress
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.evaluation.baseline import Baseline, New
from proscribe.controller.report.evaluation.merge import Part, hosts_of, merged
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.exports import pour
from proscribe.controller.report.page.days import picture, svg
from proscribe.controller.report.page.trend import drawing, numbers, until
from proscribe.controller.report.request_news import Department
from proscribe.controller.report.storage.requests_file import Request
from proscribe.controller.report.terminal import lifting
from proscribe.controller.report.terminal.differences import changes, listed, text_of
from proscribe.controller.report.terminal.dry_run import DryRun
from proscribe.controller.report.text.layout import clip, fitted, flow, prose, row, table, wrap
from proscribe.controller.report.text.redaction import Redaction
from proscribe.model.finding import STATES, UNKNOWN, Finding, Verdict, judge
from proscribe.model.removed import Removed
from proscribe.wire.replies.record import read

SENTENCES = [
    "",
    "short",
    "the settings of other users cannot be read, so this needs root",
    "in /home/alice/.local/share/applications/wechat.desktop; and /opt/wechat",
    "微信在 /home/李/下载/微信 里, 并且 e\u0301e\u0301 也在这里",
    "    a line that begins with blanks, and goes on for a while",
    "two lines\n  ./proscribe enforce --check --diff --limit web01 -i inventory/prod\nand one more",
    "x" * 30,
]
WIDTHS = (12, 40, 64)
TABLES = [
    [("host", "state", "since"), ("web01", "-", "2026-11-20"), ("a-long-name.example", "noncompliant", "")],
    [("微信", "b"), ("x", "a text that is long enough to be wrapped"), ("a name that is too long for it", "y")],
]
# What may be hidden, what stays, and a text with them.
HIDDEN = [
    (["db07"], [], "db07, DB07! db08 and mydb07"),
    (["db-07", "it"], ["db 07 press"], "db_07; db.07.press; it is /srv/DB-07/x"),
    (["a b c", "a"], ["a b"], "a b c a b a c"),
    (["--", "-"], ["+"], "a -- b + c - d"),
    ([], ["x"], "x y"),
]


def layouts() -> Iterator[str]:
    """The sentences in several widths."""
    for text, width in product(SENTENCES, WIDTHS):
        yield f"{width} {text!r}"
        yield from (f"wrap {most}: {wrap(text, width, most)}" for most in (0, 1, 2, 3))
        yield f"clip: {clip(text, width)!r}"
        yield f"fitted: {fitted(text, width)!r}"
        yield f"prose: {prose(text, width)!r}"
        for widths, most in product(((5, 12), (30, 9)), (0, 2)):
            yield f"row {widths} {most}: {row('apps/wechat', 'unknown', text, widths, width, most)}"
    for width in (*WIDTHS, 100):
        yield f"{width} flow: {flow(SENTENCES[:5], width)} {flow('abcdefg', width, ' | ')}"
        yield from (f"table: {list(table(rows, width))}" for rows in TABLES)
    for hidden, own, text in HIDDEN:
        yield f"without {hidden} but {own}: {Redaction(hidden, own).text(text)}"


def _policy(sites: int, **settings: Any) -> str:
    blocked = [f"s{number}.example" for number in range(sites)]
    return json.dumps({"policies": {"WebsiteFilter": {"Block": blocked}, "Deep": {"x": [1, {}]}, **settings}}, indent=1)


def _set(name: str, first: int, last: int, more: str = "") -> str:
    lines = "".join(f"    10.0.{number}.0/24\n" for number in range(first, last))
    return f"set {name}\n    type ipv4_addr\n    flags interval\n{lines}{more}"


HOSTS_FILE = "".join(f"0.0.0.0 s{number}.example # ours\n" for number in range(12))
CHANGES = {
    "nothing": ("a\n", "a\n"),
    "short": ("a\nb\nc\n", "a\nB\tb\nc\x1b\n"),
    "without an end": ("a", "a\nb"),
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
}


def differences() -> Iterator[str]:
    """Each of the changes, all together, and those of several hosts in one list."""
    everything = []
    for name, (before, after) in CHANGES.items():
        one = {"before_header": name, "after_header": f"write {name}", "before": before, "after": after}
        everything.append(one)
        yield "\n".join([f"== {name}", str(changes([one])), *listed(changes([one])), *text_of([one])])
    actions = ["write policy", "restart it\x1b", "write sets"]
    yield "\n".join(["== all", *listed(changes([*everything, *everything[:5]], actions))])
    many = [{"after_header": f"file {number}", "before": None, "after": f"{number}\n" * 9} for number in range(50)]
    found = changes(many, ["an action"])
    yield "\n".join(["== many", *listed(found), str([one.whole for one in found])])
    dry = DryRun()
    for number in range(12):
        file = f"diffs/web{number:02}.diff" if number % 2 else ""
        dry.add(f"web{number:02}", "browser", changes(everything[4:6]), ["a note\x1b"] if number < 3 else [], file)
        dry.add(f"web{number:02}", "apps", changes([], ["remove wechat"])) if number < 5 else None
    for host in ("other2", "other1"):
        dry.add(host, "apps", changes([], [f"remove {host}"]))
    yield "\n".join(["== dry run", *(line for block in dry.taken() for line in block), str(list(dry.taken()))])


def together() -> Iterator[str]:
    """Reports as one."""
    for more in (None, ["nobody", "sw1"]):
        runs = rich_runs.runs()
        parts = [Part(*runs[name]) for name in ("audit", "press", "none")]
        parts[1].report["run"].update(id="20261126T003000Z-audit-77c0", limit="press", command=None, version="1.3")
        for one in parts:
            one.report["run"].update(baseline="20261124T003000Z-audit-0000", round="7")
        parts[2].report["run"]["left_out"] = 7
        parts[1].report["run"].update(interrupted={"why": "killed", "closed_by": None}, verdict=None)
        expected = more and [*more, *(host for part in parts for host in sorted(hosts_of(part)))]
        report, records = merged("all", parts, expected)
        yield rich_runs.compact({**report, "hosts": [(one["host"], one["state"], one["reason"]) for one in records]})
    enforced = rich_runs.enforced()
    verdicts = [{"gate": gate, "passed": gate != "y", "exit": 1, "reason": gate} for gate in ("x", "", "y")]
    for one in verdicts:
        enforced[0]["run"]["verdict"] = one
        enforced[0]["rollout"]["allow"] = {"hosts": 3, "share": "5%"}
        other: Any = {**enforced[0], "run": {**enforced[0]["run"], "id": "x", "verdict": verdicts[0]}}
        report, _ = merged("both", [Part(*enforced), Part(other, enforced[1])])
        yield rich_runs.compact({key: report[key] for key in ("run", "summary", "rollout", "unexpected")})


def requested() -> Iterator[str]:
    """What is sent of requests, to all and to heads."""
    times = [f"2026-11-2{number % 5}T10:0{number % 7}:00Z" for number in range(54)]
    requests = [
        Request(f"web{n % 7}", f"id{n}", f"user{n % 3}\x1b", "line", "it is\nneeded", at, "prod", f"run{n % 2}")
        for n, at in enumerate(times)
    ]
    heads = {
        "press": Department(frozenset({"web1", "web2"}), "press@example.org"),
        "it": Department(frozenset({"web2", "web3"}), "it@example.org"),
        "mail": Department(frozenset({"web2"}), "it@example.org"),
        "more": Department(frozenset({"web2"})),
        "none": Department(frozenset()),
    }
    for number in (1, 50, 51):
        notification = request_news.notification(requests[:number], heads, "./proscribe requests")
        facts: Any = notification.facts
        yield f"{notification.subject}\n{notification.text if number != 50 else len(notification.lines)}"
        yield rich_runs.compact({**facts, "requests": facts["requests"][-1:], "text": len(facts["text"])})
    yield str([one.id for one in request_news.new_requests(requests, "run1")])
    for mail in request_news.for_heads(requests[:9], heads, "./proscribe requests"):
        sent = email.message_from_string(mail["message"], policy=email.policy.default)
        yield f"{mail['mail']} {sorted(mail)} {sent['Subject']} {sent['Auto-Submitted']}\n{sent.get_content()}"


def going_on() -> Iterator[str]:
    """The lines of runs that go on, by the second and how many hosts were heard of."""
    for name, expected, rewriting in product(("audit", "lift"), (1, 2, 9, 10, 2000), (False, True)):
        seconds = [0.0]
        progress = Progress(name, expected, rewriting, lambda seconds=seconds: seconds[0])
        for at, heard in enumerate((0, 1, 1, 2, 3, 9, 10, 200, 201, 1999, 2000, 2000)):
            for seconds[0] in (at * 20.0, at * 20.0 + 14.9, at * 20.0 + 15, at * 20.0 + 15.05):
                if said := progress.update(min(heard, expected), heard // 3):
                    yield f"{name} {expected} {rewriting} {seconds[0]}: {said!r}"


def new() -> Iterator[str]:
    """What is new in a run: compared with nothing, with itself, and with another finding in each way."""
    records = rich_runs.audited()[1]
    yield from map(str, Baseline([]).new(records))
    yield str(Baseline(records).new(records))
    one = Finding("package", "wechat", "dpkg", "4.0", "user:bob", "/opt/wechat", "x")
    for field in one._fields:
        values = ("other",) if field in ("kind", "id") else ("other", "")
        for other in (one._replace(**{field: value}) for value in values):
            verdicts = [judge("apps/wechat", {"mode": "enforce"}, [finding]) for finding in (one, other)]
            before, after = (read("web01", answer(verdict)) for verdict in verdicts)
            yield f"{field}: {Baseline([before]).new([after, before])}"


def trends() -> Iterator[str]:
    """Runs as drawings: few and many, with a host in thousands, and over other hosts than before."""
    counts = [
        (0, 0, 0, 9),
        (1, 0, 0, 9),
        (0, 3, 0, 8),
        (2, 1, 4, 3),
        (0, 0, 1, 20_000),
        (1, 20_000, 0, 1),
        (0, 0, 5, 5),
    ]
    share = {"numerator": 1, "denominator": 2, "percent": 50.0}
    runs: list[Any] = [
        {
            "run": f"run{number}",
            "finished": f"2026-{9 + number // 30:02}-{1 + number % 30:02}T00:31:00Z",
            "mode": "audit",
            "hosts": dict(zip(("error", "noncompliant", "unknown", "compliant"), counts[number % len(counts)])),
            **dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share),
        }
        for number in range(80)
    ]
    runs[2]["hosts"] = {"not_applicable": 4}
    runs[3]["hosts"] = {"compliant": 2, "waived": 1}
    for first, last in ((0, 0), (0, 1), (0, 2), (0, 4), (1, 5), (2, 4), (5, 12), (0, 14), (0, 60), (0, 62)):
        some = runs[first:last]
        yield f"{first} to {last}: {str(drawing(some))[:2000]} {str(drawing(some, 'a part'))[-400:]}"
        days = picture(some, "2026-09-09T08:00:00Z", "x" * 200)
        yield f"{[one['run'] for one in numbers(some)][:3]} {str(days)[:1500]} {str(days)[-500:]}"
    yield str([[one["run"] for one in until(runs[:4] + runs[:2], run)] for run in ("run0", "run1", "run3", "nosuch")])
    drawn = picture(runs[40:], "2026-11-20T23:59:59Z", "a part")
    yield svg(drawn) if drawn else ""
    yield str(picture(runs[:5], "2027-11-20T23:59:59Z"))


def long() -> Iterator[str]:
    """The events and the rows of a host that says more than there is room for."""
    for text in ("x" * 5000, "ä\x1b" * 2000, "word " * 1000):
        found = Finding(*[text] * len(Finding._fields))
        verdicts = [Verdict(f"apps/{text[:900]}", "noncompliant", (found,), text, text)]
        verdicts += [
            judge("apps/many", {"mode": "enforce"}, [Finding("file", f"{n}", path="/p" * 60) for n in range(40)])
        ]
        errors = [{"control": "dns", "message": text}, *({"control": "dns", "message": "m" * 90} for _ in range(60))]
        said = answer(*verdicts, errors=errors) | {"platform": {"os": text, "version": text}}
        record = read("web01", {**said, "logged_in": [text, *(f"user{n}" * 9 for n in range(30))]})
        record["actions"] = [
            {"control": "apps", "action": text},
            *({"control": "dns", "action": "a"} for _ in range(5)),
        ]
        made: Any = run(["web01"])
        fleet = reconcile(made["hosts"], [record])
        for name in ("events", "csv") if text[0] == "x" else ("events",):
            stream = io.StringIO(newline="")
            pour(stream, fleet_report(made, fleet, rich_runs.FINISHED), fleet.records, name)
            yield re.sub(r"(.{1,30}?)\1{3,}", lambda same: f"{same[1]} * {len(same[0])}", stream.getvalue())


def lifts() -> Iterator[str]:
    """Lifts on as many hosts as are listed, and on one more."""
    for number in (1, 10, 11):
        hosts = {f"web{n}": "x" for n in range(2 * number)}
        heard = {host: Heard(touched=True) for host in list(hosts)[:number]}
        for place, one in enumerate(heard.values()):
            one.removed = [Removed("dpkg", f"p{place}", "1", "system", f"p{place}", "apt-get")]
            one.errors = [{"control": "apps", "message": f"error {place}"}]
            one.actions = [{"control": "apps", "action": "restore"}] * place
        apart = {f"sw{n}": "is a network device" for n in range(number)}
        yield lifting.render(hosts, heard, check=False, width=80, apart=apart, controls=["apps", "dns"][:number])
    yield lifting.render(hosts, {}, check=False, width=80, back="./proscribe enforce", controls=["dns"])


EVIL = "killed\x1b"


def verdicts() -> Iterator[str]:
    """How runs end, by what hosts say, by their gates, and by what is new."""
    seen: dict[str, list[Any]] = {state: [{"host": "web01", "state": state, "rules_evaluated": 3}] for state in STATES}
    seen |= {"silent": [{"host": "web02", "state": UNKNOWN, "rules_evaluated": 0}], "nobody": []}
    seen["some"] = [*seen["compliant"], *seen["silent"]]
    causes = [[], ["never"], ["never", "noncompliant"], ["incomplete", "noncompliant"], ["strict"]]
    several = [New(f"web{n}", "apps/x", "unknown", "what\x1b") for n in range(6)]
    news = [[], several[:1], [*several, New("web9", "", "error", "")], [New("web8", "dns/x", "noncompliant", "")]]
    for (name, records), gate, failed, apart in product(seen.items(), causes, (False, True), (0, 1, 2)):
        done = verdict.judge(records, gate, failed, apart)
        yield f"{name} {gate} {failed} {apart}: {done.exit} {done.reason} {done.as_dict(gate, False, failed)['gate']}"
        for new_ in news if apart == 1 and name in ("compliant", "silent", "error") else ():
            against = verdict.judge_new(records, gate, failed, new_, apart)
            yield f"    {len(new_)}: {against.exit} {against.reason} {against.as_dict(gate, True, failed)}"
    for code in (*verdict.EXITS, verdict.ANSIBLE):
        one = verdict.Verdict(code, "x")
        aside = verdict.set_aside(one, list("abcdefg"))
        yield f"{verdict.stopped(one, EVIL, 2)} {aside} {one.as_dict([], True, False)}"
    yield f"{verdict.interrupted(EVIL)} {verdict.worst_exit(verdict.EXITS)} {verdict.worst_exit(['x'])}"
    for expected, reached, failed in product((0, 2), (0, 1), (False, True)):
        hosts = ["web01", "web02"]
        lift = verdict.judge_lift(hosts[:expected], hosts[:reached], failed)
        after = [verdict.judge_quarantine(expected, reached, failed, broken) for broken in (0, 1, 2000)]
        yield f"{expected} {reached} {failed}: {lift} {after}"


def texts() -> dict[str, str]:
    """All of it, by the names of the files."""
    found = {
        "layouts": layouts(),
        "differences": differences(),
        "together": together(),
        "requested": requested(),
        "trends": trends(),
        "long": long(),
        "lifts": lifts(),
        "verdicts": verdicts(),
        "new": new(),
        "going-on": going_on(),
    }
    return {f"texts.{name}": "\n".join(lines) for name, lines in found.items()}

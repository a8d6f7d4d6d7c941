"""Layouts of texts and summaries of changes, for test_exports.py."""

import json
from itertools import product

from proscribe.controller.report.terminal.differences import changes, listed, text_of
from proscribe.controller.report.terminal.dry_run import DryRun
from proscribe.controller.report.text.layout import clip, fitted, flow, prose, row, table, wrap
from proscribe.controller.report.text.redaction import Redaction

SENTENCES = [
    "", "short", "the settings of other users cannot be read, so this needs root",
    "in /home/alice/.local/share/applications/wechat.desktop; and /opt/wechat",
    "微信在 /home/李/下载/微信 里, 并且 e\u0301e\u0301 也在这里",
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
        yield f"{width} {text!r}"
        yield from (f"wrap {most}: {wrap(text, width, most)}" for most in (0, 2))
        yield f"clip: {clip(text, width)!r}"
        yield f"fitted: {fitted(text, width)!r}"
        yield f"prose: {prose(text, width)!r}"
        yield f"row: {row('apps/wechat', 'unknown', text, (5, 12), width, 2)}"
    for width in WIDTHS:
        yield f"{width} flow: {flow(SENTENCES[:5], width)} {flow('abcdefg', width, ' | ')}"
        yield from (f"table: {list(table(rows, width))}" for rows in TABLES)
    for hidden, own, text in HIDDEN:
        yield f"without {hidden} but {own}: {Redaction(hidden, own).text(text)}"


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
        difference = [line for line in text_of([item]) if line.strip()]
        yield "\n".join([f"== {name}", *listed(changes([item])), *(difference if name in ("short", "gone") else ())])
    actions = ["write policy", "restart it\x1b", "write sets"]
    yield "\n".join(["== all", *listed(changes([*everything, *everything[:5]], actions))])
    dry = DryRun()
    for number in range(6):
        file = f"diffs/web{number:02}.diff" if number % 2 else ""
        dry.add(f"web{number:02}", "browser", changes(everything[4:6]), ["a note\x1b"] if number < 3 else [], file)
        dry.add(f"web{number:02}", "apps", changes([], ["remove wechat"])) if number < 3 else None
    for host in ("other2", "other1"):
        dry.add(host, "apps", changes([], [f"remove {host}"]))
    yield "\n".join(["== dry run", *(line for block in dry.taken() for line in block), str(list(dry.taken()))])


def texts():
    result = {"layouts": layouts(), "differences": differences()}
    return {f"texts.{name}": "\n".join(lines) for name, lines in result.items()}

"""report.html: the report as one file that needs nothing else, neither the network nor, to be read, scripts.

Everything that comes from outside passes through `page.markup.text`, which escapes it, or stands as JSON that the
script shows as text and never as markup. And even so the page's own policy (a Content-Security-Policy with the hashes
of its one style and one script) lets nothing else run, and nothing be fetched or sent.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from .page import facts, findings, headline, hosts, waivers
from .page.breakdown import Since, break_down
from .page.data import script_data
from .page.markup import static, text
from .page.trend import Run, numbers, until

SCRIPTS = ("data", "dom", "address", "choose", "list", "panel", "start")

FOOT = "Written by Proscribe. The same in full: report.json and hosts.jsonl beside this page."


def page(
    report: Mapping[str, Any],
    records: Iterable[Mapping[str, Any]],
    *,
    trend: Sequence[Run] = (),
    since: Since | None = None,
    directory: str = "",
) -> Iterator[str]:
    """The page, piece by piece. `records` are read once, and none is kept.

    `trend` are earlier runs and this one, oldest first: [{"run", "finished", "mode", "hosts": {state: number},
    "coverage", "compliance_strict", "compliance_with_waivers"}]; `since` says since when a rule has been broken on a
    host: {(host, rule): UTC time}; `directory` is where the report will be, for commands that name a file of it.
    """
    run = report["run"]
    settings = {rule["rule"] for rule in report["rules"] if rule.get("kind") == "setting"}
    breakdown = break_down(records, report.get("departments") or {}, since or {}, str(run["finished"]), settings)
    trend = until(trend, run["id"])
    yield from _head(report)
    yield from headline.header(report, trend)
    yield from findings.wrong(breakdown, str(run["finished"]), report["waivers"])
    yield from findings.new(report)
    yield from facts.next_steps(report, breakdown, directory)
    yield from findings.tables(breakdown, report["summary"].get("controls") or {})
    yield from hosts.hosts(breakdown)
    yield from findings.not_served(report)
    yield from findings.unexpected(report)
    yield from findings.attempts(breakdown)
    yield from waivers.waivers(report["waivers"])
    yield from facts.upcoming(report["upcoming"])
    yield from facts.unknown_rules(report)
    stopped = (report.get("rollout") or {}).get("why")
    yield from facts.told([*([f"this run was {stopped}"] if stopped else []), *report["warnings"]])
    yield from numbers(trend)
    yield from facts.run_facts(run, report["summary"])
    yield f"<footer>{FOOT}</footer>\n</main>\n"
    if breakdown.hosts:
        yield '<script type="application/json" id="data">'
        yield from script_data(breakdown, str(run["finished"]))
        yield "</script>\n"
    yield f"<script>{_script()}</script>\n</body>\n</html>\n"


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    style, script = static("style.css"), _script()
    sources = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(headline.title(report))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#hosts">To the hosts</a>\n{static("icons.svg")}<main>\n'
    )


@cache
def _script() -> str:
    """The scripts as one, whose names nobody outside sees."""
    return "(() => {\n" + "".join(static(f"script/{name}.js") for name in SCRIPTS) + "})();\n"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

"""report.html: the report as one file that needs nothing else, neither the network nor, to be read, scripts.

What comes from outside is cleaned and escaped as its template prints it (`page/rendering.py`). The JSON for the script
is shown as text, never as markup. And even so the page's own policy lets nothing else run, and nothing be fetched or
sent: a Content-Security-Policy with the hashes of its one style and one script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from ....model.types.history import PastRun
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ..evaluation.scope import describe_restrictions
from . import counts, facts, findings, headline, hosts, since_last_run, waivers
from .breakdown import Since, break_down
from .data import script_data
from .days import picture
from .trend import COLUMNS, numbers, until

SCRIPTS = ("data", "dom", "address", "choose", "list", "panel", "start")


def page(
    report: FleetReport,
    records: Iterable[HostRecord],
    *,
    trend: Sequence[PastRun] = (),
    days: Sequence[PastRun] = (),
    since: Since | None = None,
    directory: str = "",
) -> Iterator[str]:
    """The page, piece by piece. `records` are read once, and none is kept.

    `trend` are earlier runs and this one, oldest first, and `days` the last one of each day. `since` says since when a
    rule has been broken on a host: {(host, rule): UTC time}. `directory` is where the report will be, for commands that
    name a file of it.
    """
    from .rendering import render  # Jinja2 costs nothing where no page is written

    run, finished = report["run"], str(report["run"]["finished"])
    settings = {rule["rule"] for rule in report["rules"] if rule.get("kind") == "setting"}
    breakdown = break_down(records, report.get("departments") or {}, since or {}, finished, settings)
    runs = until(trend, run["id"])
    style, script = _static("style.css"), _script()
    yield from render(
        "page.html.j2",
        policy=_policy(style, script),
        style=style,
        script=script,
        header=headline.header(report, runs),
        found=findings.found(breakdown, finished, report["waivers"]),
        new=findings.new(report),
        steps=facts.suggestions(report, breakdown, directory),
        tables=counts.tables(breakdown, report["summary"].get("controls") or {}),
        gaps=counts.gaps(breakdown),
        hosts=hosts.hosts(breakdown),
        lifted=findings.lifted(report),
        not_served=findings.not_served(report),
        unexpected=findings.unexpected(report),
        attempts=findings.attempts(breakdown),
        happened=since_last_run.happened(report, breakdown),
        requests=since_last_run.requests(report, breakdown),
        waivers=waivers.waivers(report["waivers"], finished),
        upcoming=facts.upcoming(report["upcoming"]),
        points=facts.points(report),
        unknown_rules=facts.unknown_rules(report),
        warnings=facts.warnings(report),
        picture=picture(days, finished, "; ".join(describe_restrictions(run))),
        runs=numbers(runs),
        run_columns=COLUMNS,
        run_facts=facts.run_facts(report),
        department=report.get("department"),
        data=script_data(breakdown, finished),
    )


def _policy(style: str, script: str) -> str:
    """What a browser is to let the page do: nothing but its own style and script."""
    sources = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


@cache
def _script() -> str:
    """The scripts as one, whose names nobody outside sees."""
    return "(() => {\n" + "".join(_static(f"script/{name}.js") for name in SCRIPTS) + "})();\n"


def _static(name: str) -> str:
    """A file that goes into the page as it is."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

"""report.html: the report as a single file. It needs no network, and no scripts to be read.

Text from outside is cleaned and escaped when its template prints it (`page/rendering.py`). The JSON for the script is
shown as text, never as markup. In addition, the page's own policy forbids other scripts and every connection: a
Content-Security-Policy with the hashes of its style and its script.
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
from . import counts, findings, headline, hosts, run_facts, waivers, watch_remarks
from .breakdown import StartTimes, summarise_fleet
from .days_picture import make_days_picture
from .script_data import generate_script_data
from .trend import TABLE_COLUMNS, select_runs_until, select_table_runs

# The files of the page's script, joined in this order.
SCRIPTS = ("data", "dom", "address", "choose", "list", "panel", "start")


def render_page(
    report: FleetReport,
    records: Iterable[HostRecord],
    *,
    trend: Sequence[PastRun] = (),
    days: Sequence[PastRun] = (),
    since: StartTimes | None = None,
    directory: str = "",
) -> Iterator[str]:
    """Render the page of a report in pieces of HTML.

    `records` are read once, and none is stored. `trend` are earlier runs and this run, oldest first. `days` are the
    last runs of each day. `since` has the begin of the defects: {(host, rule): UTC time}. `directory` is the directory
    where the report will be, for commands that name its files.
    """
    from .rendering import render_template  # imported here so that Jinja2 is loaded only if a page is written

    run, finished = report["run"], str(report["run"]["finished"])
    setting_rules = {rule["rule"] for rule in report["rules"] if rule.get("kind") == "setting"}
    breakdown = summarise_fleet(records, report.get("departments") or {}, since or {}, finished, setting_rules)
    runs = select_runs_until(trend, run["id"])
    style, script = _read_static_file("style.css"), _join_scripts()
    yield from render_template(
        "page.html.j2",
        policy=_make_content_policy(style, script),
        style=style,
        script=script,
        header=headline.make_header(report, runs),
        finding_table=findings.make_finding_table(breakdown, finished, report["waivers"]),
        new=findings.make_new_listing(report),
        steps=run_facts.make_suggestions(report, breakdown, directory),
        tables=counts.make_count_tables(breakdown, report["summary"].get("controls") or {}),
        gaps=counts.make_missing_tables(breakdown),
        hosts=hosts.make_host_section(breakdown),
        lifted=findings.make_lifted_listing(report),
        not_served=findings.make_unserved_listing(report),
        unexpected=findings.make_unexpected_listing(report),
        attempts=findings.make_attempts_listing(breakdown),
        happened=watch_remarks.make_remark_listing(report, breakdown),
        requests=watch_remarks.make_request_listing(report, breakdown),
        waivers=waivers.make_waiver_panels(report["waivers"], finished),
        upcoming=run_facts.make_upcoming_listing(report["upcoming"]),
        points=run_facts.make_points_listing(report),
        unknown_rules=run_facts.make_unknown_rules_listing(report),
        unobservable_rules=run_facts.make_unobservable_rules_listing(report),
        warnings=run_facts.list_run_warnings(report),
        picture=make_days_picture(days, finished, "; ".join(describe_restrictions(run))),
        runs=select_table_runs(runs),
        run_columns=TABLE_COLUMNS,
        run_facts=run_facts.list_run_facts(report),
        department=report.get("department"),
        data=generate_script_data(breakdown, finished),
    )


def _make_content_policy(style: str, script: str) -> str:
    """Make the page's Content-Security-Policy, which allows only its own style and script."""
    sources = f"style-src '{_hash_source(style)}'; script-src '{_hash_source(script)}'"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


@cache
def _join_scripts() -> str:
    """Join the scripts of the page into one function, so that their names are not global."""
    return "(() => {\n" + "".join(_read_static_file(f"script/{name}.js") for name in SCRIPTS) + "})();\n"


def _read_static_file(file_name: str) -> str:
    """Read a file that is put into the page as it is."""
    return (Path(__file__).parent / file_name).read_text(encoding="utf-8")


def _hash_source(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

"""Options --group, --format html and --format svg of `./proscribe report`, for readers who run no commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...model.types.record import HostRecord
from ...model.types.report import FleetReport, ReportRun
from ..report import exports
from ..report.evaluation.department_report import UnknownDepartment, make_department_report
from ..report.evaluation.scope import describe_restrictions
from ..report.history import open_history
from ..report.page import html_page
from ..report.page.days_picture import make_days_picture, render_svg
from ..report.run_end.publication import PageHistory, read_page_history
from ..report.text.wording import clean_text, summarise_names
from . import CommandError

HTML, SVG = "html", "svg"
MAX_NAMED_DEPARTMENTS = 12  # departments that an error message names


def check_group_options(arguments: argparse.Namespace, format_: str) -> None:
    """Raise CommandError for options that contradict --group, because their output includes other hosts."""
    if not arguments.group:
        return
    for name in ("since", "host", "rule", "write", "merge"):
        if getattr(arguments, name):
            raise CommandError(f"--group is about one run and one department: --{name} does not go with it")
    if format_ == SVG or format_ in exports.list_fleet_state_names() or exports.has_history_exports([format_]):
        raise CommandError(f"--format {format_} counts all hosts: with --group it would be about others too")


def select_department(
    report: FleetReport, records: Sequence[HostRecord], name: str
) -> tuple[FleetReport, list[HostRecord]]:
    """Return the report and the host records of one department. Raises CommandError for an unknown department."""
    try:
        return make_department_report(report, records, name)
    except UnknownDepartment:
        known_departments = summarise_names(sorted(report.get("departments") or ()), MAX_NAMED_DEPARTMENTS)
        department_note = f"it has {known_departments}" if known_departments else "it has none"
        raise CommandError(
            f"the report of {report['run']['id']} has no department {clean_text(name)!r}; {department_note}"
        ) from None


def open_page_history(run: ReportRun, history: str, reports: Path) -> PageHistory:
    """Return the data from the history that a run's page shows; {} if the history is off. Raises HistoryError.

    `history` is the location of the history; "" for the one that the run wrote into.
    """
    history_database = open_history(history or run.get("history") or "off", reports)
    return {} if history_database is None else read_page_history(history_database, run)


def render_page(
    format_: str, report: FleetReport, records: Sequence[HostRecord], page_history: PageHistory, directory: str
) -> str:
    """Return the HTML page of a report, or the SVG picture of the trend if `format_` is svg.

    `directory` is the directory of the report, for commands on the page. Raises CommandError if there is no trend yet.
    """
    if format_ == SVG:
        return _render_trend(report, page_history)
    # A department's page must not show other hosts. The trend counts all hosts, and the directory may name other
    # departments, so both are left out. The `since` times stay, because the page uses only those of its own hosts.
    if report.get("department"):
        page_history, directory = ({"since": page_history["since"]} if "since" in page_history else {}), ""
    return "".join(html_page.render_page(report, records, directory=directory, **page_history))


def _render_trend(report: FleetReport, page_history: PageHistory) -> str:
    """Return the SVG picture of the trend over several days.

    Raises CommandError if the history has fewer than two days with such runs.
    """
    run = report["run"]
    trend_picture = make_days_picture(
        page_history.get("days", ()), run["finished"], "; ".join(describe_restrictions(run))
    )
    if trend_picture is None:
        raise CommandError("the history has no two days with runs like this one, so there is no trend yet")
    return render_svg(trend_picture)

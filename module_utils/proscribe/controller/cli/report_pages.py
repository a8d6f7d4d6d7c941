"""`./proscribe report --group`, `--format html` and `--format svg`: what of a run is for people who run nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...model.types.record import HostRecord
from ...model.types.report import FleetReport, ReportRun
from ..report import exports
from ..report.end.publishing import PageHistory, read_page_history
from ..report.evaluation.department import UnknownDepartment, make_department_report
from ..report.evaluation.scope import describe_restrictions
from ..report.history import open_history
from ..report.page import document
from ..report.page.days import picture, svg
from ..report.text.wording import clean, some
from . import Refused

HTML, SVG = "html", "svg"
MOST_NAMED = 12  # departments that a message lists


def check(arguments: argparse.Namespace, format_: str) -> None:
    """Raises Refused for what --group does not go with: all of it is about other hosts too."""
    if not arguments.group:
        return
    for name in ("since", "host", "rule", "write", "merge"):
        if getattr(arguments, name):
            raise Refused(f"--group is about one run and one department: --{name} does not go with it")
    if format_ == SVG or format_ in exports.of_all_known() or exports.of_history([format_]):
        raise Refused(f"--format {format_} counts all hosts: with --group it would be about others too")


def department(report: FleetReport, records: Sequence[HostRecord], name: str) -> tuple[FleetReport, list[HostRecord]]:
    """The report and the records of a department alone. Raises Refused for one that the report does not have."""
    try:
        return make_department_report(report, records, name)
    except UnknownDepartment:
        known = some(sorted(report.get("departments") or ()), MOST_NAMED)
        has = f"it has {known}" if known else "it has none"
        raise Refused(f"the report of {report['run']['id']} has no department {clean(name)!r}; {has}") from None


def past(run: ReportRun, history: str, reports: Path) -> PageHistory:
    """What the history, or the one that is named, has for the page of a run. Raises HistoryError."""
    opened = open_history(history or run.get("history") or "off", reports)
    return {} if opened is None else read_page_history(opened, run)


def drawn(format_: str, report: FleetReport, records: Sequence[HostRecord], known: PageHistory, directory: str) -> str:
    """The page of a report, or the trend as a picture. Raises Refused."""
    if format_ == SVG:
        return _svg(report, known)
    if report.get("department"):  # the trend counts all hosts; since when something is so is asked for its own alone
        known, directory = ({"since": known["since"]} if "since" in known else {}), ""
    return "".join(document.page(report, records, directory=directory, **known))


def _svg(report: FleetReport, known: PageHistory) -> str:
    run = report["run"]
    made = picture(known.get("days", ()), run["finished"], "; ".join(describe_restrictions(run)))
    if made is None:
        raise Refused("the history has no two days with runs like this one, so there is no trend yet")
    return svg(made)

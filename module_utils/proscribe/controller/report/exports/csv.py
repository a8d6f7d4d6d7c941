"""report.csv: one row for each piece of evidence, and at least one for each expected host.

The rows are as RFC 4180 has them, in UTF-8, below one line of headers. A spreadsheet takes a cell that begins like a
formula for one, and names and paths come from hosts that users control. Such a cell gets an apostrophe before it,
which spreadsheets read as "this is text" (OWASP, CSV injection). What begins so after a semicolon gets one too:
where numbers are written with a comma, spreadsheets split rows at semicolons.
"""

from __future__ import annotations

import csv
import re
from types import SimpleNamespace
from typing import TextIO

from ....model.finding import LIFTED, UNKNOWN, Finding
from ....model.types.report import FleetReport
from ..text.wording import clean_text, make_host_label
from .format import ReportFormat
from .record_lines import HOST_RULE, NOT_SERVED, HostEntry, RuleLine

COLUMNS = (
    "run", "host", "host_state", "rule", "control", "mode", "state", "waiver", "reason", *Finding._fields,
    "rules_evaluated", "rules_held", "rules_not_applicable", "os", "os_version", "plan", "checked_at",
)  # fmt: skip

# What makes a formula of a cell, also in the wide forms that East Asian keyboards give.
FORMULA_PREFIXES = tuple("=+-@\t\r\n＝＋－＠")
# The same after what some readers take for the end of a cell.
FORMULA_AFTER_SEPARATOR = re.compile(r'([;|][\s"]*)(?=[=+\-@＝＋－＠])')
LINE_END = "\r\n"


def format_cell(content: object) -> str:
    """A text as a cell: one printable line, and no formula."""
    if content is None:
        return ""
    raw_text = str(content)
    text = FORMULA_AFTER_SEPARATOR.sub(r"\1'", clean_text(raw_text))
    # Blanks before it do not help: some readers take them away.
    return f"'{text}" if raw_text.startswith(FORMULA_PREFIXES) or text.lstrip().startswith(FORMULA_PREFIXES) else text


# `writerow` returns what `write` does: here the row, as text. So what thousands of hosts share is joined once.
_join_cells = csv.writer(SimpleNamespace(write=str), lineterminator="").writerow


def format_row(*contents: object) -> str:
    """Cells in a row, without its end."""
    return str(_join_cells(map(format_cell, contents)))


class CsvExport:
    """Rows, as they come. A rule without evidence has one row, and so has what holds on a host (rule `host/answer`)."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._run_id = report["run"]["id"]
        self._lifted_hosts = {make_host_label(lift["host"]) for lift in report.get("lifted") or ()}
        self._stream = stream
        stream.write(format_row(*COLUMNS) + LINE_END)

    def add_host(self, host_entry: HostEntry) -> None:
        record, platform = host_entry.record, host_entry.record["platform"]
        # A lifted host is unknown to a report. One that is known to be wrong in another control stays so.
        state = LIFTED if host_entry.state == UNKNOWN and host_entry.host in self._lifted_hosts else host_entry.state
        first_cells = format_row(self._run_id, host_entry.host, state)
        platform_cells = platform.get("os"), platform.get("version")
        counts = record["rules_evaluated"], host_entry.compliant_count, host_entry.not_applicable_count
        last_cells = format_row(*counts, *platform_cells, record["plan"], record["checked_at"])
        for line in host_entry.rows:
            self._stream.writelines(
                f"{first_cells},{line_cells},{last_cells}{LINE_END}"
                for line_cells in line.cache_derived_form("csv", _format_line_cells)
            )

    def add_unserved_host(self, host: str, reason: str) -> None:
        cells = _format_line_cells(RuleLine(HOST_RULE, NOT_SERVED, reason=reason))[0]
        self._stream.write(
            f"{format_row(self._run_id, make_host_label(host), NOT_SERVED)},{cells},{format_row(0, 0, 0, *[None] * 4)}{LINE_END}"
        )

    def finish_export(self) -> None:
        """Nothing comes after the last row."""


def _format_line_cells(line: RuleLine) -> list[str]:
    """The cells of the rule and of its evidence: a row's middle for each finding, or one without."""
    line_cells = format_row(line.rule, line.control, line.mode, line.state, line.waiver, line.reason)
    return [f"{line_cells},{format_row(*map(finding.get, Finding._fields))}" for finding in line.findings] or [
        f"{line_cells},{format_row(*[None] * len(Finding._fields))}"
    ]


FORMATS = (
    ReportFormat("csv", "report.csv", "spreadsheets, ad-hoc questions", CsvExport, verification="Python's own reader"),
)

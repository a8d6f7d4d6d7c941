"""report.csv: a row for each finding, and at least a row for each expected host.

The rows follow RFC 4180, in UTF-8, below a line of headers. A spreadsheet evaluates a cell that begins like a formula,
and users of hosts control names and paths. So an apostrophe marks such a cell as text (OWASP, CSV injection). The same
happens to a formula after a semicolon: where numbers have a decimal comma, spreadsheets split rows at semicolons.
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
from .host_entries import HOST_RULE, NOT_SERVED, HostEntry, RuleLine

COLUMNS = (
    "run", "host", "host_state", "rule", "control", "mode", "state", "waiver", "reason", *Finding._fields,
    "rules_evaluated", "rules_held", "rules_not_applicable", "os", "os_version", "plan", "checked_at",
)  # fmt: skip

# Characters with which a formula may begin, also in the fullwidth forms of East Asian keyboards.
FORMULA_PREFIXES = tuple("=+-@\t\r\n＝＋－＠")
# The beginning of a formula after ; or |, which some spreadsheets treat as the end of a cell.
FORMULA_AFTER_SEPARATOR = re.compile(r'([;|][\s"]*)(?=[=+\-@＝＋－＠])')
LINE_END = "\r\n"


def format_cell(content: object) -> str:
    """Format a value as the text of a cell: a printable line that no spreadsheet evaluates as a formula."""
    if content is None:
        return ""
    raw_text = str(content)
    text = FORMULA_AFTER_SEPARATOR.sub(r"\1'", clean_text(raw_text))
    # Leading blanks are no protection: some readers remove them.
    return f"'{text}" if raw_text.startswith(FORMULA_PREFIXES) or text.lstrip().startswith(FORMULA_PREFIXES) else text


# `writerow` returns the result of `write`. Here `write` is `str`, so the result is the row as text, to be stored for
# other hosts.
_join_cells = csv.writer(SimpleNamespace(write=str), lineterminator="").writerow


def format_row(*contents: object) -> str:
    """Format values as the cells of a row, without the line end."""
    return str(_join_cells(map(format_cell, contents)))


class CsvExport:
    """An export with a row for each finding.

    A rule without findings, and a host without rules, get a row too.
    """

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._run_id = report["run"]["id"]
        self._lifted_hosts = {make_host_label(lift["host"]) for lift in report.get("lifted") or ()}
        self._stream = stream
        stream.write(format_row(*COLUMNS) + LINE_END)

    def add_host(self, host_entry: HostEntry) -> None:
        """Write the rows of a host: the same first and last cells around the cells of each finding."""
        record, platform = host_entry.record, host_entry.record["platform"]
        # A host from which the ban was lifted is unknown in the report. Here it gets the state `lifted`, unless another
        # control makes it noncompliant.
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
        """Write the row of a host that Proscribe does not serve: without counts, platform, plan and time."""
        cells = _format_line_cells(RuleLine(HOST_RULE, NOT_SERVED, reason=reason))[0]
        self._stream.write(
            f"{format_row(self._run_id, make_host_label(host), NOT_SERVED)},{cells},"
            f"{format_row(0, 0, 0, *[None] * 4)}{LINE_END}"
        )

    def finish_export(self) -> None:
        """Do nothing, because nothing follows the last row."""


def _format_line_cells(line: RuleLine) -> list[str]:
    """Return the middle cells of the rows about a rule: a row for each finding, at least one row."""
    line_cells = format_row(line.rule, line.control, line.mode, line.state, line.waiver, line.reason)
    return [f"{line_cells},{format_row(*map(finding.get, Finding._fields))}" for finding in line.findings] or [
        f"{line_cells},{format_row(*[None] * len(Finding._fields))}"
    ]


FORMATS = (
    ReportFormat("csv", "report.csv", "spreadsheets, ad-hoc questions", CsvExport, verification="Python's own reader"),
)

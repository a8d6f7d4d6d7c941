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
from ..text.wording import clean, host_label
from .format import Format
from .record_lines import HOST, NOT_SERVED, Answer, Line

COLUMNS = (
    "run", "host", "host_state", "rule", "control", "mode", "state", "waiver", "reason", *Finding._fields,
    "rules_evaluated", "rules_held", "rules_not_applicable", "os", "os_version", "plan", "checked_at",
)  # fmt: skip

# What makes a formula of a cell, also in the wide forms that East Asian keyboards give.
FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
# The same after what some readers take for the end of a cell.
AFTER_END = re.compile(r'([;|][\s"]*)(?=[=+\-@＝＋－＠])')
END = "\r\n"


def cell(value: object) -> str:
    """A text as a cell: one printable line, and no formula."""
    if value is None:
        return ""
    raw = str(value)
    text = AFTER_END.sub(r"\1'", clean(raw))
    # Blanks before it do not help: some readers take them away.
    return f"'{text}" if raw.startswith(FORMULAS) or text.lstrip().startswith(FORMULAS) else text


# `writerow` returns what `write` does: here the row, as text. So what thousands of hosts share is joined once.
_joined = csv.writer(SimpleNamespace(write=str), lineterminator="").writerow


def row(*values: object) -> str:
    """Cells in a row, without its end."""
    return str(_joined(map(cell, values)))


class Export:
    """Rows, as they come. A rule without evidence has one row, and so has what holds on a host (rule `host/answer`)."""

    def __init__(self, stream: TextIO, report: FleetReport) -> None:
        self._run = report["run"]["id"]
        self._lifted = {host_label(one["host"]) for one in report.get("lifted") or ()}
        self._stream = stream
        stream.write(row(*COLUMNS) + END)

    def add(self, answer: Answer) -> None:
        record, platform = answer.record, answer.record["platform"]
        # A lifted host is unknown to a report. One that is known to be wrong in another control stays so.
        state = LIFTED if answer.state == UNKNOWN and answer.host in self._lifted else answer.state
        head = row(self._run, answer.host, state)
        system = platform.get("os"), platform.get("version")
        counts = record["rules_evaluated"], answer.compliant, answer.idle
        tail = row(*counts, *system, record["plan"], record["checked_at"])
        for line in answer.rows:
            self._stream.writelines(f"{head},{line_cells},{tail}{END}" for line_cells in line.once("csv", _cells))

    def not_served(self, host: str, why: str) -> None:
        cells = _cells(Line(HOST, NOT_SERVED, reason=why))[0]
        self._stream.write(f"{row(self._run, host_label(host), NOT_SERVED)},{cells},{row(0, 0, 0, *[None] * 4)}{END}")

    def finish(self) -> None:
        """Nothing comes after the last row."""


def _cells(line: Line) -> list[str]:
    """The cells of the rule and of its evidence: a row's middle for each finding, or one without."""
    line_cells = row(line.rule, line.control, line.mode, line.state, line.waiver, line.reason)
    return [f"{line_cells},{row(*map(one.get, Finding._fields))}" for one in line.findings] or [
        f"{line_cells},{row(*[None] * len(Finding._fields))}"
    ]


FORMATS = (Format("csv", "report.csv", "spreadsheets, ad-hoc questions", Export, checked_by="Python's own reader"),)

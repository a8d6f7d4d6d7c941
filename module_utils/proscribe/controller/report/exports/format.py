"""How an export declares itself: the `FORMATS` of its module."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple, Protocol, TextIO

from ....model.types.report import FleetReport
from ..evaluation.fleet_state import FleetState
from ..history.transitions import RunTransitions
from .record_lines import HostEntry

# What is written as JSON has no blanks that say nothing.
encode_compact_json = json.JSONEncoder(separators=(",", ":")).encode


class ReportExport(Protocol):
    """The shape of an export."""

    def add_host(self, host_entry: HostEntry) -> None:
        """Take one host."""

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Take one host that is not served, after the expected ones: nothing is known of it."""

    def finish_export(self) -> None:
        """Write what comes after the last host."""


class ReportFormat(NamedTuple):
    """One value of `proscribe_exports`."""

    name: str
    file_name: str  # in the run's folder
    purpose: str  # of docs/exports.md
    make_export: Callable[[TextIO, FleetReport], ReportExport]  # from the file's stream and the fleet report
    # Where it is about all that is known, not about its run alone: writes that to the stream.
    write_fleet_state: Callable[[TextIO, FleetReport, FleetState], None] | None = None
    # Where it also lists what changed: from what the history has of the run as well (None: it has nothing).
    make_from_history: Callable[[TextIO, FleetReport, RunTransitions | None], ReportExport] | None = None
    # Whether each report has it where `proscribe_exports` is not set. False for what few sites read, and for one whose
    # file another usual export writes.
    is_default: bool = True
    verification: str = "a reader of the project's own"  # what reads it in tests, for docs/exports.md

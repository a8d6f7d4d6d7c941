"""The declaration of an export: the `FORMATS` of its module."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple, Protocol, TextIO

from ....model.types.report import FleetReport
from ..evaluation.fleet_state import FleetState
from ..history.transitions import RunTransitions
from .host_entries import HostEntry

# Compact JSON, without blanks between values.
encode_compact_json = json.JSONEncoder(separators=(",", ":")).encode


class ReportExport(Protocol):
    """The interface of an export, which writes a report in the format of another tool."""

    def add_host(self, host_entry: HostEntry) -> None:
        """Add a host."""

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Add a host that Proscribe does not serve, after all expected hosts.

        Nothing is known about such a host except the reason.
        """

    def finish_export(self) -> None:
        """Write the end of the export, after the last host."""


class ReportFormat(NamedTuple):
    """The declaration of an export.

    Its name is a value of `proscribe_exports`.
    """

    name: str
    file_name: str  # name of the file in the directory of the run's report
    purpose: str  # who reads the export, in the words of docs/exports.md
    # makes the export; it takes the file's stream and the fleet report
    make_export: Callable[[TextIO, FleetReport], ReportExport]
    # Writes the export to the stream from all known hosts. Only for an export that is not about a single run.
    write_fleet_state: Callable[[TextIO, FleetReport, FleetState], None] | None = None
    # Makes the export with the changes of the run, from the history (None: unknown). Only for an export that lists
    # changes.
    make_from_history: Callable[[TextIO, FleetReport, RunTransitions | None], ReportExport] | None = None
    # True if each report has the export by default. False for an export that few sites read, and for a variant of
    # another export.
    is_default: bool = True
    # the programs with which tests read the export, for docs/exports.md
    verification: str = "a reader of the project's own"

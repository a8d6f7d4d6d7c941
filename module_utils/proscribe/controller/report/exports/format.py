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
    """The interface of an export."""

    def add_host(self, host_entry: HostEntry) -> None:
        """Add a host."""

    def add_unserved_host(self, host: str, reason: str) -> None:
        """Add a host that is not served, after the expected hosts: nothing is known of it."""

    def finish_export(self) -> None:
        """Write the end of the export, after the last host."""


class ReportFormat(NamedTuple):
    """A value of `proscribe_exports`."""

    name: str
    file_name: str  # in the run's folder
    purpose: str  # for docs/exports.md
    make_export: Callable[[TextIO, FleetReport], ReportExport]  # takes the file's stream and the fleet report
    # For an export about all known hosts, not about its run alone: writes it to the stream.
    write_fleet_state: Callable[[TextIO, FleetReport, FleetState], None] | None = None
    # For an export that also lists changes: makes it with the changes of the run by the history (None: unknown).
    make_from_history: Callable[[TextIO, FleetReport, RunTransitions | None], ReportExport] | None = None
    # Whether each report has it by default. False for an export that few sites read, and for an export whose file
    # another default export writes.
    is_default: bool = True
    verification: str = "a reader of the project's own"  # the readers in tests, for docs/exports.md

"""How an export declares itself: the `FORMATS` of its module."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple, Protocol, TextIO

from ....model.types.report import FleetReport
from ..evaluation.fleet_state import FleetState
from ..history.transitions import RunTransitions
from .record_lines import Answer

# What is written as JSON has no blanks that say nothing.
encoded = json.JSONEncoder(separators=(",", ":")).encode


class Export(Protocol):
    """The shape of an export."""

    def add(self, answer: Answer) -> None:
        """Take one host."""

    def not_served(self, host: str, why: str) -> None:
        """Take one host that is not served, after the expected ones: nothing is known of it."""

    def finish(self) -> None:
        """Write what comes after the last host."""


class Format(NamedTuple):
    """One value of `proscribe_exports`."""

    name: str
    file: str  # in the run's folder
    meant_for: str  # of docs/exports.md
    make: Callable[[TextIO, FleetReport], Export]  # from the file's stream and the fleet report
    # Where it is about all that is known, not about its run alone: writes that to the stream.
    write_fleet_state: Callable[[TextIO, FleetReport, FleetState], None] | None = None
    # Where it also lists what changed: from what the history has of the run as well (None: it has nothing).
    make_from_history: Callable[[TextIO, FleetReport, RunTransitions | None], Export] | None = None
    # Whether each report has it where `proscribe_exports` is not set. False for what few sites read, and for one whose
    # file another usual export writes.
    usual: bool = True
    checked_by: str = "a reader of the project's own"  # what reads it in tests, for docs/exports.md

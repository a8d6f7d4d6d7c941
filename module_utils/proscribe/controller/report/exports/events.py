"""events.jsonl: what a run observed and did, as events for a SIEM: one JSON object a line, of one schema.

There is an event for each host, each rule that its record lists, each action, the gate and the run itself. With the
history each host and rule also has its state before, and whether that changed. `sending` sends the same lines.

A line is ASCII, has no control character and at most LONGEST bytes, whatever a host says (event_texts.py).
"""

from __future__ import annotations

from typing import TextIO

from ....model.types.report import FleetReport
from ..history.transitions import RunTransitions
from .event_making import EventMaker
from .format import ReportFormat


class EventsExport(EventMaker):
    """All events of a report, changed or not."""

    def __init__(self, stream: TextIO, report: FleetReport, transitions: RunTransitions | None = None) -> None:
        super().__init__(report, transitions, lambda event: stream.write(event.line + "\n"))


FORMATS = (
    ReportFormat(
        "events",
        "events.jsonl",
        "SIEM: one event a line",
        EventsExport,
        make_from_history=EventsExport,
        is_default=False,
        verification="jsonschema; journald, rsyslog and logrotate on a machine that boots with systemd",
    ),
)

"""events.jsonl: what a run observed and did, as events for a SIEM: one JSON object a line, of one schema.

There is an event for each host, each rule that its record lists, each action, the gate and the run itself. With the
history each host and rule also has its state before, and whether that changed. `sending` sends the same lines.

A line is ASCII, has no control character and at most LONGEST bytes, whatever a host says (event_texts.py).
"""

from __future__ import annotations

from typing import TextIO

from ....model.types.report import FleetReport
from ..history.transitions import RunTransitions
from .event_making import Events
from .format import Format


class Export(Events):
    """All events of a report, changed or not."""

    def __init__(self, stream: TextIO, report: FleetReport, changes: RunTransitions | None = None) -> None:
        super().__init__(report, changes, lambda event: stream.write(event.line + "\n"))


FORMATS = (
    Format(
        "events",
        "events.jsonl",
        "SIEM: one event a line",
        Export,
        make_from_history=Export,
        usual=False,
        checked_by="jsonschema; journald, rsyslog and logrotate on a machine that boots with systemd",
    ),
)

"""events.jsonl: the observations and actions of a run as events for a SIEM, in lines of JSON.

Every line has a JSON object of the same schema. Events are made for each host, each rule that its record lists, each
action, the gate and the run. With the history, each host and rule also has its previous state and a mark of change.
`event_transport` sends the same lines. A line is ASCII without control characters. It has at most MAX_LINE_BYTES bytes,
whatever a host answers (event_texts.py).
"""

from __future__ import annotations

from typing import TextIO

from ....model.types.report import FleetReport
from ..history.transitions import RunTransitions
from .event_maker import EventMaker
from .format import ReportFormat


class EventsExport(EventMaker):
    """An export of all events of a report, with those about rules that did not change."""

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

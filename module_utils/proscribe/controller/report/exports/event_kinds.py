"""The kinds of events, their states, and how bad each is: what makes events, and what sends them, both know it."""

from __future__ import annotations

from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, REPAIRED, UNKNOWN, WAIVED
from ....model.words import EVENT_KINDS
from ..history.tables import GONE

HOST, RULE, ACTION, BETWEEN, REQUEST, GATE, RUN = KINDS = EVENT_KINDS

# How bad an event is, as syslog counts it: 3 is an error, 4 a warning, 5 a notice, 6 an information.
# A state that is not here is an information.
SYSLOG_SEVERITIES = {ERROR: 3, NONCOMPLIANT: 4, UNKNOWN: 4, WAIVED: 5, REPAIRED: 5, GONE: 5}
NOTICE_SEVERITY, INFORMATION_SEVERITY = 5, 6


class EncodedEvent(NamedTuple):
    """One event. `line` is the whole of it, without a line end; the rest is what a transport sorts by."""

    line: str
    kind: str
    host: str = ""
    rule: str = ""
    state: str = ""
    is_changed: bool | None = None  # None where the history does not say
    severity: int = INFORMATION_SEVERITY

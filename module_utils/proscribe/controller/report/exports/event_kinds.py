"""The kinds of events and the severities of states, for the modules that make and send events."""

from __future__ import annotations

from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, REPAIRED, UNKNOWN, WAIVED
from ....model.vocabulary import EVENT_KINDS
from ..history.tables import GONE

# The kinds by subject. BETWEEN is an event on a host between two runs, and REQUEST a user's request for an exception.
# GATE is the verdict of the run at its compliance gate.
HOST, RULE, ACTION, BETWEEN, REQUEST, GATE, RUN = KINDS = EVENT_KINDS

# The severity of an event in syslog's numbers: 3 is an error, 4 a warning, 5 a notice, 6 an information. A state that
# is not listed is an information.
SYSLOG_SEVERITIES = {ERROR: 3, NONCOMPLIANT: 4, UNKNOWN: 4, WAIVED: 5, REPAIRED: 5, GONE: 5}
NORMAL_SEVERITY, INFORMATION_SEVERITY = 5, 6


class EncodedEvent(NamedTuple):
    """An event ready to be sent.

    `line` is the whole event as JSON without a line end. The other fields repeat facts of the event for the transports.
    """

    line: str
    kind: str
    host: str = ""
    rule: str = ""
    state: str = ""
    is_changed: bool | None = None  # true if the event is new in this run; None if the history does not have the run
    severity: int = INFORMATION_SEVERITY

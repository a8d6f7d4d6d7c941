"""The interface of a transport of events, and the common values of `proscribe_events`."""

from __future__ import annotations

from typing import Protocol

from ....model.vocabulary import SENT_EVENTS
from ..exports.event_kinds import EncodedEvent

SEND_CHANGES, SEND_ALL = SENT_EVENTS
DEFAULT_EVENT_LIMIT = (
    # Most events that a run sends by default. journald accepts this number in 30 seconds (RateLimitBurst in
    # journald.conf(5)).
    10_000
)
MAX_EVENT_LIMIT = 10_000_000


class SendingError(Exception):
    """An error: events cannot be sent.

    Its text has the reason.
    """


class Transport(Protocol):
    """The interface of a transport.

    Its methods raise SendingError or OSError.
    """

    sent_count: int  # number of events that were delivered

    def send_event(self, event: EncodedEvent) -> None:
        """Send an event, now or later."""

    def close(self) -> None:
        """Send the remaining events, and close."""

    def discard_unsent(self) -> None:
        """Close without sending the remaining events."""

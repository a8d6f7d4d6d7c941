"""What a transport of events is, and the values of `proscribe_events` that are not one transport's own."""

from __future__ import annotations

from typing import Protocol

from ....model.words import SENT_EVENTS
from ..exports.event_kinds import EncodedEvent

SEND_CHANGES, SEND_ALL = SENT_EVENTS
DEFAULT_EVENT_LIMIT = (
    10_000  # events of one run; as many as journald takes in 30 seconds (RateLimitBurst in journald.conf(5))
)
MAX_EVENT_LIMIT = 10_000_000


class SendingError(Exception):
    """Events cannot be sent; the text says why."""


class Transport(Protocol):
    """The shape of a transport. Sending and closing raise Failed or OSError."""

    sent_count: int  # events that are where they should be

    def send_event(self, event: EncodedEvent) -> None:
        """Send one event, now or later."""

    def close(self) -> None:
        """Send what is left, and end."""

    def discard_unsent(self) -> None:
        """End without sending what is left."""

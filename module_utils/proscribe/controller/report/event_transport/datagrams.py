"""Events as datagrams to a local socket: to systemd's journal with searchable fields, or to the local syslog.

A line fits into a datagram (exports/event_texts.py, MAX_LINE_BYTES), so the protocols for long messages are not needed.
The socket is local: no datagram is lost, and a datagram without a receiver is an error.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from ....model.types.run import EventSettings
from ....model.vocabulary import SYSLOG_FACILITIES
from ..exports.event_kinds import EncodedEvent
from .transport import SendingError

JOURNAL_SOCKET = "/run/systemd/journal/socket"  # the address in systemd's native journal protocol
SYSLOG_SOCKET = "/dev/log"
TAG = "proscribe"
SEND_TIMEOUT_SECONDS = 5.0  # seconds within which a daemon has to take a message

DEFAULT_FACILITY = "daemon"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class DatagramTransport:
    """A transport that sends each event immediately, as a datagram to the local socket `address`.

    `encode_event` makes the datagram. Raises SendingError if no program listens at the address.
    """

    def __init__(self, address: str, encode_event: Callable[[EncodedEvent], bytes]) -> None:
        self._address, self._encode_event, self.sent_count = address, encode_event, 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(SEND_TIMEOUT_SECONDS)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise SendingError(f"{address}: {error}") from None

    def send_event(self, event: EncodedEvent) -> None:
        """Send an event immediately. Raises SendingError."""
        try:
            self._socket.send(self._encode_event(event))
        except TimeoutError:
            raise SendingError(
                f"{self._address}: nobody took a message for {SEND_TIMEOUT_SECONDS:.0f} seconds"
            ) from None
        except OSError as error:
            raise SendingError(f"{self._address}: {error}") from None
        self.sent_count += 1

    def close(self) -> None:
        self._socket.close()

    def discard_unsent(self) -> None:
        self._socket.close()


def open_journal(settings: EventSettings) -> DatagramTransport:
    """Open the journal of systemd as a transport of events.

    Each event becomes an entry with searchable fields. The entry's message is the event's whole line of JSON.
    """
    facility = SYSLOG_FACILITIES[settings["facility"]]
    return DatagramTransport(JOURNAL_SOCKET, lambda event: encode_journal_entry(event, facility))


def open_syslog(settings: EventSettings) -> DatagramTransport:
    """Open the local syslog (/dev/log).

    Messages have the format of syslog(3): /dev/log does not accept RFC 5424.
    """
    facility = SYSLOG_FACILITIES[settings["facility"]]
    return DatagramTransport(SYSLOG_SOCKET, lambda event: encode_syslog_message(event, facility, time.localtime()))


def encode_journal_entry(event: EncodedEvent, facility: int) -> bytes:
    """Encode an event in systemd's native protocol, with the length before each value.

    Thus no value from a host can be read as a further field. `facility` is syslog's number.
    """
    fields = {
        "MESSAGE": event.line,
        "PRIORITY": str(event.severity),
        "SYSLOG_IDENTIFIER": TAG,
        "SYSLOG_FACILITY": str(facility),
        "PROSCRIBE_KIND": event.kind,
        "PROSCRIBE_HOST": event.host,
        "PROSCRIBE_RULE": event.rule,
        "PROSCRIBE_STATE": event.state,
    }
    parts = []
    for name, field_text in fields.items():
        if field_text:  # an event about the run as a whole has no host, no rule and no state
            data = field_text.encode()
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
    return b"".join(parts)


def encode_syslog_message(event: EncodedEvent, facility: int, now: time.struct_time) -> bytes:
    """Encode an event as syslog(3) does, without a line end: priority, local time, tag, process id, message.

    `facility` is syslog's number. `now` is the local time.
    """
    month = MONTHS[now.tm_mon - 1]  # `strftime` would use the locale's name of the month
    time_text = f"{month} {now.tm_mday:2} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"<{facility * 8 + event.severity}>{time_text} {TAG}[{os.getpid()}]: {event.line}".encode()

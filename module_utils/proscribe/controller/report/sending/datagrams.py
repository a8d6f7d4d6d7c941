"""Events as datagrams to a local socket: of the journal, with fields of its own, or of the local syslog.

A line is short enough for one datagram (exports/event_texts.py, LONGEST), so neither needs a way for long messages. The
socket is a local one: no datagram is lost on the way, and one that nobody takes is an error.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from ....model.types.run import EventSettings
from ....model.words import SYSLOG_FACILITIES
from ..exports.event_kinds import Event
from .transport import Failed

JOURNAL = "/run/systemd/journal/socket"  # as in systemd's native journal protocol
SYSLOG = "/dev/log"
TAG = "proscribe"
PATIENCE = 5.0  # seconds in which a daemon has to take a message

USUAL_FACILITY = "daemon"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Datagrams:
    """A local socket, and how it takes an event."""

    def __init__(self, address: str, encoded: Callable[[Event], bytes]) -> None:
        self._address, self._encoded, self.sent = address, encoded, 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise Failed(f"{address}: {error}") from None

    def send(self, event: Event) -> None:
        try:
            self._socket.send(self._encoded(event))
        except TimeoutError:
            raise Failed(f"{self._address}: nobody took a message for {PATIENCE:.0f} seconds") from None
        except OSError as error:
            raise Failed(f"{self._address}: {error}") from None
        self.sent += 1

    def close(self) -> None:
        self._socket.close()

    def abandon(self) -> None:
        self._socket.close()


def journal(settings: EventSettings) -> Datagrams:
    """The journal of systemd. Each event is an entry whose fields can be searched; the message is the whole line."""
    facility = SYSLOG_FACILITIES[settings["facility"]]
    return Datagrams(JOURNAL, lambda event: journal_entry(event, facility))


def syslog(settings: EventSettings) -> Datagrams:
    """The local syslog, in the form that syslog(3) writes there: what reads /dev/log reads no RFC 5424."""
    facility = SYSLOG_FACILITIES[settings["facility"]]
    return Datagrams(SYSLOG, lambda event: syslog_message(event, facility, time.localtime()))


def journal_entry(event: Event, facility: int) -> bytes:
    """An event in systemd's native protocol, with each value's length before it: so no value can become a field."""
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
    for name, value in fields.items():
        if value:
            data = value.encode()
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
    return b"".join(parts)


def syslog_message(event: Event, facility: int, now: time.struct_time) -> bytes:
    """An event as syslog(3) writes it: priority, local time, tag, process, message. Without a line end."""
    month = MONTHS[now.tm_mon - 1]  # whatever the locale
    at = f"{month} {now.tm_mday:2} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"<{facility * 8 + event.severity}>{at} {TAG}[{os.getpid()}]: {event.line}".encode()

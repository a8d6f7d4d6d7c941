"""One question to a resolver of this host, and what it answers (RFC 1035). Another machine is never queried.

A resolver that is late is no resolver that is wrong: on a busy host it gets no processor for a while. So one
that is silent is queried again, with growing patience, and what is left silent then is `ObservationError`. A closed port says so
at once.
"""

from __future__ import annotations

import struct
from typing import Sequence

from ....base.tuples import NamedTuple
from ...system import Host, ObservationError

TXT = 16
NS = 2
GAVE_UP = (2, 5)  # codes of an answer: server failure, refused
WAITS = (1.0, 2.0, 3.0)  # seconds for each query; only a resolver that is silent costs them all
_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_RECURSE = 0x0100


class Answer(NamedTuple):
    """What came back."""

    rcode: int  # 0 is no error, 3 is that there is no such name
    texts: tuple[str, ...]  # of its TXT records, the strings of each joined


def ask(host: Host, address: str, port: int, name: str, kind: int, waits: Sequence[float] = WAITS) -> Answer | None:
    """Ask a resolver on a loopback address for one name ("" is the root) and record type. None if nothing listens
    there, or what it answers cannot be read. Raises Unseen if it is silent for each of `waits`, in seconds.
    """
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".") if label)
    message = _HEADER.pack(0x5052, _RECURSE, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
    for patience in waits:
        try:
            reply = host.send_datagram(address, port, message, patience)
        except OSError:
            return None
        if reply is not None:
            break
    else:
        attempts = f"asked {len(waits)} times in {sum(waits):g} s"
        raise ObservationError(f"no answer from {address} port {port} ({attempts}): its resolver is too busy, or hangs")
    try:
        return _read(reply)
    except (IndexError, struct.error):
        return None


def _read(reply: bytes) -> Answer:
    _, flags, questions, answers, _, _ = _HEADER.unpack_from(reply)
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(reply, at) + 4
    texts = []
    for _ in range(answers):
        at = _after_name(reply, at)
        kind, _, _, length = _RECORD.unpack_from(reply, at)
        at += _RECORD.size
        if kind == TXT:
            texts.append(_text(reply[at : at + length]))
        at += length
    return Answer(flags & 0xF, tuple(texts))


def _after_name(reply: bytes, at: int) -> int:
    while reply[at]:
        if reply[at] & 0xC0:  # a pointer to a name further up ends this one
            return at + 2
        at += reply[at] + 1
    return at + 1


def _text(data: bytes) -> str:
    joined = b""
    while data:
        joined, data = joined + data[1 : data[0] + 1], data[data[0] + 1 :]
    return joined.decode("ascii", "replace")

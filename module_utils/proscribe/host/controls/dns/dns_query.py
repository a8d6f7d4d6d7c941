"""Query to a resolver of this host, and its answer (RFC 1035). Another machine is never queried.

A silent resolver need not be faulty: a busy host may give it no processor time for a while. So it is queried again,
with growing timeouts. If it never answers, that is an ObservationError. A closed port is recognised immediately.
"""

from __future__ import annotations

import struct
from typing import Sequence

from ....base.named_tuple import NamedTuple
from ...system import Host, ObservationError

TXT_TYPE = 16
NS_TYPE = 2
FAILURE_CODES = (2, 5)  # response codes: server failure, refused
QUERY_TIMEOUTS_SECONDS = (1.0, 2.0, 3.0)  # one for each attempt; only a resolver that never answers takes all of them
_HEADER_FORMAT = struct.Struct(">HHHHHH")
_RECORD_FORMAT = struct.Struct(">HHIH")
_RECURSION_FLAG = 0x0100


class DnsAnswer(NamedTuple):
    """Answer of a resolver."""

    rcode: int  # 0: no error, 3: no such name
    texts: tuple[str, ...]  # texts of its TXT records, the strings of each joined


def query_resolver(
    host: Host, address: str, port: int, name: str, record_type: int, timeouts: Sequence[float] = QUERY_TIMEOUTS_SECONDS
) -> DnsAnswer | None:
    """Query a resolver on a loopback address for a name ("" is the root) and a record type.

    Returns None if nothing listens there, or if the answer cannot be parsed. Raises ObservationError if no answer comes
    within any of `timeouts` (seconds, one for each attempt).
    """
    # in a message, a byte with its length comes before each label (part of a name between dots)
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".") if label)
    # any query id, one question, and the class 1 (Internet)
    message = _HEADER_FORMAT.pack(0x5052, _RECURSION_FLAG, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, record_type, 1)
    for timeout in timeouts:
        try:
            reply = host.send_datagram(address, port, message, timeout)
        except OSError:
            return None
        if reply is not None:
            break
    else:  # no attempt had an answer
        attempts = f"asked {len(timeouts)} times in {sum(timeouts):g} s"
        raise ObservationError(f"no answer from {address} port {port} ({attempts}): its resolver is too busy, or hangs")
    try:
        return _parse_reply(reply)
    except (IndexError, struct.error):
        return None


def _parse_reply(reply: bytes) -> DnsAnswer:
    """Parse the response code and the TXT records of a reply.

    Raises IndexError or struct.error for a damaged reply.
    """
    _, flags, question_count, answer_count, _, _ = _HEADER_FORMAT.unpack_from(reply)
    offset = _HEADER_FORMAT.size
    for _ in range(question_count):
        offset = _skip_name(reply, offset) + 4  # type and class follow the name of a question
    texts = []
    for _ in range(answer_count):
        offset = _skip_name(reply, offset)
        record_type, _, _, length = _RECORD_FORMAT.unpack_from(reply, offset)
        offset += _RECORD_FORMAT.size
        if record_type == TXT_TYPE:
            texts.append(_join_strings(reply[offset : offset + length]))
        offset += length
    return DnsAnswer(flags & 0xF, tuple(texts))


def _skip_name(reply: bytes, offset: int) -> int:
    """Return the offset behind the name at an offset of a reply."""
    while reply[offset]:
        if reply[offset] & 0xC0:  # a pointer to an earlier name ends this name
            return offset + 2
        offset += reply[offset] + 1
    return offset + 1


def _join_strings(data: bytes) -> str:
    """Join the strings of a TXT record. Before each string is a byte with its length."""
    joined = b""
    while data:
        joined, data = joined + data[1 : data[0] + 1], data[data[0] + 1 :]
    return joined.decode("ascii", "replace")

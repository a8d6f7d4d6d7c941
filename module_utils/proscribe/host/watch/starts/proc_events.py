"""Starts of programs from the kernel's proc connector, over netlink (drivers/connector/cn_proc.c).

The connector needs no file system and opens nothing. It exists on a machine (CONFIG_PROC_EVENTS), for root in the first
namespaces. In a container nothing answers. A filter in the kernel drops all events but starts of programs, so a host
that forks a lot costs nothing.
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import os
import select
import struct

# `socket` adds enumerations to `_socket`, and they take more memory than the whole daemon.

FAMILY, PROTOCOL, GROUP = 16, 11, 1  # AF_NETLINK, NETLINK_CONNECTOR, CN_IDX_PROC
SOCKET, ATTACH_FILTER, RECEIVE_BUFFER = 1, 26, 33  # SOL_SOCKET, SO_ATTACH_FILTER, SO_RCVBUFFORCE
LISTEN, IGNORE = 1, 2
NOTHING, EXEC = 0, 2  # event types; the first is also the type of the kernel's answer
DONE = 3  # NLMSG_DONE
MESSAGE_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, number, sender
CONNECTOR_HEADER = struct.Struct("=IIIIHH")  # cn_msg: index, value, number, acknowledged, length, flags
EVENT_HEADER = struct.Struct("=IIQ")  # kind, processor, time
PIDS_STRUCT = struct.Struct("=ii")  # of an exec: thread, process
SINGLE_EXEC_STRUCT = struct.Struct("=IHHIIIIIIHHIIQii")  # all of these together: the kernel sends each start so
EVENT_OFFSET = MESSAGE_HEADER.size + CONNECTOR_HEADER.size  # offset of the event in a message
BUFFER_BYTES = 8192
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024  # for unread events
ANSWER_TIMEOUT_MS = 500  # for the kernel's answer
MAX_MESSAGES = 4096  # messages that are read until the kernel's answer


def parse_events(content: bytes) -> list[tuple[int, bytes]]:
    """Return the events in `content`: [(event type, data of this type)]."""
    events: list[tuple[int, bytes]] = []
    offset, end = 0, len(content)
    while end - offset >= EVENT_OFFSET + EVENT_HEADER.size:
        length = MESSAGE_HEADER.unpack_from(content, offset)[0]
        if length < EVENT_OFFSET + EVENT_HEADER.size or length > end - offset:
            break
        group_index, group_value = CONNECTOR_HEADER.unpack_from(content, offset + MESSAGE_HEADER.size)[:2]
        if (group_index, group_value) == (GROUP, GROUP):
            event_type = EVENT_HEADER.unpack_from(content, offset + EVENT_OFFSET)[0]
            events.append((event_type, content[offset + EVENT_OFFSET + EVENT_HEADER.size : offset + length]))
        offset += (length + 3) & ~3
    return events


def parse_started_pids(content: bytes) -> list[int]:
    """Return the processes in `content` that have executed another program."""
    if len(content) >= SINGLE_EXEC_STRUCT.size:
        length, _, _, _, _, group_index, group_value, _, _, _, _, event_type, _, _, _, pid = (
            SINGLE_EXEC_STRUCT.unpack_from(content)
        )
        if length == len(content) and (group_index, group_value, event_type) == (GROUP, GROUP, EXEC):
            return [pid]
    execs = (body for event_type, body in parse_events(content) if event_type == EXEC and len(body) >= PIDS_STRUCT.size)
    return [PIDS_STRUCT.unpack_from(body)[1] for body in execs]


def parse_answer(content: bytes) -> int | None:
    """Return the error in the kernel's answer to LISTEN, 0 for none; None for another message."""
    for event_type, body in parse_events(content):
        if event_type == NOTHING and len(body) >= 4:
            return int(struct.unpack_from("=I", body)[0])
    return None


def make_message(operation: int) -> bytes:
    """Return the message for an operation of the connector (LISTEN, IGNORE)."""
    body = struct.pack("=I", operation)
    head = MESSAGE_HEADER.pack(EVENT_OFFSET + len(body), DONE, 0, 0, 0)
    return head + CONNECTOR_HEADER.pack(GROUP, GROUP, 0, 0, len(body), 0) + body


def make_start_filter() -> list[tuple[int, int, int, int]]:
    """Return a classic BPF filter that passes only starts of programs.

    The event type is a word at a fixed place. A BPF program loads words as big-endian.
    """
    exec_value = int.from_bytes(struct.pack("=I", EXEC), "big")
    load, equal, end = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    return [(load, 0, 0, EVENT_OFFSET), (equal, 0, 1, exec_value), (end, 0, 0, 0xFFFFFFFF), (end, 0, 0, 0)]


class ProcEvents:
    """Listener for process events. Raises OSError if the kernel has no such events for this process."""

    def __init__(self) -> None:
        socket_type = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(FAMILY, socket_type, PROTOCOL)
        try:
            self._socket.setsockopt(SOCKET, RECEIVE_BUFFER, SOCKET_BUFFER_BYTES)
            self._socket.bind((0, GROUP))
            self._socket.send(make_message(LISTEN))
            self._wait_for_answer()
            self._set_filter(make_start_filter())
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def _wait_for_answer(self) -> None:
        """Wait for the kernel's answer. A process in its own namespace gets no answer. Raises OSError."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        for _ in range(MAX_MESSAGES):
            if not poll.poll(ANSWER_TIMEOUT_MS):
                break
            content, sender = self._socket.recvfrom(BUFFER_BYTES)
            error = parse_answer(content) if sender[0] == 0 else None
            if error is not None:
                if error:
                    raise OSError(error, os.strerror(error))
                return
        raise OSError(errno.EPERM, "the kernel does not answer")

    def _set_filter(self, program: list[tuple[int, int, int, int]]) -> None:
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        buffer = ctypes.create_string_buffer(code, len(code))
        filter_ = struct.pack("@HP", len(program), ctypes.addressof(buffer))
        self._socket.setsockopt(SOCKET, ATTACH_FILTER, filter_)

    def read_pids(self) -> tuple[list[int], bool] | None:
        """Return the processes of the next event, and whether events were lost; None if there are none now."""
        try:
            content, sender = self._socket.recvfrom(BUFFER_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return [], True
            raise
        # Only messages of the kernel itself count.
        return (parse_started_pids(content), False) if sender[0] == 0 else ([], False)

    def close(self) -> None:
        self._socket.close()

"""Starts of programs from the kernel's proc connector, over netlink (drivers/connector/cn_proc.c).

The connector depends on no file system and opens no files. It exists in a kernel with CONFIG_PROC_EVENTS, for root
outside of containers (in the first namespaces). In a container, the kernel does not answer. A filter in the kernel
drops all events except program starts. So a host that forks many processes causes no work here.
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
NOTHING, EXEC = 0, 2  # event types; the kernel's answer to LISTEN has the first one
DONE = 3  # NLMSG_DONE
MESSAGE_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, sender
# cn_msg: group index, group value, sequence number, acknowledgement, length, flags
CONNECTOR_HEADER = struct.Struct("=IIIIHH")
EVENT_HEADER = struct.Struct("=IIQ")  # event type, processor, time
PIDS_STRUCT = struct.Struct("=ii")  # data of an EXEC event: thread id, process id
# a whole message with one EXEC event, as the kernel sends each start
SINGLE_EXEC_STRUCT = struct.Struct("=IHHIIIIIIHHIIQii")
EVENT_OFFSET = MESSAGE_HEADER.size + CONNECTOR_HEADER.size  # offset of the event in a message
BUFFER_BYTES = 8192
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024  # size of the kernel's buffer for unread events
ANSWER_TIMEOUT_MS = 500  # longest wait for the kernel's answer to LISTEN
MAX_MESSAGES = 4096  # most messages that are read while the answer has not come


def parse_events(content: bytes) -> list[tuple[int, bytes]]:
    """Return the events in `content` as [(event type, data of the event)]. An incomplete event ends the list."""
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
    """Return the ids of the processes that have executed another program, from the messages in `content`."""
    # nearly all messages have a single event, so this form is read in one step
    if len(content) >= SINGLE_EXEC_STRUCT.size:
        length, _, _, _, _, group_index, group_value, _, _, _, _, event_type, _, _, _, pid = (
            SINGLE_EXEC_STRUCT.unpack_from(content)
        )
        if length == len(content) and (group_index, group_value, event_type) == (GROUP, GROUP, EXEC):
            return [pid]
    execs = (body for event_type, body in parse_events(content) if event_type == EXEC and len(body) >= PIDS_STRUCT.size)
    return [PIDS_STRUCT.unpack_from(body)[1] for body in execs]


def parse_answer(content: bytes) -> int | None:
    """Return the error number in the kernel's answer to LISTEN: 0 for no error; None for another message."""
    for event_type, body in parse_events(content):
        if event_type == NOTHING and len(body) >= 4:
            return int(struct.unpack_from("=I", body)[0])
    return None


def make_message(operation: int) -> bytes:
    """Return the netlink message that asks the connector for an operation (LISTEN or IGNORE)."""
    body = struct.pack("=I", operation)
    head = MESSAGE_HEADER.pack(EVENT_OFFSET + len(body), DONE, 0, 0, 0)
    return head + CONNECTOR_HEADER.pack(GROUP, GROUP, 0, 0, len(body), 0) + body


def make_start_filter() -> list[tuple[int, int, int, int]]:
    """Return a classic BPF filter that passes only the events of program starts.

    The filter compares the event type, a word at a fixed offset. BPF loads words as big-endian, hence the converted
    value.
    """
    exec_value = int.from_bytes(struct.pack("=I", EXEC), "big")
    load, equal, end = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    return [(load, 0, 0, EVENT_OFFSET), (equal, 0, 1, exec_value), (end, 0, 0, 0xFFFFFFFF), (end, 0, 0, 0)]


class ProcEvents:
    """Socket that receives process events. Raises OSError if the kernel does not deliver them to this process."""

    def __init__(self) -> None:
        """Open the socket, and ask the kernel for events of program starts."""
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
        """Wait for the kernel's answer to LISTEN. Raise OSError if the answer is an error, or does not come.

        A process in a container's namespace gets no answer.
        """
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
        """Let the kernel deliver only the events that pass a classic BPF filter. Raises OSError.

        `program` are the instructions of the filter: (operation, jump if true, jump if false, operand).
        """
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
        buffer = ctypes.create_string_buffer(code, len(code))
        filter_ = struct.pack("@HP", len(program), ctypes.addressof(buffer))
        self._socket.setsockopt(SOCKET, ATTACH_FILTER, filter_)

    def read_pids(self) -> tuple[list[int], bool] | None:
        """Return the process ids of the next event, and whether events were lost; None if no event waits."""
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

"""Starts of programs as the kernel's proc connector reports them over netlink (drivers/connector/cn_proc.c).

It needs no file system and opens nothing. It is there on a machine (CONFIG_PROC_EVENTS), for root in the first
namespaces; in a container nobody answers. A filter in the kernel leaves out what is no start of a program: a host that
forks a lot costs nothing.
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import os
import select
import struct

# `socket` is this one with enumerations, which take more memory than all that this daemon has.

FAMILY, PROTOCOL, GROUP = 16, 11, 1  # AF_NETLINK, NETLINK_CONNECTOR, CN_IDX_PROC
SOCKET, ATTACH_FILTER, RECEIVE_BUFFER = 1, 26, 33  # SOL_SOCKET, SO_ATTACH_FILTER, SO_RCVBUFFORCE
LISTEN, IGNORE = 1, 2
NOTHING, EXEC = 0, 2  # kinds of events; the first is also the answer to what was said to the kernel
DONE = 3  # NLMSG_DONE
HEAD = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, number, sender
CONNECTOR = struct.Struct("=IIIIHH")  # cn_msg: index, value, number, acknowledged, length, flags
EVENT = struct.Struct("=IIQ")  # kind, processor, time
PIDS = struct.Struct("=ii")  # of an exec: thread, process
ALONE = struct.Struct("=IHHIIIIIIHHIIQii")  # all of that, of an exec: as the kernel sends each start
FIRST = HEAD.size + CONNECTOR.size  # where the event begins
BUFFER = 8192
ROOM = 4 * 1024 * 1024  # bytes for events that are not yet read
PATIENCE = 500  # milliseconds for the kernel to answer
MOST = 4096  # messages of one read of all


def parsed(content: bytes) -> list[tuple[int, bytes]]:
    """The events in what was read: (kind, what is particular to that kind) of each."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(content)
    while end - at >= FIRST + EVENT.size:
        length = HEAD.unpack_from(content, at)[0]
        if length < FIRST + EVENT.size or length > end - at:
            break
        index, value = CONNECTOR.unpack_from(content, at + HEAD.size)[:2]
        if (index, value) == (GROUP, GROUP):
            kind = EVENT.unpack_from(content, at + FIRST)[0]
            found.append((kind, content[at + FIRST + EVENT.size : at + length]))
        at += (length + 3) & ~3
    return found


def started(content: bytes) -> list[int]:
    """The numbers of the processes that became another program, in what was read."""
    if len(content) >= ALONE.size:
        length, _, _, _, _, index, value, _, _, _, _, kind, _, _, _, pid = ALONE.unpack_from(content)
        if length == len(content) and (index, value, kind) == (GROUP, GROUP, EXEC):
            return [pid]
    execs = (body for kind, body in parsed(content) if kind == EXEC and len(body) >= PIDS.size)
    return [PIDS.unpack_from(body)[1] for body in execs]


def answer(content: bytes) -> int | None:
    """The error in the kernel's answer to LISTEN, 0 for none; None for what is no answer."""
    for kind, body in parsed(content):
        if kind == NOTHING and len(body) >= 4:
            return int(struct.unpack_from("=I", body)[0])
    return None


def message(operation: int) -> bytes:
    """What is said to the kernel."""
    body = struct.pack("=I", operation)
    head = HEAD.pack(FIRST + len(body), DONE, 0, 0, 0)
    return head + CONNECTOR.pack(GROUP, GROUP, 0, 0, len(body), 0) + body


def only_starts() -> list[tuple[int, int, int, int]]:
    """A filter (BPF, classic) that lets a start pass, and nothing else: the kind is a word at a fixed place. Such a
    program takes what it loads as big-endian.
    """
    kind = int.from_bytes(struct.pack("=I", EXEC), "big")
    load, equal, end = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    return [(load, 0, 0, FIRST), (equal, 0, 1, kind), (end, 0, 0, 0xFFFFFFFF), (end, 0, 0, 0)]


class ProcEvents:
    """A listener. Raises OSError where the kernel has no such events for this process."""

    def __init__(self) -> None:
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(FAMILY, kind, PROTOCOL)
        try:
            self._socket.setsockopt(SOCKET, RECEIVE_BUFFER, ROOM)
            self._socket.bind((0, GROUP))
            self._socket.send(message(LISTEN))
            self._answered()
            self._filter(only_starts())
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def _answered(self) -> None:
        """Wait for the kernel's answer: in a namespace of its own, a process gets none."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        for _ in range(MOST):
            if not poll.poll(PATIENCE):
                break
            content, sender = self._socket.recvfrom(BUFFER)
            error = answer(content) if sender[0] == 0 else None
            if error is not None:
                if error:
                    raise OSError(error, os.strerror(error))
                return
        raise OSError(errno.EPERM, "the kernel does not answer")

    def _filter(self, program: list[tuple[int, int, int, int]]) -> None:
        code = b"".join(struct.pack("=HBBI", *one) for one in program)
        held = ctypes.create_string_buffer(code, len(code))
        filter_ = struct.pack("@HP", len(program), ctypes.addressof(held))
        self._socket.setsockopt(SOCKET, ATTACH_FILTER, filter_)

    def read(self) -> tuple[list[int], bool] | None:
        """The processes of the next event, and whether events were lost; None if there are none now."""
        try:
            content, sender = self._socket.recvfrom(BUFFER)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return [], True
            raise
        return (started(content), False) if sender[0] == 0 else ([], False)  # only the kernel's own word counts

    def close(self) -> None:
        self._socket.close()

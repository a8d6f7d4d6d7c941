"""The kernel's proc connector: what is said to it, what it answers, and whose word counts."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.watch.starts import proc_events
from proscribe.host.watch.starts.proc_events import EXEC, LISTEN, NOTHING, ProcEvents, message

KERNEL, OTHER = (0, 1), (4711, 1)


def event(kind: int, body: bytes, group: tuple[int, int] = (1, 1), more: int = 0) -> bytes:
    """A message of the connector: netlink's head, its own, and the event's."""
    content = struct.pack("=IIIIHH", *group, 0, 0, 16 + len(body), 0) + struct.pack("=IIQ", kind, 0, 0) + body
    return struct.pack("=IHHII", 16 + len(content) + more, 3, 0, 0, 0) + content + bytes(-len(content) % 4)


def start(pid: int) -> bytes:
    return event(EXEC, struct.pack("=ii", pid + 1, pid))


def said(error: int) -> bytes:
    return event(NOTHING, struct.pack("=I", error))


class Kernel:
    """Stands for the socket. There is something to read as long as it has answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.did: list[tuple[Any, ...]] = []
        self.open = True
        self.readable, self.writable = os.pipe()
        os.write(self.writable, bytes(len(answers)))

    def fileno(self) -> int:
        return self.readable

    def bind(self, *to: Any) -> None:
        self.did.append(("bind", *to))

    def send(self, content: bytes) -> None:
        self.did.append(("send", content))

    def setsockopt(self, *option: Any) -> None:
        value = option[2]
        if isinstance(value, bytes):  # the number of instructions, and where they are
            number, place = struct.unpack("@HP", value)
            value = ctypes.string_at(place, 8 * number)
        self.did.append(("set", *option[:2], value))

    def recvfrom(self, most: int) -> Any:
        os.read(self.readable, 1)
        found = self.answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found[0][:most], found[1]

    def close(self) -> None:
        self.open = False


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Kernel] = []

    def listen(*answers: Any) -> tuple[Kernel, Any]:
        kernel = Kernel(*answers)
        made.append(kernel)

        def opened(*how: int) -> Kernel:
            kernel.did.append(("socket", *how))
            return kernel

        module = SimpleNamespace(SOCK_DGRAM=2, SOCK_NONBLOCK=0o4000, SOCK_CLOEXEC=0o2000000, socket=opened)
        monkeypatch.setattr(proc_events, "_socket", module)
        monkeypatch.setattr(proc_events, "PATIENCE", 1)
        return kernel, ProcEvents

    yield listen
    for kernel in made:
        os.close(kernel.readable)
        os.close(kernel.writable)


def test_it_listens_once_the_kernel_has_said_yes(listening: Any) -> None:
    kernel, open_ = listening((said(1), OTHER), (start(7), KERNEL), (said(0), KERNEL))
    one = open_()
    assert kernel.did == [
        ("socket", 16, 0o2004002, 11),
        ("set", 1, 33, 4 * 1024 * 1024),
        ("bind", (0, 1)),
        ("send", message(LISTEN)),
        ("set", 1, 26, b"".join(struct.pack("=HBBI", *one) for one in proc_events.only_starts())),
    ]
    assert kernel.open and one.fileno() == kernel.fileno()
    one.close()
    assert not kernel.open


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ([(said(errno.EACCES), KERNEL)], errno.EACCES),
        ([(said(0), OTHER)], errno.EPERM),
        ([(start(7), KERNEL)], errno.EPERM),
        ([], errno.EPERM),
        ([OSError(errno.ENOBUFS, "full")], errno.ENOBUFS),
    ],
)
def test_where_the_kernel_has_no_such_events_it_is_said(listening: Any, answers: list[Any], number: int) -> None:
    kernel, open_ = listening(*answers)
    with pytest.raises(OSError) as raised:
        open_()
    assert raised.value.errno == number and not kernel.open


def test_who_never_comes_to_the_point_is_no_kernel(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc_events, "MOST", 3)
    kernel, open_ = listening(*[(start(7), KERNEL)] * 9)
    with pytest.raises(OSError, match="does not answer"):
        open_()
    assert len(kernel.answers) == 6


def test_only_the_kernels_own_word_counts(listening: Any) -> None:
    kernel, open_ = listening((said(0), KERNEL))
    one = open_()
    kernel.answers = [
        (start(7) + start(8), KERNEL),
        (start(9), OTHER),
        OSError(errno.ENOBUFS, "full"),
        BlockingIOError(),
        OSError(errno.EIO, "broken"),
    ]
    os.write(kernel.writable, bytes(5))
    assert [one.read() for _ in range(4)] == [([7, 8], False), ([], False), ([], True), None]
    with pytest.raises(OSError, match="broken"):
        one.read()

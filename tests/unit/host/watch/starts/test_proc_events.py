"""The kernel's proc connector: its answers, and that only the kernel's own word counts."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts import fanotify, inotify, mounts, proc_events
from proscribe.host.watch.starts.proc_events import EXEC, LISTEN, NOTHING, ProcEvents, message

KERNEL, OTHER = (0, 1), (4711, 1)


def event(kind: int, body: bytes) -> bytes:
    """Return a message of the connector: netlink's head, its own, and the event's."""
    content = struct.pack("=IIIIHH", 1, 1, 0, 0, 16 + len(body), 0) + struct.pack("=IIQ", kind, 0, 0) + body
    return struct.pack("=IHHII", 16 + len(content), 3, 0, 0, 0) + content + bytes(-len(content) % 4)


def start(pid: int) -> bytes:
    return event(EXEC, struct.pack("=ii", pid + 1, pid))


def answer(error: int) -> bytes:
    return event(NOTHING, struct.pack("=I", error))


class Kernel:
    """A fake of the socket. There is something to read as long as it has answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Any, ...]] = []
        self.open = True
        self.readable, self.writable = os.pipe()
        os.write(self.writable, bytes(len(answers)))

    def fileno(self) -> int:
        return self.readable

    def bind(self, *to: Any) -> None:
        self.calls.append(("bind", *to))

    def send(self, content: bytes) -> None:
        self.calls.append(("send", content))

    def setsockopt(self, *option: Any) -> None:
        value = option[2]
        if isinstance(value, bytes):  # the number of instructions, and where they are
            number, place = struct.unpack("@HP", value)
            value = ctypes.string_at(place, 8 * number)
        self.calls.append(("set", *option[:2], value))

    def recvfrom(self, most: int) -> Any:
        os.read(self.readable, 1)
        found = self.answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found[0][:most], found[1]

    def close(self) -> None:
        self.open = False


@pytest.fixture
def make_kernel(monkeypatch):
    kernels = []

    def make(*answers):
        kernel = Kernel(*answers)
        kernels.append(kernel)

        def open_socket(*how):
            kernel.calls.append(("socket", *how))
            return kernel

        module = SimpleNamespace(SOCK_DGRAM=2, SOCK_NONBLOCK=0o4000, SOCK_CLOEXEC=0o2000000, socket=open_socket)
        monkeypatch.setattr(proc_events, "_socket", module)
        monkeypatch.setattr(proc_events, "PATIENCE", 1)
        return kernel

    yield make
    for kernel in kernels:
        os.close(kernel.readable)
        os.close(kernel.writable)


def test_connector_listens_once_the_kernel_has_agreed(make_kernel):
    kernel = make_kernel((answer(1), OTHER), (start(7), KERNEL), (answer(0), KERNEL))
    connector = ProcEvents()
    assert kernel.calls == [
        ("socket", 16, 0o2004002, 11),
        ("set", 1, 33, 4 * 1024 * 1024),
        ("bind", (0, 1)),
        ("send", message(LISTEN)),
        ("set", 1, 26, b"".join(struct.pack("=HBBI", *line) for line in proc_events.only_starts())),
    ]
    assert kernel.open and connector.fileno() == kernel.fileno()
    connector.close()
    assert not kernel.open


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ([(answer(errno.EACCES), KERNEL)], errno.EACCES),
        ([(answer(0), OTHER)], errno.EPERM),
        ([(start(7), KERNEL)], errno.EPERM),
        ([], errno.EPERM),
        ([OSError(errno.ENOBUFS, "full")], errno.ENOBUFS),
    ],
)
def test_kernel_that_does_not_agree_is_an_error(make_kernel, answers, number):
    kernel = make_kernel(*answers)
    with pytest.raises(OSError) as raised:
        ProcEvents()
    assert raised.value.errno == number and not kernel.open


def test_kernel_that_never_answers_is_given_up(make_kernel, monkeypatch):
    monkeypatch.setattr(proc_events, "MOST", 3)
    kernel = make_kernel(*[(start(7), KERNEL)] * 9)
    with pytest.raises(OSError, match="does not answer"):
        ProcEvents()
    assert len(kernel.answers) == 6


def test_messages_of_other_senders_are_no_starts(make_kernel):
    kernel = make_kernel((answer(0), KERNEL))
    connector = ProcEvents()
    kernel.answers = [(start(7) + start(8), KERNEL), (start(9), OTHER), OSError(errno.ENOBUFS, "full")]
    kernel.answers += [BlockingIOError(), OSError(errno.EIO, "broken")]
    os.write(kernel.writable, bytes(5))
    assert [connector.read() for _ in range(4)] == [([7, 8], False), ([], False), ([], True), None]
    with pytest.raises(OSError, match="broken"):
        connector.read()


def test_refused_listener_has_the_kernels_reason(monkeypatch):
    for module, listener in ((inotify, inotify.Inotify), (fanotify, fanotify.Fanotify)):
        monkeypatch.setattr(module, "CLOEXEC", 0o70000000)
        with pytest.raises(OSError) as raised:
            listener()
        assert raised.value.errno in (errno.EINVAL, errno.EPERM, errno.ENOSYS)
        assert raised.value.strerror == os.strerror(raised.value.errno)


MOUNTINFO = rb"""22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
29 28 254:1 /@home /home rw,relatime - ext4 /dev/vda1 rw
31 28 0:40 / /run/media/a\040disk\134n rw shared:3 master:4 - vfat /dev/sdb1 rw
32 28 0:41 / /home/alice/remote rw - fuse.sshfs alice@x: rw
a line that is none
36 28 0:45 / /half -
"""
RECORDED = [
    # Read from a group of fanotify on Linux 6.18: /usr/bin/dash as process 7, then a lost event.
    bytes.fromhex("18000000 03 00 1800 0010000000000000 05000000 07000000"),
    bytes.fromhex("18000000 03 00 1800 0040000000000000 ffffffff 00000000"),
    # Read from the proc connector of the same kernel: its answer to LISTEN (no error), and a start by process 0x3228.
    bytes.fromhex(
        "4c000000 0300 0000 00000000 00000000 01000000 01000000 00000000 01000000 2800 0000"
        "00000000 01000000 8e9bb4e62d0d0000 00000000" + "00" * 20
    ),
    bytes.fromhex(
        "4c000000 0300 0000 01000000 00000000 01000000 01000000 01000000 00000000 2800 0000"
        "02000000 01000000 788fb6e62d0d0000 67583200 28320000" + "00" * 16
    ),
    MOUNTINFO,
    struct.pack("=iIII", 1, 0x80, 0, 16) + b"x" * 16,
]


@st.composite
def damaged(draw):
    """Recorded bytes, with other ones somewhere in them."""
    content = bytearray(b"".join(draw(st.lists(st.sampled_from(RECORDED), max_size=4))))
    for _ in range(draw(st.integers(0, 6)) if content else 0):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@given(st.one_of(st.binary(max_size=4096), damaged()))
def test_parsers_take_any_bytes(content):
    found, _ = fanotify.parsed(content)
    assert len(found) <= len(content) // 24 and all(descriptor >= 0 for descriptor, _ in found)
    assert len(proc_events.parsed(content)) <= len(content) // 52 + 1
    assert len(proc_events.started(content)) <= len(content) // 52 + 1
    proc_events.answer(content)
    names, _ = inotify.parsed(content)
    assert all(names)
    assert len(mounts.parsed(content)) <= content.count(b"\n") + 1
    mounts.seen_on(mounts.parsed(content))

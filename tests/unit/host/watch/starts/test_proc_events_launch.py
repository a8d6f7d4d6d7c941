"""What the kernel reports of starts, mounts and changed files, as bytes: recorded ones, and any others."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.watch.starts import fanotify, inotify, mounts, proc_events

# Read from a group of fanotify on Linux 6.18: /usr/bin/dash as process 7, then a lost event.
START = bytes.fromhex("18000000 03 00 1800 0010000000000000 05000000 07000000")
LOST = bytes.fromhex("18000000 03 00 1800 0040000000000000 ffffffff 00000000")
# Read from the proc connector of the same kernel: its answer to LISTEN (no error), and a start by process 0x3228.
ANSWER = bytes.fromhex(
    "4c000000 0300 0000 00000000 00000000 01000000 01000000 00000000 01000000 2800 0000"
    "00000000 01000000 8e9bb4e62d0d0000 00000000" + "00" * 20
)
EXEC = bytes.fromhex(
    "4c000000 0300 0000 01000000 00000000 01000000 01000000 01000000 00000000 2800 0000"
    "02000000 01000000 788fb6e62d0d0000 67583200 28320000" + "00" * 16
)
MOUNTINFO = rb"""22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
29 28 254:1 /@home /home rw,relatime - ext4 /dev/vda1 rw
31 28 0:40 / /run/media/a\040disk\134n rw shared:3 master:4 - vfat /dev/sdb1 rw
32 28 0:41 / /home/alice/remote rw - fuse.sshfs alice@x: rw
33 32 0:42 / /home/alice/remote/in rw - tmpfs tmpfs rw
34 28 0:43 / /sys/fs/fuse/connections rw - fusectl fusectl rw
35 28 0:44 / /nfs rw - nfs4 server:/x rw
a line that is none
36 28 0:45 / /half -
"""


def test_a_kernel_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, opened in ((inotify, inotify.Inotify), (fanotify, fanotify.Fanotify)):
        monkeypatch.setattr(module, "CLOEXEC", 0o70000000)
        with pytest.raises(OSError) as raised:
            opened()
        assert raised.value.errno in (errno.EINVAL, errno.EPERM, errno.ENOSYS)
        assert raised.value.strerror == os.strerror(raised.value.errno)


RECORDED = [START, LOST, ANSWER, EXEC, MOUNTINFO, struct.pack("=iIII", 1, 0x80, 0, 16) + b"x" * 16]


@st.composite
def damaged(draw: Callable[..., Any]) -> bytes:
    """Recorded bytes, with other ones somewhere in them."""
    content = bytearray(b"".join(draw(st.lists(st.sampled_from(RECORDED), max_size=4))))
    for _ in range(draw(st.integers(0, 6)) if content else 0):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@given(st.one_of(st.binary(max_size=4096), damaged()))
def test_no_input_makes_a_parser_raise_or_go_on_for_ever(content: bytes) -> None:
    found, _ = fanotify.parsed(content)
    assert len(found) <= len(content) // 24
    assert all(descriptor >= 0 for descriptor, _ in found)
    assert len(proc_events.parsed(content)) <= len(content) // 52 + 1
    assert len(proc_events.started(content)) <= len(content) // 52 + 1
    proc_events.answer(content)
    names, _ = inotify.parsed(content)
    assert all(names)
    assert len(mounts.parsed(content)) <= content.count(b"\n") + 1
    mounts.seen_on(mounts.parsed(content))

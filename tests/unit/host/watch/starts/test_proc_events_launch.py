"""What the kernel reports of starts, mounts and changed files, as bytes: recorded ones, and any others."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.system import mounts as scanned
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


def test_a_start_and_a_loss_of_fanotify() -> None:
    assert fanotify.parsed(START + LOST + START) == ([(5, 7), (5, 7)], True)
    assert fanotify.parsed(b"") == ([], False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(START[:-1], id="cut short"),
        pytest.param(bytes(24), id="a length of nothing would be read for ever"),
        pytest.param(START[:4] + b"\x04" + START[5:], id="another version"),
        pytest.param(b"\xff\xff\xff\xff" + START[4:], id="longer than what was read"),
        pytest.param(LOST, id="no descriptor"),
    ],
)
def test_what_is_no_start_is_left_out(content: bytes) -> None:
    assert fanotify.parsed(content)[0] == []


def test_the_connectors_answer_and_a_start() -> None:
    assert proc_events.answer(ANSWER) == 0
    assert proc_events.started(ANSWER) == []
    assert proc_events.started(EXEC + ANSWER + EXEC) == [0x3228, 0x3228]
    assert proc_events.answer(EXEC) is None
    refused = ANSWER[:52] + struct.pack("=I", 1) + ANSWER[56:]
    assert proc_events.answer(refused) == 1
    foreign = EXEC[:16] + struct.pack("=I", 9) + EXEC[20:]  # of another connector
    assert proc_events.started(foreign) == []


def run_filter(program: list[tuple[int, int, int, int]], message: bytes) -> int:
    """What a program for the kernel's filter returns for a message, as linux/filter.h has its instructions."""
    held, at = 0, 0
    while True:
        code, if_equal, otherwise, value = program[at]
        at += 1
        if code == 0x20:
            held = int.from_bytes(message[value : value + 4], "big")
        elif code == 0x15:
            at += if_equal if held == value else otherwise
        else:
            assert code == 0x06
            return value


def test_the_filter_lets_starts_pass_and_nothing_else() -> None:
    program = proc_events.only_starts()
    assert run_filter(program, EXEC)
    for kind in (0, 1, 4, 0x40, 0x200, 0x80000000):
        assert not run_filter(program, EXEC[:36] + struct.pack("=I", kind) + EXEC[40:])


def test_a_kernel_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, opened in ((inotify, inotify.Inotify), (fanotify, fanotify.Fanotify)):
        monkeypatch.setattr(module, "CLOEXEC", 0o70000000)
        with pytest.raises(OSError) as raised:
            opened()
        assert raised.value.errno in (errno.EINVAL, errno.EPERM, errno.ENOSYS)
        assert raised.value.strerror == os.strerror(raised.value.errno)


def test_what_is_said_to_the_kernel_has_its_own_length() -> None:
    said = proc_events.message(proc_events.LISTEN)
    assert struct.unpack_from("=I", said)[0] == len(said) == 40


def test_names_that_something_happened_to() -> None:
    first = struct.pack("=iIII", 1, 0x80, 0, 16) + b"settings.json".ljust(16, b"\0")
    gone = struct.pack("=iIII", 1, 0x8000, 0, 0)
    assert inotify.parsed(first) == ({"settings.json"}, False)
    lost = struct.pack("=iIII", -1, 0x4000, 0, 0)
    of_itself = struct.pack("=iIII", 1, 0x3FFF, 0, 0)
    assert inotify.parsed(first + gone) == inotify.parsed(gone + first) == ({"settings.json"}, True)
    assert inotify.parsed(lost + of_itself) == (set(), True)
    assert inotify.parsed(of_itself + first) == ({"settings.json"}, False)
    assert inotify.parsed(first[:-1]) == (set(), False)
    assert inotify.parsed(struct.pack("=iIII", 1, 0x80, 0, 64) + first) == (set(), False)


def test_file_systems_by_what_answers_for_them() -> None:
    local, remote = mounts.seen_on(mounts.parsed(MOUNTINFO))
    assert [(one.device, one.point) for one in local] == [
        ("254:1", "/"),
        ("254:1", "/home"),
        ("0:40", "/run/media/a disk\\n"),
    ]  # what hangs below somebody's own file system is not gone to
    assert [one.type for one in remote] == ["fuse.sshfs", "nfs4"]


@pytest.mark.parametrize(
    ("written", "point"),
    [
        (r"/a\040b\011c", "/a b\tc"),
        (r"/\134040", r"/\040"),
        (r"/\303\244", "/\xc3\xa4"),
        (r"/\777", "/\xff"),
        (r"/\048", r"/\048"),
        (r"/\04", r"/\04"),
        ("-", "-"),
    ],
)
def test_a_path_without_its_escapes(written: str, point: str) -> None:
    [one] = mounts.parsed(f"28 1 254:1 - {written} rw - ext4 /dev/x rw\n".encode())
    assert one == ("28", "254:1", point, "ext4")


def test_nothing_is_opened_of_what_others_answer_for() -> None:
    """As the scan of files has it."""
    for type_ in (*sorted(scanned.REMOTE - {"autofs"}), *["nfs3", "nfs4", "smb2", "smb3", "fuse", "fuse.sshfs"]):
        assert mounts.Mounted("1", "0:1", "/x", type_).remote, type_
    assert not any(mounts.Mounted("1", "0:1", "/x", type_).remote for type_ in ("ext4", "fuseblk", "fusectl"))


VIRTUAL = (
    "proc sysfs cgroup cgroup2 devpts mqueue debugfs tracefs securityfs pstore bpf configfs hugetlbfs fusectl "
    "rpc_pipefs binfmt_misc nsfs efivarfs selinuxfs autofs"
)


def test_from_what_the_kernel_makes_up_nothing_is_started() -> None:
    made_up = [mounts.Mounted("1", "0:1", "/x", type_) for type_ in VIRTUAL.split()]
    others = [mounts.Mounted("1", "0:1", "/x", type_) for type_ in ("tmpfs", "overlay", "devtmpfs", "ramfs")]
    assert mounts.seen_on([*made_up, *others]) == (others, [])


def test_only_the_mount_that_was_listed_is_opened(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    listed = mounts.parsed(b"9999999 1 0:1 / %s rw - tmpfs tmpfs rw\n" % os.fsencode(tmp_path / "place"))
    with pytest.raises(OSError, match="another mount by now"):
        mounts.opened(listed[0])
    here = next(one for one in mounts.parsed(Path("/proc/self/mountinfo").read_bytes()) if one.point == "/proc")
    os.close(mounts.opened(here))


@pytest.mark.parametrize(
    ("path", "loader"),
    [
        ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", True),
        ("/lib/ld-musl-x86_64.so.1", True),
        ("/home/alice/ld-linux-x86-64.so.2", False),
        ("/usr/bin/ld", False),
        ("/lib64/ld64.so.2", True),
        ("/usr/lib/ld-2.31.so", True),
        ("/lib/ld.so.1", True),
        ("/usr/lib/libc.so.6", False),
    ],
)
def test_the_loader_of_programs(path: str, loader: bool) -> None:
    assert fanotify.is_loader(path) is loader


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

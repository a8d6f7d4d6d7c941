"""The kernel's proc connector: its answers, and that only the kernel's own word counts."""

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
VIRTUAL = (
    "proc sysfs cgroup cgroup2 devpts mqueue debugfs tracefs securityfs pstore bpf configfs hugetlbfs fusectl "
    "rpc_pipefs binfmt_misc nsfs efivarfs selinuxfs autofs"
)
REMOTE = "nfs nfs3 nfs4 cifs smb2 smb3 9p afs ceph coda gfs2 glusterfs gpfs lustre ncpfs ocfs2 fuse fuse.sshfs"


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
        ([(answer(13), KERNEL)], errno.EACCES),
        ([(answer(0), OTHER)], errno.EPERM),
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


START, LOST, ANSWER, EXECUTED = RECORDED[:4]


@pytest.mark.parametrize(
    ("content", "starts", "lost"),
    [
        (START + LOST + START, [(5, 7), (5, 7)], True),
        (START[:-1], [], False),
        (bytes(24), [], False),  # a length of nothing would be read for ever
        (START[:4] + b"\x04" + START[5:], [], False),  # another version
        (b"\xff\xff\xff\xff" + START[4:], [], False),
    ],
)
def test_starts_and_losses_are_read_from_fanotify(content, starts, lost):
    assert fanotify.parsed(content) == (starts, lost)


@pytest.mark.parametrize(
    ("content", "pids", "error"),
    [
        (EXECUTED + ANSWER + EXECUTED, [0x3228, 0x3228], 0),
        (EXECUTED[:16] + struct.pack("=I", 9) + EXECUTED[20:], [], None),  # of another connector
        (event(NOTHING, b"abc") + start(8) + event(4, bytes(8)) + answer(13) + start(9), [8, 9], 13),
        (event(EXEC, struct.pack("=i", 7)) + start(8)[:-1], [], None),
    ],
)
def test_starts_and_answers_are_read_from_the_connector(content, pids, error):
    assert (proc_events.started(content), proc_events.answer(content)) == (pids, error)
    assert message(LISTEN) == struct.pack("=IHHII", 40, 3, 0, 0, 0) + struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, 1)


def run_filter(program: list[tuple[int, int, int, int]], content: bytes) -> int:
    """Return the answer of a program for the kernel's filter, by the instructions of linux/filter.h."""
    held, at = 0, 0
    while True:
        code, if_equal, otherwise, value = program[at]
        at += 1
        if code == 0x20:
            held = int.from_bytes(content[value : value + 4], "big")
        elif code == 0x15:
            at += if_equal if held == value else otherwise
        else:
            assert code == 0x06
            return value


def test_filter_lets_starts_pass_alone():
    program = proc_events.only_starts()
    assert run_filter(program, EXECUTED)
    for kind in (0, 1, 4, 0x40, 0x200, 0x80000000):
        assert not run_filter(program, EXECUTED[:36] + struct.pack("=I", kind) + EXECUTED[40:])


def test_changed_names_are_read_from_inotify():
    first = struct.pack("=iIII", 1, 0x80, 0, 16) + b"settings.json".ljust(16, b"\0")
    gone, of_itself = struct.pack("=iIII", 1, 0x8000, 0, 0), struct.pack("=iIII", 1, 0x3FFF, 0, 0)
    for content, names, more in (
        (first + gone, {"settings.json"}, True),
        (gone + first, {"settings.json"}, True),
        (struct.pack("=iIII", -1, 0x4000, 0, 0) + of_itself, set(), True),
        (of_itself + first, {"settings.json"}, False),
        (first[:-1], set(), False),
        (struct.pack("=iIII", 1, 0x80, 0, 64) + first, set(), False),
    ):
        assert inotify.parsed(content) == (names, more)


def test_file_systems_are_seen_unless_others_answer_for_them_or_they_start_nothing():
    """Whatever hangs below somebody's own file system is not gone to."""
    more = b"33 32 0:42 / /home/alice/remote/in rw - tmpfs tmpfs rw\n"
    local, remote = mounts.seen_on(mounts.parsed(MOUNTINFO + more))
    seen = [(mount.device, mount.point) for mount in local]
    assert seen == [("254:1", "/"), ("254:1", "/home"), ("0:40", "/run/media/a disk\\n")]
    assert [mount.type for mount in remote] == ["fuse.sshfs"]
    for kinds, counts in ((VIRTUAL, (0, 0)), (REMOTE, (0, 18)), ("tmpfs overlay devtmpfs ramfs ext4 fuseblk", (6, 0))):
        seen = mounts.seen_on([mounts.Mounted("1", "0:1", "/x", kind) for kind in kinds.split()])
        assert tuple(map(len, seen)) == counts


@pytest.mark.parametrize(
    ("field", "point"),
    [
        (r"/a\040b\011c", "/a b\tc"),
        (r"/\134040", r"/\040"),
        (r"/\777", "/\xff"),
        (r"/\048", r"/\048"),
        (r"/\04", r"/\04"),
    ],
)
def test_mount_has_its_fields_without_escapes(field, point):
    [mounted] = mounts.parsed(f"28 1 254:1 - {field} rw - ext4 /dev/x rw\n".encode())
    assert mounted == ("28", "254:1", point, "ext4")


def test_mount_that_replaced_the_listed_one_is_not_opened(tmp_path):
    [listed] = mounts.parsed(b"9999999 1 0:1 / %s rw - tmpfs tmpfs rw\n" % os.fsencode(tmp_path))
    with pytest.raises(OSError, match="another mount by now"):
        mounts.opened(listed)
    with open("/proc/self/mountinfo", "rb") as file:
        os.close(mounts.opened(next(one for one in mounts.parsed(file.read()) if one.point == "/proc")))


def test_loader_of_programs_is_known_by_its_path():
    loaders = (
        "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /lib/ld-musl-x86_64.so.1 /lib64/ld64.so.2 /usr/lib/ld-2.31.so"
    )
    for path in (*loaders.split(), "/lib/ld.so.1"):
        assert fanotify.is_loader(path), path
    for path in ("/home/alice/ld-linux-x86-64.so.2", "/usr/bin/ld", "/usr/lib/libc.so.6"):
        assert not fanotify.is_loader(path), path

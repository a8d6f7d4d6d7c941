"""The listeners of starts: the proc connector, fanotify, changes of files, and mounts."""

import ctypes
import errno
import json
import os
import select
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import proscribe
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST
from proscribe.host.watch.starts import fanotify, inotify, mounts, proc_events, start_sources
from proscribe.host.watch.starts.inotify import Inotify
from proscribe.host.watch.starts.proc_events import EXEC, LISTEN, NOTHING, ProcEvents, make_message
from proscribe.host.watch.starts.start_sources import StartSources
from refusals import make_refusal

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
        self.calls, self.open = [], True
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
    def make(*answers):
        def open_socket(*how):
            kernel.calls.append(("socket", *how))
            return kernel

        kernel = Kernel(*answers)
        kernels.append(kernel)
        module = SimpleNamespace(SOCK_DGRAM=2, SOCK_NONBLOCK=0o4000, SOCK_CLOEXEC=0o2000000, socket=open_socket)
        monkeypatch.setattr(proc_events, "_socket", module)
        monkeypatch.setattr(proc_events, "ANSWER_TIMEOUT_MS", 1)
        return kernel

    kernels = []
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
        ("send", make_message(LISTEN)),
        ("set", 1, 26, b"".join(struct.pack("=HBBI", *line) for line in proc_events.make_start_filter())),
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
    monkeypatch.setattr(proc_events, "MAX_MESSAGES", 3)
    kernel = make_kernel(*[(start(7), KERNEL)] * 9)
    with pytest.raises(OSError, match="does not answer"):
        ProcEvents()
    assert len(kernel.answers) == 6


def test_messages_of_other_senders_are_no_starts(make_kernel):
    kernel, connector = make_kernel((answer(0), KERNEL)), ProcEvents()
    kernel.answers = [(start(7) + start(8), KERNEL), (start(9), OTHER), OSError(errno.ENOBUFS, "full")]
    kernel.answers += [BlockingIOError(), OSError(errno.EIO, "broken")]
    os.write(kernel.writable, bytes(5))
    assert [connector.read_pids() for _ in range(4)] == [([7, 8], False), ([], False), ([], True), None]
    with pytest.raises(OSError, match="broken"):
        connector.read_pids()


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
    content = bytearray(b"".join(draw(st.lists(st.sampled_from(RECORDED), max_size=4))))
    for _ in range(draw(st.integers(0, 6)) if content else 0):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@given(st.one_of(st.binary(max_size=4096), damaged()))
def test_parsers_take_any_bytes(content):
    found, _ = fanotify.parse_events(content)
    assert len(found) <= len(content) // 24 and all(descriptor >= 0 for descriptor, _ in found)
    assert len(proc_events.parse_events(content)) <= len(content) // 52 + 1
    assert len(proc_events.parse_started_pids(content)) <= len(content) // 52 + 1
    proc_events.parse_answer(content)
    names, _ = inotify.parse_events(content)
    assert all(names) and len(mounts.parse_mounts(content)) <= content.count(b"\n") + 1
    mounts.split_by_origin(mounts.parse_mounts(content))


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
    assert fanotify.parse_events(content) == (starts, lost)


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
    assert (proc_events.parse_started_pids(content), proc_events.parse_answer(content)) == (pids, error)
    assert make_message(LISTEN) == struct.pack("=IHHII", 40, 3, 0, 0, 0) + struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, 1)


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
    program = proc_events.make_start_filter()
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
        assert inotify.parse_events(content) == (names, more)


def test_file_systems_are_seen_unless_others_answer_for_them_or_they_start_nothing():
    """Whatever hangs below somebody's own file system is not gone to."""
    more = b"33 32 0:42 / /home/alice/remote/in rw - tmpfs tmpfs rw\n"
    local, remote = mounts.split_by_origin(mounts.parse_mounts(MOUNTINFO + more))
    seen = [(mount.device, mount.point) for mount in local]
    assert seen == [("254:1", "/"), ("254:1", "/home"), ("0:40", "/run/media/a disk\\n")]
    assert [mount.type for mount in remote] == ["fuse.sshfs"]
    for kinds, counts in ((VIRTUAL, (0, 0)), (REMOTE, (0, 18)), ("tmpfs overlay devtmpfs ramfs ext4 fuseblk", (6, 0))):
        seen = mounts.split_by_origin([mounts.MountEntry("1", "0:1", "/x", kind) for kind in kinds.split()])
        assert tuple(map(len, seen)) == counts


@pytest.mark.parametrize(
    ("field", "point"),
    [(r"/a\040b\011c", "/a b\tc"), (r"/\134040", r"/\040"), (r"/\777", "/\xff"), (r"/\048", r"/\048")],
)
def test_mount_has_its_fields_without_escapes(field, point):
    [mounted] = mounts.parse_mounts(f"28 1 254:1 - {field} rw - ext4 /dev/x rw\n".encode())
    assert mounted == ("28", "254:1", point, "ext4")


def test_mount_that_replaced_the_listed_one_is_not_opened(tmp_path):
    [listed] = mounts.parse_mounts(b"9999999 1 0:1 / %s rw - tmpfs tmpfs rw\n" % os.fsencode(tmp_path))
    with pytest.raises(OSError, match="another mount by now"):
        mounts.open_mount_point(listed)
    with open("/proc/self/mountinfo", "rb") as file:
        os.close(mounts.open_mount_point(next(one for one in mounts.parse_mounts(file.read()) if one.point == "/proc")))


def test_loader_of_programs_is_known_by_its_path():
    loaders = (
        "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /lib/ld-musl-x86_64.so.1 /lib64/ld64.so.2 /usr/lib/ld-2.31.so"
    )
    for path in (*loaders.split(), "/lib/ld.so.1"):
        assert fanotify.is_system_loader(path), path
    for path in ("/home/alice/ld-linux-x86-64.so.2", "/usr/bin/ld", "/usr/lib/libc.so.6"):
        assert not fanotify.is_system_loader(path), path


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "there").write_text("")
    return place


def test_removed_directory_is_reported(place):
    watcher = Inotify()
    watcher.watch_directory(str(place))
    (place / "there").unlink()
    place.rmdir()
    assert watcher.read_changes() == ({"there"}, True)


def test_events_beyond_the_buffer_are_reported_as_more(place, monkeypatch):
    watcher = Inotify()
    monkeypatch.setattr(inotify, "BUFFER_BYTES", 32)  # one event
    monkeypatch.setattr(inotify, "MAX_READS", 2)
    watcher.watch_directory(str(place))
    for name in "abc":
        (place / name).write_text("")
    assert watcher.read_changes() == ({"a", "b"}, True) and watcher.read_changes() == ({"c"}, False)


def test_descriptor_is_not_inherited_and_does_not_block():
    watcher = Inotify()
    assert watcher.fileno() == watcher.descriptor > 2
    assert not os.get_blocking(watcher.descriptor) and not os.get_inheritable(watcher.descriptor)


CHANGES = {
    "written": (lambda place: (place / "there").write_text("x"), {"there"}),
    "made": (lambda place: (place / "a").write_text("x"), {"a"}),
    "moved out": (lambda place: (place / "there").rename(place.parent / "out"), {"there"}),
    "moved in": (lambda place: (place.parent / "outside").rename(place / "in"), {"in"}),
    "read": (lambda place: (place / "there").read_text(), set()),
    "its mode": (lambda place: (place / "there").chmod(0o600), set()),
    "a directory": (lambda place: (place / "below").mkdir(), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_names_with_another_content_are_read_once(place, change):
    watcher, (work, names) = Inotify(), CHANGES[change]
    (place.parent / "outside").write_text("")
    assert watcher.watch_directory(str(place)) and watcher.watch_directory(str(place))
    work(place)
    assert [watcher.read_changes(), watcher.read_changes()] == [(names, False), (set(), False)]


def test_readers_are_reported_on_request(place):
    watcher = Inotify()
    watcher.watch_directory(str(place), inotify.OPEN_MASK)
    (place / "there").read_text()
    assert watcher.read_changes() == ({"there"}, False)
    (place / "there").unlink()
    assert watcher.read_changes() == (set(), False)


@pytest.mark.parametrize("mask", [inotify.CHANGE_MASK, inotify.OPEN_MASK])
def test_directory_is_watched_and_not_through_a_link(place, mask):
    (place.parent / "link").symlink_to(place)
    for name in ("link", "place/there", "gone"):
        assert not Inotify().watch_directory(str(place.parent / name), mask)


SCRIPT = """
import errno, fcntl, json, os, shutil, subprocess, sys
from proscribe.host.watch.starts.fanotify import Fanotify
place = sys.argv[1]
try:
    one = Fanotify()
except OSError as error:
    print(json.dumps({"refused": error.strerror}))
    raise SystemExit
for name in "ab":
    shutil.copy(shutil.which("true"), f"{place}/{name}")

def run(*names):
    started = []
    for name in names:
        process = subprocess.Popen([f"{place}/{name}"])
        process.wait()
        started.append([name, process.pid])
    return started

def heard():
    found = []
    while (read := one.read_events()) is not None:
        assert read[1] is False
        for descriptor, pid in read[0]:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            modes.add(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)
            inherited.add(os.get_inheritable(descriptor))
            found.append([path.rpartition("/")[2], pid])
            os.close(descriptor)
    return found

modes, inherited, answers = set(), {os.get_inheritable(one.fileno())}, {}
run("a")
answers["before"] = heard()
one.mark_file_system(place)
expected = run("a", "b")
answers["both"] = heard() == expected
open(f"{place}/a", "rb").read()
answers["read"] = heard()
one.ignore_file(f"{place}/a")
with open(f"{place}/a", "ab") as file:
    file.write(b"x")
expected = run("a", "b")
answers["one"] = heard() == expected[1:]
for call in (one.mark_file_system, one.ignore_file):
    try:
        call(f"{place}/gone")
    except OSError as error:
        answers[call.__name__] = [error.errno == errno.ENOENT, error.strerror]
print(json.dumps({**answers, "modes": [*modes], "inherited": [*inherited]}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a file system")
    place = tmp_path_factory.mktemp("place")
    mounted = 'mount -t tmpfs tmpfs "$1" && exec "$0" -c "$2" "$1"'
    command = ["unshare", "--mount", "sh", "-c", mounted, sys.executable, str(place), SCRIPT]
    environment = {**os.environ, "PYTHONPATH": str(Path(proscribe.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    found_answers = json.loads(done.stdout)
    if "refused" in found_answers:
        pytest.skip(f"no group of fanotify here: {found_answers['refused']}")
    return found_answers


def test_real_group_hears_starts_on_a_marked_mount_alone(answers):
    assert (answers["before"], answers["both"], answers["read"]) == ([], True, [])
    assert answers["one"], "a file that is left out stays so after a write"
    assert answers["mark_file_system"] == answers["ignore_file"] == [True, "No such file or directory"]
    assert (answers["modes"], answers["inherited"]) == ([os.O_RDONLY], [False])


@pytest.fixture
def sources_():
    made = StartSources()
    yield made
    os.close(made.mountinfo)


def reading(*fields: Any) -> Any:
    """Return a listener that reads these events in order, and the last one for ever."""
    left = list(fields)

    def read() -> Any:
        next_ = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(next_, OSError):
            raise next_
        return next_

    return SimpleNamespace(read_events=read, read_pids=read, descriptor=5)


def test_flood_is_read_in_portions(sources_):
    assert list(sources_.read_file_starts()) == [] == list(sources_.read_process_starts())
    sources_.fanotify, sources_.proc_events = reading(([], False)), reading(([7], False))
    assert list(sources_.read_file_starts()) == [([], False)] * 256
    assert list(sources_.read_process_starts()) == [([7], False)] * 4096


def test_read_error_is_passed_over(sources_):
    sources_.fanotify = reading(([(4, 7)], False), OSError(errno.EIO, "x"), ([], True), None)
    assert list(sources_.read_file_starts()) == [([(4, 7)], False), ([], True)]
    sources_.fanotify = reading(OSError(errno.EIO, "x"))
    assert list(sources_.read_file_starts()) == []


@pytest.mark.parametrize(
    ("number", "limited"),
    [*((name, "yes") for name in ["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EAGAIN"]), ("EINVAL", "")],
)
@pytest.mark.parametrize("first", [True, False])
def test_limit_of_either_listener_is_reported(sources_, monkeypatch, number, limited, first):
    others = [getattr(errno, number), errno.EPERM][:: 1 if first else -1]
    for name, error in zip(("Fanotify", "ProcEvents"), others):
        monkeypatch.setattr(start_sources, name, make_refusal(OSError(error, os.strerror(error))))
    sources_.open_sources(select.poll())
    fields = sources_.describe_sources()
    assert [fields[name] for name in ("by", "limited", "fanotify", "marked")] == ["", limited, "", ""]


def test_marked_mount_is_not_kept_open(sources_):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    fields = next(line for line in lines if line.split(" ")[4] == "/proc").partition(" - ")[0]
    os.close(sources_.mountinfo)
    sources_.mountinfo = os.memfd_create("mountinfo")
    os.write(sources_.mountinfo, f"{fields} - ext4 x rw\n".encode())
    marked = []
    sources_.fanotify = SimpleNamespace(descriptor=5, mark_file_system=lambda path: marked.append(os.readlink(path)))
    before = len(os.listdir("/proc/self/fd"))
    sources_.mark_file_systems()
    assert (marked, sources_.marked_count, len(os.listdir("/proc/self/fd"))) == (["/proc"], 1, before)

"""What the daemon opens, marks, reads and writes down: with real files, processes and inotify. Only the two listeners
of starts are stood for, since they would report all of this machine.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from patience import until
from proscribe.host.watch.starts import daemon as noticing
from proscribe.host.watch.starts import mounts, reported, sources
from proscribe.host.watch.starts.daemon import Noticing
from proscribe.host.watch.starts.prefilter import Prefilter
from watch_host import ROOT

NAME = "a-start-of-this-test"


class Listener:
    """Stands for a group of fanotify, and for the proc connector: `events` is what it reads, an error is raised."""

    def __init__(self) -> None:
        self.descriptor, self.other = os.pipe()
        self.events: list[Any] = []
        self.marks: list[str] = []
        self.refuses = 0
        self.left_out: list[str] = []

    def fileno(self) -> int:
        return self.descriptor

    def mark(self, path: str) -> None:
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))
        self.marks.append(os.readlink(path))

    def leave_out(self, path: str) -> None:
        self.left_out.append(os.readlink(path))

    def read(self) -> Any:
        found = self.events.pop(0) if self.events else None
        if isinstance(found, OSError):
            raise found
        return found


class Machine:
    """Where the daemon of a test finds what it opens."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.state, self.heartbeat, self.mounted = place / "state", place / "libexec/heartbeat", place / "mounted"
        self.heartbeat.parent.mkdir()
        self.mounted.mkdir()
        self.mountinfo = place / "mountinfo"
        descriptor = os.open(self.mounted, mounts.PLACE)
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
        os.close(descriptor)
        self.mount = info.split("mnt_id:")[1].split()[0]
        self.has((self.mount, "8:1", self.mounted, "ext4"), ("1", "0:8", "/n", "nfs4"), ("2", "0:9", "/f", "fuse.a"))
        self.fanotify: Listener | OSError = Listener()
        self.connector: Listener | OSError = Listener()
        monkeypatch.setattr(mounts, "MOUNTINFO", str(self.mountinfo))
        monkeypatch.setattr(noticing, "STATE", str(self.state))
        monkeypatch.setattr(noticing, "HEARTBEAT", str(self.heartbeat))
        monkeypatch.setattr(sources, "Fanotify", lambda: self.opened(self.fanotify))
        monkeypatch.setattr(sources, "ProcEvents", lambda: self.opened(self.connector))

    def has(self, *mounted: tuple[Any, ...]) -> None:
        lines = (f"{id_} 1 {device} / {point} rw - {type_} x rw\n" for id_, device, point, type_ in mounted)
        self.mountinfo.write_text("".join(lines))

    @staticmethod
    def opened(one: Listener | OSError) -> Listener:
        if isinstance(one, OSError):
            raise one
        return one

    def daemon(self, *command: str) -> Noticing:
        return Noticing(command)

    def reported(self) -> dict[str, str]:
        return reported.parsed(self.state.read_text())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def no_fanotify(machine: Machine) -> None:
    machine.fanotify = refused(errno.EMFILE)


def neither(machine: Machine) -> None:
    machine.fanotify, machine.connector = refused(errno.EPERM), refused(errno.ENOMEM)


def no_mark(machine: Machine) -> None:
    machine.fanotify.refuses = errno.EINVAL


def two_places(machine: Machine) -> None:
    once = (machine.mount, "8:1", machine.mounted, "ext4")
    other = (machine.mount, "8:2", machine.mounted, "xfs")
    machine.has(once, once, other, ("0", "8:3", machine.mounted, "ext4"), ("1", "0:8", "/n", "nfs4"))


@pytest.mark.parametrize("change", [no_fanotify, neither, no_mark])
def test_without_fanotify_a_heartbeat_is_heard_by_its_file(machine: Machine, change: Callable[[Machine], None]) -> None:
    machine.heartbeat.write_text("")
    change(machine)
    one = machine.daemon()
    one.read_due = None
    assert not machine.reported()["beats"]
    machine.heartbeat.read_text()
    one.step(0)
    assert reported.noted(machine.reported(), 7, 0)


def test_a_new_mount_is_marked_after_a_while(machine: Machine) -> None:
    one = machine.daemon()
    one.read_due = None
    one.sources.mountinfo, changed = os.pipe()
    one.poll.register(one.sources.mountinfo, noticing.select.POLLIN)
    os.write(changed, b"x" * 5)
    one.step(0)
    due = one.mounts_due
    assert due is not None and one.timeout(due - 0.25) == pytest.approx(0.25)
    one.step(0)
    assert one.mounts_due == due, "many mounts are one change"
    os.close(one.sources.mountinfo)
    one.sources.mountinfo = os.open(machine.mountinfo, os.O_RDONLY)
    two_places(machine)
    one._do_what_is_due(due - 0.1)
    assert machine.reported()["marked"] == "1"
    one._do_what_is_due(due)
    assert machine.reported()["marked"] == "2" and one.mounts_due is None
    one.poll.unregister(one.sources.mountinfo)  # it was waited for again


def test_a_state_that_cannot_be_written_ends_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    one = machine.daemon()
    monkeypatch.setattr(noticing, "STATE", str(machine.state / "below a file"))
    one._note()


# -- the starts that come


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / NAME).write_bytes(Path("/usr/bin/sleep").read_bytes())
    (tmp_path / NAME).chmod(0o755)
    process = subprocess.Popen([str(tmp_path / NAME), "600"])
    yield process
    process.kill()
    process.wait()


def waiting(one: Noticing) -> list[tuple[int, tuple[Any, ...]]]:
    return [(start.pid, start.key) for own in one.waiting.of.values() for start in own.values()]


def file_of(path: Path) -> tuple[int, tuple[Any, ...]]:
    """An open descriptor, and what the daemon knows the file by."""
    descriptor = os.open(path, os.O_RDONLY)
    seen = os.fstat(descriptor)
    return descriptor, (seen.st_dev, seen.st_ino, seen.st_ctime_ns, os.getuid())


def test_starts_are_taken_until_there_are_no_more(machine: Machine, tmp_path: Path, program: Any) -> None:
    one = machine.daemon()
    one.prefilter = Prefilter({"parts": [NAME]})
    (first, key), (second, _) = file_of(tmp_path / NAME), file_of(tmp_path / NAME)
    machine.fanotify.events = [refused(errno.ENOENT), ([(first, 0), (second, program.pid)], False)]
    machine.connector.events = [refused(errno.EIO), ([program.pid], False), ([os.getpid()], False)]
    one.take_starts()
    assert waiting(one) == [(program.pid, key)], "by its file, not once more by its path"
    assert one.lost == 0 and one.scan_due is None
    for descriptor in (first, second):
        with pytest.raises(OSError):
            os.fstat(descriptor)


@pytest.mark.parametrize("which", ["fanotify", "connector"])
def test_what_was_lost_is_scanned_for(machine: Machine, which: str) -> None:
    one = machine.daemon()
    getattr(machine, which).events = [([], True)]
    one.take_starts()
    assert one.lost == 1 and one.scan_due is not None


@ROOT
def test_a_heartbeat_that_fanotify_reports_is_written_down(machine: Machine) -> None:
    machine.heartbeat.write_text("")
    machine.heartbeat.chmod(0o700)
    one = machine.daemon()
    machine.fanotify.events = [([(file_of(machine.heartbeat)[0], 77)], False)]
    one.take_starts()
    assert reported.noted(machine.reported(), 77, 0) and not reported.noted(machine.reported(), 78, 0)


@ROOT
@pytest.mark.parametrize("refuses", [False, True])
def test_of_the_dynamic_loader_the_kernel_reports_no_more(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refuses: bool
) -> None:
    one = machine.daemon()
    loader, other = tmp_path / "ld-linux.so", tmp_path / "other"
    monkeypatch.setattr(noticing, "is_loader", lambda path: path == str(loader))
    if refuses:
        monkeypatch.setattr(Listener, "leave_out", lambda *_: (_ for _ in ()).throw(refused(errno.ENOSPC)))
    for path in (other, loader):
        path.write_text("")
        with path.open("rb") as stream:
            one._of_file(stream.fileno(), os.getpid(), 0.0)
    of_a_user = tmp_path / "ld-linux-of-a-user.so"
    of_a_user.write_text("")
    os.chown(of_a_user, 65534, 65534)
    monkeypatch.setattr(noticing, "is_loader", lambda _: True)
    with of_a_user.open("rb") as stream:
        one._of_file(stream.fileno(), os.getpid(), 0.0)
    assert machine.fanotify.left_out == ([] if refuses else [str(loader)])


def test_a_process_without_a_program_is_no_start(machine: Machine) -> None:
    one = machine.daemon()
    one.prefilter = Prefilter({"exact": [""]})
    one.of_process(2**22 + 1, 0.0)
    one._may_be(2**22 + 1, "/x", ("/x",), 0.0)
    assert not waiting(one)


# -- when it wakes up


def test_a_step_waits_for_starts_to_settle_and_takes_them(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    one = machine.daemon()
    one.read_due = None
    slept: list[float] = []
    monkeypatch.setattr(noticing.time, "sleep", slept.append)
    one.step(0)
    assert slept == []
    machine.connector.events = [([], True)]
    os.write(machine.connector.other, b"x")
    one.step(None)
    assert slept == [noticing.SETTLE, noticing.PAUSE] and one.lost == 1


# -- the verifier, a real process

ANSWERS = """
import marshal, os, sys, time
while head := os.read(0, 4):
    asked = marshal.loads(os.read(0, int.from_bytes(head, "little")))
    content = marshal.dumps({"used": 0.0, "asked": asked})
    os.write(0, len(content).to_bytes(4, "little") + content[:3])
    time.sleep(0.05)
    os.write(0, content[3:])
"""


def answer_of(one: noticing.Verifier) -> Any:
    found: list[Any] = []
    until(lambda: found.append(said) if (said := one.answer()) else found)
    return found[0]


def running(pid: int) -> bool:
    return os.path.lexists(f"/proc/{pid}")


def test_a_verifier_answers_one_request_after_the_other_and_ends_when_it_is_left() -> None:
    one = noticing.Verifier([sys.executable, "-c", ANSWERS])
    for number in range(2):
        one.request(("starts", [number]), 100.0, within=5.0)
        assert one.busy_until == 105.0
        assert answer_of(one)["asked"] == ("starts", [number])
        assert one.busy_until == 0.0
    assert one.answer() is None
    one.end()
    assert not running(one.pid)
    one.end()


def test_a_program_that_cannot_be_started_is_why_nothing_is_verified(machine: Machine) -> None:
    one = machine.daemon("/nonexistent/program")
    one.step(0)
    assert machine.reported()["failing"] == "no process for it: No such file or directory"
    assert one.verifier is None and one.lost == 1
    wait = one.read_due - noticing.time.monotonic()
    for _ in range(3):  # each time later
        one.read_due = 0.0
        one.step(0)
        later = one.read_due - noticing.time.monotonic()
        assert later > wait
        wait = later
    assert wait <= noticing.LONGEST_RETRY


def test_a_verifier_that_does_not_answer_is_lost(machine: Machine) -> None:
    one = machine.daemon(sys.executable, "-c", "import os; os.close(0)")
    one.read_due = None
    one._request(("starts", []), [], noticing.time.monotonic())
    verifier = one.verifier
    until(lambda: one.step(0) or one.verifier is None)
    assert verifier is not None and not running(verifier.pid)
    assert machine.reported()["failing"] == "it ends without an answer"


# -- who it is, and how it ends


@pytest.mark.parametrize(
    ("words", "own"),
    [
        pytest.param(["/usr/libexec/proscribe/watch", "observe"], True, id="an observation"),
        pytest.param(["/usr/libexec/proscribe/watch", "status"], False, id="another command"),
        pytest.param([], False, id="another program"),
    ],
)
def test_a_heartbeat_of_an_own_observation_says_when_the_next_is_missed(
    machine: Machine, words: Sequence[str], own: bool
) -> None:
    one = machine.daemon()
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()", *words], stdin=-1, stdout=-1)
    with process:
        assert process.stdout and process.stdout.readline()
        one._beat(process.pid)
        assert one.missed_due is None, "nobody knows how often it is observed"
        one.every = 60.0
        before = noticing.time.monotonic()
        one._beat(process.pid)
        assert (one.missed_due is not None and one.missed_due >= before + 60.0 + noticing.MISSED) is own
        process.kill()
    one.missed_due = None
    one._beat(process.pid)
    assert one.missed_due is None


def test_it_ends_with_a_signal_and_leaves_no_report(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(Noticing):
        def step(self, timeout: float | None) -> None:
            assert machine.state.exists()
            os.kill(os.getpid(), signal.SIGTERM)
            super().step(timeout)

    monkeypatch.setattr(noticing, "Noticing", Ended)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            noticing.run(["/nonexistent/program"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 0
    assert not machine.state.exists() and not Path(f"{machine.state}.new").exists()

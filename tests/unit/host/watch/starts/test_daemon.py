"""The daemon that notices starts, with real files, processes and inotify, and fakes of the two listeners of starts."""

import errno
import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import until
from proscribe.host.watch.starts import daemon as noticing
from proscribe.host.watch.starts import daemon_report, mounts, start_sources
from proscribe.host.watch.starts.daemon import LaunchDaemon
from proscribe.host.watch.starts.prefilter import Prefilter
from proscribe.host.watch.starts.start_queue import ProgramStart
from refusals import make_refusal
from watch_host import ROOT

NAME = "a-start-of-this-test"
SETS = {"parts": [NAME], "exact": [], "stems": [], "store": [], "sandboxes": False}
BOTH = "fanotify on 1 file systems, the proc connector"


class Listener:
    """A fake of a group of fanotify and of the proc connector. It reads its events and raises errors."""

    def __init__(self) -> None:
        self.descriptor, self.other = os.pipe()
        self.events, self.marks = [], []
        self.refuses, self.left_out = 0, []

    def fileno(self) -> int:
        return self.descriptor

    def mark_file_system(self, path: str) -> None:
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))
        self.marks.append(os.readlink(path))

    def ignore_file(self, path: str) -> None:
        self.left_out.append(os.readlink(path))

    def read_events(self) -> Any:
        value = self.events.pop(0) if self.events else None
        if isinstance(value, OSError):
            raise value
        return value

    read_pids = read_events


class Machine:
    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.heartbeat, self.mounted = place / "state", place / "libexec/heartbeat", place / "mounted"
        self.heartbeat.parent.mkdir()
        self.mounted.mkdir()
        self.mountinfo = place / "mountinfo"
        descriptor = os.open(self.mounted, mounts.PLACE_FLAGS)
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
        os.close(descriptor)
        self.mount = info.split("mnt_id:")[1].split()[0]
        self.has((self.mount, "8:1", self.mounted, "ext4"), ("1", "0:8", "/n", "nfs4"), ("2", "0:9", "/f", "fuse.a"))
        self.fanotify: Listener | OSError = Listener()
        self.connector: Listener | OSError = Listener()
        monkeypatch.setattr(mounts, "MOUNTINFO_PATH", str(self.mountinfo))
        monkeypatch.setattr(noticing, "REPORT_PATH", str(self.state))
        monkeypatch.setattr(noticing, "HEARTBEAT_PATH", str(self.heartbeat))
        monkeypatch.setattr(start_sources, "Fanotify", lambda: self.opened(self.fanotify))
        monkeypatch.setattr(start_sources, "ProcEvents", lambda: self.opened(self.connector))

    def has(self, *mounted: tuple[Any, ...]) -> None:
        lines = (f"{id_} 1 {device} / {point} rw - {type_} x rw\n" for id_, device, point, type_ in mounted)
        self.mountinfo.write_text("".join(lines))

    @staticmethod
    def opened(daemon: Listener | OSError) -> Listener:
        if isinstance(daemon, OSError):
            raise daemon
        return daemon

    def reported(self) -> dict[str, str]:
        return daemon_report.parse_report(self.state.read_text())


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("case", ["no fanotify", "no listener", "no mark"])
def test_heartbeat_is_heard_by_its_file_without_fanotify(machine, case):
    machine.heartbeat.write_text("")
    if case == "no mark":
        machine.fanotify.refuses = errno.EINVAL
    else:
        machine.fanotify = refused(errno.EMFILE)
    if case == "no listener":
        machine.connector = refused(errno.ENOMEM)
    daemon = LaunchDaemon(())
    daemon.read_due = None
    assert not machine.reported()["beats"]
    machine.heartbeat.read_text()
    daemon.wait_and_process(0)
    assert daemon_report.has_noted_beat(machine.reported(), 7, 0)


def test_new_mounts_are_marked_after_a_while(machine):
    daemon = LaunchDaemon(())
    daemon.read_due = None
    daemon.sources.mountinfo, changed = os.pipe()
    daemon.poll.register(daemon.sources.mountinfo, noticing.select.POLLIN)
    os.write(changed, b"x" * 5)
    daemon.wait_and_process(0)
    due = daemon.mounts_due
    assert due is not None and daemon.compute_timeout(due - 0.25) == pytest.approx(0.25)
    daemon.wait_and_process(0)
    assert daemon.mounts_due == due, "many mounts are one change"
    os.close(daemon.sources.mountinfo)
    daemon.sources.mountinfo = os.open(machine.mountinfo, os.O_RDONLY)
    first, second = ((machine.mount, device, machine.mounted, "ext4") for device in ("8:1", "8:2"))
    machine.has(first, first, second, ("0", "8:3", machine.mounted, "ext4"), ("1", "0:8", "/n", "nfs4"))
    daemon._process_due(due - 0.1)
    assert machine.reported()["marked"] == "1"
    daemon._process_due(due)
    assert machine.reported()["marked"] == "2" and daemon.mounts_due is None
    daemon.poll.unregister(daemon.sources.mountinfo)  # it was waited for again


def test_state_that_cannot_be_written_does_not_end_the_daemon(machine, monkeypatch):
    daemon = LaunchDaemon(())
    monkeypatch.setattr(noticing, "REPORT_PATH", str(machine.state / "below a file"))
    daemon._write_report()


@pytest.fixture
def program(tmp_path):
    shutil.copy("/usr/bin/sleep", tmp_path / NAME)
    process = subprocess.Popen([str(tmp_path / NAME), "600"])
    yield process
    process.kill()
    process.wait()


def list_waiting(daemon: LaunchDaemon) -> list[tuple[int, tuple[Any, ...]]]:
    return [(start.pid, start.key) for own in daemon.queue.starts_by_user.values() for start in own.values()]


def open_file(path: Path) -> tuple[int, tuple[Any, ...]]:
    """An open descriptor, and what the daemon knows the file by."""
    descriptor = os.open(path, os.O_RDONLY)
    seen = os.fstat(descriptor)
    return descriptor, (seen.st_dev, seen.st_ino, seen.st_ctime_ns, os.getuid())


def test_starts_are_taken_until_there_are_no_more(machine, tmp_path, program):
    daemon = LaunchDaemon(())
    daemon.prefilter = Prefilter({"parts": [NAME]})
    (first, key), (second, _) = open_file(tmp_path / NAME), open_file(tmp_path / NAME)
    machine.fanotify.events = [refused(errno.ENOENT), ([(first, 0), (second, program.pid)], False)]
    machine.connector.events = [refused(errno.EIO), ([program.pid], False), ([os.getpid()], False)]
    daemon.take_starts()
    assert list_waiting(daemon) == [(program.pid, key)], "by its file, not once more by its path"
    assert daemon.lost_count == 0 and daemon.scan_due is None
    for descriptor in (first, second):
        with pytest.raises(OSError):
            os.fstat(descriptor)


@ROOT
def test_heartbeat_that_fanotify_reports_is_written_down(machine):
    machine.heartbeat.write_text("")
    machine.heartbeat.chmod(0o700)
    daemon = LaunchDaemon(())
    machine.fanotify.events = [([(open_file(machine.heartbeat)[0], 77)], False)]
    daemon.take_starts()
    assert daemon_report.has_noted_beat(machine.reported(), 77, 0)
    assert not daemon_report.has_noted_beat(machine.reported(), 78, 0)


@ROOT
@pytest.mark.parametrize("refuses", [False, True])
def test_dynamic_loader_of_root_is_left_out(machine, monkeypatch, tmp_path, refuses):
    daemon = LaunchDaemon(())
    loader, other, of_a_user = tmp_path / "ld-linux.so", tmp_path / "other", tmp_path / "ld-linux-of-a-user.so"
    monkeypatch.setattr(noticing, "is_system_loader", lambda path: path != str(other))
    if refuses:
        monkeypatch.setattr(Listener, "ignore_file", make_refusal(refused(errno.ENOSPC)))
    for path in (other, loader, of_a_user):
        path.write_text("")
        os.chown(path, *[65534 if path == of_a_user else 0] * 2)
        with path.open("rb") as stream:
            daemon._take_file_start(stream.fileno(), os.getpid(), 0.0)
    assert machine.fanotify.left_out == ([] if refuses else [str(loader)])


@pytest.mark.parametrize("which", ["fanotify", "connector"])
def test_step_waits_for_starts_to_settle_and_scans_for_lost_ones(machine, monkeypatch, which):
    daemon, slept, listener = LaunchDaemon(()), [], getattr(machine, which)
    daemon.read_due = None
    monkeypatch.setattr(noticing.time, "sleep", slept.append)
    daemon.wait_and_process(0)
    assert slept == []
    listener.events = [([], True)]
    os.write(listener.other, b"x")
    daemon.wait_and_process(None)
    assert slept == [0.01, 0.04] and daemon.lost_count == 1 and daemon.scan_due is not None


def test_verifier_that_cannot_be_started_is_tried_later_each_time(machine):
    daemon = LaunchDaemon(("/nonexistent/program",))
    daemon.wait_and_process(0)
    assert machine.reported()["failing"] == "no process for it: No such file or directory"
    assert daemon.verifier is None and daemon.lost_count == 1
    wait = daemon.read_due - noticing.time.monotonic()
    for _ in range(3):  # each time later
        daemon.read_due = 0.0
        daemon.wait_and_process(0)
        later = daemon.read_due - noticing.time.monotonic()
        assert later > wait
        wait = later
    assert wait <= 60.0


def test_verifier_that_ends_without_an_answer_is_reported(machine):
    daemon = LaunchDaemon((sys.executable, "-c", "import os; os.read(0, 65536); os.close(0)"))
    daemon.read_due = None
    daemon._request_verifier(("starts", []), [], noticing.time.monotonic())
    verifier = daemon.verifier
    until(lambda: daemon.wait_and_process(0) or daemon.verifier is None)
    assert verifier is not None and not os.path.lexists(f"/proc/{verifier.pid}")
    assert machine.reported()["failing"] == "it ends without an answer"


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["/usr/libexec/proscribe/watch", "observe"], True),
        (["/usr/libexec/proscribe/watch", "thaw"], False),
        ([], False),
    ],
)
def test_heartbeat_of_an_observation_sets_when_the_next_is_missed(machine, words, own):
    daemon = LaunchDaemon(())
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()", *words], stdin=-1, stdout=-1)
    with process:
        assert process.stdout and process.stdout.readline()
        daemon._note_heartbeat(process.pid)
        assert daemon.missed_due is None, "nobody knows how often it is observed"
        daemon.observation_interval = 60.0
        before = noticing.time.monotonic()
        daemon._note_heartbeat(process.pid)
        assert (daemon.missed_due is not None and daemon.missed_due >= before + 90.0) is own
        process.kill()
    daemon.missed_due = None
    daemon._note_heartbeat(process.pid)
    assert daemon.missed_due is None


def test_daemon_ends_with_a_signal_and_leaves_no_report(machine, monkeypatch):
    class Ended(LaunchDaemon):
        def wait_and_process(self, timeout):
            assert machine.state.exists()
            os.kill(os.getpid(), signal.SIGTERM)
            super().wait_and_process(timeout)

    monkeypatch.setattr(noticing, "LaunchDaemon", Ended)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            noticing.run_daemon(["/nonexistent/program"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 0 and not machine.state.exists() and not Path(f"{machine.state}.new").exists()


class Quiet(LaunchDaemon):
    """A daemon to which no kernel reports anything, and whose verifier is a socket of the test's."""

    def _open_sources(self) -> None:
        pass

    def _write_report(self) -> None:
        pass

    def take_process(self, pid: int, *more: Any, **named: Any) -> None:
        try:
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return  # another process of the machine, which has ended
        if parent == str(os.getpid()):
            super().take_process(pid, *more, **named)


@pytest.fixture
def quiet(monkeypatch):
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    class Verifier(noticing.VerifierProcess):
        def __init__(self, command):
            self.pid = subprocess.Popen(["sleep", "600"]).pid
            self._socket = theirs
            self._received = bytearray()
            self.busy_until, self.starts = 0.0, []
            self.used_seconds = 0.0

        def end_verifier(self):
            self.busy_until = 1.0  # it is killed
            super().end_verifier()

    monkeypatch.setattr(noticing, "VerifierProcess", Verifier)
    daemon = Quiet([])
    yield daemon, ours
    if daemon.verifier:
        daemon.verifier.end_verifier()
    ours.close()
    os.close(daemon.inotify.descriptor)


def read_request(channel: socket.socket) -> Any:
    return marshal.loads(channel.recv(int.from_bytes(channel.recv(4), "little")))


def send_answer(channel: socket.socket, **answer: Any) -> None:
    content = marshal.dumps({"used": 0.0, **answer})
    channel.sendall(len(content).to_bytes(4, "little") + content)


def read_sets(daemon: Quiet, channel: socket.socket, tmp_path: Path) -> None:
    daemon.wait_and_process(0)
    assert read_request(channel) == ("sets",)
    send_answer(channel, sets={**SETS, "files": [str(tmp_path / "settings.json")]})
    daemon.wait_and_process(1)
    assert daemon.prefilter is not None


def test_daemon_reads_the_restrictions_and_scans(quiet, program, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.wait_and_process(0)
    path = str(tmp_path / NAME)
    assert read_request(channel) == ("starts", [(program.pid, path[-500:], (path, os.getuid()))])


def test_cost_of_verifying_is_taken_from_the_budget_once(quiet):
    daemon, _ = quiet
    starts = [ProgramStart(2**22 + number, "/x", ("/x", 1), 1, 0.0) for number in (1, 2)]
    verifier = SimpleNamespace(read_answer=lambda: {"used": 0.15}, used_seconds=0.05, starts=starts)
    budget_left, each = daemon.budget.seconds_left, daemon.budget.seconds_per_start
    daemon._take_answer(verifier)
    assert daemon.budget.seconds_left == pytest.approx(budget_left - 0.1)
    assert daemon.budget.seconds_per_start == pytest.approx(each + (0.05 - each) / 4)
    assert (verifier.used_seconds, verifier.starts, daemon.lost_count) == (0.15, [], 0)
    daemon._take_answer(verifier)  # which has used nothing since
    assert daemon.budget.seconds_left == pytest.approx(budget_left - 0.1)


def test_changed_file_of_the_plan_is_read_again(quiet, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.read_due = None
    (tmp_path / "state.json").write_text("the timer's own")
    daemon._process_file_changes()
    assert daemon.read_due is None
    (tmp_path / "settings.json").write_text("another plan")
    daemon._process_file_changes()
    assert daemon.read_due is not None


def test_daemon_that_can_list_no_processes_reports_it_and_goes_on(quiet, tmp_path, monkeypatch):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.verifier.busy_until = 0.0
    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", make_refusal(refused(errno.EMFILE)))
        daemon._scan_processes(noticing.time.monotonic())
    assert daemon.failure == "no list of processes: Too many open files"
    assert daemon.scan_due is not None, "all that runs is looked through later"
    daemon.read_due = 0.0
    daemon.wait_and_process(0)
    send_answer(channel, sets={**SETS, "files": []})
    daemon.wait_and_process(1)
    assert daemon.failure == ""


def test_verifier_that_hangs_is_killed(quiet, tmp_path):
    daemon, channel = quiet
    daemon.wait_and_process(0)
    verifier = daemon.verifier
    assert verifier is not None and verifier.busy_until
    daemon._process_due(verifier.busy_until + 1)
    assert daemon.verifier is None
    with pytest.raises(ProcessLookupError):
        os.kill(verifier.pid, 0)


def test_missed_observation_is_requested_once_in_a_while(quiet, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    now = noticing.time.monotonic()
    daemon._use_sets({**SETS, "files": [], "every": 60.0, "read": "x"}, now)
    daemon.read_due = daemon.scan_due = None
    daemon.queue.starts_by_user.clear()
    due = 90.0
    assert daemon.missed_due == pytest.approx(now + due)
    daemon._process_due(now + due - 1)
    daemon._process_due(now + due)
    assert read_request(channel) == ("timer",)
    send_answer(channel)
    daemon.wait_and_process(1)
    assert daemon.missed_due == pytest.approx(now + due + 600.0)


def test_failure_of_the_verifier_is_reported_until_it_succeeds(quiet, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon._request_verifier(("sets",), [], noticing.time.monotonic())
    read_request(channel)
    send_answer(channel, failed="/var/lib/proscribe/watch/plans/x.json: is missing")
    daemon.wait_and_process(1)
    assert daemon.failure.endswith("is missing") and daemon.lost_count == 1
    assert daemon.read_due is not None and daemon.read_due <= noticing.time.monotonic() + 5.0
    daemon.verifier.busy_until = noticing.time.monotonic() + 5
    send_answer(channel, sets={**SETS, "files": [], "read": "x"})
    daemon.wait_and_process(1)
    assert (daemon.failure, daemon.settings_identity) == ("", "x")


@given(st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), st.text()))
def test_report_is_read_as_it_was_written(fields):
    expected = {name: " ".join(value.split()) for name, value in fields.items()}
    assert daemon_report.parse_report(daemon_report.format_report(fields)) == expected


@given(st.text(), st.integers(), st.integers())
def test_any_file_is_read_as_a_report(content, pid, since):
    fields = daemon_report.parse_report(content)
    assert daemon_report.has_noted_beat({"beats": content}, pid, since) in (True, False)
    assert 0 <= daemon_report.parse_number_field(fields, "pid") < 10**9


CASES = {  # what the daemon listens by: fanotify, the connector; then fields of its report
    "all": ({}, BOTH, "", "", "", "1"),
    "no connector": (
        {"connector": errno.EPERM},
        *("fanotify on 1 file systems", "fuse.a, nfs4", "the proc connector: Operation not permitted", "", "1"),
    ),
    "a limit": ({"fanotify": errno.EMFILE}, *("the proc connector", "", "fanotify: Too many open files", "yes", "")),
    "nothing": (
        {"fanotify": errno.EPERM, "connector": errno.ENOMEM},
        *("", "fuse.a, nfs4"),
        *("fanotify: Operation not permitted; the proc connector: Cannot allocate memory", "yes", ""),
    ),
    "an older kernel": ({"mark": errno.EINVAL}, "the proc connector", "", "fanotify: Invalid argument", "", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_report_says_by_what_starts_are_noticed(machine, case):
    errors, *expected = CASES[case]
    for name in errors.keys() & {"fanotify", "connector"}:
        setattr(machine, name, refused(errors[name]))
    if "mark" in errors:
        machine.fanotify.refuses = errors["mark"]
    daemon, fields = LaunchDaemon(()), machine.reported()
    assert [fields[name] for name in ("by", "unseen", "refused", "limited", "marked")] == expected
    assert fields["pid"] == str(os.getpid()) and machine.state.stat().st_mode & 0o777 == 0o600
    assert bool(daemon.sources.fanotify) is bool(fields["fanotify"]) is bool(expected[-1])
    if case == "all":  # marks stay where nothing can be opened any more
        assert machine.fanotify.marks == [str(machine.mounted)]
        machine.fanotify.refuses = errno.ENOMEM
        daemon.sources.mark_file_systems()
        daemon._write_report()
        assert machine.reported()["by"] == BOTH
        machine.heartbeat.write_text("")
        daemon.read_due = None
        machine.heartbeat.read_text()
        daemon.wait_and_process(0)
        assert not daemon.beats, "fanotify alone reports who opens the heartbeat"


def test_process_that_only_the_connector_reports_is_known_by_its_path_while_it_runs(machine, tmp_path, program):
    daemon = LaunchDaemon(())
    daemon.prefilter = Prefilter({"parts": [NAME], "exact": [""]})
    machine.connector.events = [([2**22 + 1, program.pid], False)]
    daemon.take_starts()
    daemon._add_start(2**22 + 1, "/x", ("/x",), 0.0)
    assert list_waiting(daemon) == [(program.pid, (str(tmp_path / NAME), os.getuid()))]


@pytest.mark.parametrize(
    ("dues", "seconds"),
    [
        ({}, None),
        ({"missed_due": 107.0, "read_due": 130.0}, 7.0),
        ({"mounts_due": 101.0, "missed_due": 107.0}, 1.0),
        ({"scan_due": 99.0}, 0.0),
    ],
)
def test_daemon_wakes_for_the_first_work_that_is_due(machine, dues, seconds):
    daemon = LaunchDaemon(())
    daemon.read_due, daemon.budget.filled_at, daemon.verifier = None, 100.0, SimpleNamespace(busy_until=0.0)
    for name, due in dues.items():
        setattr(daemon, name, due)
    assert daemon.compute_timeout(100.0) == seconds
    daemon.read_due = daemon.mounts_due = daemon.missed_due = daemon.scan_due = None
    daemon.budget.consume_time(1e9)
    daemon.read_due = 100.0
    assert daemon.compute_timeout(100.0) == pytest.approx(daemon.budget.compute_wait())
    assert daemon.budget.compute_wait() > 0
    daemon.mounts_due = 100.0
    assert daemon.compute_timeout(100.0) == 0.0, "it costs nothing"


def test_innocent_start_is_verified_again_only_after_a_change_of_the_plan(quiet, program, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.wait_and_process(0)
    _, starts = read_request(channel)
    send_answer(channel, innocent=[key for _, _, key in starts])
    daemon.wait_and_process(1)
    daemon.take_process(program.pid, noticing.time.monotonic())
    assert not daemon.queue.starts_by_user
    daemon._use_sets({**SETS, "files": []}, noticing.time.monotonic())
    daemon.take_process(program.pid, noticing.time.monotonic())
    assert daemon.queue.starts_by_user


@pytest.mark.parametrize("answer", [b"\x04\0\0\0????", b""], ids=["no answer", "it ended"])
def test_broken_verifier_is_replaced_and_its_starts_are_scanned_for(quiet, tmp_path, answer):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.scan_due = None
    daemon.queue.starts_by_user.clear()
    if not daemon.verifier.busy_until:
        daemon._request_verifier(("starts", []), [], noticing.time.monotonic())
    channel.sendall(answer) if answer else channel.shutdown(socket.SHUT_WR)
    daemon.wait_and_process(1)
    assert daemon.verifier is None and daemon.lost_count == 1 and daemon.scan_due is not None


def test_verifier_that_had_nothing_to_do_may_end(machine):
    daemon = LaunchDaemon(())
    daemon.verifier = noticing.VerifierProcess([sys.executable, "-c", ""])
    daemon.poll.register(daemon.verifier, noticing.select.POLLIN)
    daemon.read_due = None
    until(lambda: daemon.wait_and_process(0) or daemon.verifier is None)
    assert (daemon.failure, daemon.lost_count) == ("", 0)


def test_start_is_verified_again_until_it_is_known_and_a_late_one_loses_no_try(quiet, tmp_path):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    for later, are_waiting in (({os.getpid(): 2.5}, [True] * 7), ({}, [True] * 3 + [False])):
        start = ProgramStart(os.getpid(), "/x", ("/x", 0), 0, 0.0)
        for waits in are_waiting:
            daemon.queue.starts_by_user.clear()
            daemon.verifier.starts, daemon.verifier.busy_until = [start], noticing.time.monotonic() + 5
            send_answer(channel, later=later, again=[start.pid])
            daemon._take_answer(daemon.verifier)
            assert bool(daemon.queue.starts_by_user) is waits
        assert start.tries == (0 if later else 3)


@ROOT
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_file_that_root_alone_can_run_is_a_heartbeat_and_no_start(quiet, tmp_path, monkeypatch, mode):
    daemon, channel = quiet
    read_sets(daemon, channel, tmp_path)
    daemon.queue.starts_by_user.clear()
    place = tmp_path / NAME  # of a restricted name
    place.write_text("no program")
    place.chmod(mode)
    monkeypatch.setattr(noticing, "HEARTBEAT_PATH", str(place))
    before = noticing.time.monotonic_ns()
    with place.open("rb") as file:
        daemon._take_file_start(file.fileno(), os.getpid(), noticing.time.monotonic())
    assert daemon_report.has_noted_beat({"beats": " ".join(daemon.beats)}, os.getpid(), before) is (mode == 0o700)
    assert bool(daemon.queue.starts_by_user) is (mode == 0o755)


def test_heartbeats_without_end_take_no_memory(quiet):
    daemon, _ = quiet
    for pid in range(10_000):
        daemon._note_heartbeat(pid)
    beats = {"beats": " ".join(daemon.beats)}
    assert len(daemon.beats) == 16 and daemon_report.has_noted_beat(beats, 9_999, 0)
    assert not daemon_report.has_noted_beat(beats, 9_999, noticing.time.monotonic_ns())

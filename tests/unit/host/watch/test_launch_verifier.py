"""The verifier: the plan in effect at every start, the ends of programs, notes to users, and its answers."""

import marshal
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from made_plans import make_section
from patience import until
from proscribe.base.timestamps import format_timestamp
from proscribe.host.controls.apps.running_programs import ProgramIdentity, RunningProgram
from proscribe.host.system import ControlError, Host, ObservationError, Process
from proscribe.host.watch import installation, launch_verifier, verifier_socket, watch_units
from proscribe.host.watch.launch_verifier import LaunchVerifier
from proscribe.host.watch.restricted_programs import VerificationResult
from proscribe.host.watch.state import clock, journal, pause, reservations, watch_files
from refusals import make_refusal
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT
EXCEPTION = {"waiver": "w1", "users": ["ann"]}
OWL = "/opt/owl/owl"


def make_plan(mode: str = "enforce", number: int = 0, exceptions: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """Return a plan with one service, whose directory has a number."""
    owl = {"name": "Owl", "mode": "enforce", "processes": ["owl"], "paths": [f"/opt/owl{number}"]}
    owl |= {"exceptions": [*exceptions]} if exceptions else {}
    return plan(controls={"apps": make_section("apps", {"owl": owl}, mode)}, **more)


def make_running(user: str, *processes: Process, rules: Sequence[str] = ("owl",)) -> RunningProgram:
    return RunningProgram(ProgramIdentity([*rules], "owl"), user, "", list(processes))


def read_events(host: Made) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "at"} for line in journal.read_journal(host)[0]]


@pytest.fixture
def verifier(made):
    return LaunchVerifier(lambda: made)


def test_plan_is_read_again_only_after_a_change_or_a_while(made, verifier, monkeypatch):
    read, mine = [], make_plan()
    monkeypatch.setattr(launch_verifier, "RestrictedPrograms", lambda host, section: read.append(section))
    installation.change(made, mine, given(mine))
    verifier = LaunchVerifier(lambda: made)
    for now in (0.0, 1.0, 59.0):
        verifier.reload_plan(now)
    assert len(read) == 2, "for no plan, and for this one"
    os.utime(made.root + watch_files.SETTINGS_PATH)
    for now, number in ((59.0, 3), (118.5, 3), (119.0, 4), (120.0, 4)):
        verifier.reload_plan(now)
        assert len(read) == number


@pytest.mark.parametrize(("by", "ended"), [("the same plan", True), ("another plan", False), ("a lift", False)])
def test_start_is_not_verified_after_a_run_of_another_plan(made, monkeypatch, by, ended):
    mine, verified = make_plan(), []
    installation.change(made, mine, given(mine))
    digests = {"the same plan": mine["digest"], "another plan": make_plan("audit")["digest"]}
    reservations.reserve_control(made, "apps", digests.get(by, reservations.LIFTED_DIGEST))

    class Counting:
        def __init__(self, *_): ...

        def verify_processes(self, *starts):
            verified.append(starts)
            return []

    monkeypatch.setattr(launch_verifier, "RestrictedPrograms", Counting)
    LaunchVerifier(lambda: made).verify_starts([(71, "/x", ("/x", 7))], 1.0)
    assert bool(verified) == ended


def test_starts_of_a_slow_user_are_verified_one_after_the_other(verifier, monkeypatch):
    monkeypatch.setattr(launch_verifier.time, "monotonic", lambda: 100.0)
    verifier._note_duration(7, 2.0)
    assert verifier._schedule_slow_users({71: 7, 81: 8, 72: 7}, 101.0) == {71: 5.0, 72: 5.0}, "others do not wait"
    assert list(verifier._schedule_slow_users({71: 7, 72: 7, 73: 7}, 106.0)) == [72, 73], "the first one has its turn"
    assert list(verifier._schedule_slow_users({72: 7}, 106.1)) == [72]
    assert verifier._schedule_slow_users({72: 7}, 106.75) == {}
    verifier._note_duration(7, 0.125)
    assert verifier._schedule_slow_users({71: 7, 72: 7}, 100.0) == {}, "who is quick again is like any other"


class Seen(Host):
    """A host with these processes and their users. It notes those that the verifier ends."""

    def __init__(self, processes: Sequence[Process], users: Mapping[int, str] = {}) -> None:
        super().__init__("/nowhere")
        self.seen, self.user_names, self.sent = [*processes], users, []

    def list_processes(self) -> Any:
        return list(self.seen), []

    def find_process_uid(self, process: Process) -> int:
        return self.find_user_id(self.user_names.get(process.pid, "alice"))

    def find_user_id(self, name: str) -> int | None:
        return {"alice": 1000, "bob": 1001}.get(name)

    def is_forked(self, process: Process) -> bool:
        return process.pid % 10 == 0

    def read_start_time(self, process: Process) -> float | None:
        return 1.0

    def verifier(self, monkeypatch: pytest.MonkeyPatch) -> LaunchVerifier:
        verifier = LaunchVerifier(lambda: self)
        monkeypatch.setattr(verifier.restricted, "verify_processes", self._verify)
        monkeypatch.setattr(verifier, "_begin_termination", self._begin)
        monkeypatch.setattr(verifier, "_notify_user", lambda *_: None)
        monkeypatch.setattr(verifier.attempts, "count_attempt", lambda *_: None)
        return verifier

    def _verify(self, processes: Sequence[Process]) -> list[VerificationResult]:
        running = [make_running(self.user_names.get(process.pid, "alice"), process) for process in processes]
        return [VerificationResult(running, [], [], [], [])]

    def _begin(self, processes: Sequence[Process], held: Mapping[int, Any]) -> bool:
        self.sent.extend(process.pid for process in processes if process.pid in held)
        return True


def test_many_forked_processes_are_ended_a_few_at_a_time(monkeypatch):
    host = Seen([Process(10 * number, OWL) for number in range(1, 35)])
    verifier, sent = host.verifier(monkeypatch), host.sent
    verifier._end_program(make_running("alice", Process(7, OWL)), {7: 1}, [7], 100.0)
    sent.clear()
    verifier._end_forked(100.5)
    assert len(sent) == 32 and verifier.forked_at == 101.0 and verifier.ended_programs
    host.seen = [process for process in host.seen if process.pid not in sent]
    sent.clear()
    verifier._end_forked(101.0)
    assert len(sent) == 2 and verifier.forked_at == 0.0


def test_sets_have_the_present_plan_and_the_next_ones(made, verifier, monkeypatch):
    begun, plans = int(time.time()), []
    monkeypatch.setattr(clock.time, "time", lambda: begun)
    for number in reversed(range(6)):
        later = (
            {"later": {"at": format_timestamp(begun + 100 * (number + 1)), "plan": plans[0]["digest"]}} if plans else {}
        )
        plans.insert(0, make_plan(number=number, **later))
    installation.change(made, plans[0], {**given(*plans), "now": format_timestamp(begun)})
    verifier.read_sets(0.0)
    for passed, first, again in ((100, 1, 300.0), (499, 4, 0.0)):
        monkeypatch.setattr(clock.time, "time", lambda passed=passed: begun + passed)
        sets = verifier.read_sets(1.0)  # which reads all anew, however short a time ago that was done
        last = min(first + 3, 5)
        assert sets["exact"] == [f"/opt/owl{number}" for number in range(first, last + 1)]
        assert sets["again"] == again


def test_stopped_timer_begins_again(watched):
    host, _ = watched
    host.stopped.add(watch_units.TIMER_UNIT)
    assert LaunchVerifier(lambda: host).process_request(("timer",)).keys() == {"used"} and host.stopped == set()
    assert [event["event"] for event in read_events(host)] == ["drift", "corrected"]
    host.ran.clear()
    LaunchVerifier(lambda: host).process_request(("timer",))
    assert not any(line.split()[1] in ("start", "restart", "reenable") for line in host.ran)
    assert len(read_events(host)) == 2


def test_start_within_a_pause_is_not_verified(watched):
    host, _ = watched
    verifier = LaunchVerifier(lambda: host)
    assert "later" in verifier.process_request(("starts", []))
    pause.freeze_watch(host, "1h", "works on it", "ann")
    assert verifier.process_request(("starts", [])).keys() == {"used"}


def test_waiver_with_hours_is_resolved_for_the_present_hour(made, verifier):
    mine = make_plan(exceptions=[{**EXCEPTION, "hours": [[day, 0, 24 * 60] for day in range(7)]}])
    installation.change(made, mine, given(mine))
    verifier.reload_plan(0.0)
    assert verifier.restricted.section["services"]["owl"].get("exceptions") == [EXCEPTION]


def test_plan_that_cannot_be_read_is_a_failure_in_answer_and_journal(watched, monkeypatch):
    host, _ = watched
    verifier = LaunchVerifier(lambda: host)
    monkeypatch.setattr(verifier, "reload_plan", make_refusal(ControlError("it is not there")))
    assert verifier.process_request(("starts", []))["failed"] == "it is not there"
    assert read_events(host) == [{"event": "failed", "control": "apps", "message": "it is not there"}]


def test_full_journal_keeps_nobody_from_an_answer(watched, monkeypatch):
    host, _ = watched
    host.write_file(watch_files.SETTINGS_PATH, "{}", 0o600)
    monkeypatch.setattr(journal, "append_event", make_refusal(ControlError("no space is left")))
    assert watch_files.SETTINGS_PATH in LaunchVerifier(lambda: host).process_request(("starts", []))["failed"]


def test_answer_has_the_processor_time_that_was_used(verifier, monkeypatch):
    times = os.times_result((1.0, 2.0, 4.0, 8.0, 16.0))  # the last is no processor time
    monkeypatch.setattr(launch_verifier.os, "times", lambda: times)
    answer = verifier.process_request(("sets",))
    assert answer["used"] == 15.0 and answer["sets"]["exact"] == []


@pytest.fixture
def program():
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_restricted_program_is_ended_counted_and_explained(watched, program, monkeypatch):
    host, _ = watched
    process, notified = Process(program.pid, "/opt/owl/owl"), []
    monkeypatch.setattr(host, "find_process", lambda pid: process if pid == process.pid else None)
    monkeypatch.setattr(host, "read_start_time", lambda _: 1.0)
    monkeypatch.setattr(host, "find_process_uid", lambda _: 1000)
    verifier = LaunchVerifier(lambda: host)
    verifier.reload_plan(0.0)
    monkeypatch.setattr(verifier, "reload_plan", lambda now: None)
    monkeypatch.setattr(verifier, "_notify_user", lambda *words: notified.append(words))
    verified = VerificationResult(
        [make_running("ann", process, rules=("owl", "barn"))], [], [], [], [(process.pid, 5.0)]
    )
    monkeypatch.setattr(verifier.restricted, "verify_processes", lambda *_: iter([verified]))
    verifier.process_request(("starts", [(process.pid, "/owl", ("/opt/owl/owl", 1000))]))
    assert program.wait(60) == -signal.SIGTERM
    assert [(running.user, id_) for running, id_, _ in notified] == [("ann", "owl")]
    line = {"event": "ended", "program": "owl", "user": "ann", "times": 1}
    assert read_events(host) == [{**line, "rule": "apps/owl"}, {**line, "rule": "apps/barn"}]
    assert list(verifier.slow_users) == [1000]  # whose start took so long


@pytest.mark.parametrize("own", [True, False])
def test_ancestor_of_the_verifier_is_not_ended(made, verifier, program, monkeypatch, own):
    process = Process(program.pid, "/opt/owl/owl")
    monkeypatch.setattr(made, "list_ancestor_pids", lambda: [1, program.pid] if own else [1])
    monkeypatch.setattr(made, "find_process", lambda _: process)
    monkeypatch.setattr(made, "read_start_time", lambda _: 1.0)
    assert verifier._begin_termination([process], {program.pid: (1.0, process.exe)}) is not own
    assert bool(verifier.endings) is not own and (verifier.get_due_time() is None) is own


def test_program_that_was_not_ended_is_not_counted(made, verifier, monkeypatch):
    monkeypatch.setattr(verifier, "_begin_termination", lambda *_: False)
    verifier._end_program(make_running("ann", Process(7, "/owl")), {}, [7], 1.0)
    assert read_events(made) == [] and verifier.forked_at == 0.0 and verifier.get_due_time() is None


def test_program_that_does_not_end_is_written_down(made, verifier, monkeypatch):
    monkeypatch.setattr(verifier.endings, "process_due", lambda now: ["process 7 (/owl)", "process 8 (/owl)"])
    verifier.process_due(1.0)
    lines = [(line["event"], line["control"], line["message"][:9]) for line in read_events(made)]
    assert lines == [("failed", "apps", "process 7"), ("failed", "apps", "process 8")]


@pytest.mark.parametrize("error", [ControlError, ObservationError])
def test_forked_processes_that_cannot_be_seen_stay(made, verifier, monkeypatch, error):
    monkeypatch.setattr(verifier, "_end_forked", make_refusal(error("no")))
    verifier.forked_at = 5.0
    verifier.process_due(6.0)
    assert verifier.forked_at == 0.0 and read_events(made) == []


@pytest.fixture
def notifier(made, verifier, tmp_path, monkeypatch):
    """A verifier whose notes to users are lines of a file, each from a process of its own."""
    verifier.restricted.notification_text = "Not here.\n\nNicht hier.\x1b"
    monkeypatch.setattr(made, "find_user_id", {"ann": 1000, **{f"u{n}": n for n in range(9)}}.get)

    def notify(host, text, uid):
        with (tmp_path / "noted").open("a") as file:
            file.write(f"{host is made} {uid} {os.getpgid(0) == os.getpid()} {text!r}\n")
        raise RuntimeError("a desktop that is none")

    monkeypatch.setattr(launch_verifier, "notify_users", notify)
    return verifier


def notify_user(verifier: LaunchVerifier, user: str) -> None:
    verifier._notify_user(make_running(user, Process(7, "/owl")), "owl", 10.0)


def test_note_is_written_to_that_user_alone(notifier, tmp_path):
    notify_user(notifier, "ann")
    assert notifier.notifiers and notifier.get_due_time() == min(notifier.notifiers.values()) > 10.0
    until(lambda: notifier._collect_notifiers(10.0) or not notifier.notifiers)
    assert notifier.get_due_time() is None
    assert (tmp_path / "noted").read_text() == "True 1000 True 'Not here.\\nNicht hier.'\n"


@pytest.mark.parametrize(("text", "user"), [("", "ann"), ("Not here.", "nobody-known")])
def test_note_without_a_text_or_a_user_is_not_written(notifier, text, user):
    notifier.restricted.notification_text = text
    notify_user(notifier, user)
    assert notifier.notifiers == {} and notifier.notified == {}


def test_notes_are_limited_in_number_and_time(notifier, monkeypatch):
    monkeypatch.setattr(launch_verifier, "notify_users", lambda *_: time.sleep(1000))
    for number in range(6):
        notify_user(notifier, f"u{number}")
    assert len(notifier.notifiers) == 4
    assert len(notifier.notified) == 4  # the others are notified at their next start
    due = notifier.get_due_time()
    notifier._collect_notifiers(due - 0.1)
    assert len(notifier.notifiers) == 4
    until(lambda: notifier._collect_notifiers(due) or not notifier.notifiers)


class Stub:
    def __init__(self, work: int = 0) -> None:
        self.answered, self.work = [], work
        self.written, self.at = [], []
        self.attempts = self

    @property
    def endings(self) -> bool:
        return self.work > 0

    def get_due_time(self) -> float | None:
        return time.monotonic() if self.work else None

    def write_due_counts(self, now: float, writes_all: bool) -> None:
        assert writes_all
        self.written.append(self.work == 0)

    def process_due(self, now: float) -> None:
        self.at.append(now)
        self.work = max(0, self.work - 1)

    def process_request(self, request: Any) -> dict[str, Any]:
        self.answered.append(request)
        return {"request": request, "long": "x" * 100_000}


@pytest.fixture
def channel():
    before = signal.getsignal(signal.SIGTERM)
    ours, theirs = socket.socketpair()
    with ours:
        yield ours, theirs.detach()
    signal.signal(signal.SIGTERM, before)


def test_requests_in_pieces_are_answered_until_nobody_is_there(channel):
    def ask():
        with ours, ours.makefile("rb") as file:
            for request in requests:
                content = marshal.dumps(request)
                content = len(content).to_bytes(4, "little") + content
                for piece in (content[:3], content[3:7], content[7:]):
                    ours.sendall(piece)
                answers.append(marshal.loads(file.read(int.from_bytes(file.read(4), "little"))))

    ours, theirs = channel
    requests, answers, stub = [("sets",), ("starts", [(7, "x" * 70_000, ("k", 1))]), ("timer",)], [], Stub()
    thread = threading.Thread(target=ask)
    thread.start()
    verifier_socket.serve_requests(stub, theirs)
    thread.join()
    assert stub.answered == requests == [answer["request"] for answer in answers]
    assert len(stub.at) == len(requests)  # due work is done after each, and it does not turn round meanwhile
    assert stub.written == [True] and signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@pytest.mark.parametrize(("sent", "work"), [(b"", 3), ((100).to_bytes(4, "little") + b"half", 0)])
def test_programs_are_ended_before_the_verifier_goes_and_half_a_request_is_none(channel, sent, work):
    ours, theirs = channel
    ours.sendall(sent)
    ours.close()
    stub = Stub(work)
    verifier_socket.serve_requests(stub, theirs)
    assert stub.work == 0 and stub.written == [True] and stub.answered == []


@pytest.mark.parametrize("work", [0, 4])
def test_verifier_without_requests_ends(channel, monkeypatch, work):
    monkeypatch.setattr(verifier_socket, "IDLE_TIMEOUT_SECONDS", 0.05)
    stub, began = Stub(work), time.monotonic()
    verifier_socket.serve_requests(stub, channel[1])
    assert stub.at[-1] >= began + 0.05 and stub.work == 0 and stub.written == [True]
    assert work < len(stub.at) <= work + 3 and stub.answered == []


def test_flood_of_programs_is_not_remembered_without_end(monkeypatch):
    verifier = Seen([]).verifier(monkeypatch)
    for number in range(37):
        process = Process(1000 + number, f"/tmp/{number}")
        verifier._end_program(make_running("alice", process), {process.pid: 1}, [process.pid], 100.0)
    assert len(verifier.ended_programs) == 32


@pytest.mark.parametrize(("user", "ended"), [("alice", [20, 60]), ("bob", [30]), ("nobody-known", [])])
def test_forked_processes_of_the_same_program_and_user_are_ended(monkeypatch, user, ended):
    rows = [(20, OWL, "alice"), (30, OWL, "bob"), (40, "/opt/owl/helper", "alice"), (50, "/usr/bin/true", "alice")]
    rows += [(51, OWL, "alice"), (60, OWL, "alice")]  # 51 was started by itself
    users = {pid: name for pid, _, name in rows}
    host = Seen([Process(pid, exe) for pid, exe, _ in rows], users)
    verifier = host.verifier(monkeypatch)
    program = [Process(7, OWL), Process(8, "/opt/owl/helper")]  # the first process says which program it was
    for now in (100.0, 100.1):
        verifier._end_program(make_running(user, *program), {7: 1, 8: 1}, [7, 8], now)
        assert verifier.forked_at == 100.5 and bool(verifier.ended_programs) is bool(ended)
    host.sent.clear()
    verifier._end_forked(100.5)
    assert sorted(host.sent) == ended and verifier.forked_at == 0.0 and not verifier.ended_programs


@pytest.mark.parametrize(
    ("exe", "started", "before", "same"),
    [
        (OWL, 1.0, (1.0, OWL), True),
        ("/usr/bin/true", 1.0, (1.0, OWL), False),  # it has become another program
        (OWL, 2.0, (1.0, OWL), False),  # another process has its number
        (OWL, None, (1.0, OWL), False),
        ("", 1.0, (1.0, OWL), False),  # it has ended
        (OWL, 1.0, None, False),  # it was not seen before
    ],
)
def test_only_a_verified_process_is_ended(monkeypatch, exe, started, before, same):
    host = Seen([])
    monkeypatch.setattr(host, "find_process", lambda pid: Process(pid, exe) if exe else None)
    monkeypatch.setattr(host, "read_start_time", lambda process: started)
    assert LaunchVerifier(lambda: host)._is_same_process(Process(7, OWL), before) is same


def test_damaged_plan_ends_nothing_and_is_written_down_once_in_a_while(watched, monkeypatch):
    host, now = watched[0], [1000.0]
    monkeypatch.setattr(launch_verifier.time, "monotonic", lambda: now[0])
    host.write_file(watch_files.SETTINGS_PATH, "{}", 0o600)
    verifier = LaunchVerifier(lambda: host)
    for _ in range(3):
        answer = verifier.process_request(("starts", []))
        assert watch_files.SETTINGS_PATH in answer["failed"] and answer.keys() == {"failed", "used"}
    assert read_events(host) == [{"event": "damaged", "file": watch_files.SETTINGS_PATH}]
    now[0] += 60.0
    verifier.process_request(("sets",))
    assert len(read_events(host)) == 2
    host.delete_file(watch_files.SETTINGS_PATH)
    assert "failed" not in verifier.process_request(("starts", []))


@pytest.mark.parametrize(
    ("passed", "read", "waived"),
    [(29, 1, True), (31, 1, False), (31, 61.0, False), (-3600, 61.0, True)],
)
def test_start_is_verified_by_the_plan_of_its_own_moment(made, monkeypatch, passed, read, waived):
    """A waiver ends in thirty seconds, and no run and no own observation comes by."""
    sections, later, begun = [], make_plan(number=1), time.time()
    monkeypatch.setattr(launch_verifier, "RestrictedPrograms", lambda host, section: sections.append(section))
    monkeypatch.setattr(clock.time, "time", lambda: begun)
    now = make_plan(exceptions=[EXCEPTION], later={"at": format_timestamp(begun + 30), "plan": later["digest"]})
    installation.change(made, now, {**given(now, later), "now": format_timestamp(begun)})
    verifier = LaunchVerifier(lambda: made)
    verifier.reload_plan(0.0)
    assert "exceptions" in sections[-1]["services"]["owl"]
    monkeypatch.setattr(clock.time, "time", lambda: begun + passed)
    verifier.reload_plan(read)
    assert ["exceptions" in section["services"]["owl"] for section in filter(None, sections)][-1] is waived

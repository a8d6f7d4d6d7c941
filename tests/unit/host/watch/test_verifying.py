"""What the verifier knows of the plan: the one that is in effect now, at every start."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from patience import until
from proscribe.base.moments import stamp
from proscribe.host.controls.apps.running import Identity, Running
from proscribe.host.system import ControlError, Host, Process, Unseen
from proscribe.host.watch import installing, serving, units, verifying
from proscribe.host.watch.restricted import Verified
from proscribe.host.watch.state import clock, files, journal, pause, reservations
from proscribe.host.watch.verifying import (
    FORKED,
    MOST_FORKED,
    MOST_NOTIFIERS,
    RELOADED,
    REST,
    SLOW,
    SUCCESSORS,
    Verifying,
)
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT


def of_apps(waived: bool, **more: Any) -> dict[str, Any]:
    """A plan in which the program of a service is waived, or enforced."""
    entry = {"name": "A", "mode": "enforce", **({"exceptions": [{"waiver": "w1", "users": ["ann"]}]} if waived else {})}
    section = {"mode": "enforce", "services": {"a": entry}, "settings": {}}
    return plan(controls={"apps": section}, **more)


def test_nothing_is_read_again_as_long_as_nothing_changes(made, monkeypatch):
    read = []
    monkeypatch.setattr(verifying, "Restricted", lambda host, section: read.append(section))
    mine = of_apps(True)
    installing.change(made, mine, given(mine))
    verifier = Verifying(lambda: made)
    for now in (0.0, 1.0, RELOADED - 1):
        verifier.reload(now)
    assert len(read) == 2, "what nobody has installed, and the plan"
    os.utime(made.root + files.SETTINGS)
    verifier.reload(RELOADED - 1)
    assert len(read) == 3, "somebody has touched the settings"
    for now, number in ((2 * RELOADED - 1.5, 3), (2 * RELOADED - 1, 4), (2 * RELOADED, 4)):
        verifier.reload(now)
        assert len(read) == number


@pytest.mark.parametrize(("by", "ended"), [("the same plan", True), ("another plan", False), ("a lift", False)])
def test_what_a_run_has_changed_by_another_plan_is_not_ended(made, monkeypatch, by, ended):
    mine = of_apps(True)
    installing.change(made, mine, given(mine))
    digests = {"the same plan": mine["digest"], "another plan": of_apps(False)["digest"], "a lift": reservations.LIFTED}
    reservations.reserve_control(made, "apps", digests[by])
    verified = []

    class Counting:
        def __init__(self, *_): ...

        def verify(self, *of):
            verified.append(of)
            return []

    monkeypatch.setattr(verifying, "Restricted", Counting)
    Verifying(lambda: made).starts([(71, "/x", ("/x", 7))], 1.0)
    assert bool(verified) == ended


@pytest.fixture
def one(made):
    return Verifying(lambda: made)


def test_one_start_after_the_other_with_a_rest_that_goes_with_what_it_took(one, monkeypatch):
    monkeypatch.setattr(verifying.time, "monotonic", lambda: 100.0)
    one._account(7, 2.0)
    assert one._put_off({71: 7, 81: 8, 72: 7}, 101.0) == {71: 5.0, 72: 5.0}, "others do not wait"
    assert list(one._put_off({71: 7, 72: 7, 73: 7}, 106.0)) == [72, 73], "the first one has its turn"
    assert list(one._put_off({72: 7}, 106.1)) == [72]
    assert one._put_off({72: 7}, 106.0 + REST * SLOW) == {}


def test_who_is_quick_again_is_like_any_other(one):
    one._account(7, 2.0)
    one._account(7, SLOW / 2)
    assert one._put_off({71: 7, 72: 7}, time.monotonic()) == {}


USERS = {"alice": 1000, "bob": 1001}
OWL, HELPER = "/opt/owl/owl", "/opt/owl/helper"


class Seen(Host):
    """A host with these processes, each of a user."""

    def __init__(self, users: dict[Process, str]) -> None:
        super().__init__("/nowhere")
        self.of = users

    def processes(self) -> Any:
        return list(self.of), []

    def user_of(self, process: Process) -> int:
        return USERS[self.of[process]]

    def user_id(self, name: str) -> int | None:
        return USERS.get(name)

    def forked(self, process: Process) -> bool:
        return process.pid % 10 == 0

    def start_time(self, process: Process) -> float | None:
        return 1.0


def running(user: str, *processes: Process) -> Running:
    return Running(Identity(["owl"], "owl"), user, "", list(processes))


def verifier(monkeypatch: pytest.MonkeyPatch, host: Seen, sent: list[int]) -> Verifying:
    """A verifier that takes every process for restricted, and notes what it ends."""
    one = Verifying(lambda: host)

    def verify(processes: Sequence[Process]) -> list[Verified]:
        return [Verified([running(host.of[process], process) for process in processes], [], [], [], [])]

    def begin(processes: Sequence[Process], held: dict[int, Any]) -> bool:
        sent.extend(process.pid for process in processes if process.pid in held)
        return True

    monkeypatch.setattr(one.restricted, "verify", verify)
    monkeypatch.setattr(one, "_begin", begin)
    monkeypatch.setattr(one, "_notify", lambda *_: None)
    monkeypatch.setattr(one.attempts, "note", lambda *_: None)
    return one


def test_many_are_ended_a_few_at_a_time(monkeypatch):
    users = {Process(10 * number, OWL): "alice" for number in range(1, MOST_FORKED + 3)}
    sent = []
    one = verifier(monkeypatch, Seen(users), sent)
    one._end(running("alice", Process(7, OWL)), {7: 1}, [7], 100.0)
    sent.clear()
    one._end_forked(100.5)
    assert len(sent) == MOST_FORKED and one.forked_at == 100.5 + FORKED and one.forking
    for process in [one_ for one_ in users if one_.pid in sent]:
        del users[process]
    sent.clear()
    one._end_forked(101.0)
    assert len(sent) == 2 and one.forked_at == 0.0


pytestmark = ROOT
OWL = {"name": "Owl", "mode": "enforce", "packages": {}, "processes": ["owl"], "paths": ["/opt/owl"]}


def of(mode: str, number: int, **more: Any) -> dict[str, Any]:
    """A plan that enforces one service, whose directory has a number, or only audits it."""
    entry = {**OWL, "paths": [f"/opt/owl{number}"]}
    return plan(controls={"apps": {"mode": mode, "services": {"owl": entry}, "settings": {}}}, **more)


def events(host: Made) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "at"} for line in journal.read(host)[0]]


def install(made: Made, modes: list[str], begun: float) -> None:
    """Install plans, of which each takes effect a hundred seconds after the one before it."""
    plans: list[dict[str, Any]] = []
    for number, mode in reversed(list(enumerate(modes))):
        later = {"later": {"at": stamp(begun + 100 * (number + 1)), "plan": plans[0]["digest"]}} if plans else {}
        plans.insert(0, of(mode, number, **later))
    installing.change(made, plans[0], {**given(*plans), "now": stamp(begun)})


def test_what_has_passed_is_let_through_no_more(made, monkeypatch):
    begun = int(time.time())
    monkeypatch.setattr(clock.time, "time", lambda: begun)
    install(made, ["enforce"] * (SUCCESSORS + 3), begun)
    one = Verifying(lambda: made)
    one.sets(0.0)
    last = 100 * (SUCCESSORS + 2)
    for passed, first, again in ((100, 1, 100.0 * SUCCESSORS), (last - 1, SUCCESSORS + 1, 0.0)):
        monkeypatch.setattr(clock.time, "time", lambda passed=passed: begun + passed)
        found = one.sets(1.0)  # which reads all anew, however short a time ago that was done
        last_named = min(first + SUCCESSORS, SUCCESSORS + 2)
        assert found["exact"] == [f"/opt/owl{number}" for number in range(first, last_named + 1)]
        assert found["again"] == again


@pytest.fixture
def stopped(watched):
    host, _ = watched
    host.stopped.add(units.TIMER)
    host.ran.clear()
    return host


def test_it_begins_again(stopped):
    assert Verifying(lambda: stopped).answer(("timer",)).keys() == {"used"}
    assert stopped.stopped == set()
    assert [one["event"] for one in events(stopped)] == ["drift", "corrected"]
    stopped.ran.clear()
    Verifying(lambda: stopped).answer(("timer",))
    assert not any(line.split()[1] in ("start", "restart", "reenable") for line in stopped.ran)
    assert len(events(stopped)) == 2


def test_in_a_pause_no_start_is_verified(watched):
    host, _ = watched
    one = Verifying(lambda: host)
    assert "later" in one.answer(("starts", []))
    pause.freeze(host, "1h", "works on it", "ann")
    assert one.answer(("starts", [])).keys() == {"used"}


def test_a_waiver_with_hours_is_asked_for_the_present_hour(made, monkeypatch):
    """A plan with hours is resolved by what the host's own zone says; the next start asks again."""
    hours = [[day, 0, 24 * 60] for day in range(7)]
    entry = {**OWL, "exceptions": [{"waiver": "w1", "users": ["ann"], "hours": hours}]}
    mine = plan(controls={"apps": {"mode": "enforce", "services": {"owl": entry}, "settings": {}}})
    installing.change(made, mine, given(mine))
    one = Verifying(lambda: made)
    one.reload(0.0)
    assert one.restricted.section
    assert one.restricted.section["services"]["owl"].get("exceptions") == [{"waiver": "w1", "users": ["ann"]}]


def test_what_cannot_be_read_is_said(watched, monkeypatch):
    host, _ = watched
    one = Verifying(lambda: host)

    def refused(now):
        raise ControlError("it is not there")

    monkeypatch.setattr(one, "reload", refused)
    assert one.answer(("starts", []))["failed"] == "it is not there"
    assert events(host) == [{"event": "failed", "control": "apps", "message": "it is not there"}]


def test_a_journal_that_takes_nothing_keeps_nobody_from_an_answer(watched, monkeypatch):
    host, _ = watched
    host.write(files.SETTINGS, "{}", 0o600)

    def full(*_, **__):
        raise ControlError("no space is left")

    monkeypatch.setattr(journal, "append", full)
    assert files.SETTINGS in Verifying(lambda: host).answer(("starts", []))["failed"]


def test_what_it_uses_has_all_that_it_did(made, monkeypatch):
    times = os.times_result((1.0, 2.0, 4.0, 8.0, 16.0))  # the last is no processor time
    monkeypatch.setattr(verifying.os, "times", lambda: times)
    found = Verifying(lambda: made).answer(("sets",))
    assert found["used"] == 15.0 and found["sets"]["exact"] == []


@pytest.fixture
def program():
    with subprocess.Popen(["sleep", "1000"]) as started:
        yield started
        started.kill()


def test_one_that_is_restricted_is_ended_counted_and_explained(watched, program, monkeypatch):
    host, _ = watched
    process = Process(program.pid, "/opt/owl/owl")
    running = Running(Identity(["owl", "barn"], "owl"), "ann", "", [process])
    notified = []
    monkeypatch.setattr(host, "process", lambda pid: process if pid == process.pid else None)
    monkeypatch.setattr(host, "start_time", lambda _: 1.0)
    monkeypatch.setattr(host, "user_of", lambda _: 1000)
    one = Verifying(lambda: host)
    one.reload(0.0)
    monkeypatch.setattr(one, "reload", lambda now: None)
    monkeypatch.setattr(one, "_notify", lambda *given: notified.append(given))
    verified = Verified([running], [], [], [], [(process.pid, 5.0)])
    monkeypatch.setattr(one.restricted, "verify", lambda *_: iter([verified]))
    one.answer(("starts", [(process.pid, "/owl", ("/opt/owl/owl", 1000))]))
    assert program.wait(60) == -signal.SIGTERM
    assert [(who.user, id_) for who, id_, _ in notified] == [("ann", "owl")]
    line = {"event": "ended", "program": "owl", "user": "ann", "times": 1}
    assert events(host) == [{**line, "rule": "apps/owl"}, {**line, "rule": "apps/barn"}]
    assert list(one.slow) == [1000]  # whose start took so long


@pytest.mark.parametrize("own", [True, False])
def test_none_that_the_verifier_itself_runs_below(made, program, monkeypatch, own):
    one = Verifying(lambda: made)
    process = Process(program.pid, "/opt/owl/owl")
    monkeypatch.setattr(made, "lineage", lambda: [1, program.pid] if own else [1])
    monkeypatch.setattr(made, "process", lambda _: process)
    monkeypatch.setattr(made, "start_time", lambda _: 1.0)
    assert one._begin([process], {program.pid: (1.0, process.exe)}) is not own
    assert bool(one.endings) is not own
    assert (one.due() is None) is own


def test_one_that_was_not_ended_is_not_counted(made, monkeypatch):
    one = Verifying(lambda: made)
    monkeypatch.setattr(one, "_begin", lambda *_: False)
    one._end(Running(Identity(["owl"], "owl"), "ann", "", [Process(7, "/owl")]), {}, [7], 1.0)
    assert events(made) == [] and one.forked_at == 0.0 and one.due() is None


def test_one_that_does_not_end_is_written_down(made, monkeypatch):
    one = Verifying(lambda: made)
    monkeypatch.setattr(one.endings, "proceed", lambda now: ["process 7 (/owl)", "process 8 (/owl)"])
    one.proceed(1.0)
    assert [(line["event"], line["control"], line["message"][:9]) for line in events(made)] == [
        ("failed", "apps", "process 7"),
        ("failed", "apps", "process 8"),
    ]


@pytest.mark.parametrize("error", [ControlError, Unseen])
def test_what_was_forked_and_cannot_be_seen_stays(made, monkeypatch, error):
    def fail(now):
        raise error("no")

    one = Verifying(lambda: made)
    monkeypatch.setattr(one, "_end_forked", fail)
    one.forked_at = 5.0
    one.proceed(6.0)
    assert one.forked_at == 0.0 and events(made) == []


class TestNotes:
    """A note to a user is written by a process of its own."""

    @pytest.fixture
    def one(self, made, tmp_path, monkeypatch):
        verifier = Verifying(lambda: made)
        verifier.restricted.text = "Not here.\n\nNicht hier.\x1b"
        monkeypatch.setattr(made, "user_id", {"ann": 1000, "bob": 1001, **{f"u{n}": n for n in range(9)}}.get)
        noted = tmp_path / "noted"

        def notify(host, text, uid):
            with noted.open("a") as file:
                file.write(f"{host is made} {uid} {os.getpgid(0) == os.getpid()} {text!r}\n")
            raise RuntimeError("a desktop that is none")

        monkeypatch.setattr(verifying, "notify", notify)
        return verifier

    def running(self, user):
        return Running(Identity(["owl"], "owl"), user, "", [Process(7, "/owl")])

    def ended(self, one, now):
        def all_reaped():
            one._reap(now)
            return not one.notifiers

        until(all_reaped)

    def noted(self, tmp_path):
        place = tmp_path / "noted"
        return place.read_text().splitlines() if place.exists() else []

    def test_it_says_why_to_that_user_alone(self, one, tmp_path):
        one._notify(self.running("ann"), "owl", 10.0)
        assert one.notifiers and one.due() == min(one.notifiers.values()) > 10.0
        self.ended(one, 10.0)
        assert one.due() is None
        assert self.noted(tmp_path) == [r"True 1000 True 'Not here.\nNicht hier.'"]

    @pytest.mark.parametrize(("text", "user"), [("", "ann"), ("Not here.", "nobody-known")])
    def test_none_without_a_text_or_a_user(self, one, tmp_path, text, user):
        one.restricted.text = text
        one._notify(self.running(user), "owl", 10.0)
        assert one.notifiers == {} and one.notified == {}

    def test_not_many_at_a_time_and_none_for_ever(self, one, monkeypatch):
        monkeypatch.setattr(verifying, "notify", lambda *_: time.sleep(1000))
        for number in range(MOST_NOTIFIERS + 2):
            one._notify(self.running(f"u{number}"), "owl", 10.0)
        assert len(one.notifiers) == MOST_NOTIFIERS
        assert len(one.notified) == MOST_NOTIFIERS  # the others are notified at their next start
        due = one.due()
        assert due is not None
        one._reap(due - 0.1)
        assert len(one.notifiers) == MOST_NOTIFIERS
        self.ended(one, due)


class Stub:
    """A verifier that is busy with nothing but what a test says."""

    def __init__(self, work: int = 0) -> None:
        self.answered: list[Any] = []
        self.work = work  # so many turns until nothing is being ended
        self.written: list[bool] = []
        self.at: list[float] = []
        self.attempts = self

    @property
    def endings(self) -> bool:
        return self.work > 0

    def due(self) -> float | None:
        return time.monotonic() if self.work else None

    def proceed(self, now: float, all_of_it: bool = False) -> None:
        if all_of_it:
            self.written.append(self.work == 0)
            return
        self.at.append(now)
        self.work = max(0, self.work - 1)

    def answer(self, request: Any) -> dict[str, Any]:
        self.answered.append(request)
        return {"request": request, "long": "x" * 100_000}


@pytest.fixture
def channel():
    before = signal.getsignal(signal.SIGTERM)
    ours, theirs = socket.socketpair()
    with ours:
        yield ours, theirs.detach()
    signal.signal(signal.SIGTERM, before)


def exchanged(ours: socket.socket, requests: list[Any]) -> tuple[threading.Thread, list[Any]]:
    """A daemon that asks one request after the other, in pieces, and goes away; and what it is answered."""
    answers: list[Any] = []

    def ask() -> None:
        with ours, ours.makefile("rb") as file:
            for request in requests:
                content = marshal.dumps(request)
                content = len(content).to_bytes(4, "little") + content
                for piece in (content[:3], content[3:7], content[7:]):
                    ours.sendall(piece)
                size = int.from_bytes(file.read(4), "little")
                answers.append(marshal.loads(file.read(size)))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


def test_requests_are_answered_until_nobody_is_there(channel):
    ours, theirs = channel
    requests = [("sets",), ("starts", [(7, "x" * 70_000, ("k", 1))]), ("timer",)]
    thread, answers = exchanged(ours, requests)
    one = Stub()
    serving.serve(one, theirs)
    thread.join()
    assert one.answered == requests == [answer["request"] for answer in answers]
    assert len(one.at) == len(requests)  # what is due is done after each, and it does not turn round meanwhile
    assert one.written == [True]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_what_is_being_ended_is_ended_before_it_goes(channel):
    ours, theirs = channel
    ours.close()
    one = Stub(work=3)
    serving.serve(one, theirs)
    assert one.work == 0 and one.written == [True]


@pytest.mark.parametrize("work", [0, 4])
def test_it_ends_where_nobody_wants_anything(channel, monkeypatch, work):
    _, theirs = channel
    monkeypatch.setattr(serving, "LINGERS", 0.05)
    one = Stub(work)
    began = time.monotonic()
    serving.serve(one, theirs)
    assert one.at[-1] >= began + 0.05 and one.work == 0 and one.written == [True]
    assert work < len(one.at) <= work + 3  # what is due is done at once, and it does not turn round meanwhile
    assert one.answered == []


def test_half_a_request_is_none(channel):
    ours, theirs = channel
    ours.sendall((100).to_bytes(4, "little") + b"half")
    ours.close()
    one = Stub()
    serving.serve(one, theirs)
    assert one.answered == []

"""What an ended program has forked is ended a moment later: of the same program and the same user, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from proscribe.host.controls.apps.running import Identity, Running
from proscribe.host.system import Host, Process
from proscribe.host.watch.restricted import Verified
from proscribe.host.watch.verifying import FORKED, MOST_FORKED, Verifying

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


@pytest.mark.parametrize(("user", "ended"), [("alice", [20, 60]), ("bob", [30]), ("nobody-known", [])])
def test_of_the_same_program_and_user(monkeypatch: pytest.MonkeyPatch, user: str, ended: list[int]) -> None:
    users = {
        Process(20, OWL): "alice",
        Process(30, OWL): "bob",
        Process(40, HELPER): "alice",  # the first process says which program it was
        Process(50, "/usr/bin/true"): "alice",
        Process(51, OWL): "alice",  # was started by itself
        Process(60, OWL): "alice",
    }
    sent: list[int] = []
    one = verifier(monkeypatch, Seen(users), sent)
    program = [Process(7, OWL), Process(8, HELPER)]
    one._end(running(user, *program), {7: 1, 8: 1}, [7, 8], 100.0)
    assert sent == [7, 8] and one.forked_at == 100.0 + FORKED and bool(one.forking) is (user in USERS)
    one._end(running(user, *program), {7: 1, 8: 1}, [7, 8], 100.1)
    assert one.forked_at == 100.0 + FORKED  # the first one decides
    sent.clear()
    one._end_forked(100.0 + FORKED)
    assert sorted(sent) == ended and one.forked_at == 0.0 and not one.forking


def test_many_are_ended_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    users = {Process(10 * number, OWL): "alice" for number in range(1, MOST_FORKED + 3)}
    sent: list[int] = []
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


def test_a_flood_of_programs_is_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    one = verifier(monkeypatch, Seen({}), [])
    for number in range(MOST_FORKED + 5):
        process = Process(1000 + number, f"/tmp/{number}")
        one._end(running("alice", process), {process.pid: 1}, [process.pid], 100.0)
    assert len(one.forking) == MOST_FORKED


@pytest.mark.parametrize(
    ("now", "started", "before", "still"),
    [
        (OWL, 1.0, (1.0, OWL), True),
        ("/usr/bin/true", 1.0, (1.0, OWL), False),  # it has become another program
        (OWL, 2.0, (1.0, OWL), False),  # another process has its number
        (OWL, None, (1.0, OWL), False),
        ("", 1.0, (1.0, OWL), False),  # it has ended
        (OWL, 1.0, None, False),  # it was not seen before
    ],
)
def test_only_what_was_verified_is_ended(
    monkeypatch: pytest.MonkeyPatch, now: str, started: float | None, before: Any, still: bool
) -> None:
    host = Seen({})
    monkeypatch.setattr(host, "process", lambda pid: Process(pid, now) if now else None)
    monkeypatch.setattr(host, "start_time", lambda process: started)
    assert Verifying(lambda: host)._still(Process(7, OWL), before) is still

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

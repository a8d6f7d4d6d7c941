"""What a host has of the answers to its users' requests."""

from __future__ import annotations

from typing import Any

import pytest
from made_host import MadeHost
from made_host import plan as made_plan
from proscribe.host.controls.apps.requests import answers

PLACE, NOTIFIED = "/etc/proscribe/answers.json", "/var/lib/proscribe/notified.json"
SHOWN = {"answer": "granted", "on": "2026-11-25", "why": "press", "until": "2026-12-25", "limits": "apps alone"}
GIVEN = {
    "f0": {**SHOWN, "user": "alice", "service": "wechat", "waiver": "w1"},
    "a1": {"answer": "refused", "user": "bob"},
}


def plan(given: dict[str, Any] | None, mode: str = "enforce") -> Any:
    return {**made_plan(mode), **({} if given is None else {"answers": given})}


def test_it_is_written_where_it_differs_and_goes_with_the_last_answer(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("write", "delete"):
        real = getattr(host, name)
        monkeypatch.setattr(host, name, lambda *a, name=name, real=real: (done.append(name), real(*a)))
    for given in (None, GIVEN, GIVEN, {"a1": GIVEN["a1"]}, {}, None):
        answers.bring(host, plan(given))
    assert done == ["write", "write", "delete"]


@pytest.mark.parametrize(
    ("given", "mode", "there", "concerned"),
    [
        (GIVEN, "enforce", "", True),
        (GIVEN, "audit", "", False),
        (None, "enforce", "", False),
        ({}, "enforce", PLACE, True),
        (None, "enforce", NOTIFIED, True),
        (None, "audit", PLACE, False),
    ],
)
def test_a_run_has_to_do_with_answers_where_there_are_some_or_were(
    host: MadeHost, given: dict[str, Any] | None, mode: str, there: str, concerned: bool
) -> None:
    if there:
        host.write(there, "{}")
    assert answers.concerned(host, plan(given, mode)) is concerned

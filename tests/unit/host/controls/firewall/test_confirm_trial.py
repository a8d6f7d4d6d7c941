"""A trial of new rules, whole: every tool that is called, every file that is left, and what is answered."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.firewall import boot, confirm, loaded_state, pending, program
from proscribe.host.programs import SEND
from proscribe.host.system import ControlError, Generation

from unit.host.controls.firewall.test_confirm import DIGEST, LIVE, TEXT, TrialHost, load, routes

__all__ = ["routes"]  # a fixture of every test

NFT, TOKEN = "/usr/sbin/nft", "0123456789ab"
ASK = [sys.executable, "-I", "-S", "-c", SEND]
BOTH = ["192.0.2.1 9", "192.0.2.53 53"]
STOP = ["systemctl", "stop", f"proscribe-rollback-{TOKEN}.timer"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialHost:
    monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex(TOKEN[: 2 * size]))
    return TrialHost(tmp_path)


def test_without_a_gateway_nobody_is_asked(host: TrialHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gateways", "resolvers"):
        monkeypatch.setattr(confirm.management_exemptions, name, lambda host: [])
    confirm.begin(host, load(host), 60)
    assert host.text(pending.METHODS) == "" and host.commands(sys.executable) == []


@pytest.mark.parametrize("fails", ["take-back", "try"])
def test_what_could_not_be_armed_is_given_up(host: TrialHost, fails: str) -> None:
    host.fails = fails
    with pytest.raises(ControlError):
        confirm.begin(host, load(host), 60)
    assert (host.ran[-1], host.names(), boot.pending(host)) == (STOP, [], [])


@pytest.mark.parametrize("right", [True, False])
def test_what_is_answered_once_it_is_confirmed(host: TrialHost, monkeypatch: pytest.MonkeyPatch, right: bool) -> None:
    monkeypatch.setattr(host, "ruleset_generation", lambda: Generation(4, "here"))
    confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/loaded-{TOKEN}", "")
    host.lay(loaded_state.STATE, "an earlier one")
    host.ran.clear()
    host.live = TEXT if right else LIVE
    units = [word for unit in boot.units(NFT) for word in (f"write {unit.path}", f"enable {unit.name}")]
    answer = confirm.keep(host, TOKEN)
    assert answer == {
        "changed": True,
        "actions": ["confirm inet proscribe", f"write {boot.FILE}", *units, f"restart {boot.WATCH_NAME}"],
        "refused": [],
        "findings": [],
        "diff": [],
    }
    assert host.ran[:2] == [[*ASK, *BOTH], STOP]
    assert (host.text(boot.FILE), host.names(), loaded_state.unchanged(host, TEXT)) == (TEXT, [], right)
    assert host.text(loaded_state.STATE) != "an earlier one"


def test_what_was_taken_back_while_it_was_tried_is_not_kept(host: TrialHost, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/loaded-{TOKEN}", "")
    monkeypatch.setattr(host, "rename", lambda path, name: False)
    with pytest.raises(ControlError, match="the new rules were taken back meanwhile"):
        confirm.keep(host, TOKEN)
    assert host.text(boot.FILE) is None


def test_of_what_the_kernel_said_the_end_is_reported(host: TrialHost) -> None:
    confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/failed-{TOKEN}", "a" * 400 + " b\n c")
    with pytest.raises(ControlError, match=f"^the new rules were not loaded: {'a' * 296} b c$"):
        confirm.keep(host, TOKEN)
    assert host.ran[-1] == STOP


@pytest.mark.parametrize(("state", "taken_back"), [(f"{DIGEST} 990", False), (f"{DIGEST} 989", True), ("x", True)])
def test_a_change_without_a_timer_is_taken_back_after_a_while(
    host: TrialHost, monkeypatch: pytest.MonkeyPatch, state: str, taken_back: bool
) -> None:
    name = host.lay(f"{program.RUN}/pending-{TOKEN}", state)
    monkeypatch.setattr(confirm.time, "sleep", lambda seconds: name.unlink())
    confirm.settle(host)
    assert host.ran == ([[program.PATH, "take-back", TOKEN], STOP] if taken_back else [])


@pytest.mark.parametrize(("others", "done"), [(0, True), (5, True), (6, False)])
def test_others_may_come_first_but_not_for_ever(host: TrialHost, others: int, done: bool) -> None:
    left = [others]

    def work() -> Any:
        if left[0]:
            left[0] -= 1
            raise confirm.Busy("another run")
        return {"changed": True}

    if done:
        assert confirm.in_turn(host, work) == {"changed": True}
    else:
        with pytest.raises(confirm.Busy):
            confirm.in_turn(host, work)
    assert left == [0]

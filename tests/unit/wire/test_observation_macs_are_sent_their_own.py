"""What goes to a Mac: it says to code for Linux that it is one, and gets code of its own, which no Linux host gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_mac import plan
from proscribe.host.run import compliance_state
from proscribe.host.system import DARWIN, Host
from proscribe.wire.observation import Observation
from proscribe.wire.store import Store

CALL: dict[str, Any] = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": True}


@pytest.fixture
def observation(tmp_path: Path) -> Observation:
    store = Store(tmp_path)
    made = plan()
    return Observation(store, "mac", store.code(probe=False), store.plan(json.dumps(made)), {**CALL, "program": ""}, 60)


def test_a_macs_call_stores_nothing_and_starts_no_probe(observation: Observation) -> None:
    call = observation._replace(call={**CALL, "probe": True, "program": "x", "watch": {}}).for_macos().call
    assert (call["remember"], call["probe"], call["macos"]) == (False, False, True)
    assert not {"program", "watch"} & set(call)


@pytest.mark.parametrize("gate", ["never", "incomplete"])
def test_a_gate_holds_for_a_mac_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gate: str) -> None:
    monkeypatch.setattr(Host, "system", DARWIN)
    found = compliance_state(Host(str(tmp_path)), plan(), [], gate, True, macos=True)
    assert bool(found.get("failed")) == (gate == "incomplete") and found["drifted"] == []

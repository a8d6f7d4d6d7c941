"""What goes to a Mac: it says to code for Linux that it is one, and gets code of its own, which no Linux host gets."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_mac import plan
from proscribe.host.run import NOT_FOR_MACS, change, compliance_state
from proscribe.host.schedule import timers
from proscribe.host.system import DARWIN, Host
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import Observation, is_macos, lacks
from proscribe.wire.replies import results
from proscribe.wire.store import Store
from proscribe.wire.stream import RECEIVE, answer, packed_code, packed_macos

CALL: dict[str, Any] = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": True}
# A Python that takes itself for one on macOS, without what Python has on Linux only.
MAC = """
import os, signal, sys
for name in ("O_PATH", "pidfd_open", "listxattr", "getxattr", "setxattr", "copy_file_range", "posix_fadvise"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"
before = os.uname()
os.uname = lambda: os.uname_result(("Darwin", "mac", "24.6.0", "Darwin Kernel Version 24.6.0", "arm64"))
"""


def texts(packed: bytes) -> set[str]:
    return set(json.loads(lzma.decompress(packed))["texts"])


@pytest.fixture
def observation(tmp_path: Path) -> Observation:
    store = Store(tmp_path)
    made = plan()
    return Observation(store, "mac", store.code(probe=False), store.plan(json.dumps(made)), {**CALL, "program": ""}, 60)


def answer_of(stream: bytes) -> dict[str, Any]:
    """The answer of a Mac to a stream."""
    program = [sys.executable, "-I", "-S", "-c", MAC + RECEIVE]
    done = subprocess.run(program, input=stream, capture_output=True, timeout=120)
    found = answer(done.stdout.decode())
    assert found is not None, done.stderr.decode()
    return results.observation(found)


def test_a_mac_says_that_it_is_one_and_answers_its_own_code(observation: Observation) -> None:
    [stream] = observation.streams()
    first = answer_of(stream)
    assert lacks(first) and is_macos(first)
    [stream] = observation.for_macos().streams()
    found = answer_of(stream)
    record = found["record"]
    assert record["platform"]["os"] == "macos" and record["platform"]["kernel"] == "24.6.0"
    assert found["drifted"] == [] and "cached" in found and not found["cached"]
    assert {rule["rule"].partition("/")[0] for rule in record["rules"]} >= {"firewall", "dns"}


def test_neither_pays_for_the_other() -> None:
    linux, mac = texts(packed_code(probe=False)), texts(packed_macos())
    assert not any(name.startswith(("proscribe.host.macos", "proscribe.controller.windows")) for name in linux)
    assert "proscribe.host.controls.browser.managed" not in linux
    assert "proscribe.host.macos.observing" in mac
    assert not any(name.startswith(("proscribe.host.controls.firewall", "proscribe.host.controls.dns")) for name in mac)
    assert len(packed_macos()) < len(packed_code(probe=False)) / 2


def test_a_macs_call_stores_nothing_and_starts_no_probe(observation: Observation) -> None:
    call = observation._replace(call={**CALL, "probe": True, "program": "x", "watch": {}}).for_macos().call
    assert (call["remember"], call["probe"], call["macos"]) == (False, False, True)
    assert not {"program", "watch"} & set(call)


def test_the_answer_is_the_loaders_own_and_nothing_else_passes() -> None:
    assert NOT_FOR_MACS == {LACKING: True, "system": DARWIN}
    assert results.observation(NOT_FOR_MACS) == {"changed": False, **NOT_FOR_MACS}
    assert "system" not in results.observation({LACKING: True, "system": "Plan 9"})
    assert not is_macos(None) and not is_macos({LACKING: True})


@pytest.mark.parametrize("gate", ["never", "incomplete"])
def test_a_gate_holds_for_a_mac_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gate: str) -> None:
    monkeypatch.setattr(Host, "system", DARWIN)
    found = compliance_state(Host(str(tmp_path)), plan(), [], gate, True, macos=True)
    assert bool(found.get("failed")) == (gate == "incomplete") and found["drifted"] == []


def test_there_is_nothing_to_lift_and_nothing_is_enforced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Host, "system", DARWIN)
    monkeypatch.setattr(Host, "privileged", True)
    host = Host(str(tmp_path))
    lifted = change(host, plan(), "dns", lift=True)
    assert (lifted["changed"], lifted["actions"], lifted["refused"]) == (False, [], [])
    assert timers.change(host, lambda: timers.lifted(host), dry_run=False)["changed"] is False
    with pytest.raises(Exception, match="cannot be enforced"):
        change(host, plan(), "dns")
    assert list(tmp_path.iterdir()) == []

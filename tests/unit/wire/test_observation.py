"""What one host is sent for an observation, and what is noted of its answer."""

from __future__ import annotations

import binascii
import hashlib
import json
import marshal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host.system import DARWIN
from proscribe.model.plan import sealed
from proscribe.wire import observation
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import Observation, answered, compiled_run, is_macos, lacks, of_host
from proscribe.wire.store import Store
from proscribe.wire.stream import FOR_SHELLS, MARK

CALL: dict[str, Any] = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": True}
MADE = sealed({"schema": "proscribe/plan/1", "contact": "", "browsers": [], "controls": {}})
DIGEST = MADE["digest"]
TEXT = json.dumps(MADE)
STORED = b"the code that the run began with"


def sent(one: Observation) -> list[tuple[Any, ...]]:
    """The streams to a host: the head of each, and what code and plan come with it."""
    streams = [marshal.loads(binascii.a2b_base64(stream.removeprefix(FOR_SHELLS))) for stream in one.streams()]
    return [(head, *parts) for _, head, *parts in streams]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store, and code that takes no seconds to put together."""
    monkeypatch.setattr("proscribe.wire.store.packed_code", lambda probe: b"probing" if probe else b"observing")
    (tmp_path / "plans").mkdir(0o700)
    return Store(tmp_path / "plans")


@pytest.fixture
def run(store: Store) -> dict[str, Any]:
    """What is said of a run over two hosts, which began with other code than there is now."""
    prepared, name = store.prepare({DIGEST: MADE}), hashlib.sha256(STORED).hexdigest()
    assert store.directory is not None
    (store.directory / f"{name}.code").write_bytes(STORED)
    hosts = dict.fromkeys(("web01", "web02"), DIGEST)
    return {"plans": str(store.directory), "packed": prepared["packed"], "hosts": hosts, "code": name}


def observed(run: dict[str, Any], host: str = "web01", text: str = "", **call: Any) -> Observation:
    return of_host(run, host, text, {**CALL, **call}, 60)  # type: ignore[arg-type, typeddict-item]


@pytest.mark.usefixtures("store")
def test_a_run_that_keeps_nothing_sends_everything() -> None:
    one = observed({}, text=TEXT)
    assert one.store.directory is None
    one.noted({"cached": True})  # type: ignore[typeddict-item]
    assert len(sent(one)) == 1


def test_a_watched_host_gets_the_time(run: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "time", SimpleNamespace(time=lambda: 1_000_000_000))
    watch = {"release": "1.0"}
    one = observed({**run, "watch": watch, "audit_stored": []})
    assert one.call == {**CALL, "program": "", "watch": {"release": "1.0", "now": stamp(1_000_000_000)}}
    assert watch == {"release": "1.0"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, {}),
        ({"proscribe_compiled": None}, {}),
        ({"proscribe_compiled": {"failed": True}}, {}),
        ({"proscribe_compiled": {"proscribe_run": {"id": "r1"}}}, {"id": "r1"}),
    ],
)
def test_what_was_compiled_is_what_is_known_of_a_run(variables: dict[str, Any], said: dict[str, Any]) -> None:
    assert compiled_run(variables) == said  # type: ignore[arg-type]


def test_what_a_host_prints_is_its_answer_or_none() -> None:
    assert answered("bash: python3: command not found\n") is None
    assert answered(f"motd\n{MARK}" + json.dumps({LACKING: True})) == {"changed": False, LACKING: True}


@pytest.mark.parametrize(
    ("answer", "macos", "lacking"),
    [
        (None, False, True),
        ({}, False, False),
        ({LACKING: True}, False, True),
        ({LACKING: True, "system": DARWIN}, True, True),
        ({"system": "Linux"}, False, False),
    ],
)
def test_what_an_answer_says_of_what_has_to_be_sent_next(answer: Any, macos: bool, lacking: bool) -> None:
    assert (is_macos(answer), lacks(answer)) == (macos, lacking)

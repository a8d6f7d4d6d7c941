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
from proscribe.host.audit_program import installable
from proscribe.host.system import DARWIN
from proscribe.model.plan import sealed
from proscribe.wire import observation
from proscribe.wire.audit_text import AUDIT_TEXT
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import Observation, answered, compiled_run, is_macos, lacks, of_host
from proscribe.wire.store import Store
from proscribe.wire.stream import FOR_SHELLS, MARK, Part

CALL: dict[str, Any] = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": True}
CODE, PLAN, OTHER = (Part(name, name.encode) for name in ("code", "plan", "other"))
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


def test_a_host_gets_names_if_it_has_code_and_plan_and_both_if_not(store: Store) -> None:
    one = Observation(store, "web01", CODE, PLAN, CALL, 60)  # type: ignore[arg-type]
    head = {"code": "code", "plan": "plan", "call": CALL, "seconds": 60}
    named, whole = (head, b"", b""), (head, b"code", b"plan")
    assert sent(one) == [whole]
    assert one.noted({"cached": True, "drifted": []}) == {"drifted": []}  # type: ignore[typeddict-item]
    assert sent(one) == [named, whole]
    assert len(sent(one._replace(host="web02"))) == len(sent(one._replace(plan=OTHER))) == 1
    assert one.noted({"drifted": []}) == {"drifted": []}  # type: ignore[typeddict-item]
    assert sent(one) == [named, whole], "its answer said nothing of what it has"
    one.noted({"cached": False})  # type: ignore[typeddict-item]
    assert sent(one) == [whole]


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


def test_all_hosts_of_a_run_are_sent_the_code_that_it_began_with(run: dict[str, Any], store: Store) -> None:
    assert observed(run).code.packed() == STORED
    assert observed(run, probe=True).code.name == store.code(probe=True).name
    del run["code"]
    for probe in (False, True):
        assert observed(run, probe=probe).code.name == store.code(probe=probe).name


@pytest.mark.parametrize("packed", [True, False])
def test_a_host_is_sent_its_plan_of_the_run_or_the_one_that_is_given(run: dict[str, Any], packed: bool) -> None:
    """Packed as it was when the run began, and else by its text: the other file is not read."""
    run["packed"] = run["packed"] if packed else None
    (Path(run["plans"]) / f"{DIGEST.partition(':')[2]}.{'json' if packed else 'plan'}").unlink()
    one, given = observed(run), observed(run, text=TEXT)
    assert one.plan.name == DIGEST.partition(":")[2] and one.plan.packed()
    assert given.plan.name == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (one.host, one.call, one.seconds) == ("web01", CALL, 60)
    assert observed(run, "web02").store is one.store, "what is kept is read once for all hosts"


@pytest.mark.usefixtures("store")
def test_a_run_that_keeps_nothing_sends_everything() -> None:
    one = observed({}, text=TEXT)
    assert one.store.directory is None
    one.noted({"cached": True})  # type: ignore[typeddict-item]
    assert len(sent(one)) == 1


@pytest.mark.parametrize(
    ("stored", "remember", "added"),
    [
        (["web01"], True, {"program": installable(AUDIT_TEXT)}),
        (["web02"], True, {"program": ""}),
        ([], True, {"program": ""}),
        (None, True, {}),
        (["web01"], False, {}),
        (None, False, {}),
    ],
)
def test_a_host_that_remembers_has_the_program_for_audits_where_the_inventory_wants_it(
    run: dict[str, Any], stored: list[str] | None, remember: bool, added: dict[str, str]
) -> None:
    said = {} if stored is None else {"audit_stored": stored}
    assert observed({**run, **said}, remember=remember).call == {**CALL, "remember": remember, **added}


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

"""Observations of one host: the streams to it, the notes on its answer, Macs, registered results."""

import binascii
import hashlib
import json
import marshal
from types import SimpleNamespace

import pytest
from ansible.vars.hostvars import HostVars
from ansible_inventory import read_hostvars
from made_mac import plan
from made_plans import make_plan
from proscribe.base.timestamps import format_timestamp
from proscribe.host.host_operations import compliance_state
from proscribe.host.system import DARWIN, Host
from proscribe.wire import observation
from proscribe.wire.loader import LACKING
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.stream import MARK, SHELL_EXIT_LINE

CALL = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": True}
MADE = make_plan()
DIGEST = MADE["digest"]
TEXT = json.dumps(MADE)
STORED = b"the code that the run began with"


def read_streams(observed):
    """Return the head of each stream to a host, with the code and the plan that come with it."""
    streams = [
        marshal.loads(binascii.a2b_base64(stream.removeprefix(SHELL_EXIT_LINE))) for stream in observed.list_streams()
    ]
    return [(head, *parts) for _, head, *parts in streams]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "proscribe.wire.plan_store.pack_observing_code", lambda probe: b"probing" if probe else b"observing"
    )
    (tmp_path / "plans").mkdir(0o700)
    return PlanStore(tmp_path / "plans")


@pytest.fixture
def run(store):
    """Return the facts of a run that began with other code than the current one."""
    prepared, name = store.prepare_plans({DIGEST: MADE}), hashlib.sha256(STORED).hexdigest()
    assert store.directory is not None
    (store.directory / f"{name}.code").write_bytes(STORED)
    hosts = dict.fromkeys(("web01", "web02"), DIGEST)
    return {"plans": str(store.directory), "packed": prepared["packed"], "hosts": hosts, "code": name}


def observe(run, host="web01", text="", **call):
    return observation.make_observation(run, host, text, {**CALL, **call}, 60)  # type: ignore[arg-type, typeddict-item]


@pytest.mark.usefixtures("store")
def test_run_without_a_store_sends_everything():
    observed = observe({}, text=TEXT)
    assert observed.store.directory is None
    observed.note_cached({"cached": True})  # type: ignore[typeddict-item]
    assert len(read_streams(observed)) == 1


def test_watched_host_is_sent_the_time(run, monkeypatch):
    monkeypatch.setattr(observation, "time", SimpleNamespace(time=lambda: 1_000_000_000))
    watch = {"release": "1.0"}
    observed = observe({**run, "watch": watch, "audit_stored": []})
    assert observed.call == {**CALL, "program": "", "watch": {"release": "1.0", "now": format_timestamp(1_000_000_000)}}
    assert watch == {"release": "1.0"}


def test_output_with_a_mark_is_an_answer_and_any_other_is_none():
    assert observation.parse_observation("bash: python3: command not found\n") is None
    assert observation.parse_observation(f"motd\n{MARK}" + json.dumps({LACKING: True})) == {
        "changed": False,
        LACKING: True,
    }


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
def test_answer_reports_a_mac_and_a_host_that_lacks_code(answer, macos, lacking):
    assert (observation.is_macos(answer), observation.has_no_answer(answer)) == (macos, lacking)


# -- Macs


@pytest.fixture
def mac_observation(tmp_path):
    store = PlanStore(tmp_path)
    return observation.HostObservation(
        store,
        "mac",
        store.make_code_part(probe=False),
        store.make_plan_part(json.dumps(plan())),
        {**CALL, "program": ""},
        60,
    )


@pytest.mark.slow
def test_call_of_a_mac_stores_nothing_and_starts_no_probe(mac_observation):
    call = mac_observation._replace(call={**CALL, "probe": True, "program": "x", "watch": {}}).adapt_to_macos().call
    assert (call["remember"], call["probe"], call["macos"]) == (False, False, True)
    assert not {"program", "watch"} & set(call)


@pytest.mark.parametrize("gate", ["never", "incomplete"])
def test_gate_counts_on_a_mac(monkeypatch, tmp_path, gate):
    monkeypatch.setattr(Host, "kernel_name", DARWIN)
    answer = compliance_state(Host(str(tmp_path)), plan(), [], gate, True, macos=True)
    assert bool(answer.get("failed")) == (gate == "incomplete") and answer["drifted"] == []


# -- results that Ansible registered

RECORD = {"record": {"rules": ["{{ never }}"]}}


@pytest.fixture
def hostvars():
    """Return two hosts of a real inventory; a task has registered a result for one of them."""
    hostvars = read_hostvars("a,b")
    hostvars._variable_manager.set_nonpersistent_facts("a", {"proscribe_observed": RECORD, "proscribe_nothing": None})
    return hostvars


@pytest.mark.parametrize(
    ("host", "name", "expected"),
    [
        ("a", "proscribe_observed", RECORD),
        ("a", "proscribe_nothing", {}),
        ("a", "proscribe_other", {}),
        ("b", "proscribe_observed", {}),
    ],
)
def test_registered_result_is_the_one_of_hostvars(hostvars, monkeypatch, host, name, expected):
    assert observation.get_registered(hostvars, host, name) == expected == (hostvars.raw_get(host).get(name) or {})
    assert "b" not in hostvars._variable_manager._nonpersistent_fact_cache, "nothing is made by asking"

    class Elsewhere:
        # another Ansible, which keeps it in another place
        raw_get = hostvars.raw_get

    assert observation.get_registered(Elsewhere(), host, name) == expected

    monkeypatch.setattr(HostVars, "raw_get", lambda *_: pytest.fail("all variables of the host were gathered"))
    assert observation.get_registered(hostvars, host, name) == expected

"""The streamed code: it gives the very record that the module gives, and no answer is no answer."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys

import pytest
from proscribe import plan as plans
from proscribe.host import Host
from proscribe.run import compliance_state
from proscribe.stream import BOOTSTRAP, MARK, answer, bare, payload

APPS = {
    "name": "A",
    "mode": "enforce",
    "packages": {"apt": ["nosuch-package"]},
    "processes": [],
    "paths": ["/opt/nosuch"],
}
SITES = {"name": "B", "mode": "enforce", "domains": ["nosuch.example.com"], "urls": [], "allow": []}
PLAN = plans.sealed(
    {
        "schema": plans.SCHEMA,
        "contact": "x",
        "browsers": [{"id": "owl", "family": "chromium", "path": "/etc/nosuch/proscribe.json", "browsers": ["owl"]}],
        "controls": {
            "apps": {"mode": "enforce", "services": {"a": APPS}, "settings": {}},
            "browser": {
                "mode": "enforce",
                "services": {"b": SITES},
                "settings": {"browsers": {"dns_over_https": "blocked"}, "tenants": {}},
            },
            "dns": {"mode": "enforce", "services": {"b": SITES}, "settings": {}},
        },
    }
)


def streamed(call: dict[str, object]):
    command = [sys.executable, "-I", "-S", "-c", BOOTSTRAP]
    done = subprocess.run(command, input=payload(call), capture_output=True, check=True)
    return answer(done.stdout.decode())


def without_clocks(told):
    record = {key: value for key, value in told["record"].items() if key not in ("checked_at", "duration_ms")}
    return {**told, "record": record}


@pytest.mark.parametrize("gate", ["never", "noncompliant"])
def test_the_stream_and_the_module_give_the_same_answer(gate):
    call = {"plan": PLAN, "controls": [], "gate": gate, "will_correct": False}
    told = streamed(call)
    assert without_clocks(told) == without_clocks(json.loads(json.dumps(compliance_state(Host(), **call))))
    assert told["record"]["rules_evaluated"] >= 3
    assert told.get("failed", False) is (gate == "noncompliant")


def test_the_answer_begins_a_line_whatever_was_printed_before_it():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "print('no line end', end='')\n" + BOOTSTRAP],
        input=payload({"plan": {}, "controls": [], "gate": "never", "will_correct": False}),
        capture_output=True,
        check=True,
    )
    assert answer(done.stdout.decode()) is not None


def test_a_plan_that_cannot_be_used_is_told():
    told = streamed({"plan": {}, "controls": [], "gate": "never", "will_correct": False})
    assert (told["failed"], "schema" in told["msg"]) == (True, True)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (f'{MARK}{{"changed": false}}\n', {"changed": False}),
        (f'Welcome to web01\n{MARK}{{"changed": false}}\n', {"changed": False}),
        (f'Welcome{MARK}\n{MARK}{{"record": "/home/a/{MARK}x"}}\n', {"record": f"/home/a/{MARK}x"}),
        ("", None),
        ("python3: command not found\n", None),
        (f'{MARK}{{"changed": fal', None),
        (f"{MARK}[1]", None),
    ],
)
def test_an_answer_is_found_behind_what_a_shell_prints_and_else_there_is_none(output, told):
    assert answer(output) == told


def test_only_what_asks_for_the_probe_has_its_code(tmp_path):
    call = {"plan": PLAN, "controls": [], "gate": "never", "will_correct": False}
    audit, probing = payload({**call, "probe": False}, tmp_path), payload({**call, "probe": True}, tmp_path)
    names = [json.loads(lzma.LZMADecompressor().decompress(sent))["sources"] for sent in (audit, probing)]
    assert set(names[1]) - set(names[0]) == {
        "proscribe.controls.browser.probe",
        "proscribe.host.guest",
        "proscribe.host.listener",
    }
    assert len(list(tmp_path.iterdir())) == 2


def test_the_stream_stays_small():
    call = {"plan": PLAN, "controls": [], "gate": "never", "will_correct": False}
    assert len(payload(call)) < 80 * 1024


def test_the_code_is_put_together_once_and_then_kept(tmp_path, monkeypatch):
    call = {"plan": PLAN, "controls": [], "gate": "never", "will_correct": False}
    first = payload(call, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert first.startswith(kept.read_bytes()) and first == payload(call)
    monkeypatch.setattr("proscribe.stream._put_together", lambda: pytest.fail("put together again"))
    assert payload(call, tmp_path) == first
    assert payload(call, tmp_path) != payload({**call, "gate": "noncompliant"}, tmp_path)


def test_a_store_that_cannot_be_written_only_costs_time(tmp_path):
    assert payload({}, tmp_path / "not-there") == payload({})


TEXT = 'x = """a\n# b\n"""\n'


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('"""Module."""\nfrom __future__ import annotations\n', '""\nfrom __future__ import annotations\n'),
        ("x = 1  # why\n# more\ny = '# no'\n", "x = 1\n\ny = '# no'\n"),
        ('def f():\n    """One\n    two."""\n', 'def f():\n    ""\n\n'),
        ('class A:\n    """A."""\n\n    x: int = 1  # note\n', 'class A:\n    ""\n\n    x: int = 1\n'),
        (TEXT, TEXT),
    ],
)
def test_what_only_people_read_is_left_out_and_every_line_stays_where_it_was(source, left):
    assert bare(source) == left


def test_the_stream_needs_nothing_but_the_standard_library():
    code = (
        BOOTSTRAP
        + "\nprint(sorted(name for name in sys.modules if name.partition('.')[0] in ('ansible', 'yaml', 'jinja2')))"
    )
    call = {"plan": PLAN, "controls": [], "gate": "never", "will_correct": False}
    done = subprocess.run([sys.executable, "-I", "-c", code], input=payload(call), capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"

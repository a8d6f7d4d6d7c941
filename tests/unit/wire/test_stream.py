"""The streamed code: it gives the very record that the module gives, and no answer is no answer."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
from proscribe.model import plan as plans
from proscribe.wire.loader import LACKING
from proscribe.wire.store import Store
from proscribe.wire.stream import BOOTSTRAP, RECEIVE, RECEIVER, answer, packed_code, packed_macos, packed_watch, payload
from streams import with_program

MODULE = Path(__file__).resolve().parents[3] / "library" / "compliance_state.py"

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


CALL = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
TEXT = plans.canonical(PLAN)


def sent(store=None, plan=TEXT, whole=True, **call):
    store = store or Store()
    code = store.code(bool(call.get("probe")))
    return payload(code, store.plan(plan), {**CALL, **call}, whole)


def streamed(stream, before=(), code=BOOTSTRAP):
    command = [*before, sys.executable, "-I", "-S", "-c", RECEIVE]
    done = subprocess.run(command, input=with_program(stream, code), capture_output=True, check=True)
    reply = answer(done.stdout.decode())
    return reply and {key: value for key, value in reply.items() if key != "cached"}


def test_the_module_without_its_action_says_what_it_lacks(tmp_path):
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({"plan": PLAN}))
    done = subprocess.run([sys.executable, str(MODULE), str(arguments)], capture_output=True)
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (1, True)
    assert "action plugin" in json.loads(done.stdout)["msg"]


@pytest.mark.parametrize("command", [RECEIVER, RECEIVE])
def test_the_command_is_one_line_that_no_shell_reads_otherwise(command):
    """Between double quotes, within single ones: as a word of every shell's, csh and fish too."""
    assert not set(command) & set("\n\r'\"!$`\\")


def test_a_host_that_does_not_have_the_code_says_so_and_does_nothing():
    assert streamed(sent(whole=False)) == {LACKING: True}


@pytest.mark.parametrize("packed", [packed_code, packed_watch, packed_macos])
def test_code_that_is_sent_imports_nothing_of_ours_that_is_not(packed):
    code = packed(True) if packed is packed_code else packed()
    texts = json.loads(lzma.decompress(code))["texts"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORTS_ALL], input=json.dumps(texts), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


IMPORTS_ALL = """
import importlib.abc, importlib.util, json, sys
texts = json.load(sys.stdin)
class Sent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        package = any(other.startswith(name + ".") for other in texts)
        return importlib.util.spec_from_loader(name, self, is_package=package) if name in texts else None
    def exec_module(self, module):
        exec(texts[module.__name__], module.__dict__)
sys.meta_path.insert(0, Sent())
for name in texts:
    importlib.import_module(name)
"""

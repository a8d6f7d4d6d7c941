"""What of the standard library the observing code loads on a host: each module that is not there saves every audit its
time. That an audit of a compliant host comes out without them is in tests/integration/test_unchanged_audit.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from proscribe.stream import BOOTSTRAP, packed_code
from unchanged_audit import NOT_LOADED

CONTROLS = ("apps", "browser", "firewall", "dns")
LOADING = """
import json, lzma
modules = Modules({}, json.loads(lzma.decompress(sys.stdin.buffer.read())))
code = marshal.loads(modules.marshalled())
for name in [name for name in sys.modules if name.partition(".")[0] in NOT_LOADED]:
    del sys.modules[name]
sys.meta_path.insert(0, Modules(code, None))
for name in names:
    __import__(name)
    print(name, *sorted(NOT_LOADED.intersection(sys.modules)))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """By module of ours, in the order in which they were imported, what it had of NOT_LOADED behind it."""
    names = ["proscribe.run", *(f"proscribe.controls.{name}" for name in CONTROLS), "proscribe.controls.dns.filtering"]
    names += [
        f"proscribe.controls.dns.backends.{name}" for name in ("dnsmasq", "unbound", "networkmanager", "resolved")
    ]
    names += ["proscribe.watch.installed", "proscribe.watch.summary", "proscribe.json_text"]
    code = f"{BOOTSTRAP}\nnames = {names}\nNOT_LOADED = {set(NOT_LOADED)}\n{LOADING}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input=packed_code(probe=False), capture_output=True, check=True
    )
    return {name: found for name, *found in map(str.split, done.stdout.decode().splitlines())}


def test_no_module_of_ours_loads_what_an_unchanged_audit_does_not_need(loaded: dict[str, list[str]]) -> None:
    assert len(loaded) == 13
    assert {name: found for name, found in loaded.items() if found} == {}


def test_the_loader_itself_needs_none_of_them() -> None:
    code = f"{BOOTSTRAP}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(NOT_LOADED).isdisjoint(done.stdout.split())

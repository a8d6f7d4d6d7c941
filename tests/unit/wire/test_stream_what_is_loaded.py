"""What of the standard library the observing code loads on a host: each module that is not there saves every audit its
time. That an audit of a compliant host comes out without them is in tests/integration/test_unchanged_audit.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.wire.stream import BOOTSTRAP, packed_code, packed_watch
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


def loaded(code: bytes, names: list[str]) -> dict[str, list[str]]:
    """By module of ours, in the order in which they were imported, what it had of NOT_LOADED behind it."""
    program = f"{BOOTSTRAP}\nnames = {names}\nNOT_LOADED = {set(NOT_LOADED)}\n{LOADING}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], input=code, capture_output=True, check=True)
    return {name: found for name, *found in map(str.split, done.stdout.decode().splitlines())}


def test_no_module_of_ours_loads_what_an_unchanged_audit_does_not_need() -> None:
    names = [
        "proscribe.host.run",
        *(f"proscribe.host.controls.{name}" for name in CONTROLS),
        "proscribe.host.controls.dns.filtering",
    ]
    names += [
        f"proscribe.host.controls.dns.backends.{name}" for name in ("dnsmasq", "unbound", "networkmanager", "resolved")
    ]
    names += ["proscribe.host.watch.installed", "proscribe.host.watch.state.summary", "proscribe.base.json_text"]
    assert loaded(packed_code(probe=False), names) == {name: [] for name in names}


def test_nor_does_what_a_host_loads_to_observe_itself() -> None:
    names = [
        "proscribe.host.watch_commands",
        "proscribe.host.watch.observation",
        *(f"proscribe.host.controls.{n}" for n in CONTROLS),
    ]
    assert loaded(packed_watch(), names) == {name: [] for name in names}


@pytest.mark.parametrize("text", [BOOTSTRAP, WATCH_TEXT.partition("\nif __name__")[0]], ids=["audit", "watch"])
def test_the_loaders_themselves_need_none_of_them(text: str) -> None:
    code = f"{text}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(NOT_LOADED).isdisjoint(done.stdout.split())

"""Modules of the standard library that the programs of a watch and of an audit load: each costs every audit its time.

The audit of a compliant host is in tests/integration/test_unchanged_audit.py.
"""

import subprocess
import sys

import pytest
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.wire.stream import BOOTSTRAP
from unchanged_audit import NOT_LOADED


@pytest.mark.parametrize("text", [BOOTSTRAP, WATCH_TEXT.partition("\nif __name__")[0]], ids=["audit", "watch"])
def test_loader_loads_no_slow_module(text):
    code = f"{text}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(NOT_LOADED).isdisjoint(done.stdout.split())

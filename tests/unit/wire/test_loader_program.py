"""The loader as a program: what a host does with a stream, with what it has cached of earlier ones, and what it caches.

It runs the text of loader.py itself, which bootstrap.py has in a shorter form, with a small code in the place of the
project's.
"""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import proscribe
import pytest
from proscribe.wire import loader
from proscribe.wire.stream import RECEIVE, piped

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")

TEXT = Path(loader.__file__).read_text(encoding="utf-8")
PLAN = {"the": "plan"}
# `work` is one line of Python that a test has the code run. The answer has what the code was given; the cache is
# written as cache.py does it, but for the rights of the host.
CODE = {
    "proscribe": "",
    "proscribe.base": "",
    "proscribe.host": "",
    "proscribe.model": "",
    "proscribe.host.system": "class Host: pass",
    "proscribe.model.plan": "def known(plan, follows): return plan, follows",
    "proscribe.base.json_text": "from json import dumps as written",
    "proscribe.model.plan_text": "def whole(plan): return plan",
    "proscribe.host.run": (
        "import _signal, os\n"
        "from proscribe.host.system import Host\n"
        "from proscribe.inner import name\n"
        "def compliance_state(host, known, work='', record=True, grows=False, remember=False):\n"
        "    assert type(host) is Host\n"
        "    plan, follows = known\n"
        "    seen = dict(follows)\n"
        "    exec(work, {'os': os})\n"
        "    if grows: follows[str(len(follows))] = 'found out'\n"
        "    told = {'plan': plan, 'follows': seen, 'within': name, 'left': _signal.alarm(0)}\n"
        "    return {**told, 'record': {}} if record else told\n"
    ),
    "proscribe.inner": "from .further import __name__ as name",
    "proscribe.inner.further": "",
    "proscribe.later": "raise SystemExit('nobody has asked for it')",
    "proscribe.host.cache": (
        "import os\n"
        "from proscribe.host.system import Host\n"
        "def keep(host, parts):\n"
        "    assert type(host) is Host\n"
        "    os.umask(0o077)\n"
        "    for name, content in parts.items():\n"
        "        if content is None: continue\n"
        "        with open('@PLACE@/' + name, 'wb') as file: file.write(content)\n"
        "    return True\n"
    ),
}
PACKAGES = ["proscribe", "proscribe.base", "proscribe.host", "proscribe.inner", "proscribe.model"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the host keeps code and plans, root's alone."""
    made = tmp_path / "proscribe" / "observe"
    made.mkdir(parents=True)
    return made


def stream(
    place: Path, code: bool = True, plan: bool = True, limit: dict[str, int] | None = None, **call: Any
) -> bytes:
    texts = {name: text.replace("@PLACE@", str(place)) for name, text in CODE.items()}
    packed = lzma.compress(json.dumps({"texts": texts, "packages": PACKAGES}).encode()) if code else b""
    packed_plan = zlib.compress(json.dumps(PLAN).encode()) if plan else b""
    head = {"code": "code", "plan": "plan", "call": call, **(limit or {})}
    return piped(TEXT.replace(loader.PLACE, str(place)), head, packed, packed_plan)


PROGRAM = [sys.executable, "-I", "-S", "-c", RECEIVE]


def answered(place: Path, **options: Any) -> dict[str, Any]:
    """The answer of a host to a stream."""
    done = subprocess.run(PROGRAM, input=stream(place, **options), capture_output=True, check=True)
    assert done.stderr == b""
    before, line = done.stdout.decode().split("\n", 1)
    assert before == "" and line.startswith("proscribe-answer:") and line.endswith("}\n")
    return json.loads(line.removeprefix("proscribe-answer:"))


def cached(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def test_who_calls_it_instead_has_no_alarm_afterwards(place):
    """The module, where a connection cannot pipe; Ansible's process goes on after it."""
    calling = (
        "import signal\nfrom proscribe.wire import loader\n"
        "head = {'code': 'x', 'plan': 'x', 'call': {}, 'seconds': 300}\n"
        "print(loader.answered(head, b'', b''), signal.alarm(0))\n"
    )
    package = str(Path(proscribe.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", calling], env={"PYTHONPATH": package}, capture_output=True, check=True)
    assert done.stdout.decode() == "{'lacking': True} 0\n"

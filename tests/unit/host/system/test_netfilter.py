"""What the kernel says of its packet filter: of a real one, in networks of their own, and in answers that are made."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import proscribe
import pytest
from patience import LONGEST
from proscribe.host.system import netfilter
from proscribe.host.system.netfilter import Generation

NETWORK = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft: has a network of its own"
)
IMPORTED = """
import json, subprocess, sys
from proscribe.host.system import netfilter
def nft(text):
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True)
"""
REFUSED = """
for line in (
    "link set lo up", "link add there type veth peer other", "link set there up", "link set other up",
    "addr add 10.9.0.1/24 dev there", "addr add fd09::1/64 dev there nodad",
):
    subprocess.run(["ip", *line.split()], check=True)
nft("table inet x { chain out { type filter hook output priority 0; udp dport 5 drop; }; }")
asked = [("10.9.0.2", 5), ("10.9.0.2", 6), ("fd09::2", 5), ("fd09::2", 6)]
asked += [("10.8.0.1", 5), ("127.0.0.1", 6), ("::1", 6)]
print(json.dumps([netfilter.refuses(*one) for one in asked]))
"""


def in_a_network(script: str) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(Path(proscribe.__file__).parents[1])}
    command = ["unshare", "--net", sys.executable, "-c", IMPORTED + script]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=LONGEST, check=True)
    return json.loads(done.stdout)


def test_the_number_goes_on_after_its_last_without_0() -> None:
    assert [Generation(number, "x").next() for number in (1, 2**32 - 1)] == [Generation(2, "x"), Generation(1, "x")]


@NETWORK
def test_what_the_filter_refuses_is_distinguished_from_what_leads_nowhere() -> None:
    assert in_a_network(REFUSED) == [True, False, True, False, None, None, None]


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, *attributes: bytes, more: int = 0) -> bytes:
    content = bytes(4) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(content) + more, kind, 0, 0, 0) + content


GENERATION = attribute(1, struct.pack("!I", 77))
OURS = 10 << 8 | 15


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        pytest.param(message(OURS, GENERATION), 77, id="alone"),
        pytest.param(message(OURS, attribute(2, b"12345"), attribute(3, b""), GENERATION), 77, id="behind others"),
        pytest.param(message(OURS, attribute(1, b"12345678"), GENERATION), 77, id="behind one of another size"),
        pytest.param(message(OURS, GENERATION, more=999), 77, id="longer than what came"),
        pytest.param(message(OURS, GENERATION)[:-4], None, id="cut short"),
        pytest.param(message(OURS, bytes(64), GENERATION), 77, id="lengths of nothing"),
        pytest.param(message(OURS, attribute(2, bytes(4))), None, id="without it"),
        pytest.param(message(9 << 8, GENERATION), None, id="of another part of the kernel"),
        pytest.param(message(2, struct.pack("=i", -errno.EPERM), GENERATION), None, id="an error"),
        pytest.param(message(OURS, GENERATION[:4]) + GENERATION, None, id="behind the message"),
        pytest.param(OSError(errno.EPERM, "no"), None, id="no answer"),
        pytest.param(TimeoutError(), None, id="too late"),
    ],
)
def test_the_generation_in_an_answer(monkeypatch: pytest.MonkeyPatch, answer: bytes | OSError, number: int) -> None:
    ended: list[str] = []
    waits: list[float] = []

    def recv(_: int) -> bytes:
        if isinstance(answer, OSError):
            raise answer
        return answer

    one = SimpleNamespace(send=len, recv=recv, settimeout=waits.append, close=lambda: ended.append("closed"))
    made = SimpleNamespace(AF_NETLINK=16, SOCK_RAW=3, socket=lambda *_: one)
    monkeypatch.setitem(sys.modules, "_socket", made)
    found = netfilter.generation()
    assert (found and found.number) == number
    assert ended == ["closed"] and len(waits) == 1 and waits[0] > 0


def test_a_system_without_netlink_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_socket", SimpleNamespace())
    assert netfilter.generation() is None

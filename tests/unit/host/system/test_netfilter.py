"""The state of the kernel's packet filter: of a real one in an own network, and in made answers."""

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
from proscribe.host.system.netfilter import RulesetGeneration
from refusals import make_refusal

NETWORK = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft: makes a network")
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
print(json.dumps([netfilter.is_destination_refused(*channel) for channel in asked]))
"""
CHANGED = """
seen = [netfilter.read_ruleset_generation(), netfilter.read_ruleset_generation()]
for text in ("table inet one {}", "table inet two {}; table inet three {}"):
    nft(text)
    seen.append(netfilter.read_ruleset_generation())
print(json.dumps(seen))
"""


def run_in_network(script: str) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(Path(proscribe.__file__).parents[1])}
    command = ["unshare", "--net", sys.executable, "-c", IMPORTED + script]
    return json.loads(subprocess.run(command, capture_output=True, env=environment, timeout=LONGEST, check=True).stdout)


def test_number_after_the_last_is_1():
    expected = [RulesetGeneration(2, "x"), RulesetGeneration(1, "x")]
    assert [RulesetGeneration(number, "x").make_next() for number in (1, 2**32 - 1)] == expected


@NETWORK
def test_refusal_of_the_filter_differs_from_a_missing_route():
    assert run_in_network(REFUSED) == [True, False, True, False, None, None, None]


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
        (message(OURS, GENERATION), 77),
        (message(OURS, attribute(2, b"12345"), attribute(3, b""), GENERATION), 77),
        (message(OURS, attribute(1, b"12345678"), GENERATION), 77),  # behind one of another size
        (message(OURS, GENERATION, more=999), 77),  # longer than what came
        (message(OURS, GENERATION)[:-4], None),
        (message(OURS, bytes(64), GENERATION), 77),  # lengths of nothing
        (message(OURS, attribute(2, bytes(4))), None),
        (message(9 << 8, GENERATION), None),  # of another part of the kernel
        (message(2, struct.pack("=i", -errno.EPERM), GENERATION), None),  # an error
        (message(OURS, GENERATION[:4]) + GENERATION, None),
        (OSError(errno.EPERM, "no"), None),
        (TimeoutError(), None),
    ],
)
def test_generation_is_read_from_an_answer(monkeypatch, answer, number):
    ended, waits = [], []
    recv = make_refusal(answer) if isinstance(answer, OSError) else lambda _: answer
    channel = SimpleNamespace(send=len, recv=recv, settimeout=waits.append, close=lambda: ended.append("closed"))
    monkeypatch.setitem(sys.modules, "_socket", SimpleNamespace(AF_NETLINK=16, SOCK_RAW=3, socket=lambda *_: channel))
    generation = netfilter.read_ruleset_generation()
    assert (generation and generation.number) == number
    assert ended == ["closed"] and len(waits) == 1 and waits[0] > 0


def test_system_without_netlink_has_no_generation(monkeypatch):
    monkeypatch.setitem(sys.modules, "_socket", SimpleNamespace())
    assert netfilter.read_ruleset_generation() is None


@NETWORK
def test_real_transaction_is_the_next_generation_of_its_network():
    first, same, second, third = (RulesetGeneration(*seen) for seen in run_in_network(CHANGED))
    assert (same, second, third) == (first, first.make_next(), first.make_next().make_next())
    elsewhere = RulesetGeneration(*run_in_network(CHANGED)[0])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert elsewhere.namespace != first.namespace
    assert {seen.namespace.split()[0] for seen in (first, elsewhere)} == {boot}

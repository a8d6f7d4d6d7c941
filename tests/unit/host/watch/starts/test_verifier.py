"""The process that verifies starts, as the daemon has it: what it is given, how it is heard, and how it ends."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import Any

from patience import BUSY, until
from proscribe.host.watch.starts.verifier import Verifier

# Answers each request with itself, in pieces of which the first one is half of its head.
PIECES = """
import os, time
def exactly(size):
    found = b""
    while len(found) < size:
        if not (piece := os.read(0, size - len(found))):
            raise SystemExit
        found += piece
    return found
while True:
    head = exactly(4)
    content = exactly(int.from_bytes(head, "little"))
    for piece in (head[:2], head[2:], content[:1], content[1:]):
        os.write(0, piece)
        time.sleep(0.02)
"""

# Ignores every signal that a process can ignore, and hangs.
HANGS = """
import os, signal, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
os.write(0, b"ready")
time.sleep(float(sys.argv[1]))
open(sys.argv[2], "w").close()
"""


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def heard(one: Verifier) -> Any:
    found: list[Any] = []

    def answered() -> bool:
        said = one.answer()
        found.extend([] if said is None else [said])
        return bool(found)

    until(answered)
    return found[0]


def test_an_answer_is_heard_once_it_is_whole():
    before = descriptors()
    one = Verifier([sys.executable, "-c", PIECES])
    assert (one.busy_until, one.used, one.starts) == (0.0, 0.0, [])
    assert one.fileno() > 2 and not os.get_blocking(one.fileno()) and len(descriptors()) == len(before) + 1
    for what, within in ((("starts", [(7, "/x", ("k", 1))]), 15.0), (("x" * 3000,), 2.5), ((), 15.0)):
        one.request(what, 100.0, *([within] if within != 15.0 else []))
        assert one.busy_until == 100.0 + within
        assert heard(one) == what and one.busy_until == 0.0
    one.end()
    assert descriptors() == before


def test_one_that_has_ended_is_heard_of_by_an_error():
    one = Verifier([sys.executable, "-c", ""])
    raised = []

    def ended():
        try:
            one.answer()
        except OSError:
            raised.append(True)
        return bool(raised)

    until(ended)
    one.end()


def test_hanging_process_that_ignores_signals_is_ended_at_once(tmp_path: Path) -> None:
    verifier = Verifier([sys.executable, "-c", HANGS, str(BUSY), str(tmp_path / "outlived")])
    verifier.request(("starts", []), 100.0)
    until(lambda: select.select([verifier], [], [], 0)[0])
    verifier.end()
    assert not (tmp_path / "outlived").exists()
    assert not os.path.lexists(f"/proc/{verifier.pid}")

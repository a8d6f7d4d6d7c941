"""The process that verifies starts, from the side of the daemon."""

import os
import select
import sys
from typing import Any

import pytest
from patience import BUSY, until
from proscribe.host.watch.starts.verifier import Verifier

# Answers each request with itself, in pieces of which the first is half of its head.
PIECES = """
import os, time
def exactly(size):
    answers = b""
    while len(answers) < size:
        if not (piece := os.read(0, size - len(answers))):
            raise SystemExit
        answers += piece
    return answers
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


def list_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def read_answer(verifier: Verifier) -> Any:
    answers: list[Any] = []
    until(lambda: answers or ((answer := verifier.answer()) is not None and answers.append(answer)))
    return answers[0]


def test_answer_is_read_once_it_is_whole():
    before, verifier = list_descriptors(), Verifier([sys.executable, "-c", PIECES])
    assert (verifier.busy_until, verifier.used, verifier.starts) == (0.0, 0.0, [])
    assert verifier.fileno() > 2 and not os.get_blocking(verifier.fileno())
    assert len(list_descriptors()) == len(before) + 1
    for request, within in ((("starts", [(7, "/x", ("k", 1))]), 15.0), (("x" * 3000,), 2.5), ((), 15.0)):
        verifier.request(request, 100.0, *([within] if within != 15.0 else []))
        assert verifier.busy_until == 100.0 + within
        assert read_answer(verifier) == request and verifier.busy_until == 0.0
    assert verifier.answer() is None
    verifier.end()
    assert list_descriptors() == before and not os.path.lexists(f"/proc/{verifier.pid}")
    verifier.end()


def test_ended_verifier_raises_an_error():
    verifier = Verifier([sys.executable, "-c", ""])
    with pytest.raises(OSError):
        until(lambda: verifier.answer() is not None)
    verifier.end()


def test_hanging_process_that_ignores_signals_is_ended_at_once(tmp_path):
    verifier = Verifier([sys.executable, "-c", HANGS, str(BUSY), str(tmp_path / "outlived")])
    verifier.request(("starts", []), 100.0)
    until(lambda: select.select([verifier], [], [], 0)[0])
    verifier.end()
    assert not (tmp_path / "outlived").exists() and not os.path.lexists(f"/proc/{verifier.pid}")


def test_verifier_that_hangs_or_has_no_work_is_ended(tmp_path):
    ends = "import os, pathlib; os.read(0, 1); pathlib.Path('{}').touch()"
    for code, asks in (("import time; time.sleep(600)", True), (ends.format(tmp_path / "ended"), False)):
        verifier = Verifier([sys.executable, "-c", code])
        if asks:
            verifier.request(("sets",), 100.0, within=5.0)
            assert verifier.busy_until == 105.0
        verifier.end()
        verifier.end()
        assert not os.path.lexists(f"/proc/{verifier.pid}")
    assert (tmp_path / "ended").exists(), "it came to its own end"


def test_verifier_that_cannot_be_started_leaves_no_descriptor():
    before = list_descriptors()
    with pytest.raises(OSError):
        Verifier(["/nonexistent/program"])
    assert list_descriptors() == before

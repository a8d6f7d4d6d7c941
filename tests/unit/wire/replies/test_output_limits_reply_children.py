"""What a connection has started is ended with all that is below it, and a pipe gives what was asked of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from proscribe.wire.replies import output_limits
from proscribe.wire.replies.output_limits import Leash

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def test_each_process_below_one_is_found() -> None:
    """sshpass starts ssh, a shell sudo, sudo the rest: the last one holds the connection."""
    process = subprocess.Popen(
        ["sh", "-c", "sh -c 'sleep 100 & echo $!; wait' & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        started = {int(process.stdout.readline()) for _ in range(2)}
        for _ in range(100):
            found = list(output_limits._below(process.pid))
            if started <= set(found):
                break
            time.sleep(0.05)
        assert started <= set(found) and process.pid not in found
    finally:
        for pid in [process.pid, *output_limits._below(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
    assert list(output_limits._below(process.pid)) == [], "what has ended has none"


def test_a_pipe_gives_as_much_as_is_asked_for_or_all() -> None:
    with Leash(1_000_000, 60):
        process = subprocess.Popen(["printf", "0123456789"], **PIPES)  # type: ignore[call-overload]
        assert process.stdout.read(0) == b"" and process.stdout.read(4) == b"0123"
        assert process.stdout.read(-1) == b"456789" and process.stdout.read() == b""
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.mark.parametrize(("most", "whole"), [(10, True), (9, False)])
def test_an_answer_may_have_so_many_bytes_and_no_more(most: int, whole: bool) -> None:
    with Leash(most, 60) as leash:
        process = subprocess.Popen(["printf", "0123456789"], **PIPES)  # type: ignore[call-overload]
        out, _ = process.communicate()
    assert (out, leash.why == "") == ((b"0123456789", True) if whole else (b"", False))


def test_a_program_that_wants_no_input_is_heard_all_the_same() -> None:
    with Leash(1_000_000, 30) as leash:
        process = subprocess.Popen(["sh", "-c", "exec <&-; sleep 0.2; echo x"], **PIPES)  # type: ignore[call-overload]
        assert process.communicate(b"y" * 1_000_000) == (b"x\n", b"")
        assert process.stdin.closed and leash.why == ""

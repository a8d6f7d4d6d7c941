"""Limits on the programs of a connection: bytes of output, time, and no process that stays behind."""

import fcntl
import os
import selectors
import signal
import subprocess
import sys

import pytest
from patience import until
from proscribe.wire.answers import output_limits
from proscribe.wire.answers.output_limits import OutputLimiter, TimeLimitExceeded

FLOOD = [sys.executable, "-c", "while True: print('x' * 65536)"]
SLEEP = ["sleep", "1000"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def run_as_local(argv, content=b""):
    process = subprocess.Popen(argv, **PIPES)
    return process, process.communicate(content)[0]


def run_as_ssh(argv, content=b""):
    process = subprocess.Popen(argv, **PIPES)
    for pipe in (process.stdout, process.stderr):
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_NONBLOCK)
    process.stdin.write(content)
    process.stdin.close()
    out = b""
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(1):
                chunk = key.fileobj.read()
                if chunk == b"":
                    selector.unregister(key.fileobj)
                elif key.fileobj == process.stdout:
                    out += chunk
    process.wait()
    return process, out


@pytest.mark.parametrize("run_program", [run_as_local, run_as_ssh])
@pytest.mark.parametrize("argv", [FLOOD, ["sh", "-c", "exec >&2; yes"]])
def test_flood_is_cut_and_its_program_ended(run_program, argv):
    with OutputLimiter(2**20, 60) as leash:
        process, out = run_program(argv)
        assert process.returncode == -signal.SIGKILL and len(out) <= 2**20
    assert leash.reason == "it answered with more than 1 MiB"


def test_wait_for_no_program_is_given_up_in_time():
    with pytest.raises(TimeLimitExceeded), OutputLimiter(100, 0.2) as leash:
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)  # the exception comes seconds after the killing; here at once
        until(lambda: False)
    assert leash.reason == "it took longer than 0.2 seconds"


def test_program_is_ended_where_the_block_raises():
    with pytest.raises(KeyError), OutputLimiter(100, 60):
        process = subprocess.Popen(SLEEP)
        raise KeyError
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("others", "seconds", "ours"), [(0, 60, True), (30, 10, True), (8, 60, False)])
def test_leash_leaves_no_timer_and_no_handler_of_its_own(others, seconds, ours):
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, others)
    try:
        with OutputLimiter(100, seconds):
            assert (signal.getsignal(signal.SIGALRM) != before) is ours
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= (seconds if ours else others)
        assert signal.getsignal(signal.SIGALRM) == before
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        assert others / 2 < left <= others if others else left == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_output_that_is_read_as_text_is_whole():
    with OutputLimiter(100, 60):
        assert subprocess.run(["cat"], input="text", capture_output=True, text=True, check=True).stdout == "text"


def test_timeout_of_the_caller_counts_within_the_leash(monkeypatch):
    timeouts, real = [], selectors.DefaultSelector.select
    with OutputLimiter(100, 60) as leash:
        assert subprocess.Popen(["cat"], **PIPES).communicate(b"x", timeout=50) == (b"x", b"")
        monkeypatch.setattr(selectors.DefaultSelector, "select", lambda *what: timeouts.append(what[1]) or real(*what))
        process = subprocess.Popen(SLEEP, **PIPES)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.2)
    assert max(timeouts) <= 0.2 and leash.reason == "" and process.returncode == -signal.SIGKILL


def test_processes_below_a_process_are_found():
    # sshpass starts ssh, a shell sudo, sudo the rest: the last one holds the connection.
    process = subprocess.Popen(
        ["sh", "-c", "sh -c 'sleep 100 & echo $!; wait' & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    try:
        started = {int(process.stdout.readline()) for _ in range(2)}
        until(lambda: started <= set(output_limits._list_descendants(process.pid)))
        assert process.pid not in list(output_limits._list_descendants(process.pid))
    finally:
        for pid in [process.pid, *output_limits._list_descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
    assert list(output_limits._list_descendants(process.pid)) == [], "what has ended has none"


def test_pipe_gives_as_many_bytes_as_are_asked_for_or_all():
    with OutputLimiter(1_000_000, 60):
        process = subprocess.Popen(["printf", "0123456789"], **PIPES)
        assert process.stdout.read(0) == b"" and process.stdout.read(4) == b"0123"
        assert process.stdout.read(-1) == b"456789" and process.stdout.read() == b""
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.mark.parametrize(("most", "whole"), [(10, True), (9, False)])
def test_answer_of_more_bytes_than_the_limit_is_empty(most, whole):
    with OutputLimiter(most, 60) as leash:
        out, _ = subprocess.Popen(["printf", "0123456789"], **PIPES).communicate()
    assert (out, leash.reason == "") == ((b"0123456789", True) if whole else (b"", False))


def test_program_that_closes_its_input_is_heard():
    with OutputLimiter(1_000_000, 30) as leash:
        process = subprocess.Popen(["sh", "-c", "exec <&-; sleep 0.2; echo x"], **PIPES)
        assert process.communicate(b"y" * 1_000_000) == (b"x\n", b"")
        assert process.stdin.closed and leash.reason == ""

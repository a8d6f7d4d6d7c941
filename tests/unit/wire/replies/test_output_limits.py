"""The leash on what a connection starts: how much it may print, how long it may take, and that nothing is left."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import subprocess
import sys

import pytest
from patience import until
from proscribe.wire.replies.output_limits import Leash, TookTooLong

FLOOD = [sys.executable, "-c", "while True: print('x' * 65536)"]
SLEEP = ["sleep", "1000"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def as_local(argv, given=b""):
    """How Ansible's local connection reads a program."""
    process = subprocess.Popen(argv, **PIPES)
    return process, process.communicate(given)[0]


def as_ssh(argv, given=b""):
    """How its ssh connection does."""
    process = subprocess.Popen(argv, **PIPES)
    for pipe in (process.stdout, process.stderr):
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_NONBLOCK)
    process.stdin.write(given)
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


BOTH = pytest.mark.parametrize("run_program", [as_local, as_ssh])


@BOTH
@pytest.mark.parametrize(
    "argv", [FLOOD, ["sh", "-c", "exec >&2; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"]]
)
def test_a_flood_is_cut_and_its_program_ended(run_program, argv):
    with Leash(2**20, 60) as leash:
        process, out = run_program(argv)
        assert process.returncode == -signal.SIGKILL
        assert len(out) <= 2**20
    assert leash.why == "it answered with more than 1 MiB"


def test_what_is_no_program_is_given_up_too():
    with pytest.raises(TookTooLong), Leash(100, 0.2) as leash:
        leash_again(leash)
    assert leash.why


def leash_again(leash):
    """The exception comes some seconds after the killing; here at once."""
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    until(lambda: False)


def test_nothing_is_left_when_the_block_ends_otherwise():
    with pytest.raises(KeyError), Leash(100, 60):
        process = subprocess.Popen(SLEEP)
        raise KeyError
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("others", [0, 30])
def test_a_leash_leaves_no_timer_and_no_handler_of_its_own(others):
    """The task goes on after it; an alarm that rings then ends it."""
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, others)
    try:
        with Leash(100, 10 if others else 60):
            assert signal.getsignal(signal.SIGALRM) != before and 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        assert signal.getsignal(signal.SIGALRM) == before
        assert bool(signal.getitimer(signal.ITIMER_REAL)[0]) is bool(others)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_a_program_that_is_heard_as_text_is_heard():
    with Leash(100, 60):
        assert subprocess.run(["cat"], input="text", capture_output=True, text=True, check=True).stdout == "text"


def test_a_caller_that_waits_for_so_long_waits_no_longer(monkeypatch):
    """An honest program is heard; of a silent one he hears when his own time is over."""
    timeouts = []
    real = selectors.DefaultSelector.select
    with Leash(100, 60) as leash:
        assert subprocess.Popen(["cat"], **PIPES).communicate(b"x", timeout=50) == (b"x", b"")
        monkeypatch.setattr(selectors.DefaultSelector, "select", lambda *what: timeouts.append(what[1]) or real(*what))
        process = subprocess.Popen(SLEEP, **PIPES)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.2)
    assert max(timeouts) <= 0.2 and leash.why == ""
    assert process.returncode == -signal.SIGKILL

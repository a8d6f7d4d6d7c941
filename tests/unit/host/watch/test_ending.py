"""Programs are ended side by side within a second, whether they listen or not, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from patience import LONGEST, until
from proscribe.host.system import Process
from proscribe.host.watch.ending import GRACE, Endings

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"


def deaf() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-IS", "-c", DEAF], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def held() -> int:
    """How many processes are held by a descriptor."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one of the list itself
            found += "pidfd" in os.readlink(f"/proc/self/fd/{name}")
    return found


@pytest.fixture(autouse=True)
def no_process_is_held_for_ever():
    before = held()
    yield
    assert held() == before


def test_who_listens_gets_term_and_who_does_not_gets_kill_all_at_once():
    endings = Endings()
    listens = subprocess.Popen(["sleep", "600"])
    others = [deaf() for _ in range(3)]
    began = time.monotonic()
    for process in (listens, *others):
        assert endings.begin(Process(process.pid, "/x"), lambda: True)
    assert listens.wait(LONGEST) == -signal.SIGTERM
    due = endings.due()
    assert due is not None and began + GRACE <= due <= time.monotonic() + GRACE
    assert endings.proceed(due + GRACE) == []  # as if that time had passed
    assert [process.wait(LONGEST) for process in others] == [-signal.SIGKILL] * 3
    until(lambda: endings.proceed(time.monotonic()) == [] and not endings)


def test_what_has_ended_meanwhile_is_nothing_to_end():
    process = subprocess.Popen(["true"])
    process.wait()
    assert not Endings().begin(Process(process.pid, "/x"), lambda: pytest.fail("nobody is there"))


def test_what_ends_while_it_is_held_is_nothing_to_end():
    process = subprocess.Popen(["sleep", "600"])
    endings = Endings()

    def ends():
        process.kill()
        process.wait()
        return True

    assert not endings.begin(Process(process.pid, "/x"), ends) and not endings


def test_what_not_even_kill_ends_is_said_once(monkeypatch):
    endings = Endings()
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    process = subprocess.Popen(["sleep", "600"])
    try:
        assert endings.begin(Process(process.pid, "/x"), lambda: True)
        kill = endings.due()
        assert kill is not None and endings.proceed(kill) == []
        end = endings.due()
        assert end is not None and kill + 1 < end < kill + 60
        assert endings.proceed(end - 0.1) == []
        assert endings.proceed(end) == [f"process {process.pid} (/x)"]
        assert not endings and endings.due() is None
    finally:
        process.kill()
        process.wait()

"""The ends of programs by the watch: side by side, with TERM and KILL."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from patience import LONGEST, until
from proscribe.host.system import Process
from proscribe.host.watch.terminations import ProcessTerminations

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"


def start_deaf() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-IS", "-c", DEAF], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def count_held() -> int:
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one of the list itself
            count += "pidfd" in os.readlink(f"/proc/self/fd/{name}")
    return count


@pytest.fixture(autouse=True)
def no_process_is_held_for_ever():
    before = count_held()
    yield
    assert count_held() == before


def test_processes_get_term_and_deaf_ones_kill_side_by_side():
    endings, listens = ProcessTerminations(), subprocess.Popen(["sleep", "600"])
    others, began = [start_deaf() for _ in range(3)], time.monotonic()
    for process in (listens, *others):
        assert endings.begin_termination(Process(process.pid, "/x"), lambda: True)
    assert listens.wait(LONGEST) == -signal.SIGTERM
    due = endings.get_due_time()
    assert began + 0.3 <= due <= time.monotonic() + 0.3
    assert endings.process_due(due + 0.3) == []  # as if that time had passed
    assert [process.wait(LONGEST) for process in others] == [-signal.SIGKILL] * 3
    until(lambda: endings.process_due(time.monotonic()) == [] and not endings)


def test_process_that_has_ended_is_not_held():
    process = subprocess.Popen(["true"])
    process.wait()
    assert not ProcessTerminations().begin_termination(
        Process(process.pid, "/x"), lambda: pytest.fail("nobody is there")
    )


def test_process_that_ends_while_it_is_held_is_released():
    process, endings = subprocess.Popen(["sleep", "600"]), ProcessTerminations()
    assert not endings.begin_termination(Process(process.pid, "/x"), lambda: (process.kill(), process.wait()))
    assert not endings


def test_process_that_outlives_kill_is_reported_once(monkeypatch):
    endings = ProcessTerminations()
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    with subprocess.Popen(["sleep", "600"]) as process:
        assert endings.begin_termination(Process(process.pid, "/x"), lambda: True)
        kill = endings.get_due_time()
        assert endings.process_due(kill) == []
        end = endings.get_due_time()
        assert kill + 1 < end < kill + 60 and endings.process_due(end - 0.1) == []
        assert endings.process_due(end) == [f"process {process.pid} (/x)"]
        assert not endings
        assert endings.get_due_time() is None
        process.kill()

"""Runs that change a host take turns: who waits knows for whom, and who came in between is known too. In processes of
their own, on a fixture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import LONGEST, until
from proscribe.host.system import ControlError, Host
from proscribe.host.system.file_lock import LAST, LOCK, Busy

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
HOLDING = """
import sys, time
from proscribe.host.system import Host
host = Host(sys.argv[1])
host.by = sys.argv[2]
with host.exclusive():
    print("has it", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def run_of(root: Path, by: str, patience: float = LONGEST) -> Host:
    host = Host(str(root))
    host.by, host.patience = by, patience
    return host


def holding(root: Path, by: str) -> subprocess.Popen[str]:
    """Another process that has the host."""
    command = [sys.executable, "-c", HOLDING, str(root), by]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4] / "module_utils")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


def test_a_timed_out_wait_reports_the_other_run_its_start_and_the_end_of_the_wait(root: Path) -> None:
    with holding(root, "run 7 of alice on ctl") as other:
        waiting = run_of(root, "run 8 of bob on spare", 0.3)
        said = rf"being changed by run 7 of alice on ctl, since {TIME}; waited for it until {TIME}"
        with pytest.raises(Busy, match=said) as busy, waiting.exclusive():
            pass
        assert busy.value.turn.by == "run 7 of alice on ctl" and isinstance(busy.value, ControlError)
        other.kill()


def test_a_lock_that_cannot_be_made_is_an_error(root: Path) -> None:
    (root / LOCK[1:]).mkdir()
    with pytest.raises(ControlError, match=f"^cannot lock {LOCK}: Is a directory$"), run_of(root, "a", 0).exclusive():
        pytest.fail("nobody has the host")


def test_who_has_waited_knows_for_whom_and_how_long(root: Path) -> None:
    with holding(root, "run 7\nof alice \x1b[2J") as other:
        until(lambda: (root / LOCK[1:]).read_text().count("\n") == 1)
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {other.pid}"])
        host = run_of(root, "run 8 of bob on spare")
        with host.exclusive():
            pass
    [found] = host.other_runs
    assert (found["by"], found["waited"] >= 1) == ("run 7 of alice [2J", True) and re.fullmatch(TIME, found["since"])


def test_two_runs_that_change_a_host_in_turns_know_of_each_other(root: Path) -> None:
    """A run that was over before the other began is no news."""
    for by, others in (("old", []), ("a", []), ("b", []), ("a", ["b"]), ("a", []), ("b", ["a", "a"])):
        host = run_of(root, by)
        with host.exclusive() as turns:
            turns.note()
        assert [one["by"] for one in host.other_runs] == others
        assert all(one["waited"] == 0 for one in host.other_runs)
    for number in range(20):
        with run_of(root, f"run {number}").exclusive() as turns:
            turns.note()
    assert re.fullmatch(rf"(?:{TIME} run 1\d\n){{8}}", (root / LAST[1:]).read_text())
    with run_of(root, "lift").exclusive() as turns:
        turns.forget()
    assert list((root / "run").iterdir()) == []


def test_nobody_waits_at_a_pipe_in_place_of_the_turns(root: Path) -> None:
    os.mkfifo(root / LAST[1:])
    before = len(os.listdir("/proc/self/fd"))
    with run_of(root, "a", 0).exclusive() as turns:
        turns.note()
    assert len(os.listdir("/proc/self/fd")) == before

"""The lock of a host: runs take turns and know of each other. The other run is a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import LONGEST, until
from proscribe.host.system import ControlError, Host
from proscribe.host.system.host_lock import HOST_LOCK_PATH, TURNS_PATH, HostBusyError

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
HOLDING = """
import sys, time
from proscribe.host.system import Host
host = Host(sys.argv[1])
host.changed_by = sys.argv[2]
with host.lock_host():
    print("has it", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path


def make_run(root: Path, by: str, patience: float = LONGEST) -> Host:
    host = Host(str(root))
    host.changed_by, host.lock_timeout = by, patience
    return host


def hold_host(root: Path, by: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDING, str(root), by]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4] / "module_utils")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


def test_timed_out_wait_reports_the_other_run(root):
    with hold_host(root, "run 7 of alice on ctl") as other:
        message = rf"being changed by run 7 of alice on ctl, since {TIME}; waited for it until {TIME}"
        with (
            pytest.raises(HostBusyError, match=message) as busy,
            make_run(root, "run 8 of bob on spare", 0.3).lock_host(),
        ):
            pass
        assert busy.value.turn.by == "run 7 of alice on ctl" and isinstance(busy.value, ControlError)
        other.kill()


def test_lock_that_cannot_be_made_is_an_error(root):
    (root / HOST_LOCK_PATH[1:]).mkdir()
    with (
        pytest.raises(ControlError, match=f"^cannot lock {HOST_LOCK_PATH}: Is a directory$"),
        make_run(root, "a", 0).lock_host(),
    ):
        pytest.fail("nobody has the host")


@pytest.mark.slow
def test_run_that_has_waited_knows_the_other_run(root):
    with hold_host(root, "run 7\nof alice \x1b[2J") as other:
        until(lambda: (root / HOST_LOCK_PATH[1:]).read_text().count("\n") == 1)
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {other.pid}"])
        host = make_run(root, "run 8 of bob on spare")
        with host.lock_host():
            pass
    [other_run] = host.other_runs
    assert other_run["by"] == "run 7 of alice [2J" and other_run["waited"] >= 1
    assert re.fullmatch(TIME, other_run["since"])


def test_runs_that_take_turns_know_of_each_other(root):
    """A run that was over before the other began is no news."""
    for by, others in (("old", []), ("a", []), ("b", []), ("a", ["b"]), ("a", []), ("b", ["a", "a"])):
        host = make_run(root, by)
        with host.lock_host() as turns:
            turns.note_change()
        assert [run["by"] for run in host.other_runs] == others
        assert all(run["waited"] == 0 for run in host.other_runs)
    for number in range(20):
        with make_run(root, f"run {number}").lock_host() as turns:
            turns.note_change()
    assert re.fullmatch(rf"(?:{TIME} run 1\d\n){{8}}", (root / TURNS_PATH[1:]).read_text())
    with make_run(root, "lift").lock_host() as turns:
        turns.forget_changes()
    assert list((root / "run").iterdir()) == []


def test_pipe_in_place_of_the_turns_blocks_nobody(root):
    os.mkfifo(root / TURNS_PATH[1:])
    with make_run(root, "a", 0).lock_host() as turns:
        turns.note_change()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_run_keeps_nobody_from_the_host(root, number):
    with hold_host(root, "run 7 of alice on ctl") as other:
        other.send_signal(number)
    assert (root / HOST_LOCK_PATH[1:]).exists()
    host = make_run(root, "run 8 of bob on spare", 0)
    with host.lock_host():
        assert re.fullmatch(rf"{TIME} run 8 of bob on spare\n", (root / HOST_LOCK_PATH[1:]).read_text())
    assert host.other_runs == [] and not (root / HOST_LOCK_PATH[1:]).exists()


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"no", b"x" * 100_000, b"\n\n\n"])
def test_text_that_is_no_turn_is_passed_over(root, text):
    for name in (HOST_LOCK_PATH, TURNS_PATH):
        (root / name[1:]).write_bytes(text)
    host = make_run(root, "a", 0)
    with host.lock_host() as turns:
        turns.note_change()
    assert host.other_runs == [] and (root / TURNS_PATH[1:]).read_text().splitlines()[-1].endswith(" a")


@pytest.mark.parametrize(("by", "line"), [("", "another run"), ("\n", "another run"), ("x" * 300, "x" * 200)])
def test_run_is_named_in_one_line_that_root_alone_can_write(root, by, line):
    with make_run(root, by, 0).lock_host() as turns:
        turns.note_change()
        for name in (HOST_LOCK_PATH, TURNS_PATH):
            assert re.fullmatch(f"{TIME} {line}\n", (root / name[1:]).read_text())
            assert (root / name[1:]).stat().st_mode & 0o777 == 0o600


def test_link_to_a_file_that_would_be_emptied_is_not_followed(root):
    (root / "file").write_text("2026-11-27T03:00:00Z a\n2026-11-27T03:00:00Z b\n")
    (root / TURNS_PATH[1:]).symlink_to("../file")
    host = make_run(root, "a", 0)
    with host.lock_host() as turns:
        turns.note_change()
    assert host.other_runs == []
    (root / HOST_LOCK_PATH[1:]).symlink_to("../file")
    with pytest.raises(ControlError, match=f"^cannot lock {HOST_LOCK_PATH}: "), make_run(root, "a", 0).lock_host():
        pytest.fail("nobody has the host")
    assert (root / "file").read_text().count("\n") == 2

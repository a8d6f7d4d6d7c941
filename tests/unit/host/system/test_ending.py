"""The end of programs: signals, waits, and reports of processes that stay."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from patience import LONGEST
from proscribe.host.system import ControlError, Ending, Host, Process, ending

SEVEN, EIGHT = Process(7, "/opt/x"), Process(8, "/opt/y")
TERM, KILL, STOP = signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP


class Machine:
    """A host on which each process ends after so many signals, its clock, and the signals with the time of each."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, ends_after: dict[Process, int]) -> None:
        for process in ends_after:
            (root / f"proc/{process.pid}").mkdir(parents=True)
            (root / f"proc/{process.pid}/exe").symlink_to(f"{process.exe} (deleted)")
        self.root, self.host, self.ends_after = root, Host(str(root)), {p.pid: n for p, n in ends_after.items()}
        self.done, self.refusal = [], None
        self.now, self.held = 0.0, {}
        machine = self

        class Poll:
            pid = 0

            def register(self, descriptor: int, events: int) -> None:
                self.pid = machine.held[descriptor]

            def poll(self, milliseconds: float) -> bool:
                return machine.has_ended(self.pid)

        def hold(pid: int) -> int:
            descriptor = os.open(root, os.O_RDONLY)
            self.held[descriptor] = pid
            return descriptor

        def send(descriptor: int, number: int) -> None:
            self.done.append((self.held[descriptor], number, round(self.now)))
            if self.refusal:
                raise self.refusal

        def sleep(seconds: float) -> None:
            self.now += seconds

        monkeypatch.setattr(os, "pidfd_open", hold)
        monkeypatch.setattr(signal, "pidfd_send_signal", send)
        monkeypatch.setattr(ending.select, "poll", Poll)
        monkeypatch.setattr(ending, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=sleep))

    def has_ended(self, pid: int) -> bool:
        return sum(number == pid for number, _, _ in self.done) >= self.ends_after[pid]

    def end(
        self, still: Callable[[Process], bool] = lambda process: process in (SEVEN, EIGHT), grace: float = 5
    ) -> None:
        """End process 7, whose user has all the others too."""
        programs = [Ending([process], still) for process in (SEVEN, EIGHT) if process.pid in self.ends_after]
        self.host.end_program(programs[0], programs, tuple, grace)


def test_programs_of_a_user_are_ended_side_by_side(tmp_path, monkeypatch):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 2, EIGHT: 3})
    machine.end()  # 8 outlives KILL, and is the other program's
    assert machine.done == [(7, TERM, 0), (8, TERM, 0), (7, KILL, 5), (8, KILL, 5)] and round(machine.now) == 10
    (tmp_path / "proc/8/status").write_text("SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n")
    machine.ends_after[8] = 9
    with pytest.raises(ControlError, match=r"^process 8 \(/opt/y\) does not end, not even by KILL$"):
        machine.host.end_program(Ending([EIGHT], lambda process: True), (), tuple, 5)
    assert round(machine.now) == 10 and len(machine.done) == 4


@pytest.mark.parametrize("has_ended", [False, True])
def test_process_that_is_another_by_now_or_has_ended_gets_no_signal(tmp_path, monkeypatch, has_ended):
    """Its number may be another program's by now: an editor's, with unsaved work."""
    machine, checked = Machine(tmp_path, monkeypatch, {SEVEN: 1}), []
    if has_ended:
        (tmp_path / "proc/7/exe").unlink()
    machine.end(lambda process: checked.append(process) or has_ended)
    assert machine.done == [] and checked == [SEVEN] * (not has_ended)


@pytest.mark.parametrize(("number", "message"), [(3, ""), (1, r"^cannot end process 7 \(/opt/x\): Operation not perm")])
def test_refused_signal_is_reported_unless_the_process_has_ended(tmp_path, monkeypatch, number, message):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 1})
    machine.refusal = OSError(number, os.strerror(number))
    with pytest.raises(ControlError, match=message) if message else contextlib.nullcontext():
        machine.end()
    assert machine.done == [(7, TERM, 0)]


@pytest.mark.parametrize(
    ("ends_after", "grace", "done"),
    [
        (1, 5, [(7, TERM, 0)]),  # five seconds in which its user's work can be saved
        (2, 5, [(7, TERM, 0), (7, KILL, 5)]),
        (2, 2, [(7, TERM, 0), (7, KILL, 2)]),
        (3, 5, [(7, TERM, 0), (7, KILL, 5)]),  # it hangs in the kernel and still runs, so the ban does not hold
    ],
)
def test_program_is_asked_to_end_and_killed_if_it_stays(tmp_path, monkeypatch, ends_after, grace, done):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: ends_after})
    outlives = pytest.raises(ControlError, match=r"^process 7 \(/opt/x\) does not end, not even by KILL$")
    with outlives if ends_after == 3 else contextlib.nullcontext():
        machine.end(grace=grace)
    assert machine.done == done and (ends_after < 3 or round(machine.now) == 10)


def test_forked_processes_are_stopped_before_any_of_them_is_killed(tmp_path, monkeypatch):
    machine = Machine(tmp_path, monkeypatch, {SEVEN: 1, EIGHT: 2})
    program = Ending([SEVEN], lambda process: True)
    machine.host.end_program(program, [program], lambda: [(EIGHT, program)], 5)
    assert machine.done == [(7, TERM, 0), (8, STOP, 0), (8, KILL, 0)]


@pytest.mark.parametrize(("deaf", "number"), [("", TERM), ("trap '' TERM; ", KILL)])
def test_real_program_is_listed_with_its_user_and_ended(deaf, number):
    code = f"{deaf}echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(["sh", "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        host, seen = Host(), Process(process.pid, os.readlink(f"/proc/{process.pid}/exe"))
        assert seen in host.processes()[0] and host.owner(seen).uid == os.getuid()
        assert host.started(seen).startswith("20") and host.shares_root(seen)
        assert {1, os.getpid(), os.getppid()} <= host.lineage()
        host.end_program(Ending([seen], lambda found: found == seen), grace=0.2 if deaf else 5)
        assert process.wait(LONGEST) == -number

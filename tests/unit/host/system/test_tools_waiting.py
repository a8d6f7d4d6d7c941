"""How a tool is waited for: without spending the processor's time, to the end of its time and no longer."""

from __future__ import annotations

import os
import select
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest
from patience import BUSY, LONGEST, alive, until
from proscribe.host.system import ControlError, Result, User, run_tool, tool_ending, tool_scope, tools


def sh(code: str) -> list[str]:
    return ["/bin/sh", "-c", code]


class Poll:
    """What the kernel is asked, and for how long."""

    waits: list[float]

    def __init__(self) -> None:
        self.real = select.poll()
        self.register, self.unregister = self.real.register, self.real.unregister

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        self.waits.append(timeout)
        return self.real.poll(timeout)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    Poll.waits = []
    monkeypatch.setattr(tools, "select", SimpleNamespace(poll=Poll, POLLIN=select.POLLIN, POLLOUT=select.POLLOUT))
    return Poll.waits


def test_a_tool_that_says_nothing_costs_nothing_meanwhile(waits: list[float]) -> None:
    assert run_tool(sh("sleep 0.4; echo done")) == Result(0, "done\n", "")
    assert waits[0] == 50.0 and len(waits) < 40
    waits.clear()
    with pytest.raises(ControlError, match=r"did not end within 0\.02 s"):
        run_tool(sh("sleep 60"), timeout=0.02)
    assert all(0 < wait <= 20 for wait in waits)


@pytest.mark.parametrize("closed", ["1", "2"])
def test_nor_does_one_that_has_closed_one_of_its_outputs(waits: list[float], closed: str) -> None:
    """The kernel answers at once, and again and again, for an end that nobody holds any more."""
    assert run_tool(sh(f"exec {closed}>&-; sleep 0.4; exit 3")).rc == 3
    assert len(waits) < 40


def test_nor_does_one_that_has_all_of_its_input(waits: list[float]) -> None:
    assert run_tool(sh("cat; sleep 0.4"), stdin="given") == Result(0, "given", "")
    assert len(waits) < 40


def test_a_tool_has_all_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still, so that a busy machine takes none of it."""
    monkeypatch.setattr(tools, "time", SimpleNamespace(monotonic=lambda: 100.0, sleep=time.sleep))
    assert run_tool(sh("echo x; exec >&- 2>&-; sleep 0.1; exit 5"), timeout=0.001) == Result(5, "x\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
def test_a_tool_that_cannot_become_its_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_scope, "is_systemd_here", lambda: False)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlError) as wrong:
        run_tool(["/bin/x", "y"], user=User("x", 1 << 40, 1 << 40, "/"))
    assert str(wrong.value) == "/bin/x cannot be run: Invalid argument"
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_its_last_words_are_is_taken_although_somebody_holds_its_output() -> None:
    """It ends between two looks; what it has started meanwhile holds the output open."""
    code = "sleep 1000 & echo $!; i=0; while [ $i -lt 300 ]; do echo 123456789; i=$((i + 1)); done; echo end >&2"
    out, err = run_tool(sh(code), timeout=LONGEST)[1:]
    holder, _, out = out.partition("\n")
    os.kill(int(holder), signal.SIGKILL)  # it is there
    assert (out, err) == ("123456789\n" * 300, "end\n")


def test_no_variable_is_lost_that_a_caller_gives() -> None:
    output = run_tool(sh('echo "$LC_ALL $A"'), environment={"LC_ALL": "C", "A": "b"}).out
    assert output == "C b\n"
    assert run_tool(sh("echo $LC_ALL $HOME")).out == "C.UTF-8 /root\n"


def test_of_a_tools_descendants_each_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one to the next, whatever session it has begun and whatever it calls itself."""
    stats = {
        "10": b"10 (tool) S 1 10 10 0",
        "11": b"11 (a) S) 9 (b) S 10 11 11 0",
        "12": b"12 (\xff\xfe) R 11 12 12 0",
        "13": b"13 (gone) Z 12 13 13 0",
        "14": b"14 (gone) X 10 10 10 0",
        "15": b"15 (other) S 1 15 15 0",
        "16": b"16 (same session) S 1 10 10 0",
        "17": b"17 (short)",
        "self": b"10 (self) S 10 10 10 0",
    }
    stats = {name: line + b" 0" * 14 + b" 1%s" % name.encode() for name, line in stats.items()}
    real = open

    def opening(path: str, *mode: Any, **how: Any) -> Any:
        name = path.split("/")[2]
        if name not in stats:
            raise FileNotFoundError
        reading, writing = os.pipe()
        os.write(writing, stats[name])
        os.close(writing)
        return real(reading, *mode, **how)

    monkeypatch.setattr(os, "listdir", lambda path: [*stats, "18", "version"])
    monkeypatch.setattr(tool_ending, "open", opening, raising=False)
    assert tool_ending.descendants(10) == {10: "110", 11: "111", 12: "112", 16: "116"}
    assert list(tool_ending.descendants(15)) == [15]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: runs a tool as somebody else")
@pytest.mark.parametrize("user", [None, User("nobody", 65534, 65534, "/nonexistent")])
def test_what_a_tool_of_the_host_has_started_goes_on_and_what_a_users_has_does_not(user: User | None) -> None:
    """A service manager starts services; a user's tool has no business after it has answered."""
    left = int(run_tool(sh("sleep 3600 >&- 2>&- & echo $!"), user=user).out)
    try:
        if user is not None:
            until(lambda: not alive(left), BUSY)
        else:
            time.sleep(0.3)  # a signal would take its time
            assert alive(left)
    finally:
        if alive(left):
            os.kill(left, signal.SIGKILL)

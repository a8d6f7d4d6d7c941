"""How a tool is waited for: without spending the processor's time, to the end of its time and no longer."""

from __future__ import annotations

import os
import select
from types import SimpleNamespace

import pytest
from proscribe.host.system import ControlError, Result, User, run_tool, tool_scope, tools


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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
def test_a_tool_that_cannot_become_its_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_scope, "is_systemd_here", lambda: False)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlError) as wrong:
        run_tool(["/bin/x", "y"], user=User("x", 1 << 40, 1 << 40, "/"))
    assert str(wrong.value) == "/bin/x cannot be run: Invalid argument"
    assert sorted(os.listdir("/proc/self/fd")) == before

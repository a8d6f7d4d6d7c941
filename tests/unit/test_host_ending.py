"""How a program is ended, step by step: which signal, how long is waited, and what is said of one that stays."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, Process

SEVEN = Process(7, "/opt/x")


class Ending:
    """A host whose process 7 ends after so many signals, and what was done to it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, ends_after: int) -> None:
        (root / "proc/7").mkdir(parents=True)
        (root / "proc/7/exe").symlink_to("/opt/x (deleted)")
        self.host = Host(str(root))
        self.done: list[tuple[object, ...]] = []
        self.refusal: OSError | None = None
        self.descriptor = os.open(root, os.O_RDONLY)
        ending = self

        class Poll:
            watched: tuple[int, int] | None = None

            def register(self, descriptor: int, events: int) -> None:
                self.watched = (descriptor, events)

            def poll(self, milliseconds: float) -> list[tuple[int, int]]:
                assert self.watched == (ending.descriptor, select.POLLIN)
                ending.done.append(("wait", milliseconds))
                signals = sum(what == "signal" for what, *_ in ending.done)
                return [(ending.descriptor, select.POLLIN)] if signals >= ends_after else []

        def send(descriptor: int, number: int) -> None:
            assert descriptor == self.descriptor
            self.done.append(("signal", number))
            if self.refusal:
                raise self.refusal

        monkeypatch.setattr(os, "pidfd_open", lambda pid: self.descriptor if pid == 7 else pytest.fail("another"))
        monkeypatch.setattr(signal, "pidfd_send_signal", send)
        monkeypatch.setattr(select, "poll", Poll)

    def end(self, still: Callable[[Process], bool] = lambda process: process == SEVEN, **options: float) -> None:
        try:
            self.host.end(SEVEN, still, **options)
        finally:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(self.descriptor)  # closed, whatever came of it


TERM, KILL = ("signal", signal.SIGTERM), ("signal", signal.SIGKILL)


@pytest.mark.parametrize(
    ("ends_after", "options", "done"),
    [
        (1, {}, [TERM, ("wait", 5000)]),  # five seconds to write down what its user was at
        (2, {}, [TERM, ("wait", 5000), KILL, ("wait", 5000)]),
        (2, {"grace": 0.5}, [TERM, ("wait", 500), KILL, ("wait", 5000)]),
    ],
)
def test_a_program_is_asked_first_and_killed_if_it_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends_after: int,
    options: dict[str, float],
    done: list[tuple[object, ...]],
) -> None:
    one = Ending(tmp_path, monkeypatch, ends_after)
    one.end(**options)
    assert one.done == done


def test_one_that_outlives_kill_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs in the kernel, on a dead network file system; the ban does not hold as long as it runs."""
    one = Ending(tmp_path, monkeypatch, 3)
    with pytest.raises(ControlError, match=r"^process 7 \(/opt/x\) does not end, not even by KILL$"):
        one.end()
    assert one.done == [TERM, ("wait", 5000), KILL, ("wait", 5000)]


def test_what_the_process_is_by_now_is_asked_once_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another program's by now: an editor's, with unsaved work."""
    one = Ending(tmp_path, monkeypatch, 1)
    checked: list[Process] = []
    one.end(lambda process: checked.append(process) or False)
    assert (checked, one.done) == ([SEVEN], [])


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (ProcessLookupError(3, "No such process"), ""),
        (PermissionError(1, "Operation not permitted"), "cannot end process 7 (/opt/x): Operation not permitted"),
    ],
)
def test_one_that_ends_meanwhile_is_no_error_and_one_that_may_not_be_ended_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: OSError, message: str
) -> None:
    one = Ending(tmp_path, monkeypatch, 1)
    one.refusal = refusal
    if message:
        with pytest.raises(ControlError) as wrong:
            one.end()
        assert str(wrong.value) == message
    else:
        one.end()
    assert one.done == [TERM]


def test_one_that_is_gone_before_it_is_asked_what_it_is_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Ending(tmp_path, monkeypatch, 1)
    (tmp_path / "proc/7/exe").unlink()
    one.end()
    assert one.done == []

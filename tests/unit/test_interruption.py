"""Signals of a run, taken from Ansible's task queue manager and given back: made managers, real signals."""

from __future__ import annotations

import os
import signal

import pytest
from proscribe_interruption import SIGNALS, Interruption


class Manager:
    """As much of Ansible's as is used: its handler ends workers, and raises KeyboardInterrupt on SIGINT."""

    def __init__(self) -> None:
        self.workers, self.cleaned = True, False
        signal.signal(signal.SIGINT, self._signal_handler)

    def _signal_handler(self, number, frame):
        self.workers = False
        raise KeyboardInterrupt

    def cleanup(self):
        self.cleaned = True


class Run:
    """A run that goes on, and how it was ended."""

    def __init__(self, code: int | None = 14) -> None:
        self.goes_on, self.why, self.code = True, "", code
        self.interruption = Interruption(lambda: self.goes_on, self.ends, 14)

    def ends(self, why):
        self.goes_on, self.why = False, why
        return self.code


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def played(manager, play):
    """As PlaybookExecutor does it; returns what it ended with."""
    try:
        try:
            play()
        finally:
            manager.cleanup()
    except BaseException as error:
        return error
    return None


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_workers_and_the_run_and_gives_the_exit_code(number):
    manager, run = Manager(), Run()
    run.interruption.over(manager)
    error = played(manager, lambda: os.kill(os.getpid(), number))
    assert (type(error), error.code) == (SystemExit, 14)
    assert (run.why, manager.workers, manager.cleaned) == (f"by {number.name}", False, True)


def test_an_event_is_taken_whole_before_the_run_unwinds():
    manager, run, taken = Manager(), Run(), []
    run.interruption.over(manager)

    def play():
        with run.interruption.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)  # the same end once more
            taken.append("event")
        taken.append("never")

    assert played(manager, play).code == 14
    assert (taken, run.why) == (["event"], "by SIGTERM")


@pytest.mark.parametrize(
    ("error", "why", "attribute"),
    [
        (type("AnsibleError", (Exception,), {"_exit_code": 1})(), "by an error of Ansible's", "_exit_code"),
        (SystemExit(250), "by an error of Ansible's", "code"),
        (KeyboardInterrupt(), "by SIGINT", None),
        (ValueError(), "by an error of Ansible's", None),
    ],
)
def test_an_error_ends_the_run_too(error, why, attribute):
    manager, run = Manager(), Run()
    run.interruption.over(manager)

    def play():
        raise error

    assert played(manager, play) is error
    assert run.why == why
    assert attribute is None or getattr(error, attribute) == 14


def test_where_no_run_goes_on_ansible_ends_as_ever():
    manager, run = Manager(), Run()
    run.interruption.over(manager)
    run.goes_on = False
    assert type(played(manager, lambda: os.kill(os.getpid(), signal.SIGINT))) is KeyboardInterrupt
    assert run.why == ""
    assert played(manager, lambda: None) is None


def test_what_somebody_else_or_nobody_handles_is_left_alone():
    manager, run = Manager(), Run()
    signal.signal(signal.SIGINT, before := signal.default_int_handler)
    run.interruption.over(manager)
    assert signal.getsignal(signal.SIGINT) is before
    for other in (None, object()):
        run.interruption.over(other)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    manager = Manager()
    run.interruption.over(manager)
    run.interruption.over(manager)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

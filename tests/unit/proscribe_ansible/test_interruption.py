"""Signals of a run, taken from Ansible's task queue manager and given back: made managers, real signals."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time

import pytest
from patience import LONGEST
from proscribe_ansible import interruption
from proscribe_ansible.interruption import END_SIGNALS, RunInterrupter


class Manager:
    """As much of Ansible's as is used: its handler ends workers, and raises KeyboardInterrupt on SIGINT."""

    def __init__(self):
        self.workers, self.cleaned = True, False
        self._workers, self._final_q = [None], multiprocessing.SimpleQueue()
        signal.signal(signal.SIGINT, self._signal_handler)

    def _signal_handler(self, number, frame):
        self.workers = False
        raise KeyboardInterrupt

    def cleanup(self):
        any(worker and worker.is_alive() for worker in self._workers)
        self.cleaned = True


class Writes(Manager):
    """One whose worker is in the middle of writing a result, and ends as told, or not. A thread reads the results."""

    def __init__(self, handler):
        super().__init__()
        context = multiprocessing.get_context("fork")
        self._final_q = context.SimpleQueue()
        begun = context.Event()
        worker = context.Process(target=self.writes, args=(handler, begun))
        worker.start()
        self._workers = [worker]
        self.reader = threading.Thread(target=self.reads, daemon=True)
        self.reader.start()
        assert begun.wait(LONGEST)

    def writes(self, handler, begun):
        os.setsid()
        signal.signal(signal.SIGINT, handler)
        self._final_q._wlock.acquire()
        os.write(self._final_q._writer.fileno(), (1000).to_bytes(4, "big") + b"half of it")
        begun.set()
        while True:
            signal.pause()

    def reads(self):
        with contextlib.suppress(OSError, EOFError):
            self._final_q.get()

    def _signal_handler(self, number, frame):
        os.kill(self._workers[0].pid, signal.SIGINT)
        super()._signal_handler(number, frame)

    def cleanup(self):
        self._final_q.put(None)
        self.reader.join(LONGEST)
        super().cleanup()


class Run:
    def __init__(self, code=14):
        self.goes_on, self.why, self.code = True, "", code
        self.interruption = RunInterrupter(lambda: self.goes_on, self.ends, 14)

    def ends(self, why):
        self.goes_on, self.why = False, why
        return self.code


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.signal(number, signal.SIG_DFL) for number in END_SIGNALS}  # nohup has one ignored
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


@pytest.mark.parametrize("number", END_SIGNALS)
def test_a_signal_ends_the_workers_and_the_run_and_gives_the_exit_code(number):
    manager, run = Manager(), Run()
    run.interruption.take_signals(manager)
    error = played(manager, lambda: os.kill(os.getpid(), number))
    assert (type(error), error.code) == (SystemExit, 14)
    assert (run.why, manager.workers, manager.cleaned) == (f"by {number.name}", False, True)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_worker_that_is_ended_while_it_writes_leaves_nobody_waiting(handler, monkeypatch):
    monkeypatch.setattr(interruption, "WORKER_END_SECONDS", 0.5)
    manager, run = Writes(handler), Run()
    run.interruption.take_signals(manager)
    assert played(manager, lambda: os.kill(os.getpid(), signal.SIGTERM)).code == 14
    assert (manager.cleaned, manager.reader.is_alive(), manager._workers[0].is_alive()) == (True, False, False)


def closed(worker):
    worker.start()
    worker.join()
    worker.close()


@pytest.mark.parametrize("state", [lambda worker: None, closed], ids=["not begun", "closed"])
def test_a_worker_that_is_not_begun_or_is_closed_is_not_waited_for(state):
    manager, run = Writes(signal.SIG_DFL), Run()
    worker = multiprocessing.get_context("fork").Process(target=int)
    state(worker)
    manager._workers.append(worker)
    run.interruption.take_signals(manager)
    assert played(manager, lambda: os.kill(os.getpid(), signal.SIGTERM)).code == 14
    assert (manager.cleaned, manager._workers[0].is_alive()) == (True, False)


class Forked:
    """A worker of Ansible's, of which nobody knows the number yet when the signal comes."""

    pid = None

    def start(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        child = os.fork()
        if not child:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if not child:
            signal.pause()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)  # here a handler would run
        self.pid = child

    def is_alive(self):
        # The child stays for `join`.
        return bool(self.pid) and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def join(self, seconds):
        os.waitpid(self.pid, 0)
        self.pid = None


def test_a_worker_that_is_being_forked_is_ended_too(monkeypatch):
    monkeypatch.setattr(interruption, "WorkerProcess", Forked)
    monkeypatch.setattr(Forked, "start", Forked.start)  # so it is wrapped for this test alone

    class Ends(Manager):
        def _signal_handler(self, number, frame):
            os.kill(worker.pid, number)
            super()._signal_handler(number, frame)

    manager, run, worker = Ends(), Run(), Forked()
    manager._workers = [worker]
    run.interruption.take_signals(manager)
    assert played(manager, worker.start).code == 14 and worker.pid is None and manager.cleaned


def test_an_event_of_a_thread_leaves_the_unwinding_to_the_run():
    manager, run = Manager(), Run()
    run.interruption.take_signals(manager)
    inside, taken = threading.Event(), []

    def event():
        with run.interruption.defer_interruption():
            inside.set()
            unwound.wait(LONGEST)
            taken.append("event")

    def play():
        inside.wait(LONGEST)
        os.kill(os.getpid(), signal.SIGTERM)

    unwound, thread = threading.Event(), threading.Thread(target=event)
    thread.start()
    assert played(manager, play).code == 14
    unwound.set()
    thread.join(LONGEST)
    assert taken == ["event"]


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
    run.interruption.take_signals(manager)

    def play():
        raise error

    assert played(manager, play) is error and run.why == why
    assert attribute is None or getattr(error, attribute) == 14


def test_where_no_run_goes_on_ansible_ends_as_ever():
    manager, run = Manager(), Run()
    run.interruption.take_signals(manager)
    run.goes_on = False
    assert type(played(manager, lambda: os.kill(os.getpid(), signal.SIGINT))) is KeyboardInterrupt
    assert run.why == "" and played(manager, lambda: None) is None
    if not (child := os.fork()):
        try:
            run.interruption.take_signals(Manager())  # one more, in the same process
            os.kill(os.getpid(), signal.SIGTERM)  # which nobody handled before
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM and run.why == ""


def test_signal_with_another_handler_is_left_alone():
    manager, run = Manager(), Run()
    signal.signal(signal.SIGINT, before := signal.default_int_handler)
    run.interruption.take_signals(manager)
    assert signal.getsignal(signal.SIGINT) is before
    for other in (None, object()):
        run.interruption.take_signals(other)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    manager = Manager()
    run.interruption.take_signals(manager)
    run.interruption.take_signals(manager)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

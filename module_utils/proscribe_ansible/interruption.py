"""The orderly end of a run that a signal or an error of Ansible's interrupts.

Ansible does not report an interruption to its callbacks. On SIGINT it raises KeyboardInterrupt and prints "User
interrupted execution" (exit code 99). SIGTERM and SIGHUP just end the process. So this module handles these signals
during a run. It ends the workers as Ansible does. The run unwinds and ends with the exit code of its report. A second
SIGINT ends the process at once, and the next run closes this run (controller/report/run_end/unfinished_runs.py).

This needs names that ansible-core does not promise (CUT_SHORT in private_names.py). It also needs that Ansible always
calls `cleanup` of the task queue manager last. Where a name is missing, the signal handlers are not replaced, and the
next run closes the interrupted run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ansible.errors import AnsibleError
from ansible.executor.process.worker import WorkerProcess

from proscribe_ansible.private_names import CUT_SHORT, has_all_names

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORKER_END_SECONDS = 5.0  # seconds that interrupted workers have to end before they are killed


class RunInterrupter:
    """The signal handlers of this process, which end an interrupted run in order.

    A callback uses them. `is_running` returns True while a run is in progress. `end_run` takes the reason in words, and
    ends the run with its report. It returns the exit code of the process; None if Ansible's own code stays. `code` is
    the exit code with which a signal ends the process, until the report replaces it.
    """

    def __init__(self, is_running: Callable[[], bool], end_run: Callable[[str], int | None], code: int) -> None:
        self._is_running, self._end_run, self._code = is_running, end_run, code
        self._process = os.getpid()
        self._earlier_handlers: dict[int, Any] = {}
        self._reason = ""  # the signal that interrupts the run, in words; "" for none
        self._deferral_depth = 0  # nested `defer_interruption`
        self._managers: list[Any] = []  # Ansible's task queue managers of this process

    def take_signals(self, manager: Any) -> None:
        """Install the signal handlers in the process in which `manager`, a task queue manager, runs the plays.

        Nothing is installed without a manager, for a known manager, or if a private name is missing.
        """
        if (
            manager is None
            or any(manager is known_manager for known_manager in self._managers)
            or not _has_private_names(manager)
        ):
            return
        if not self._managers:
            self._wrap_start()
        self._managers.append(manager)
        self._wrap_cleanup(manager)
        if signal.getsignal(signal.SIGINT) != manager._signal_handler:  # not Ansible's handler, so it stays
            return
        for number in END_SIGNALS:
            earlier_handler = signal.getsignal(number)
            # SIG_IGN stays, because nohup sets it. The own handler is there already after an earlier manager.
            if earlier_handler not in (signal.SIG_IGN, None, self._handle_signal):
                self._earlier_handlers[number] = earlier_handler
                signal.signal(number, self._handle_signal)

    @contextlib.contextmanager
    def defer_interruption(self) -> Iterator[None]:
        """Run the `with` body to its end before a signal unwinds the run.

        In other threads than the main thread nothing is deferred, because Ansible waits for the body there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._deferral_depth += 1
        try:
            yield
        finally:
            self._deferral_depth -= 1
            if self._reason and not self._deferral_depth and self._is_running():
                self._end_workers()

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        """End the workers and unwind the run, now or after the code that `defer_interruption` protects.

        In a forked process, or without a run, Ansible's own handler decides.
        """
        if os.getpid() != self._process or not self._is_running():
            self._pass_to_ansible(number, frame)
            return
        self._reason = f"by {signal.Signals(number).name}"
        # Systemd and terminals send a signal to all processes of a run, and the launcher passes on its own signal. So a
        # single interruption comes as several signals. Further ones are ignored, but SIGINT ends the process at once.
        for taken_signal in self._earlier_handlers:
            signal.signal(taken_signal, signal.SIG_DFL if taken_signal == signal.SIGINT else signal.SIG_IGN)
        if not self._deferral_depth:
            self._end_workers()

    def _end_workers(self) -> None:
        """End the workers as Ansible does, and raise SystemExit, which unwinds the run."""
        for manager in self._managers:
            _forget_closed_workers(manager)
        with contextlib.suppress(KeyboardInterrupt):
            self._earlier_handlers[signal.SIGINT](signal.SIGINT, None)  # Ansible's handler ends the workers
        for manager in self._managers:
            _end_without_workers(manager)
        raise SystemExit(self._code)

    def _pass_to_ansible(self, number: int, frame: FrameType | None) -> None:
        """Restore the handler that a signal had before, and let it handle the signal."""
        earlier_handler = self._earlier_handlers[number]
        signal.signal(number, earlier_handler)
        if callable(earlier_handler):
            earlier_handler(number, frame)
        else:
            os.kill(os.getpid(), number)

    def _wrap_start(self) -> None:
        """Replace WorkerProcess.start: defer signals between the fork of a worker and the note of its process id.

        A worker without that note would go on and change its host, and nothing would end it.
        """
        start = WorkerProcess.start

        @functools.wraps(start)
        def start_deferred(worker: WorkerProcess) -> None:
            with self.defer_interruption():
                start(worker)

        WorkerProcess.start = start_deferred

    def _wrap_cleanup(self, manager: Any) -> None:
        """Replace `cleanup` of a task queue manager: it also ends a run that unwinds, and sets the exit code.

        Ansible calls `cleanup` in every case, and `cleanup` ends the workers. So the run ends after its workers.
        """
        cleanup = manager.cleanup

        def clean_and_exit() -> None:
            try:
                cleanup()
            finally:
                error = sys.exc_info()[1]
                if error is not None and os.getpid() == self._process and self._is_running():
                    _set_exit_code(error, self._end_run(self._reason or _describe_reason(error)))

        manager.cleanup = clean_and_exit


def _has_private_names(manager: Any) -> bool:
    """Return True if Ansible's objects have all private names that this module uses."""
    queue = getattr(manager, "_final_q", None)
    objects = {"TaskQueueManager()": manager, "AnsibleError": AnsibleError}
    return has_all_names(CUT_SHORT, objects if queue is None else {**objects, "SimpleQueue()": queue})


def _forget_closed_workers(manager: Any) -> None:
    """Remove closed workers from the list of a task queue manager.

    Ansible closes the worker of a host before it puts the next worker in its place. Calling a method of a closed worker
    raises ValueError, also in Ansible's own `cleanup`.
    """
    for place, worker in enumerate(manager._workers):
        try:
            if worker is not None:
                worker.is_alive()
        except ValueError:
            manager._workers[place] = None


def _end_without_workers(manager: Any) -> None:
    """Make a task queue manager able to end after its workers were interrupted in the middle of their work.

    Workers that still run are killed. A worker that ends while it writes its result leaves the queue locked, with half
    a message in it. Ansible would wait forever for both. So `put` no longer writes: it closes the writing end. The
    manager's reader then ends, because no process can write.
    """
    end = time.monotonic() + WORKER_END_SECONDS
    for worker in filter(None, manager._workers):
        if not worker.is_alive():  # join() refuses a worker that has not started
            continue
        worker.join(max(end - time.monotonic(), 0.0))
        if worker.is_alive():
            with contextlib.suppress(OSError):
                os.killpg(worker.pid, signal.SIGKILL)  # the process group that the worker leads
            worker.kill()
            worker.join(WORKER_END_SECONDS)
    queue = manager._final_q
    queue.put = lambda _: queue._writer.close()


def _describe_reason(error: BaseException) -> str:
    return "by SIGINT" if isinstance(error, KeyboardInterrupt) else "by an error of Ansible's"


def _set_exit_code(error: BaseException, code: int | None) -> None:
    """Set the exit code of the process in the error that unwinds it; None leaves Ansible's own code."""
    if code is None:
        return
    if isinstance(error, SystemExit):
        error.code = code
    elif hasattr(error, "_exit_code"):
        with contextlib.suppress(AttributeError):
            error._exit_code = code

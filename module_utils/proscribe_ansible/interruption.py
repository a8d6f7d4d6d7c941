"""Has a run of ansible-playbook that is cut short still end: by a signal, or by an error of Ansible's own.

Ansible does not report it to its callbacks. On SIGINT it raises KeyboardInterrupt and prints "User interrupted
execution" (exit code 99); SIGTERM and SIGHUP just end it. So signals are taken here while a run goes on: the workers
are ended as Ansible does it, and the run unwinds, with the exit code that the report has for it. A second SIGINT ends
the process at once, and the next run closes this one (controller/report/end/closing.py).

For this it uses what ansible-core does not promise (CUT_SHORT in private_names.py), and that `cleanup` of the
task queue manager is called last whatever happened. Where some of it is not there, nothing is changed, and the next run
closes what was cut short.
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
WORKER_END_SECONDS = 5.0  # seconds in which the workers that were told to end may do so


class RunInterrupter:
    """The signals of one process, for one callback. `goes_on` says whether a run goes on now, and `ends` ends it, with
    the reason in words. That returns the exit code, None for that of Ansible.
    """

    def __init__(self, is_running: Callable[[], bool], end_run: Callable[[str], int | None], code: int) -> None:
        self._is_running, self._end_run, self._code = is_running, end_run, code
        self._process = os.getpid()
        self._earlier_handlers: dict[int, Any] = {}
        self._reason = ""
        self._deferral_depth = 0
        self._managers: list[Any] = []

    def take_signals(self, manager: Any) -> None:
        """Take the signals of a process, in which that task queue manager runs the plays."""
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
        if signal.getsignal(signal.SIGINT) != manager._signal_handler:  # somebody else's, who may want it otherwise
            return
        for number in END_SIGNALS:
            earlier_handler = signal.getsignal(number)
            if earlier_handler not in (signal.SIG_IGN, None, self._handle_signal):  # nohup; an earlier manager's
                self._earlier_handlers[number] = earlier_handler
                signal.signal(number, self._handle_signal)

    @contextlib.contextmanager
    def defer_interruption(self) -> Iterator[None]:
        """A block that is run to its end before the run unwinds. Where a thread of Ansible's runs it, Ansible waits
        for it.
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
        if os.getpid() != self._process or not self._is_running():
            self._pass_to_ansible(number, frame)
            return
        self._reason = f"by {signal.Signals(number).name}"
        # systemd and terminals send a signal to all processes of a run, and the launcher hands on the one that it gets.
        # So one end comes as several signals.
        for taken_signal in self._earlier_handlers:
            signal.signal(taken_signal, signal.SIG_DFL if taken_signal == signal.SIGINT else signal.SIG_IGN)
        if not self._deferral_depth:
            self._end_workers()

    def _end_workers(self) -> None:
        for manager in self._managers:
            _forget_closed_workers(manager)
        with contextlib.suppress(KeyboardInterrupt):
            self._earlier_handlers[signal.SIGINT](signal.SIGINT, None)  # it ends the workers
        for manager in self._managers:
            _end_without_workers(manager)
        raise SystemExit(self._code)

    def _pass_to_ansible(self, number: int, frame: FrameType | None) -> None:
        earlier_handler = self._earlier_handlers[number]
        signal.signal(number, earlier_handler)
        if callable(earlier_handler):
            earlier_handler(number, frame)
        else:
            os.kill(os.getpid(), number)

    def _wrap_start(self) -> None:
        """Have no signal come between the fork of a worker and the note of its number. It would go on and change its
        host, and nobody would know that there is one to end.
        """
        start = WorkerProcess.start

        @functools.wraps(start)
        def start_deferred(worker: WorkerProcess) -> None:
            with self.defer_interruption():
                start(worker)

        WorkerProcess.start = start_deferred

    def _wrap_cleanup(self, manager: Any) -> None:
        """Have a run that unwinds end when Ansible has ended its workers: it cleans up whatever happened."""
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
    """Whether all that is used is there."""
    queue = getattr(manager, "_final_q", None)
    objects = {"TaskQueueManager()": manager, "AnsibleError": AnsibleError}
    return has_all_names(CUT_SHORT, objects if queue is None else {**objects, "SimpleQueue()": queue})


def _forget_closed_workers(manager: Any) -> None:
    """Ansible closes the worker of a host before it puts the next one in its place. Whoever asks a closed one, as
    Ansible's own cleaning does, gets an error.
    """
    for place, worker in enumerate(manager._workers):
        try:
            if worker is not None:
                worker.is_alive()
        except ValueError:
            manager._workers[place] = None


def _end_without_workers(manager: Any) -> None:
    """Have a task queue manager end, of which the workers were told to end in the middle of anything.

    A worker that ends while it writes its result leaves the queue locked, with half a message in it. Ansible would wait
    for both for ever. So the manager writes nothing any more, and its reader ends where nobody can write.
    """
    end = time.monotonic() + WORKER_END_SECONDS
    for worker in filter(None, manager._workers):
        if not worker.is_alive():  # nor can one be waited for that is not begun
            continue
        worker.join(max(end - time.monotonic(), 0.0))
        if worker.is_alive():
            with contextlib.suppress(OSError):
                os.killpg(worker.pid, signal.SIGKILL)  # the group that it leads
            worker.kill()
            worker.join(WORKER_END_SECONDS)
    queue = manager._final_q
    queue.put = lambda _: queue._writer.close()


def _describe_reason(error: BaseException) -> str:
    return "by SIGINT" if isinstance(error, KeyboardInterrupt) else "by an error of Ansible's"


def _set_exit_code(error: BaseException, code: int | None) -> None:
    """Have the process end with that code, by the error that it unwinds with."""
    if code is None:
        return
    if isinstance(error, SystemExit):
        error.code = code
    elif hasattr(error, "_exit_code"):
        with contextlib.suppress(AttributeError):
            error._exit_code = code

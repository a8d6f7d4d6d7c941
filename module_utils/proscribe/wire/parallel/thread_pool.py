"""A pool of threads for tasks that contact hosts.

A task that waits for a silent host gives its place in the pool to another thread. So silent hosts do not delay the
others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

GATHER_SECONDS = 0.2  # seconds in which results are gathered

Key = TypeVar("Key")
Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    tasks: Iterable[tuple[Key, Task]],
    run_task: Callable[[Task, Callable[[], None]], Result],
    width: int,
    max_waiting: int,
) -> Iterator[list[tuple[Key, Result]]]:
    """Yield the results of the tasks as they come, with their keys.

    Results that come within GATHER_SECONDS are a single list, because a wake-up costs more than most results.
    `run_task` gets the task and a function that the task calls to give up its place. At most `width` tasks run at a
    time. Beside them, at most `max_waiting` tasks wait that gave up their place. Raises the exception of a task, after
    the results that came before.
    """
    pool = _ThreadPool(tasks, run_task, max_waiting)
    results_left = pool.tasks_left
    for _ in range(min(width, results_left)):
        pool.start_thread()
    while results_left:
        outcomes = pool.take_results()
        yield [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        results_left -= len(outcomes)


class _ThreadPool(Generic[Key, Task, Result]):
    """The waiting tasks of a pool, and the results that nothing has read yet."""

    def __init__(
        self,
        tasks: Iterable[tuple[Key, Task]],
        run_task: Callable[[Task, Callable[[], None]], Result],
        max_waiting: int,
    ) -> None:
        self._run_task = run_task
        self._waiting: queue.SimpleQueue[tuple[Key, Task]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Key, Result] | BaseException] = queue.SimpleQueue()
        self._places = threading.Semaphore(max_waiting)  # for tasks that gave up their place
        for task in tasks:
            self._waiting.put(task)
        self.tasks_left = self._waiting.qsize()
        # `_nothing_left` is set when all tasks have ended, or one has failed. Then no further result is awaited.
        self._counting, self._nothing_left = threading.Lock(), threading.Event()

    def start_thread(self) -> None:
        """Start a further thread."""
        threading.Thread(target=self._run_waiting_tasks, daemon=True).start()

    def take_results(self) -> list[tuple[Key, Result] | BaseException]:
        """Wait for a result, and return it with all results of the next GATHER_SECONDS."""
        results = [self._done.get()]
        self._nothing_left.wait(GATHER_SECONDS)
        return results + [self._done.get() for _ in range(self._done.qsize())]

    def _run_waiting_tasks(self) -> None:
        """Run waiting tasks until none is left, or until a task gives up its place.

        A new thread then takes over the place, and this thread ends with the task that it runs.
        """
        replaced = False  # True once another thread has taken over the place of this thread

        def step_aside() -> None:
            """Start a thread in the place of this thread, if tasks wait and the limit of waiting tasks permits it."""
            nonlocal replaced
            if not replaced and not self._waiting.empty() and self._places.acquire(blocking=False):
                replaced = True
                self.start_thread()

        while not replaced:
            try:
                key, task = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._finish_task((key, self._run_task(task, step_aside)))
            except BaseException as error:
                self._finish_task(error)
        self._places.release()  # taken by `step_aside`; the loop ends here only after that

    def _finish_task(self, result: tuple[Key, Result] | BaseException) -> None:
        """Hand over the result or the exception of a task, and count the task as ended."""
        self._done.put(result)
        with self._counting:
            self.tasks_left -= 1
        if not self.tasks_left or isinstance(result, BaseException):
            self._nothing_left.set()

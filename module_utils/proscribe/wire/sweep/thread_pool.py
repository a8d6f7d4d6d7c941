"""Some threads that do one job each, over and over. A job that waits for somebody who may never come steps aside:
another thread takes its place, so that the silent do not hold up the others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

TOGETHER = 0.2  # seconds

Key = TypeVar("Key")
Task = TypeVar("Task")
Result = TypeVar("Result")


def answers(
    tasks: Iterable[tuple[Key, Task]],
    do: Callable[[Task, Callable[[], None]], Result],
    width: int,
    beside: int,
) -> Iterator[list[tuple[Key, Result]]]:
    """The result of each task, as they come: those of some time together, since to wake for each costs more than most
    have to do with it. `do` is called with the task and with what it calls to step aside. At most `width` tasks are
    done at a time, and `beside` that have stepped aside. Raises what a task raises.
    """
    pool = _Pool(tasks, do, beside)
    count = pool.left
    for _ in range(min(width, count)):
        pool.start()
    while count:
        found = pool.some()
        yield [one for one in found if not isinstance(one, BaseException)]
        for one in found:
            if isinstance(one, BaseException):
                raise one
        count -= len(found)


class _Pool(Generic[Key, Task, Result]):
    """The tasks that wait, and the results that nobody has had."""

    def __init__(
        self, tasks: Iterable[tuple[Key, Task]], do: Callable[[Task, Callable[[], None]], Result], beside: int
    ) -> None:
        self._do = do
        self._waiting: queue.SimpleQueue[tuple[Key, Task]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Key, Result] | BaseException] = queue.SimpleQueue()
        self._places = threading.Semaphore(beside)
        for task in tasks:
            self._waiting.put(task)
        self.left = self._waiting.qsize()
        self._counting, self._nothing_left = threading.Lock(), threading.Event()

    def start(self) -> None:
        """Start one more thread."""
        threading.Thread(target=self._work, daemon=True).start()

    def some(self) -> list[tuple[Key, Result] | BaseException]:
        """Results, at least one; those of some time together."""
        found = [self._done.get()]
        self._nothing_left.wait(TOGETHER)
        return found + [self._done.get() for _ in range(self._done.qsize())]

    def _work(self) -> None:
        replaced = False

        def step_aside() -> None:
            nonlocal replaced
            if not replaced and not self._waiting.empty() and self._places.acquire(blocking=False):
                replaced = True
                self.start()

        while not replaced:
            try:
                key, task = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._end((key, self._do(task, step_aside)))
            except BaseException as error:
                self._end(error)
        self._places.release()

    def _end(self, result: tuple[Key, Result] | BaseException) -> None:
        self._done.put(result)
        with self._counting:
            self.left -= 1
        if not self.left or isinstance(result, BaseException):
            self._nothing_left.set()

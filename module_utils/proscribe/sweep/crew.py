"""Some threads that do one job each, over and over. A job that waits for somebody who may never come steps aside:
another thread takes its place, so that the silent do not hold up the others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Key = TypeVar("Key")
Task = TypeVar("Task")
Result = TypeVar("Result")


def answers(
    tasks: Iterable[tuple[Key, Task]],
    do: Callable[[Task, Callable[[], None]], Result],
    width: int,
    beside: int,
) -> Iterator[tuple[Key, Result]]:
    """The result of each task, as they come. `do` is called with the task and with what it calls to step aside. At most
    `width` tasks are done at a time, and `beside` that have stepped aside. Raises what a task raises.
    """
    waiting = queue.SimpleQueue[tuple[Key, Task]]()
    done = queue.SimpleQueue[tuple[Key, Result] | BaseException]()
    places = threading.Semaphore(beside)
    count = 0
    for task in tasks:
        waiting.put(task)
        count += 1

    def work() -> None:
        replaced = False

        def step_aside() -> None:
            nonlocal replaced
            if not replaced and not waiting.empty() and places.acquire(blocking=False):
                replaced = True
                start()

        while not replaced:
            try:
                key, task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((key, do(task, step_aside)))
            except BaseException as error:
                done.put(error)
        places.release()

    def start() -> None:
        threading.Thread(target=work, daemon=True).start()

    for _ in range(min(width, count)):
        start()
    for _ in range(count):
        found = done.get()
        if isinstance(found, BaseException):
            raise found
        yield found

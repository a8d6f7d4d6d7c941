"""Some threads that do one job each, over and over. A job that waits for somebody who may never come steps aside:
another thread takes its place, so that the silent do not hold up the others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

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
    waiting = queue.SimpleQueue[tuple[Key, Task]]()
    done = queue.SimpleQueue[tuple[Key, Result] | BaseException]()
    places = threading.Semaphore(beside)
    count = 0
    for task in tasks:
        waiting.put(task)
        count += 1
    left, counting, nothing_left = count, threading.Lock(), threading.Event()

    def end(result: tuple[Key, Result] | BaseException) -> None:
        nonlocal left
        done.put(result)
        with counting:
            left -= 1
        if not left or isinstance(result, BaseException):
            nothing_left.set()

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
                end((key, do(task, step_aside)))
            except BaseException as error:
                end(error)
        places.release()

    def start() -> None:
        threading.Thread(target=work, daemon=True).start()

    for _ in range(min(width, count)):
        start()
    while count:
        found = [done.get()]
        nothing_left.wait(TOGETHER)
        found += [done.get() for _ in range(done.qsize())]
        yield [one for one in found if not isinstance(one, BaseException)]
        for one in found:
            if isinstance(one, BaseException):
                raise one
        count -= len(found)

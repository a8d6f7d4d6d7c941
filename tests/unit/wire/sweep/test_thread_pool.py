"""Threads that do one job each: in what number, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST, until
from proscribe.wire.sweep import thread_pool

StepAside = Callable[[], None]


def answers(*arguments: Any) -> list[tuple[Any, Any]]:
    """All results, one after the other."""
    return [one for together in thread_pool.answers(*arguments) for one in together]


@given(st.dictionaries(st.text(), st.integers()), st.integers(1, 5), st.integers(0, 3))
def test_every_task_has_its_result(tasks, width, beside):
    def do(number: int, step_aside: StepAside) -> int:
        if number % 3 == 0:
            step_aside()
        return -number

    assert dict(answers(tasks.items(), do, width, beside)) == {key: -number for key, number in tasks.items()}


def test_who_takes_the_results_wakes_once_for_many():
    together = [len(come) for come in thread_pool.answers(((n, n) for n in range(500)), lambda n, _: n, 20, 0)]
    assert sum(together) == 500
    assert len(together) < 50


def test_no_more_are_done_at_a_time_than_there_is_room_for():
    lock, now, most = threading.Lock(), [0], [0]

    def do(_task: int, _step_aside: StepAside) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        for _ in range(1000):
            pass
        with lock:
            now[0] -= 1

    assert len(answers(((n, n) for n in range(200)), do, 3, 9)) == 200
    assert most[0] <= 3


def test_who_waits_for_somebody_silent_holds_nobody_up():
    """Two of three places are for the silent; the fourth has to wait for one of them."""
    spoke, order = threading.Event(), list[str]()

    def do(name: str, step_aside: StepAside) -> None:
        if name.startswith("silent"):
            step_aside()
            step_aside()  # once is enough
            assert spoke.wait(LONGEST)
        else:
            spoke.set()
        order.append(name)

    names = ["silent 1", "silent 2", "loud"]
    assert len(answers(((name, name) for name in names), do, 1, 2)) == 3
    assert order[0] == "loud"


def test_who_has_stepped_aside_makes_room_when_he_is_done():
    third = threading.Event()

    def do(name: str, step_aside: StepAside) -> None:
        if name == "second":
            until(lambda: (step_aside(), third.is_set())[1])
        elif name == "first":
            step_aside()
        else:
            third.set()

    assert len(answers(((name, name) for name in ("first", "second", "third")), do, 1, 1)) == 3


def test_nobody_waits_for_more_where_nothing_is_left(monkeypatch):
    monkeypatch.setattr(thread_pool, "TOGETHER", LONGEST)
    assert len(answers([("a", 1), ("b", 2)], lambda task, _: task, 2, 0)) == 2
    with pytest.raises(ZeroDivisionError):
        answers([("a", 0), ("b", 2)], lambda task, _: 1 // task, 1, 0)


def test_where_there_is_no_room_beside_the_others_wait():
    order = list[str]()

    def do(name: str, step_aside: StepAside) -> None:
        step_aside()
        order.append(name)

    assert len(answers(((name, name) for name in "abc"), do, 1, 0)) == 3
    assert order == ["a", "b", "c"]


def test_what_a_task_raises_is_raised():
    def do(task: int, _step_aside: StepAside) -> int:
        return 1 // task

    with pytest.raises(ZeroDivisionError):
        answers([("a", 1), ("b", 0)], do, 1, 0)

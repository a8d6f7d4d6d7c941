"""Threads that do one job each: in what number, and who waits for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST
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


def test_nobody_waits_for_more_where_nothing_is_left(monkeypatch):
    monkeypatch.setattr(thread_pool, "TOGETHER", LONGEST)
    assert len(answers([("a", 1), ("b", 2)], lambda task, _: task, 2, 0)) == 2
    with pytest.raises(ZeroDivisionError):
        answers([("a", 0), ("b", 2)], lambda task, _: 1 // task, 1, 0)

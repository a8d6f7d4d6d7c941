"""When a line of progress is due, by how many hosts came in and how much later."""

from __future__ import annotations

from itertools import count

import pytest
from proscribe.controller.report.collection.progress import CLEAR, Line, Progress

Steps = list[tuple[float, int]]  # seconds, and the hosts that came in by then


@pytest.mark.parametrize(
    ("expected", "rewriting", "steps", "due"),
    [
        pytest.param(2, True, [(1.0, 1)], [1], id="two hosts"),
        pytest.param(1, True, [(1.0, 1)], [], id="one host"),
        pytest.param(3, True, [(0.0, 1), (0.05, 2), (0.06, 3)], [3], id="too early, but for the last"),
        pytest.param(9, True, [(0.1, 1), (0.15, 2), (0.2, 3)], [1, 3], id="a tenth of a second later"),
        pytest.param(9, True, [(1.0, 4), (2.0, 4), (3.0, 3), (4.0, 5)], [4, 5], id="only more than before"),
        pytest.param(9, False, [(0.0, 1), (1.0, 8)], [], id="no tenths of so few"),
        pytest.param(10, False, [(0.0, 1), (0.0, 2), (0.0, 10)], [1, 2], id="tenths, but for the last"),
        pytest.param(30, False, [(0.0, 2), (0.0, 3), (0.0, 5), (0.0, 6)], [3, 6], id="tenths since the line before"),
        pytest.param(9, False, [(14.9, 1), (15.0, 2), (29.9, 3), (30.0, 4)], [2, 4], id="every 15 seconds"),
        pytest.param(9, False, [(15.0, 1), (40.0, 9)], [1], id="the report follows at once"),
    ],
)
def test_when_a_line_is_due(expected: int, rewriting: bool, steps: Steps, due: list[int]) -> None:
    at = 0.0
    progress = Progress("audit", expected, rewriting, lambda: at)
    said = []
    for at, heard in steps:  # noqa: B007 - the clock
        if text := progress.update(heard, 0):
            said.append(heard)
            line = f"audit  {heard} of {expected} hosts"
            assert text == (f"{CLEAR}{line}\r" if rewriting else f"{line}\n")
    assert said == due


@pytest.mark.parametrize(("name", "bad"), [("lift", "failed"), ("audit", "noncompliant"), ("enforce", "noncompliant")])
def test_what_is_bad_is_counted_by_what_the_run_is_for(name: str, bad: str) -> None:
    clock = count(0, 20)
    progress = Progress(name, 2000, False, lambda: next(clock))
    assert progress.update(1000, 0) == f"{name}  1,000 of 2,000 hosts\n"
    assert progress.update(1001, 1001) == f"{name}  1,001 of 2,000 hosts  1,001 {bad}\n"


def test_only_a_line_that_is_rewritten_is_taken_away() -> None:
    for text, away in ((f"{CLEAR}x\r", CLEAR), ("x\n", ""), ("", "")):
        assert Line.put(text) == text
        assert (Line.shown, Line.away(), Line.away()) == (bool(away), away, "")

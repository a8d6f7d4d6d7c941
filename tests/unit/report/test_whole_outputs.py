"""Whole outputs of runs in which a bit of everything happens are as they were recorded (tests/recording.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import rich_ends
import rich_pasts
import rich_runs
import rich_texts
from recording import compare

RECORDED = Path(__file__).parent / "recorded"
STORIES = {
    "runs": cache(rich_runs.texts),
    "past": cache(rich_pasts.texts),
    "ends": cache(rich_ends.texts),
    "texts": cache(rich_texts.texts),
}


@pytest.mark.parametrize("story", STORIES)
def test_it_is_written_as_before(story: str) -> None:
    for name, text in STORIES[story]().items():
        compare(RECORDED / f"{name}.txt", "\n".join([*text.splitlines(), ""]))


def test_nothing_is_recorded_that_is_not_written() -> None:
    written = {f"{name}.txt" for texts in STORIES.values() for name in texts()}
    assert {path.name for path in RECORDED.iterdir()} == written

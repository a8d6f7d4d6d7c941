"""Whole outputs of the report, compared with recorded files (tests/recording.py)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import rich_ends
import rich_pasts
import rich_runs
import rich_texts
from recording import compare, fold

RECORDED = Path(__file__).parents[2] / "recorded/report"
STORIES = {
    "runs": cache(rich_runs.texts), "past": cache(rich_pasts.texts), "ends": cache(rich_ends.texts),
    "texts": cache(rich_texts.texts),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_outputs_are_as_recorded(story: str) -> None:
    for name, text in STORIES[story]().items():
        compare(RECORDED / f"{name}.txt", fold(text))


def test_recorded_files_have_an_output() -> None:
    written = {f"{name}.txt" for texts in STORIES.values() for name in texts()}
    assert {path.name for path in RECORDED.iterdir()} == written

"""Whole outputs of runs in which a bit of everything happens: what is written now is what stands in `whole/`.

Where an output is to change, whole_outputs.py writes the files again, and their diff shows what has changed.
"""

from __future__ import annotations

from itertools import zip_longest

import pytest
from whole_outputs import WHOLE, texts, texts_of


@pytest.mark.parametrize("name", sorted(path.stem for path in WHOLE.iterdir()))
def test_it_is_written_as_before(name: str) -> None:
    before = (WHOLE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = enumerate(zip_longest(before, texts_of(name)[name].splitlines()), 1)
    assert [(number, *pair) for number, pair in pairs if pair[0] != pair[1]][:3] == []


def test_no_output_is_missing() -> None:
    assert {f"{name}.txt" for name in texts()} == {path.name for path in WHOLE.iterdir()}

"""Whole outputs that tests compare with files. What differs is meant, or a mistake.

Who means it removes the file and runs the test twice: it writes the file and fails once, since the difference has to be
read (`git diff`).
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

SHOWN = 3  # lines that differ


def as_recorded(file: Path, text: str) -> None:
    """Raises AssertionError unless a file has this text."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        raise AssertionError(f"{file.name} is written now: read it")
    recorded = file.read_bytes().decode("utf-8")
    pairs = enumerate(zip_longest(recorded.splitlines(), text.splitlines()), 1)
    assert [(number, *pair) for number, pair in pairs if pair[0] != pair[1]][:SHOWN] == []
    assert recorded == text

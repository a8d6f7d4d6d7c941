"""Limits of recorded files."""

from pathlib import Path

import pytest
from recording import compare, fold

FILES = [path for path in (Path(__file__).resolve().parents[2] / "recorded").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "recorded"), [("x" * 201, False), ("x\n" * 301, False), (("x" * 200 + "\n") * 300, True)]
)
def test_only_text_within_the_limits_is_recorded(tmp_path, text, recorded):
    with pytest.raises(pytest.fail.Exception):
        compare(tmp_path / "x", text)
    assert (tmp_path / "x").exists() is recorded
    if recorded:
        compare(tmp_path / "x", text)


def test_changed_text_fails(tmp_path):
    (tmp_path / "x").write_text("a\n")
    with pytest.raises(AssertionError):
        compare(tmp_path / "x", "b\n")


def test_recorded_files_are_small():
    sizes = {path: path.read_text(encoding="utf-8").split("\n") for path in FILES}
    large = [path.name for path, lines in sizes.items() if len(lines) > 301 or max(map(len, lines)) > 200]
    assert large == [] and 0 < sum(path.stat().st_size for path in FILES) <= 400_000


def test_folded_lines_keep_their_words():
    assert fold("a b\n\tc\nccccc ddddd\n", 10) == "a b\n\tc\nccccc\n  > ddddd\n"

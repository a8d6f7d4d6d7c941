"""The worst mistakes of tests/mutation/worst.toml can still be made: `python tests/mutation --worst` makes them."""

import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
MISTAKES = tomllib.loads((PROJECT / "tests/mutation/worst.toml").read_text())["mistake"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["name"])
def test_mistake_can_be_made_and_names_its_tests(mistake):
    text = (PROJECT / mistake["file"]).read_text()
    assert text.count(mistake["old"]) == 1 and mistake["new"] != mistake["old"]
    if mistake["file"].endswith(".py"):  # a mistake that does not even compile would be noticed by any test
        compile(text.replace(mistake["old"], mistake["new"]), mistake["file"], "exec")
    assert mistake["tests"] and all((PROJECT / test).is_file() for test in mistake["tests"])

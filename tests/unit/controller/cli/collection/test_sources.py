"""Where a collection says its sources are: where the checkout was cloned from, and nothing of who cloned it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from proscribe.controller.cli.collection import sources

HERE = "https://git.example.org/it/proscribe"


@pytest.mark.parametrize("remote", ["", "https://alice:secret@git.example.org/it/proscribe.git"])
def test_a_checkout_says_where_it_was_cloned_from(tmp_path: Path, remote: str) -> None:
    assert sources.of_checkout(tmp_path) == "", "an archive without git"
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert sources.of_checkout(tmp_path) == (HERE if remote else "")

"""A file that a command writes: whole or not at all, and readable for those with whom its user shares it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.controller.cli import Refused, whole_file
from proscribe.controller.cli.whole_file import write_whole


def test_it_is_there_whole_and_others_can_read_it(tmp_path: Path) -> None:
    """The temporary file is its user's alone, and git would take its mode along."""
    place = tmp_path / "w1.yml"
    for content in (b"first", b"second"):
        write_whole(place, content)
        assert place.read_bytes() == content and place.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["w1.yml"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "w1.yml"
    place.write_bytes(b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(Refused, match="w1.yml: No space left on device"):
        write_whole(place, b"after")
    assert place.read_bytes() == b"before" and os.listdir(tmp_path) == ["w1.yml"]


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere/w1.yml: No such file or directory"):
        write_whole(tmp_path / "nowhere/w1.yml", b"x")

"""A file that a command writes: whole or not at all, and readable for those with whom its user shares it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.controller.cli import Refused, whole_file
from proscribe.controller.cli.catalog import files
from proscribe.controller.cli.whole_file import write_whole
from proscribe.wire import installation


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
        new, _ = sorted(os.listdir(tmp_path))
        assert new.startswith(".") and os.fstat(descriptor).st_size == len(b"after"), "hidden, and written by now"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(Refused, match="w1.yml: No space left on device"):
        write_whole(place, b"after")
    assert place.read_bytes() == b"before" and os.listdir(tmp_path) == ["w1.yml"]


@pytest.mark.parametrize(
    ("collection", "place", "written"), [("", "root", True), ("acme.ban", "own", True), ("acme.ban", "root", False)]
)
def test_a_file_of_a_catalogue_is_written_but_in_a_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: str, place: str, written: bool
) -> None:
    monkeypatch.setattr(installation, "COLLECTION", collection)
    monkeypatch.setattr(installation, "ROOT", tmp_path / "root")
    path = tmp_path / place / "catalog/webmail/owl.yml"
    for text in ("first\n", "Zürich\n") if written else ():
        files.write(path, text)
        assert path.read_text(encoding="utf-8") == text
    if not written:
        with pytest.raises(Refused, match="owl.yml is in the collection"):
            files.write(path, "first\n")
        assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_of_a_catalogue_is_named(tmp_path: Path) -> None:
    (tmp_path / "webmail").write_text("")
    with pytest.raises(Refused, match="webmail/owl.yml: File exists"):
        files.write(tmp_path / "webmail/owl.yml", "x")

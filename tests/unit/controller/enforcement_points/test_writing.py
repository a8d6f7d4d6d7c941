"""An export's directory: whole or not at all, and nothing of anybody else's is lost."""

from __future__ import annotations

import os

import pytest
from made_export import decision
from proscribe.controller.enforcement_points import manifest, writing
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.registry import FORMATS


def files(format_="domains", **more):
    one = FORMATS[format_]
    rendered = one.render(decision())
    text = manifest.text(manifest.manifest(one, decision(), rendered))
    return {**rendered.files, **more, manifest.NAME: text}


def within(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("before", ["absent", "empty", "an earlier export"])
def test_it_is_written_whole(tmp_path, before):
    directory = tmp_path / "there" / "export"
    if before != "absent":
        directory.mkdir(parents=True)
    if before == "an earlier export":
        writing.write(directory, files())
    made = files()
    writing.write(directory, made)
    assert within(directory) == made
    assert os.listdir(tmp_path / "there") == ["export"]
    assert oct(directory.stat().st_mode)[-3:] == "755"
    assert {oct(path.stat().st_mode)[-3:] for path in directory.iterdir()} == {"644"}


def test_links_are_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    writing.write(elsewhere, files())
    (tmp_path / "export").symlink_to(elsewhere)
    with pytest.raises(NotExportable, match="links are not followed"):
        writing.write(tmp_path / "export", files())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / manifest.NAME).symlink_to(elsewhere / manifest.NAME)
    with pytest.raises(NotExportable, match="no earlier export"):
        writing.write(tmp_path / "other", files())
    (elsewhere / "link").symlink_to(tmp_path)
    with pytest.raises(NotExportable, match="'link'"):
        writing.write(elsewhere, files())


def test_a_pipe_in_place_of_a_manifest_is_no_export_and_holds_nobody(tmp_path):
    os.mkfifo(tmp_path / manifest.NAME)
    with pytest.raises(NotExportable, match="no earlier export"):  # waits for ever for a writer, if it is opened
        writing.write(tmp_path, files())


def test_two_renames_do_where_the_system_call_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.ctypes, "CDLL", lambda _: object())
    for _ in range(2):
        writing.write(tmp_path / "export", files())
    assert within(tmp_path / "export") == files()
    assert os.listdir(tmp_path) == ["export"]


def test_the_earlier_export_is_there_again_where_the_second_rename_fails(tmp_path, monkeypatch):
    directory, rename = tmp_path / "export", os.rename
    writing.write(directory, files())
    monkeypatch.setattr(writing.ctypes, "CDLL", lambda _: object())

    def full(one, other):
        if other == directory and "more.txt" in os.listdir(one):
            raise OSError(28, "No space left on device")
        rename(one, other)

    monkeypatch.setattr(writing.os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        writing.write(directory, {**files(), "more.txt": b"more"})
    assert within(directory) == files()

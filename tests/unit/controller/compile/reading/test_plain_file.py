"""A file that a stranger may have written is a plain one, read whole, of bounded size, and from its own directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.controller.compile.reading.plain_file import content_of
from proscribe.controller.policy_errors import PolicyError


def refused(path: Path, largest: int = 5, within: Path | None = None) -> tuple[str, str, object, str]:
    with pytest.raises(PolicyError) as wrong:
        content_of(path, largest, within)
    error = wrong.value
    return error.where, error.key, error.value, error.expected


def test_a_file_is_read_whole_up_to_its_largest_size(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_bytes(b"12345")
    assert content_of(file, 5) == content_of(file, 9, tmp_path) == b"12345"
    assert refused(file, 4) == (str(file), "", "more than 4 bytes", "a smaller file")


def test_what_is_no_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert refused(path) == (str(path), "", "something else", "a file")
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "missing", "No such file or directory")):
        assert refused(path) == (str(path), "", why, "a file that can be read")


def test_a_link_may_not_lead_out_of_the_directory(tmp_path: Path) -> None:
    folder, outside = tmp_path / "waivers", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"x")
    (folder / "own").write_bytes(b"y")
    for name, to in (("out", outside), ("in", folder / "own")):
        (folder / name).symlink_to(to)
    assert content_of(folder / "in", 5, folder) == b"y"
    assert content_of(folder / "out", 5) == b"x"
    expected = "a file of this directory, not a link out of it"
    assert refused(folder / "out", within=folder) == (str(folder / "out"), "", "out", expected)

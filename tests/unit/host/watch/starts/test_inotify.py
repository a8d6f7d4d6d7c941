"""Changes of files, as the kernel reports them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.watch.starts import inotify
from proscribe.host.watch.starts.inotify import Inotify


def move_out(place: Path) -> None:
    (place / "there").rename(place.parent / "out")


def move_in(place: Path) -> None:
    (place.parent / "outside").rename(place / "in")


CHANGES: list[tuple[str, Callable[[Path], object], set[str]]] = [
    ("written", lambda place: (place / "there").write_text("x"), {"there"}),
    ("made", lambda place: (place / "a").write_text("x"), {"a"}),
    ("removed", lambda place: (place / "there").unlink(), {"there"}),
    ("moved out", move_out, {"there"}),
    ("moved in", move_in, {"in"}),
    ("read", lambda place: (place / "there").read_text(), set()),
    ("its mode", lambda place: (place / "there").chmod(0o600), set()),
    ("a directory", lambda place: (place / "below").mkdir(), set()),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    (place / "there").write_text("")
    (tmp_path / "outside").write_text("")
    (tmp_path / "link").symlink_to(place)
    return place


@pytest.fixture
def one() -> Inotify:
    return Inotify()


@pytest.mark.parametrize(("change", "names"), [pytest.param(*row, id=id_) for id_, *row in CHANGES])
def test_names_of_what_is_another_content(
    one: Inotify, place: Path, change: Callable[[Path], object], names: set[str]
) -> None:
    assert one.watch(str(place)) and one.watch(str(place))
    assert one.read() == (set(), False)
    change(place)
    assert one.read() == (names, False)
    assert one.read() == (set(), False)


def test_who_only_looks_is_seen_on_request(one: Inotify, place: Path) -> None:
    one.watch(str(place), inotify.OPENED)
    (place / "there").read_text()
    assert one.read() == ({"there"}, False)
    (place / "there").unlink()
    assert one.read() == (set(), False)


@pytest.mark.parametrize("mask", [inotify.MASK, inotify.OPENED])
def test_only_a_directory_is_watched_and_not_through_a_link(one: Inotify, place: Path, mask: int) -> None:
    for name in ("link", "outside", "gone"):
        assert not one.watch(str(place.parent / name), mask)


def test_a_directory_that_goes_is_said(one: Inotify, place: Path) -> None:
    one.watch(str(place))
    (place / "there").unlink()
    place.rmdir()
    assert one.read() == ({"there"}, True)


def test_more_than_can_be_read_at_a_time_is_said(one: Inotify, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "BUFFER", 32)  # one event
    monkeypatch.setattr(inotify, "MOST_READS", 2)
    one.watch(str(place))
    for name in "abc":
        (place / name).write_text("")
    assert one.read() == ({"a", "b"}, True)
    assert one.read() == ({"c"}, False)


def test_no_program_gets_its_descriptor_and_nobody_waits(one: Inotify) -> None:
    assert one.fileno() == one.descriptor > 2
    assert not os.get_blocking(one.descriptor) and not os.get_inheritable(one.descriptor)

"""Changes of files, as the kernel reports them."""

import os

import pytest
from proscribe.host.watch.starts import inotify
from proscribe.host.watch.starts.inotify import Inotify


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "there").write_text("")
    return place


def test_removed_directory_is_reported(place):
    watcher = Inotify()
    watcher.watch(str(place))
    (place / "there").unlink()
    place.rmdir()
    assert watcher.read() == ({"there"}, True)


def test_events_beyond_the_buffer_are_reported_as_more(place, monkeypatch):
    watcher = Inotify()
    monkeypatch.setattr(inotify, "BUFFER", 32)  # one event
    monkeypatch.setattr(inotify, "MOST_READS", 2)
    watcher.watch(str(place))
    for name in "abc":
        (place / name).write_text("")
    assert watcher.read() == ({"a", "b"}, True)
    assert watcher.read() == ({"c"}, False)


def test_descriptor_is_not_inherited_and_does_not_block():
    watcher = Inotify()
    assert watcher.fileno() == watcher.descriptor > 2
    assert not os.get_blocking(watcher.descriptor) and not os.get_inheritable(watcher.descriptor)


CHANGES = {
    "written": (lambda place: (place / "there").write_text("x"), {"there"}),
    "made": (lambda place: (place / "a").write_text("x"), {"a"}),
    "moved out": (lambda place: (place / "there").rename(place.parent / "out"), {"there"}),
    "moved in": (lambda place: (place.parent / "outside").rename(place / "in"), {"in"}),
    "read": (lambda place: (place / "there").read_text(), set()),
    "its mode": (lambda place: (place / "there").chmod(0o600), set()),
    "a directory": (lambda place: (place / "below").mkdir(), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_names_with_another_content_are_read_once(place, change):
    watcher, (work, names) = Inotify(), CHANGES[change]
    (place.parent / "outside").write_text("")
    assert watcher.watch(str(place)) and watcher.watch(str(place))
    work(place)
    assert [watcher.read(), watcher.read()] == [(names, False), (set(), False)]


def test_readers_are_reported_on_request(place):
    watcher = Inotify()
    watcher.watch(str(place), inotify.OPENED)
    (place / "there").read_text()
    assert watcher.read() == ({"there"}, False)
    (place / "there").unlink()
    assert watcher.read() == (set(), False)


@pytest.mark.parametrize("mask", [inotify.MASK, inotify.OPENED])
def test_directory_is_watched_and_not_through_a_link(place, mask):
    (place.parent / "link").symlink_to(place)
    for name in ("link", "place/there", "gone"):
        assert not Inotify().watch(str(place.parent / name), mask)

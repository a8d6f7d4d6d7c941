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

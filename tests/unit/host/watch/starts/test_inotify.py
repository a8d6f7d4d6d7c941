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
    (tmp_path / "outside").write_text("")
    (tmp_path / "link").symlink_to(place)
    return place


@pytest.fixture
def one():
    return Inotify()


def test_a_directory_that_goes_is_said(one, place):
    one.watch(str(place))
    (place / "there").unlink()
    place.rmdir()
    assert one.read() == ({"there"}, True)


def test_more_than_can_be_read_at_a_time_is_said(one, place, monkeypatch):
    monkeypatch.setattr(inotify, "BUFFER", 32)  # one event
    monkeypatch.setattr(inotify, "MOST_READS", 2)
    one.watch(str(place))
    for name in "abc":
        (place / name).write_text("")
    assert one.read() == ({"a", "b"}, True)
    assert one.read() == ({"c"}, False)


def test_no_program_gets_its_descriptor_and_nobody_waits(one):
    assert one.fileno() == one.descriptor > 2
    assert not os.get_blocking(one.descriptor) and not os.get_inheritable(one.descriptor)

"""The lock of a file that several processes of Proscribe change."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

import pytest
from proscribe.host.system import ControlError, Host, locking
from proscribe.host.system.locking import PATIENCE, deadline, locked


@contextlib.contextmanager
def open_file(host: Host) -> Iterator[int]:
    """Open the file as a process does: a lock belongs to the open file, not to a process."""
    descriptor = os.open(f"{host.root}/file", os.O_RDWR | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_lock_is_waited_for_until_its_deadline(tmp_path, monkeypatch):
    host, now = Host(str(tmp_path)), [100.0]
    monkeypatch.setattr(locking.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(locking.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with open_file(host) as first, open_file(host) as other:
        assert locked(host, "/file", first, deadline())
        with pytest.raises(ControlError, match=f"^another process has held /file for {PATIENCE:g} s$"):
            locked(host, "/file", other, deadline())
    assert 100.0 + PATIENCE < now[0] < 100.1 + PATIENCE


def test_lock_is_had_soon_after_it_is_free(tmp_path, monkeypatch):
    host, pauses = Host(str(tmp_path)), []
    with open_file(host) as first, open_file(host) as other:
        assert locked(host, "/file", first, deadline())

        def wait(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                fcntl.flock(first, fcntl.LOCK_UN)

        monkeypatch.setattr(locking.time, "sleep", wait)
        assert locked(host, "/file", other, deadline()) and len(pauses) == 3 and max(pauses) < 0.1


def test_file_that_is_no_longer_at_its_path_is_not_locked(tmp_path):
    host = Host(str(tmp_path))
    with open_file(host) as first:
        (tmp_path / "file").rename(tmp_path / "older")
        assert not locked(host, "/file", first, deadline())
        with open_file(host) as other:
            assert not locked(host, "/file", first, deadline()) and locked(host, "/file", other, deadline())

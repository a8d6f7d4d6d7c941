"""The lock of a file that several processes of Proscribe change."""

from __future__ import annotations

import contextlib
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

"""A lock on a file that several processes of ours change: who has it, how long others wait, and of which file it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, locking
from proscribe.host.system.locking import PATIENCE, deadline, locked


@contextlib.contextmanager
def opened(host: Host) -> Iterator[int]:
    """The file as one process has it open: locks are of what is open, not of a process."""
    descriptor = os.open(f"{host.root}/file", os.O_RDWR | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def test_it_is_waited_for_until_the_end_and_no_longer(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(locking.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(locking.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with opened(host) as one, opened(host) as other:
        assert locked(host, "/file", one, deadline())
        with pytest.raises(ControlError, match=f"^another process has held /file for {PATIENCE:g} s$"):
            locked(host, "/file", other, deadline())
    assert 100.0 + PATIENCE < now[0] < 100.1 + PATIENCE

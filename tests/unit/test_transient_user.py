"""Rooms of transient users: what a killed run left goes, and what another run uses stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.host import transient_user


@pytest.mark.skipif(os.geteuid() != 0, reason="the rooms are root's")
def test_a_room_goes_when_nobody_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lock, and not by the number of a process, which says nothing where processes are another container's."""
    monkeypatch.setattr(transient_user, "ROOM", str(tmp_path))
    room = tmp_path / f"{transient_user.PREFIX}999999999-x"
    (room / "home").mkdir(parents=True)
    held = transient_user._held(str(room))
    assert held is not None
    transient_user._sweep()
    assert room.exists()
    os.close(held)
    transient_user._sweep()
    assert not room.exists()

"""Rooms of transient users: what a killed run left goes, and what another run uses stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from patience import until
from proscribe.host.system import ControlError, Host, transient_user


@pytest.mark.skipif(os.geteuid() != 0, reason="the rooms are root's")
def test_a_room_goes_when_nobody_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lock, and not by the number of a process, which says nothing where processes are another container's."""
    monkeypatch.setattr(transient_user, "ROOM", str(tmp_path))
    room = tmp_path / f"{transient_user.PREFIX}999999999-x"
    (room / "home").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    held = transient_user._held(str(room))
    assert held is not None
    transient_user._sweep()
    assert room.exists()
    os.close(held)
    transient_user._sweep()
    assert not room.exists() and len(os.listdir("/proc/self/fd")) == before


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(transient_user, "ROOM", str(tmp_path))
    return tmp_path


@needs_root
class TestAUser:
    """A real one: a number that nobody has, and a home."""

    def test_what_is_written_for_it_is_its_own(self, room: Path) -> None:
        with transient_user.transient_user(Host()) as user:
            user.write(".config/app/settings", "Grüße")
            user.write(".config/app/more", "y")
            assert Path(user.home, ".config/app/settings").read_bytes() == "Grüße".encode()
            for name in (".config/app", ".config/app/settings", ".config/app/more"):
                assert os.stat(os.path.join(user.home, name)).st_uid == user.uid
            assert os.stat(os.path.join(user.home, ".config/app")).st_mode & 0o077 == 0
            with pytest.raises(FileExistsError):
                user.write(".config/app/more", "z")

    def test_a_program_runs_as_that_user_at_home_with_little_of_the_environment(
        self, room: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", "x")
        script = 'id -u; id -g; id -G; echo "$HOME $PATH $MORE $SECRET."; readlink /proc/self/fd/0'
        with transient_user.transient_user(Host()) as user:
            words = ["sh", "-c", f"({script}) > out; echo why >&2"]
            with user.running(words, 60, {"MORE": "more"}) as process:
                assert process.wait(60) == 0
            home = Path(user.home)
            number = str(user.uid)
            expected = [number, number, number, f"{home} /usr/bin:/bin more .", "/dev/null"]
            assert (home / "out").read_text().splitlines() == expected
            assert user.said() == "why"
            assert os.stat(home / "out").st_uid == user.uid

    def test_all_that_it_has_started_ends_with_its_block(self, room: Path) -> None:
        with transient_user.transient_user(Host()) as user:
            with user.running(["sh", "-c", "setsid sleep 1000 & exec sleep 1000"], 1000, {}) as process:
                until(lambda: len(transient_user._processes(user.uid)) >= 2)
                assert transient_user._known(user.uid)
            assert process.returncode is not None and transient_user._processes(user.uid) == []
            assert not transient_user._known(user.uid) and transient_user._known(0)

    def test_what_cannot_be_run_is_said(self, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transient_user.subprocess, "Popen", refused)
        with (
            transient_user.transient_user(Host()) as user,
            pytest.raises(ControlError, match=f"sleep cannot be run as user {user.uid}"),
            user.running(["sleep", "1"], 1, {}),
        ):
            pass

    def test_where_there_is_no_room_nothing_is_left(self, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transient_user.tempfile, "mkdtemp", refused)
        with pytest.raises(ControlError, match="no room"), transient_user.transient_user(Host()):
            pass

    def test_where_no_number_is_free(self, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[int] = []
        monkeypatch.setattr(transient_user, "_known", lambda uid: tried.append(uid) or True)
        with pytest.raises(ControlError, match="is free"), transient_user.transient_user(Host()):
            pass
        assert sorted(tried) == list(transient_user.NUMBERS) and os.listdir(room) == []


def refused(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_one_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(transient_user, "_processes", lambda uid: [7, 8])
    monkeypatch.setattr(transient_user, "kill", lambda pid, *_: sent.append(pid))
    monkeypatch.setattr(transient_user.time, "sleep", lambda seconds: None)
    with pytest.raises(ControlError, match="process 7 of .* 65000 does not end"):
        transient_user.end_all_of(65000)
    assert set(sent) == {7, 8}


@needs_root
@pytest.mark.parametrize(("ended", "owner", "stays"), [(True, 65000, False), (True, 0, False), (False, 65000, True)])
def test_what_a_killed_run_left_is_taken_away_with_its_processes(
    room: Path, monkeypatch: pytest.MonkeyPatch, ended: bool, owner: int, stays: bool
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(transient_user, "end_all_of", killed.append)
    maker = 999_999_999 if ended else os.getpid()
    left = room / f"{transient_user.PREFIX}{maker}-x"
    (left / "home").mkdir(parents=True)
    os.chown(left / "home", owner, owner)
    (room / "another-7").mkdir()
    (room / f"{transient_user.PREFIX}x-7").mkdir()
    transient_user._sweep()
    assert left.exists() is stays and killed == ([owner] if ended and owner else [])
    assert len(os.listdir(room)) == 2 + stays

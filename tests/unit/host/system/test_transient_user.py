"""Transient users: their files and processes, and the rooms that a killed run left."""

import os
import pwd
from pathlib import Path

import pytest
from patience import until
from proscribe.host.system import ControlError, Host, transient_user
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
REFUSED = make_refusal(PermissionError(13, "Permission denied"))


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setattr(transient_user, "HOME_PARENT", str(tmp_path))
    return tmp_path


@ROOT
def test_room_is_removed_when_nobody_holds_it(room):
    """By the lock, and not by the number of a process, which says nothing where processes are another container's."""
    rest = room / f"{transient_user.HOME_PREFIX}999999999-x"
    (rest / "home").mkdir(parents=True)
    held = transient_user._lock_directory(str(rest))
    transient_user._remove_leftovers()
    assert rest.exists()
    os.close(held)
    transient_user._remove_leftovers()
    assert not rest.exists()


@ROOT
def test_files_of_a_transient_user_are_its_own(room):
    with transient_user.make_transient_user(Host()) as user:
        user.write_file(".config/app/settings", "Grüße")
        user.write_file(".config/app/more", "y")
        assert Path(user.home, ".config/app/settings").read_bytes() == "Grüße".encode()
        for name in (".config/app", ".config/app/settings", ".config/app/more"):
            assert os.stat(os.path.join(user.home, name)).st_uid == user.uid
        assert os.stat(os.path.join(user.home, ".config/app")).st_mode & 0o077 == 0
        with pytest.raises(FileExistsError):
            user.write_file(".config/app/more", "z")


@ROOT
def test_program_runs_as_that_user_with_a_small_environment(room, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    script = 'id -u; id -g; id -G; echo "$HOME $PATH $MORE $SECRET."; readlink /proc/self/fd/0'
    with transient_user.make_transient_user(Host()) as user:
        words = ["sh", "-c", f"({script}) > out; echo why >&2"]
        with user.run_program(words, 60, {"MORE": "more"}) as process:
            assert process.wait(60) == 0
        home, number = Path(user.home), str(user.uid)
        expected = [number, number, number, f"{home} /usr/bin:/bin more .", "/dev/null"]
        assert (home / "out").read_text().splitlines() == expected
        assert user.read_last_error() == "why" and os.stat(home / "out").st_uid == user.uid


@ROOT
def test_processes_of_the_user_end_with_its_block(room):
    with transient_user.make_transient_user(Host()) as user:
        with user.run_program(["sh", "-c", "setsid sleep 1000 & exec sleep 1000"], 1000, {}) as process:
            until(lambda: len(transient_user._list_user_processes(user.uid)) >= 2)
            assert transient_user._is_uid_used(user.uid)
        assert process.returncode is not None and transient_user._list_user_processes(user.uid) == []
        assert not transient_user._is_uid_used(user.uid) and transient_user._is_uid_used(0)


@ROOT
@pytest.mark.parametrize(
    ("module", "name", "message"),
    [("subprocess", "Popen", r"sleep cannot be run as user \d+"), ("tempfile", "mkdtemp", "no room")],
)
def test_room_or_program_that_cannot_be_begun_is_an_error(room, monkeypatch, module, name, message):
    monkeypatch.setattr(getattr(transient_user, module), name, REFUSED)
    failed, made = pytest.raises(ControlError, match=message), transient_user.make_transient_user(Host())
    with failed, made as user, user.run_program(["sleep", "1"], 1, {}):
        pytest.fail("it runs")


@ROOT
def test_no_free_number_is_an_error(room, monkeypatch):
    tried = []
    monkeypatch.setattr(transient_user, "_is_uid_used", lambda uid: tried.append(uid) or True)
    with pytest.raises(ControlError, match="is free"), transient_user.make_transient_user(Host()):
        pass
    assert sorted(tried) == list(transient_user.UID_RANGE) and os.listdir(room) == []


def test_process_that_does_not_end_is_an_error(monkeypatch):
    sent = []
    monkeypatch.setattr(transient_user, "_list_user_processes", lambda uid: [7, 8])
    monkeypatch.setattr(transient_user, "kill_process", lambda pid, *_: sent.append(pid))
    monkeypatch.setattr(transient_user.time, "sleep", lambda seconds: None)
    with pytest.raises(ControlError, match="process 7 of .* 65000 does not end"):
        transient_user.end_user_processes(65000)
    assert set(sent) == {7, 8}


@ROOT
@pytest.mark.parametrize(("ended", "owner", "stays"), [(True, 65000, False), (True, 0, False), (False, 65000, True)])
def test_rest_of_a_killed_run_is_removed_with_its_processes(room, monkeypatch, ended, owner, stays):
    killed = []
    monkeypatch.setattr(transient_user, "end_user_processes", killed.append)
    rest = room / f"{transient_user.HOME_PREFIX}{999_999_999 if ended else os.getpid()}-x"
    (rest / "home").mkdir(parents=True)
    os.chown(rest / "home", owner, owner)
    (room / "another-7").mkdir()
    (room / f"{transient_user.HOME_PREFIX}x-7").mkdir()
    transient_user._remove_leftovers()
    assert rest.exists() is stays and killed == ([owner] if ended and owner else [])
    assert len(os.listdir(room)) == 2 + stays


@pytest.mark.slow
@ROOT
def test_transient_user_is_nobody_with_a_home_of_its_own_that_goes(room):
    with transient_user.make_transient_user(Host()) as user, transient_user.make_transient_user(Host()) as other:
        seen = os.stat(user.home)
        assert os.stat(os.path.dirname(user.home)).st_mode & 0o777 == 0o711, "it may pass to its home, and no more"
        assert 61184 <= user.uid <= 65519, "as systemd numbers a DynamicUser="
        assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o777) == (user.uid, user.uid, 0o700)
        assert user.home != other.home and len(os.listdir(room)) == 2
        with pytest.raises(KeyError):
            pwd.getpwuid(user.uid)
        transient_user._remove_leftovers()
        assert os.path.isdir(user.home)
        with user.run_program(["sleep", "1000"], 1, {}) as process:
            assert process.wait(60) != 0, "a program has its time and no more"
    assert os.listdir(room) == []


@ROOT
def test_room_of_somebody_else_or_behind_a_link_is_not_removed(room):
    theirs, target = room / f"{transient_user.HOME_PREFIX}999999999-x", room / "target"
    for place in (theirs, target):
        (place / "home").mkdir(parents=True)
    os.chown(theirs, 1000, 1000)
    (room / f"{transient_user.HOME_PREFIX}999999998-x").symlink_to(target)
    transient_user._remove_leftovers()
    assert theirs.exists() and (target / "home").exists()


def test_ordinary_user_makes_no_transient_user(monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    with pytest.raises(ControlError), transient_user.make_transient_user(Host()):
        pass


@pytest.mark.parametrize(
    ("text", "noise", "line"),
    [
        (b"\n \n", "", ""),
        (b"a\nb\n\n", "", "b"),
        (b"[12:00/x] why\n", "", "why"),
        (b"why\nnoise: b\n", "noise", "why"),
        (b"noise: a\nnoise: b\n", "noise", "noise: b"),
        (b"\xff" * 300, "", "\ufffd" * 200),
    ],
)
def test_last_line_of_a_program_is_its_message(tmp_path, text, noise, line):
    (tmp_path / "said").write_bytes(text)
    assert transient_user.TransientUser(65000, str(tmp_path)).read_last_error(noise) == line

"""What is written is on the disk under its name before anything else is done; and what of it `delete` would find."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import LEDGER, ControlError, Host


@pytest.fixture
def made(tmp_path: Path) -> Host:
    for directory in ("etc", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


def test_traces_are_what_delete_would_take_away(made: Host) -> None:
    """A file, what a killed write left of it, or the empty directories that were made for it: and then nothing."""
    path = "/etc/new/deep/file"
    assert not made.traces(path)
    made.write(path, "text")
    assert made.traces(path) and made.text(LEDGER) == "/etc/new\n/etc/new/deep\n/var/lib/proscribe\n"
    os.unlink(made.root + path)
    assert made.traces(path), "the directories are left"
    os.rmdir(f"{made.root}/etc/new/deep")
    assert made.traces(path), "and one of them"
    (Path(made.root) / "etc/new/theirs").touch()
    assert not made.traces(path), "in which somebody has put something"
    os.unlink(f"{made.root}/etc/new/theirs")
    os.rmdir(f"{made.root}/etc/new")
    assert made.traces(path), "and the ledger alone"
    made.delete(path)
    assert not made.traces(path) and os.listdir(f"{made.root}/var/lib") == []
    (Path(made.root) / "etc/.file.proscribe~").touch()
    assert made.traces("/etc/file") and made.unfinished("/etc/file")
    made.clear("/etc/file")
    assert not made.traces("/etc/file")


def test_a_state_directory_with_something_else_in_it_is_no_trace_of_one_file(made: Host) -> None:
    made.write("/var/lib/proscribe/other", "text")
    assert made.traces("/var/lib/proscribe/other") and not made.traces("/var/lib/proscribe/gone")
    os.unlink(f"{made.root}/var/lib/proscribe/other")
    assert made.traces("/var/lib/proscribe/gone"), "then the directory and its ledger are what is left"


def test_no_directory_is_made_that_is_not_in_the_ledger(made: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stay on the host for ever."""

    def full(*what: object, **how: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ControlError) as wrong:
        made.write("/etc/new/file", "text")
    assert str(wrong.value) == f"cannot write {LEDGER}: No space left on device"
    assert os.listdir(f"{made.root}/etc") == []


REFUSED: dict[str, tuple[tuple[str, str | None], Callable[[Host], object], str]] = {
    "take over": (
        ("fchown", None),
        lambda host: host.take_over("/etc"),
        "cannot change /etc",
    ),
    "rename": (
        ("rename", "file"),
        lambda host: host.rename("/etc/new/file", "other"),
        "cannot rename /etc/new/file",
    ),
    "delete": (
        ("unlink", "file"),
        lambda host: host.delete("/etc/new/file"),
        "cannot delete /etc/new/file",
    ),
    "delete the ledger": (
        ("unlink", "directories"),
        lambda host: host.delete("/etc/new/file"),
        f"cannot delete {LEDGER}",
    ),
    "make a directory": (
        ("mkdir", "deep"),
        lambda host: host.make_directories("/etc/new/deep"),
        "cannot make the directory /etc/new/deep",
    ),
    "change the ledger": (
        ("open", "directories"),
        lambda host: host.make_directories("/etc/new/deep"),
        f"cannot write {LEDGER}",
    ),
    "write": (
        ("rename", ".file.proscribe~"),
        lambda host: host.write("/etc/new/file", "text"),
        "cannot write /etc/new/file",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_disk_refuses_is_an_error(made: Host, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    (name, about), work, said = REFUSED[what]
    made.write("/etc/new/file", "before")
    real = getattr(os, name)

    def refused(first: object, *more: Any, **how: Any) -> Any:
        if about in (None, first):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(first, *more, **how)

    monkeypatch.setattr(os, name, refused)
    with pytest.raises(ControlError, match=f"^{said}: Read-only file system"):
        work(made)


def test_processes_that_make_directories_at_once_remember_all_of_them(made: Host) -> None:
    """The timer's observation, the daemon and a run: what one of them forgot would stay on the host for ever."""
    children = []
    for child in range(4):
        pid = os.fork()
        if not pid:
            for number in range(10):
                made.write(f"/etc/{child}/{number}/file", "text")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    directories = {f"/etc/{child}{below}" for child in range(4) for below in ("", *(f"/{n}" for n in range(10)))}
    assert set((made.text(LEDGER) or "").splitlines()) == {*directories, "/var/lib/proscribe"}
    for directory in directories:
        made.delete(f"{directory}/file")
    assert os.listdir(f"{made.root}/etc") == os.listdir(f"{made.root}/var/lib") == []

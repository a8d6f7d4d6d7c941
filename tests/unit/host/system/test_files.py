"""Files that are written and deleted on a host, and the ledger of directories that were made for them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.system import LEDGER, ControlError, Host


@pytest.fixture
def host(tmp_path):
    for directory in ("etc", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


def test_traces_are_the_paths_that_delete_removes(host):
    """A file, the rest of a killed write, the empty directories that were made for it, and the ledger."""
    path = "/etc/new/deep/file"
    assert not host.traces(path)
    host.write(path, "text")
    assert host.traces(path) and host.text(LEDGER) == "/etc/new\n/etc/new/deep\n/var/lib/proscribe\n"
    os.unlink(host.root + path)
    assert host.traces(path), "the directories are left"
    os.rmdir(f"{host.root}/etc/new/deep")
    assert host.traces(path), "and one of them"
    (Path(host.root) / "etc/new/theirs").touch()
    assert not host.traces(path), "in which somebody has put something"
    os.unlink(f"{host.root}/etc/new/theirs")
    os.rmdir(f"{host.root}/etc/new")
    assert host.traces(path), "and the ledger alone"
    host.delete(path)
    assert not host.traces(path) and os.listdir(f"{host.root}/var/lib") == []
    (Path(host.root) / "etc/.file.proscribe~").touch()
    assert host.traces("/etc/file") and host.unfinished("/etc/file")
    host.clear("/etc/file")
    assert not host.traces("/etc/file")


def test_state_directory_with_another_file_is_no_trace(host):
    host.write("/var/lib/proscribe/other", "text")
    assert host.traces("/var/lib/proscribe/other") and not host.traces("/var/lib/proscribe/gone")
    os.unlink(f"{host.root}/var/lib/proscribe/other")
    assert host.traces("/var/lib/proscribe/gone"), "then the directory and its ledger are case is left"


def test_directory_without_a_ledger_entry_is_not_made(host, monkeypatch):
    """The directory would stay on the host for ever."""

    def full(*case, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ControlError, match=f"^cannot write {LEDGER}: No space left on device$"):
        host.write("/etc/new/file", "text")
    assert os.listdir(f"{host.root}/etc") == []


REFUSED: dict[str, tuple[tuple[str, str | None], Callable[[Host], object], str]] = {
    "take over": (("fchown", None), lambda host: host.take_over("/etc"), "cannot change /etc"),
    "rename": (("rename", "file"), lambda host: host.rename("/etc/new/file", "other"), "cannot rename /etc/new/file"),
    "delete": (("unlink", "file"), lambda host: host.delete("/etc/new/file"), "cannot delete /etc/new/file"),
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


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_of_the_disk_is_an_error(host, monkeypatch, case):
    (name, about), work, message = REFUSED[case]
    host.write("/etc/new/file", "before")
    real = getattr(os, name)

    def refused(first, *more, **how):
        if about in (None, first):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(first, *more, **how)

    monkeypatch.setattr(os, name, refused)
    with pytest.raises(ControlError, match=f"^{message}: Read-only file system"):
        work(host)


def test_directories_of_concurrent_processes_are_all_in_the_ledger(host):
    """The timer's observation, the daemon and a run make them: a forgotten one would stay for ever."""
    children = []
    for child in range(4):
        pid = os.fork()
        if not pid:
            for number in range(10):
                host.write(f"/etc/{child}/{number}/file", "text")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    directories = {f"/etc/{child}{below}" for child in range(4) for below in ("", *(f"/{n}" for n in range(10)))}
    assert set((host.text(LEDGER) or "").splitlines()) == {*directories, "/var/lib/proscribe"}
    for directory in directories:
        host.delete(f"{directory}/file")
    assert os.listdir(f"{host.root}/etc") == os.listdir(f"{host.root}/var/lib") == []

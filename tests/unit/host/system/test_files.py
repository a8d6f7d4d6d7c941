"""Files that are written and deleted on a host, and the ledger of directories that were made for them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import proscribe
import pytest
from proscribe.host.system import LEDGER_PATH, ControlError, Host
from refusals import make_refusal


@pytest.fixture
def host(tmp_path):
    for directory in ("etc", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


def test_traces_are_the_paths_that_delete_removes(host):
    """A file, the rest of a killed write, the empty directories that were made for it, and the ledger."""
    path = "/etc/new/deep/file"
    assert not host.has_traces(path)
    host.write_file(path, "text")
    assert os.stat(host.root + LEDGER_PATH).st_mode & 0o777 == 0o600
    assert host.has_traces(path) and host.read_text(LEDGER_PATH) == "/etc/new\n/etc/new/deep\n/var/lib/proscribe\n"
    os.unlink(host.root + path)
    assert host.has_traces(path), "the directories are left"
    os.rmdir(f"{host.root}/etc/new/deep")
    assert host.has_traces(path), "and one of them"
    (Path(host.root) / "etc/new/theirs").touch()
    assert not host.has_traces(path), "in which somebody has put something"
    os.unlink(f"{host.root}/etc/new/theirs")
    os.rmdir(f"{host.root}/etc/new")
    assert host.has_traces(path), "and the ledger alone"
    host.delete_file(path)
    assert not host.has_traces(path) and os.listdir(f"{host.root}/var/lib") == []
    (Path(host.root) / "etc/.file.proscribe~").touch()
    assert host.has_traces("/etc/file") and host.has_unfinished_write("/etc/file")
    host.clear_unfinished_write("/etc/file")
    assert not host.has_traces("/etc/file")


def test_state_directory_with_another_file_is_no_trace(host):
    host.write_file("/var/lib/proscribe/other", "text")
    assert host.has_traces("/var/lib/proscribe/other") and not host.has_traces("/var/lib/proscribe/gone")
    os.unlink(f"{host.root}/var/lib/proscribe/other")
    assert host.has_traces("/var/lib/proscribe/gone"), "then the directory and its ledger are case is left"


def test_directory_without_a_ledger_entry_is_not_made(host, monkeypatch):
    """The directory would stay on the host for ever."""
    monkeypatch.setattr(os, "rename", make_refusal(OSError(28, "No space left on device")))
    with pytest.raises(ControlError, match=f"^cannot write {LEDGER_PATH}: No space left on device$"):
        host.write_file("/etc/new/file", "text")
    assert os.listdir(f"{host.root}/etc") == []


FILE = "/etc/new/file"
REFUSED: list[tuple[str, str | None, Callable[[Host], object], str]] = [
    ("fchown", None, lambda host: host.take_ownership("/etc"), "change /etc"),
    ("rename", "file", lambda host: host.rename_file(FILE, "other"), f"rename {FILE}"),
    ("unlink", "file", lambda host: host.delete_file(FILE), f"delete {FILE}"),
    ("unlink", "directories", lambda host: host.delete_file(FILE), f"delete {LEDGER_PATH}"),
    ("mkdir", "deep", lambda host: host.make_directories("/etc/new/deep"), "make the directory /etc/new/deep"),
    ("open", "directories", lambda host: host.make_directories("/etc/new/deep"), f"write {LEDGER_PATH}"),
    ("rename", ".file.proscribe~", lambda host: host.write_file(FILE, "text"), f"write {FILE}"),
]


@pytest.mark.parametrize(("name", "about", "work", "message"), REFUSED)
def test_refusal_of_the_disk_is_an_error(host, monkeypatch, name, about, work, message):
    def refused(first, *more, **how):
        if about in (None, first):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(first, *more, **how)

    host.write_file(FILE, "before")
    real = getattr(os, name)
    monkeypatch.setattr(os, name, refused)
    with pytest.raises(ControlError, match=f"^cannot {message}: Read-only file system"):
        work(host)


def test_directories_of_concurrent_processes_are_all_in_the_ledger(host):
    """The timer's observation, the daemon and a run make them: a forgotten one would stay for ever."""
    children = []
    for child in range(4):
        pid = os.fork()
        if not pid:
            for number in range(10):
                host.write_file(f"/etc/{child}/{number}/file", "text")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    directories = {f"/etc/{child}{below}" for child in range(4) for below in ("", *(f"/{n}" for n in range(10)))}
    assert set((host.read_text(LEDGER_PATH) or "").splitlines()) == {*directories, "/var/lib/proscribe"}
    for directory in directories:
        host.delete_file(f"{directory}/file")
    assert os.listdir(f"{host.root}/etc") == os.listdir(f"{host.root}/var/lib") == []


def list_tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() if path.is_file() else "" for path in root.rglob("*")}


def test_name_and_content_are_on_the_disk_when_a_call_returns(host, monkeypatch):
    """Else a loss of power leaves an empty file under the new name, or no name."""
    steps, real = [], {name: getattr(os, name) for name in ("fsync", "rename", "unlink")}

    def fsync(descriptor):
        steps.append(f"fsync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        if steps[-1] != "fsync etc":
            seen = os.fstat(descriptor)
            assert (seen.st_size, seen.st_mode & 0o777) == (5, 0o640)
        real["fsync"](descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", lambda *a, **how: steps.append(f"rename {a[1]}") or real["rename"](*a, **how))
    monkeypatch.setattr(os, "unlink", lambda name, **how: real["unlink"](name, **how) or steps.append(f"unlink {name}"))
    host.write_file("/etc/a", "12345", 0o640, owner=(os.getuid(), os.getgid()), modified_ns=10**18)
    assert os.stat(host.root + "/etc/a").st_mtime_ns == 10**18
    host.delete_file("/etc/a")
    host.delete_file("/etc/a")
    host.delete_file("/etc/none/a")
    assert steps == ["fsync .a.proscribe~", "rename a", "fsync etc", "unlink a", "fsync etc"]


def test_file_is_made_for_root_alone_under_a_new_name(host, monkeypatch):
    def open_(path, flags, mode=0o777, *, dir_fd=None):
        if flags & os.O_CREAT:
            modes.append((mode, flags & os.O_EXCL > 0 and flags & os.O_NOFOLLOW > 0))
        return real(path, flags, mode, dir_fd=dir_fd)

    modes, real = [], os.open
    monkeypatch.setattr(os, "open", open_)
    host.write_file("/etc/a", "secret", 0o644)
    assert modes == [(0o600, True)]


@pytest.mark.parametrize(
    ("path", "mode"),  # programs of users read what is in the first
    [("/etc/new", 0o755), ("/var/lib/proscribe", 0o755), ("/var/lib/proscribe/watch/plans", 0o700)],
)
def test_directories_below_our_own_are_listed_by_root_alone_whatever_the_umask(host, path, mode):
    before = os.umask(0o077)
    try:
        host.write_file(f"{path}/a", "")
    finally:
        os.umask(before)
    assert [os.stat(host.root + place).st_mode & 0o777 for place in (path, f"{path}/a")] == [mode, 0o644]


@pytest.mark.parametrize("call", ["fchmod", "fsync", "rename"])
def test_full_disk_at_any_step_leaves_the_old_file_and_nothing_beside_it(host, monkeypatch, call):
    host.write_file("/etc/a", "old")
    before = list_tree(Path(host.root))
    monkeypatch.setattr(os, call, make_refusal(OSError(28, "No space left on device")))
    with pytest.raises(ControlError, match=r"^cannot write /etc/a: No space left on device"):
        host.write_file("/etc/a", "new")
    assert list_tree(Path(host.root)) == before


@pytest.mark.parametrize("name", ["a", ".a.proscribe~"])
def test_link_at_a_name_that_is_written_or_deleted_is_not_followed(host, name):
    """Somebody may have planted it where the new file is prepared."""
    target, etc = Path(host.root, "target"), Path(host.root, "etc")
    target.write_text("mine")
    (etc / name).symlink_to(target)
    host.write_file("/etc/a", "new")
    assert host.list_directory("/etc") == ["a"] and not (etc / "a").is_symlink()
    (etc / "a").unlink()
    (etc / "a").symlink_to(target)
    host.delete_file("/etc/a")
    assert target.read_text() == "mine" and host.list_directory("/etc") == []
    (etc / "a").mkdir()
    with pytest.raises(ControlError, match="cannot delete /etc/a"):
        host.delete_file("/etc/a")


def test_reader_of_the_old_file_keeps_all_of_it(host):
    host.write_file("/etc/a", "old")
    with open(host.root + "/etc/a") as reader:
        host.write_file("/etc/a", "new")
        assert (reader.read(), host.read_text("/etc/a")) == ("old", "new")
    host.rename_file("/etc/a", "b")
    host.delete_file("/etc/b/no-directory")
    host.delete_file("/etc/b")
    assert host.list_directory("/etc") == []


def test_directories_of_somebody_else_or_with_a_file_of_theirs_stay(host):
    etc = Path(host.root, "etc")
    (etc / "theirs").mkdir()
    assert not host.has_traces("/etc/theirs/a"), "an empty directory of somebody else"
    host.write_file("/etc/theirs/a", "")
    host.write_file("/etc/made/a", "")
    (etc / "made/theirs").touch()
    for path in ("/etc/theirs/a", "/etc/made/a"):
        host.delete_file(path)
    assert host.list_directory("/etc/made") == ["theirs"] and (etc / "theirs").is_dir()


def test_state_directory_of_somebody_else_is_no_trace(host):
    (Path(host.root) / "var/lib/proscribe").mkdir()
    host.write_file("/etc/new/file", "text")
    (Path(host.root) / "var/lib/proscribe/.directories.proscribe~").touch()  # of a killed write of the ledger
    os.unlink(f"{host.root}/etc/new/file")
    os.rmdir(f"{host.root}/etc/new")
    assert not host.has_traces("/var/lib/proscribe/report.json")
    host.delete_file("/etc/new/file")
    assert host.list_directory("/var/lib/proscribe") == []


KILLED = """
import os, sys
from proscribe.host import system as host
steps = int(sys.argv[2])
for name in ("mkdir", "rename", "fsync", "unlink", "rmdir", "open", "fchmod"):
    def counted(*args, real=getattr(os, name), name=name, **kwargs):
        global steps
        steps -= name != "open" or bool(args[1] & os.O_CREAT)
        if steps < 0:
            os._exit(9)
        return real(*args, **kwargs)
    setattr(os, name, counted)
here = host.Host(sys.argv[1])
here.write_file("/etc/one/two/a", "all of it")
if sys.argv[3] == "delete":
    here.delete_file("/etc/one/two/a")
"""


@pytest.mark.slow
@pytest.mark.parametrize("task", ["write", "delete"])
def test_next_run_repairs_a_host_after_a_kill_at_any_step(tmp_path, task):
    for steps in range(100):
        root = tmp_path / str(steps)
        for directory in ("etc", "var/lib"):
            (root / directory).mkdir(parents=True)
        before, host = list_tree(root), Host(str(root))
        command = [sys.executable, "-S", "-c", KILLED, str(root), str(steps), task]
        ended = subprocess.run(command, env={"PYTHONPATH": str(Path(proscribe.__file__).parents[1])}, check=False)
        assert host.read_text("/etc/one/two/a") in (None, "all of it"), "whole or not at all"
        host.write_file("/etc/one/two/a", "all of it")
        assert host.list_directory("/etc/one/two") == ["a"]
        host.delete_file("/etc/one/two/a")
        assert list_tree(root) == before
        if ended.returncode == 0:
            break
        assert ended.returncode == 9
    assert 8 < steps < 99, "it was killed at every step before its end"

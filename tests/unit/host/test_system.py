"""The door to the operating system: files whole or not at all, hostile homes, and processes that are the ones meant."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import proscribe
import pytest
from patience import LONGEST
from proscribe.host import system as host_module
from proscribe.host.system import LEDGER, ControlError, Ending, Host, Process, Unseen

NOBODY = 65534


def tree(root: Path) -> dict[str, str]:
    """Every path below a directory, with the content of files."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() and not path.is_symlink() else ""
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def made(tmp_path: Path) -> Host:
    """A host that is a made tree, with the directories that every host has."""
    for directory in ("etc", "var/lib", "home", "proc"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A real process of this machine."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def like(process: subprocess.Popen[bytes]) -> Process:
    return Process(process.pid, os.readlink(f"/proc/{process.pid}/exe"))


class TestWriting:
    def test_the_mode_does_not_depend_on_the_umask(self, made: Host) -> None:
        before = os.umask(0o077)
        try:
            made.write("/etc/new/a", "")
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(made.root + "/etc/new/a").st_mode) == 0o644
        assert stat.S_IMODE(os.stat(made.root + "/etc/new").st_mode) == 0o755

    def test_a_reader_that_has_the_old_file_open_keeps_all_of_it(self, made: Host) -> None:
        made.write("/etc/a", "old")
        with open(made.root + "/etc/a") as reader:
            made.write("/etc/a", "new")
            assert reader.read() == "old"
        assert made.text("/etc/a") == "new"

    @pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "rename"])
    def test_a_failure_at_any_step_leaves_the_old_file_and_nothing_beside_it(
        self, made: Host, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        made.write("/etc/a", "old")
        before = tree(Path(made.root))

        def fail(*_: Any, **__: Any) -> Any:
            raise OSError(28, "No space left on device")

        if call == "write":
            monkeypatch.setattr(host_module.os, "fdopen", fail)
        else:
            monkeypatch.setattr(host_module.os, call, fail)
        with pytest.raises(ControlError, match=r"cannot write /etc/a: No space left on device"):
            made.write("/etc/a", "new")
        assert tree(Path(made.root)) == before

    def test_a_link_at_the_name_is_replaced_and_its_target_left_alone(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "target").write_text("mine")
        (tmp_path / "etc/a").symlink_to(tmp_path / "target")
        made.write("/etc/a", "new")
        assert (tmp_path / "target").read_text() == "mine"
        assert not (tmp_path / "etc/a").is_symlink()

    def test_a_link_planted_where_the_new_file_is_prepared_is_not_written_through(
        self, made: Host, tmp_path: Path
    ) -> None:
        (tmp_path / "target").write_text("mine")
        (tmp_path / "etc/.a.proscribe~").symlink_to(tmp_path / "target")
        made.write("/etc/a", "new")
        assert (tmp_path / "target").read_text() == "mine"
        assert made.list("/etc") == ["a"]


class TestDirectories:
    def test_made_directories_are_taken_away_with_their_last_file(self, made: Host) -> None:
        before = tree(Path(made.root))
        made.write("/etc/one/two/a", "")
        made.write("/etc/one/b", "")
        assert (made.text(LEDGER) or "").splitlines() == ["/etc/one", "/etc/one/two", "/var/lib/proscribe"]
        made.delete("/etc/one/two/a")
        assert made.list("/etc/one") == ["b"]
        made.delete("/etc/one/b")
        assert tree(Path(made.root)) == before

    def test_a_directory_that_was_there_before_stays(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "etc/theirs").mkdir()
        made.write("/etc/theirs/a", "")
        made.delete("/etc/theirs/a")
        assert (tmp_path / "etc/theirs").is_dir()

    def test_a_made_directory_in_which_somebody_put_something_stays_with_it(self, made: Host, tmp_path: Path) -> None:
        made.write("/etc/one/a", "")
        (tmp_path / "etc/one/theirs").write_text("x")
        made.delete("/etc/one/a")
        assert made.list("/etc/one") == ["theirs"]

    def test_the_state_directory_goes_when_its_own_last_file_goes(self, made: Host) -> None:
        before = tree(Path(made.root))
        made.write("/var/lib/proscribe/state.json", "{}")
        made.delete("/var/lib/proscribe/state.json")
        assert tree(Path(made.root)) == before

    def test_a_bare_root_gets_even_its_top_directories(self, tmp_path: Path) -> None:
        host = Host(str(tmp_path))
        host.write("/opt/one/a", "x")
        assert host.text("/opt/one/a") == "x"
        host.delete("/opt/one/a")
        assert not (tmp_path / "opt").exists()

    def test_deleting_what_is_not_there_does_nothing(self, made: Host) -> None:
        before = tree(Path(made.root))
        made.delete("/etc/a")
        made.delete("/etc/none/a")
        assert tree(Path(made.root)) == before

    def test_deleting_takes_a_link_and_leaves_its_target(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "target").write_text("mine")
        (tmp_path / "etc/a").symlink_to(tmp_path / "target")
        made.delete("/etc/a")
        assert (tmp_path / "target").read_text() == "mine"
        assert made.list("/etc") == []

    def test_deleting_never_takes_a_directory(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "etc/a").mkdir()
        with pytest.raises(ControlError, match="cannot delete /etc/a"):
            made.delete("/etc/a")


KILLED = """
import os, sys
from proscribe.host import system as host
steps = int(sys.argv[2])
for name in ("mkdir", "rename", "fsync", "unlink", "rmdir", "open", "fchmod"):
    def counted(*args, real=getattr(os, name), name=name, **kwargs):
        global steps
        changes = name != "open" or args[1] & os.O_CREAT
        steps -= bool(changes)
        if steps < 0:
            os._exit(9)
        return real(*args, **kwargs)
    setattr(os, name, counted)
here = host.Host(sys.argv[1])
here.write("/etc/one/two/a", "all of it")
if sys.argv[3] == "delete":
    here.delete("/etc/one/two/a")
"""


@pytest.mark.slow
@pytest.mark.parametrize("task", ["write", "delete"])
def test_a_kill_at_any_step_leaves_a_host_that_the_next_run_repairs(tmp_path: Path, task: str) -> None:
    source = Path(proscribe.__file__).parents[1]
    for steps in range(100):
        root = tmp_path / str(steps)
        for directory in ("etc", "var/lib"):
            (root / directory).mkdir(parents=True)
        before = tree(root)
        command = [sys.executable, "-S", "-c", KILLED, str(root), str(steps), task]
        ended = subprocess.run(command, env={"PYTHONPATH": str(source)}, check=False)
        host = Host(str(root))
        assert host.text("/etc/one/two/a") in (None, "all of it")  # whole or not at all
        host.write("/etc/one/two/a", "all of it")
        assert host.list("/etc/one/two") == ["a"]
        host.delete("/etc/one/two/a")
        assert tree(root) == before
        if ended.returncode == 0:
            assert steps > 8  # it was killed at every step before
            return
        assert ended.returncode == 9
    pytest.fail("the writer never got to its end")


class TestTraces:
    @pytest.mark.parametrize("left", ["a", ".a.proscribe~", ""])
    def test_a_file_a_half_written_file_and_an_empty_made_directory(
        self, made: Host, tmp_path: Path, left: str
    ) -> None:
        before = tree(tmp_path)
        made.write("/etc/one/a", "")
        os.unlink(tmp_path / "etc/one/a")
        if left:
            (tmp_path / "etc/one" / left).write_text("")
        assert made.traces("/etc/one/a")
        made.delete("/etc/one/a")
        assert tree(tmp_path) == before

    def test_an_empty_directory_of_somebody_else_is_none(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "etc/theirs").mkdir()
        assert not made.traces("/etc/theirs/a")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can make another user's link")
class TestLinks:
    def test_a_link_that_a_user_made_on_the_way_is_not_followed(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/a").write_text("secret")
        (tmp_path / "home/alice").symlink_to(tmp_path / "secret")
        os.lchown(tmp_path / "home/alice", NOBODY, NOBODY)
        for read in (made.read, made.list, made.stat):
            with pytest.raises(ControlError, match="/home/alice is a link that uid 65534 made: not followed"):
                read("/home/alice/a")
        with pytest.raises(ControlError):
            made.write("/home/alice/a", "x")
        with pytest.raises(ControlError):
            made.delete("/home/alice/a")
        assert (tmp_path / "secret/a").read_text() == "secret"

    def test_a_link_that_root_made_is(self, made: Host, tmp_path: Path) -> None:
        (tmp_path / "usr").mkdir()
        (tmp_path / "usr/release").write_text("ID=debian")
        (tmp_path / "etc/os-release").symlink_to("../usr/release")
        (tmp_path / "lib").symlink_to("usr")
        assert made.text("/etc/os-release") == "ID=debian"
        assert made.list("/lib") == ["release"]


class TestReading:
    def test_the_root_itself(self, made: Host) -> None:
        assert made.stat("/") is not None
        assert "etc" in made.list("/")

    def test_a_pipe_does_not_hold_the_run_up(self, made: Host) -> None:
        os.mkfifo(made.root + "/home/pipe")
        with pytest.raises(ControlError, match="not a regular file"):
            made.read("/home/pipe")

    @pytest.mark.parametrize("read", ["read", "list", "stat"])
    def test_what_only_root_may_read_is_unseen_by_an_ordinary_user(self, made: Host, read: str) -> None:
        made.write("/home/bob/a", "")
        os.chmod(made.root, 0o755)
        os.chmod(made.root + "/home/bob", 0o000)

        def ask() -> str:
            try:
                getattr(made, read)("/home/bob" if read == "list" else "/home/bob/a")
            except Unseen as unseen:
                return str(unseen)
            return "seen"

        assert as_nobody(made, ask).endswith("can only be read by root")

    def test_a_directory_that_may_be_passed_but_not_listed_is_passed(self, made: Host) -> None:
        made.write("/home/bob/a", "text")
        os.chmod(made.root + "/home/bob", 0o711)
        assert as_nobody(made, lambda: made.text("/home/bob/a") or "") == "text"


def as_nobody(made: Host, ask: Any) -> str:
    """What a function answers to an ordinary user, who may pass through the directories above the made tree."""
    if os.geteuid() != 0:
        return str(ask())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for directory in (Path(made.root), *Path(made.root).parents):
            if not directory.stat().st_mode & 0o001:
                os.chmod(directory, 0o711)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            os.write(writer, str(ask()).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


class TestKept:
    def test_a_file_is_synced_when_all_of_it_is_there(self, made: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else a loss of power leaves an empty file under the new name."""
        synced: list[tuple[int, int]] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            seen = os.fstat(descriptor)
            if stat.S_ISREG(seen.st_mode):
                synced.append((seen.st_size, stat.S_IMODE(seen.st_mode)))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        made.write("/etc/a", "12345", 0o640, owner=(os.getuid(), os.getgid()), modified=10**18)
        assert synced == [(5, 0o640)]
        assert os.stat(made.root + "/etc/a").st_mtime_ns == 10**18

    def test_nobody_reads_a_file_before_it_has_its_mode(self, made: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor writes to it: it is made for root alone, under a name that was not there."""
        modes: list[tuple[int, bool]] = []
        real = os.open

        def open_(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                modes.append((mode, flags & os.O_EXCL > 0 and flags & os.O_NOFOLLOW > 0))
            return real(path, flags, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", open_)
        made.write("/etc/a", "secret", 0o644)
        assert modes == [(0o600, True)]

    def test_no_descriptor_is_left_open(self, made: Host) -> None:
        before = len(os.listdir("/proc/self/fd"))
        made.write("/etc/one/a", "x")
        made.rename("/etc/one/a", "b")
        made.delete("/etc/one/b")
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_file_gets_another_name_once(self, made: Host, tmp_path: Path) -> None:
        made.write("/etc/a", "ours")
        made.write("/etc/b", "theirs")
        assert made.rename("/etc/a", "b") and not made.rename("/etc/a", "b") and not made.rename("/none/a", "b")
        assert tree(tmp_path / "etc") == {"b": "ours"}
        (tmp_path / "etc/d").mkdir()
        with pytest.raises(ControlError, match="^cannot rename /etc/b: Is a directory$"):
            made.rename("/etc/b", "d")

    @pytest.mark.parametrize(
        ("there", "traces"), [([], True), (["/etc/one"], False), (["/etc/one", "/etc/two"], False)]
    )
    def test_the_ledger_is_a_trace_of_its_own_once_nothing_in_it_is_left(
        self, made: Host, there: list[str], traces: bool
    ) -> None:
        for path in ("/etc/one/a", "/etc/two/a"):
            made.write(path, "")
        for path in ("/etc/one", "/etc/two"):
            os.unlink(f"{made.root}{path}/a")
            if path not in there:
                os.rmdir(made.root + path)
        assert made.traces("/var/lib/proscribe/x") is traces

    def test_what_a_killed_write_of_the_ledger_left_goes_with_it(self, made: Host, tmp_path: Path) -> None:
        made.write("/etc/one/a", "")
        (tmp_path / "var/lib/proscribe/.directories.proscribe~").touch()
        made.delete("/etc/one/a")
        assert tree(tmp_path / "var/lib") == {} == tree(tmp_path / "etc")

    @pytest.mark.parametrize("work", ["write", "delete"])
    def test_what_cannot_be_done_is_reported_with_its_path(
        self, made: Host, monkeypatch: pytest.MonkeyPatch, work: str
    ) -> None:
        made.write("/etc/a", "")

        def refuse(*_: Any, **options: Any) -> None:
            raise OSError(16, "Device or resource busy")

        monkeypatch.setattr(os, "rename" if work == "write" else "unlink", refuse)
        hint = " (it is a mount point of its own, as in some containers)" if work == "write" else ""
        with pytest.raises(ControlError) as wrong:
            made.write("/etc/a", "x") if work == "write" else made.delete("/etc/a")
        assert str(wrong.value) == f"cannot {work} /etc/a: Device or resource busy{hint}"


class TestProcesses:
    def test_a_running_program_is_known_by_its_executable(self, sleeper: subprocess.Popen[bytes]) -> None:
        processes, _ = Host().processes()
        assert like(sleeper) in processes

    def test_a_made_proc_with_a_deleted_executable_and_a_kernel_thread(self, made: Host, tmp_path: Path) -> None:
        for pid, exe in (("7", "/opt/wechat/wechat (deleted)"), ("8", None)):
            (tmp_path / "proc" / pid).mkdir()
            if exe:
                (tmp_path / "proc" / pid / "exe").symlink_to(exe)
        (tmp_path / "proc/uptime").write_text("1 1")
        assert made.processes() == ([Process(7, "/opt/wechat/wechat")], 0)

    def test_what_hides_its_executable_is_counted_but_for_the_first_process(
        self, made: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for pid in ("1", "7", "8"):
            os.mkdir(made.root + f"/proc/{pid}")

        def refuse(path: str) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(host_module.os, "readlink", refuse)
        assert made.processes() == ([], 2)

    def test_whose_it_is_and_when_it_started(self, sleeper: subprocess.Popen[bytes]) -> None:
        owner = Host().owner(like(sleeper))
        assert owner is not None and owner.uid == os.getuid()
        assert Host().started(like(sleeper)).startswith("20")

    def test_this_run_descends_from_its_parents(self) -> None:
        assert {1, os.getpid(), os.getppid()} <= Host().lineage()

    def test_a_program_of_the_host_shares_its_root(self, sleeper: subprocess.Popen[bytes], made: Host) -> None:
        assert Host().shares_root(like(sleeper))
        os.makedirs(made.root + f"/proc/{sleeper.pid}/root")
        assert not made.shares_root(like(sleeper))


class TestEnding:
    def test_a_program_is_ended(self, sleeper: subprocess.Popen[bytes]) -> None:
        Host().end_program(Ending([like(sleeper)], lambda process: process == like(sleeper)))
        assert sleeper.wait(timeout=LONGEST) == -signal.SIGTERM

    def test_one_that_does_not_listen_is_killed(self) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
        deaf = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
        assert deaf.stdout is not None
        deaf.stdout.readline()
        Host().end_program(Ending([like(deaf)], lambda process: True), grace=0.2)
        assert deaf.wait(timeout=LONGEST) == -signal.SIGKILL
        deaf.stdout.close()


class TestTools:
    def test_two_runs_do_not_change_a_host_at_once(self, made: Host) -> None:
        os.makedirs(made.root + "/run")
        with made.exclusive(), pytest.raises(ControlError, match="another run"), made.exclusive(patience=0):
            pass
        with made.exclusive(patience=0):
            pass

    def test_nobody_else_can_hold_the_lock_and_it_leaves_nothing_behind(self, made: Host) -> None:
        os.makedirs(made.root + "/run")
        with made.exclusive():
            assert stat.S_IMODE(os.stat(made.root + "/run/proscribe.lock").st_mode) == 0o600
        assert os.listdir(made.root + "/run") == []

    def test_a_lock_that_was_waited_for_is_the_one_that_is_there(self, made: Host) -> None:
        os.makedirs(made.root + "/run")
        held: list[int] = []

        def wait() -> None:
            with made.exclusive(patience=LONGEST):
                held.append(os.stat(made.root + "/run/proscribe.lock").st_ino)

        with made.exclusive():
            waiting = threading.Thread(target=wait)
            waiting.start()
            time.sleep(0.3)
            assert held == []
        waiting.join()
        assert len(held) == 1

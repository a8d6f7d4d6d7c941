"""Transient user: an unused user id with a home directory, which exists only while a `with` body runs.

The user runs programs that must run neither as root nor as a real user of the host. These programs can leave files only
in the transient home directory. The user owns nothing else on the host. At the end, all processes with the user id are
killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from typing import Iterator, Mapping, Sequence

from . import Host
from .tool_termination import kill_process
from .types import ControlError

# User ids that systemd uses for services with DynamicUser=, which are transient too. systemd finds a free id in the
# same way: https://systemd.io/UIDS-GIDS/. No account of a distribution or a directory service is in this range.
UID_RANGE = range(61184, 65520)
HOME_PARENT, HOME_PREFIX = "/run", "proscribe-guest-"  # /run is emptied at the next boot even if a run is killed


class TransientUser:
    """User id and home directory of a transient user."""

    def __init__(self, uid: int, home: str) -> None:
        self.uid, self.home = uid, home

    def write_file(self, path: str, text: str) -> None:
        """Write a file below the home directory of the transient user, who becomes its owner.

        Call this only before the user runs a program.
        """
        full_path = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(full_path), mode=0o700, exist_ok=True)
        with open(full_path, "x", encoding="utf-8") as stream:
            stream.write(text)
        for path_part in (os.path.dirname(full_path), full_path):
            os.chown(path_part, self.uid, self.uid)

    @contextlib.contextmanager
    def run_program(
        self, argv: Sequence[str], seconds: int, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program as the transient user while the `with` body runs, for at most `seconds` seconds.

        All processes of the user end with the body. The standard error goes into a file in the home directory;
        `read_last_error` reads it. Raises ControlError if the program cannot be run.
        """
        with open(os.path.join(self.home, "said"), "wb") as log:
            try:
                # The command timeout enforces the limit even if this process is killed.
                process = subprocess.Popen(
                    ["timeout", "--signal=KILL", str(seconds), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd=self.home,
                    env={"PATH": "/usr/bin:/bin", "HOME": self.home, "LC_ALL": "C.UTF-8", **environment},
                    user=self.uid,
                    group=self.uid,
                    extra_groups=[],
                    start_new_session=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise ControlError(f"{argv[0]} cannot be run as user {self.uid}: {error}") from None
        try:
            yield process
        finally:
            end_user_processes(self.uid)
            process.wait()

    def read_last_error(self, noise: str = "") -> str:
        """Return the last line of the program's standard error; "" for none.

        A prefix in brackets, such as a time, is removed. If possible, the line is one that does not contain `noise`.
        """
        with open(os.path.join(self.home, "said"), encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream.read(65536).splitlines() if line.strip()]
        lines = [line for line in lines if noise and noise not in line] or lines
        return re.sub(r"^\[[^\]]*\]\s*", "", lines[-1])[:200] if lines else ""


@contextlib.contextmanager
def make_transient_user(host: Host) -> Iterator[TransientUser]:
    """Make a transient user for the `with` body.

    Raises ControlError unless this process is root. Raises ControlError too if no user id is free, or if the home
    directory cannot be made.
    """
    host.require_root()
    _remove_leftovers()
    first_index = os.getpid() % len(UID_RANGE)  # two runs at the same time try different user ids first
    uid = next(
        (
            candidate
            for candidate in (*UID_RANGE[first_index:], *UID_RANGE[:first_index])
            if not _is_uid_used(candidate)
        ),
        None,
    )
    if uid is None:
        raise ControlError(f"no user number between {UID_RANGE[0]} and {UID_RANGE[-1]} is free")
    try:
        directory = tempfile.mkdtemp(prefix=f"{HOME_PREFIX}{os.getpid()}-", dir=HOME_PARENT)
        lock_descriptor = _lock_directory(directory)
        os.chmod(directory, 0o711)
        home = os.path.join(directory, "home")
        os.mkdir(home, 0o700)
        os.chown(home, uid, uid)
    except OSError as error:
        raise ControlError(f"no room for a throw-away home below {HOME_PARENT}: {error.strerror}") from None
    try:
        yield TransientUser(uid, home)
    finally:
        end_user_processes(uid)
        _remove_directory(directory)
        if lock_descriptor is not None:
            os.close(lock_descriptor)


def end_user_processes(uid: int) -> None:
    """Kill all processes with a transient user's id. Raises ControlError if a process survives."""
    for _ in range(100):
        pids = _list_user_processes(uid)
        if not pids:
            return
        for pid in pids:
            kill_process(pid, _read_process_uid, uid)
        time.sleep(0.05)
    raise ControlError(f"process {pids[0]} of the throw-away user {uid} does not end")


def _list_user_processes(uid: int) -> list[int]:
    """Return the ids of the running processes whose real user id is `uid`."""
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if _read_process_uid(int(name)) == uid:
                    pids.append(int(name))
    return pids


def _read_process_uid(pid: int) -> int:
    """Return the real user id of a process; -1 for a zombie. Raises OSError.

    A zombie has ended, and only its exit status is left. So nothing has to be killed.
    """
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
        fields = dict(line.split(":\t", 1) for line in stream if ":\t" in line)
    return -1 if fields["State"].startswith("Z") else int(fields["Uid"].split()[0])


def _is_uid_used(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        pwd.getpwuid(uid)
        return True
    return bool(_list_user_processes(uid))


def _lock_directory(directory: str) -> int | None:
    """Lock the directory of a transient user, and return the descriptor.

    Returns None if a run still uses the directory. The kernel releases the lock when the run that made the directory
    ends. The process id in the directory's name is less reliable: containers may share /run without sharing their
    processes.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_leftovers() -> None:
    """Remove the directories that killed runs left behind, and kill their transient users' processes.

    A directory is left behind if the run that made it has ended, and no run holds its lock.
    """
    for name in os.listdir(HOME_PARENT):
        # the process id of the run that made the directory
        maker = name[len(HOME_PREFIX) :].partition("-")[0]
        if name.startswith(HOME_PREFIX) and maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            with contextlib.suppress(FileNotFoundError):  # another run has just removed the directory
                _remove_leftover(os.path.join(HOME_PARENT, name))


def _remove_leftover(directory: str) -> None:
    """Remove the directory of a killed run, and kill the processes of its transient user.

    Does nothing if another run holds the lock of the directory.
    """
    status = os.lstat(directory)
    # anything else with this name is not the work of a run
    if (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == 0
        and (lock_descriptor := _lock_directory(directory)) is not None
    ):
        with contextlib.suppress(OSError):
            owner = os.lstat(os.path.join(directory, "home")).st_uid
            if owner in UID_RANGE:
                end_user_processes(owner)
        _remove_directory(directory)
        os.close(lock_descriptor)


def _remove_directory(directory: str) -> None:
    # rmtree follows no link that the transient user made (shutil.rmtree.avoids_symlink_attacks is true on every Linux).
    shutil.rmtree(directory, ignore_errors=True)

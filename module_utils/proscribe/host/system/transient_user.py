"""A transient user: an account that nobody has, with a home of its own, both gone when its block ends.

In it runs what must be neither root nor any of the host's users, and may leave traces in its home only: nothing else
on the host belongs to it. Everything that carries its number is ended with it.
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
from .tool_ending import kill_process
from .types import ControlError

# systemd gives numbers of this range to services with DynamicUser=, which are as short-lived and looked up in the same
# way: https://systemd.io/UIDS-GIDS/. No account of a distribution or a directory is in it.
UID_RANGE = range(61184, 65520)
HOME_PARENT, HOME_PREFIX = "/run", "proscribe-guest-"  # gone with the next boot, whatever happens


class TransientUser:
    """The account, and its home."""

    def __init__(self, uid: int, home: str) -> None:
        self.uid, self.home = uid, home

    def write_file(self, path: str, text: str) -> None:
        """Write a file of the transient user's, below its home; before it runs anything."""
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
        """Run a program while the block does, for some seconds at most. What it says on standard error goes into
        its home, see `log`. Raises ControlError if it cannot be run.
        """
        with open(os.path.join(self.home, "said"), "wb") as log:
            try:
                # The limit holds even if this process is killed, since it is another one that keeps it.
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
        """The last line that the program wrote on standard error, without a time and place in brackets before it. Lines
        without `noise` are preferred.
        """
        with open(os.path.join(self.home, "said"), encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream.read(65536).splitlines() if line.strip()]
        lines = [line for line in lines if noise and noise not in line] or lines
        return re.sub(r"^\[[^\]]*\]\s*", "", lines[-1])[:200] if lines else ""


@contextlib.contextmanager
def make_transient_user(host: Host) -> Iterator[TransientUser]:
    """A transient user while the block runs. Raises ControlError for an ordinary user, or if there is no room."""
    host.require_root()
    _remove_leftovers()
    first_index = os.getpid() % len(UID_RANGE)  # two runs at a time take different ones
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
    """End everything that runs under a transient user's number. Raises ControlError if something survives."""
    for _ in range(100):
        pids = _list_user_processes(uid)
        if not pids:
            return
        for pid in pids:
            kill_process(pid, _read_process_uid, uid)
        time.sleep(0.05)
    raise ControlError(f"process {pids[0]} of the throw-away user {uid} does not end")


def _list_user_processes(uid: int) -> list[int]:
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if _read_process_uid(int(name)) == uid:
                    pids.append(int(name))
    return pids


def _read_process_uid(pid: int) -> int:
    """The user of a process (the real one); -1 for a dead one that nobody has waited for: it holds nothing any more.
    Raises OSError.
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
    """A lock on a room, which ends with its maker; None for a room that is in use. A number of a process says less:
    where /run is shared and the processes are not, as in a container, another one has it, or none.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_leftovers() -> None:
    """Take away what a run left that was killed half way."""
    for name in os.listdir(HOME_PARENT):
        maker = name[len(HOME_PREFIX) :].partition("-")[0]
        if name.startswith(HOME_PREFIX) and maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            with contextlib.suppress(FileNotFoundError):  # another run takes it away
                _remove_leftover(os.path.join(HOME_PARENT, name))


def _remove_leftover(directory: str) -> None:
    status = os.lstat(directory)
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
    # rmtree follows no link that the transient user may have made (shutil.rmtree.avoids_symlink_attacks, on every
    # Linux).
    shutil.rmtree(directory, ignore_errors=True)

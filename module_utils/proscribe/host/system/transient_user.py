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
from .tool_ending import kill
from .types import ControlError

# systemd gives numbers of this range to services with DynamicUser=, which are as short-lived and looked up in the same
# way: https://systemd.io/UIDS-GIDS/. No account of a distribution or a directory is in it.
NUMBERS = range(61184, 65520)
ROOM, PREFIX = "/run", "proscribe-guest-"  # gone with the next boot, whatever happens


class TransientUser:
    """The account, and its home."""

    def __init__(self, uid: int, home: str) -> None:
        self.uid, self.home = uid, home

    def write(self, path: str, text: str) -> None:
        """Write a file of the transient user's, below its home; before it runs anything."""
        full = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(full), mode=0o700, exist_ok=True)
        with open(full, "x", encoding="utf-8") as stream:
            stream.write(text)
        for where in (os.path.dirname(full), full):
            os.chown(where, self.uid, self.uid)

    @contextlib.contextmanager
    def running(
        self, argv: Sequence[str], seconds: int, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program while the block does, for some seconds at most. What it says on standard error goes into
        its home, see `said`. Raises ControlError if it cannot be run.
        """
        with open(os.path.join(self.home, "said"), "wb") as said:
            try:
                # The limit holds even if this process is killed, since it is another one that keeps it.
                process = subprocess.Popen(
                    ["timeout", "--signal=KILL", str(seconds), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
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
            end_all_of(self.uid)
            process.wait()

    def said(self, noise: str = "") -> str:
        """The last line that the program wrote on standard error, without a time and place in brackets before it. Lines
        without `noise` are preferred.
        """
        with open(os.path.join(self.home, "said"), encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream.read(65536).splitlines() if line.strip()]
        lines = [line for line in lines if noise and noise not in line] or lines
        return re.sub(r"^\[[^\]]*\]\s*", "", lines[-1])[:200] if lines else ""


@contextlib.contextmanager
def transient_user(host: Host) -> Iterator[TransientUser]:
    """A transient user while the block runs. Raises ControlError for an ordinary user, or if there is no room."""
    host.require_root()
    _sweep()
    first = os.getpid() % len(NUMBERS)  # two runs at a time take different ones
    uid = next((number for number in (*NUMBERS[first:], *NUMBERS[:first]) if not _known(number)), None)
    if uid is None:
        raise ControlError(f"no user number between {NUMBERS[0]} and {NUMBERS[-1]} is free")
    try:
        room = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=ROOM)
        held = _held(room)
        os.chmod(room, 0o711)
        home = os.path.join(room, "home")
        os.mkdir(home, 0o700)
        os.chown(home, uid, uid)
    except OSError as error:
        raise ControlError(f"no room for a throw-away home below {ROOM}: {error.strerror}") from None
    try:
        yield TransientUser(uid, home)
    finally:
        end_all_of(uid)
        _remove(room)
        if held is not None:
            os.close(held)


def end_all_of(uid: int) -> None:
    """End everything that runs under a transient user's number. Raises ControlError if something survives."""
    for _ in range(100):
        alive = _processes(uid)
        if not alive:
            return
        for pid in alive:
            kill(pid, _user_of, uid)
        time.sleep(0.05)
    raise ControlError(f"process {alive[0]} of the throw-away user {uid} does not end")


def _processes(uid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if _user_of(int(name)) == uid:
                    found.append(int(name))
    return found


def _user_of(pid: int) -> int:
    """The user of a process (the real one); -1 for a dead one that nobody has waited for: it holds nothing any more.
    Raises OSError.
    """
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
        fields = dict(line.split(":\t", 1) for line in stream if ":\t" in line)
    return -1 if fields["State"].startswith("Z") else int(fields["Uid"].split()[0])


def _known(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        pwd.getpwuid(uid)
        return True
    return bool(_processes(uid))


def _held(room: str) -> int | None:
    """A lock on a room, which ends with its maker; None for a room that is in use. A number of a process says less:
    where /run is shared and the processes are not, as in a container, another one has it, or none.
    """
    descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep() -> None:
    """Take away what a run left that was killed half way."""
    for name in os.listdir(ROOM):
        maker = name[len(PREFIX) :].partition("-")[0]
        if name.startswith(PREFIX) and maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            with contextlib.suppress(FileNotFoundError):  # another run takes it away
                _take_away(os.path.join(ROOM, name))


def _take_away(room: str) -> None:
    seen = os.lstat(room)
    if stat.S_ISDIR(seen.st_mode) and seen.st_uid == 0 and (held := _held(room)) is not None:
        with contextlib.suppress(OSError):
            owner = os.lstat(os.path.join(room, "home")).st_uid
            if owner in NUMBERS:
                end_all_of(owner)
        _remove(room)
        os.close(held)


def _remove(room: str) -> None:
    # rmtree follows no link that the transient user may have made (shutil.rmtree.avoids_symlink_attacks, on every
    # Linux).
    shutil.rmtree(room, ignore_errors=True)

"""Lock for the runs of Proscribe that change a host: one run at a time.

The time between taking and releasing the lock is the run's turn. The lock is the kernel's (flock), so it ends with the
process that holds it, even after a kill. The lock file names the holder; its content counts only while the file is
locked. Only root can open the file: a user who could open it could hold the lock, and so prevent the ban for good. The
file is deleted at the end of each turn. So a run that has waited checks that the file it locked is still at the path. A
second file lists the last turns that changed the host, so that a run can report them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Callable, Iterator

from ...base.named_tuple import NamedTuple
from ...base.timestamps import format_timestamp
from .types import ControlError, format_one_line

if TYPE_CHECKING:
    from ...model.types.record import OtherHostTurn

HOST_LOCK_PATH = "/run/proscribe.lock"
USERS_TOOLS_LOCK_PATH = "/run/proscribe-users-tools.lock"  # held by the run that runs tools as users
TURNS_PATH = "/run/proscribe.turns"  # one line for each run that changed this host since it was booted, the latest last
UNKNOWN_HOLDER = "another run"
RETRY_INTERVAL_SECONDS = 0.2
MAX_FILE_BYTES = 4096  # most bytes that are read of the lock file or the file of turns
MAX_REMEMBERED_TURNS = 8  # most lines of the file of turns
CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


class HostTurn(NamedTuple):
    """Turn of a run: name of the run (`by`), UTC time when it took the lock or changed the host (`since`)."""

    by: str
    since: str

    def format_line(self) -> str:
        """Return the turn as a line of the lock file, and of the file of turns."""
        return f"{self.since} {self.by}\n"

    def make_other_turn(self) -> OtherHostTurn:
        """Return the turn in the form of the host record, with a waiting time of 0 seconds."""
        return {"by": self.by, "since": self.since, "waited": 0}


class HostBusyError(ControlError):
    """Error of a run that has waited too long for the lock of another run (`turn`)."""

    def __init__(self, turn: HostTurn, until: str) -> None:
        super().__init__(f"this host is being changed by {turn.by}, since {turn.since}; waited for it until {until}")
        self.turn = turn


class HostLock:
    """Lock of this run (`by`) on a host, and the turns of other runs.

    `real_path` converts a path of the host to a path of this machine; they differ in tests. `timeout` is the longest
    wait in seconds. `lock` is the path of the lock file.
    """

    def __init__(self, real_path: Callable[[str], str], by: str, timeout: float, lock: str = HOST_LOCK_PATH) -> None:
        self.real_path, self.by, self.timeout, self.lock = (
            real_path,
            format_one_line(by)[:200] or UNKNOWN_HOLDER,
            timeout,
            lock,
        )
        # turns of runs that this run waited for, or that changed the host between two turns of this run
        self.other_turns: list[OtherHostTurn] = []

    @contextlib.contextmanager
    def obtain_lock(self) -> Iterator[None]:
        """Hold the host's lock while the `with` body runs.

        Raises HostBusyError if another run holds the lock for too long. Raises ControlError if the lock file cannot be
        made.
        """
        descriptor = self._wait_for_lock()
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, HostTurn(self.by, _format_now()).format_line().encode(), 0)
            self._note_turns_between()
            yield
        finally:
            os.unlink(self.real_path(self.lock))
            os.close(descriptor)

    def note_change(self) -> None:
        """Append this run to the file of turns, so that other runs see that it has changed the host."""
        turns = [*_read_turns(self.real_path(TURNS_PATH)), HostTurn(self.by, _format_now())][-MAX_REMEMBERED_TURNS:]
        with contextlib.suppress(OSError):
            descriptor = os.open(self.real_path(TURNS_PATH), CREATE_FLAGS, 0o600)
            try:
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, "".join(map(HostTurn.format_line, turns)).encode(), 0)
            finally:
                os.close(descriptor)

    def forget_changes(self) -> None:
        """Delete the file of turns."""
        with contextlib.suppress(OSError):
            os.unlink(self.real_path(TURNS_PATH))

    def _wait_for_lock(self) -> int:
        """Wait for the lock and return the descriptor of the lock file.

        Raises HostBusyError after the timeout.
        """
        started, until = time.monotonic(), _format_now(self.timeout)
        while (descriptor := self._try_lock()) is None:
            holder = next(iter(_read_turns(self.real_path(self.lock))), HostTurn(UNKNOWN_HOLDER, "a moment ago"))
            waited = time.monotonic() - started
            if waited > self.timeout:
                raise HostBusyError(holder, until)
            self.other_turns = [holder.make_other_turn()]
            time.sleep(RETRY_INTERVAL_SECONDS)
        for turn in self.other_turns:
            turn["waited"] = max(round(time.monotonic() - started), 1)
        return descriptor

    def _try_lock(self) -> int | None:
        """Lock the lock file and return its descriptor; None if another run holds the lock.

        Raises ControlError.
        """
        path = self.real_path(self.lock)
        try:
            descriptor = os.open(path, CREATE_FLAGS, 0o600)
        except OSError as error:
            raise ControlError(f"cannot lock {self.lock}: {error.strerror}") from None
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)
        return None

    def _note_turns_between(self) -> None:
        """Add to `other_turns` the runs that changed this host after the last change by this run.

        Nothing is added if the file of turns does not name this run.
        """
        turns = _read_turns(self.real_path(TURNS_PATH))
        own_indexes = [index for index, turn in enumerate(turns) if turn.by == self.by]
        for turn in turns[own_indexes[-1] + 1 :] if own_indexes else ():
            self.other_turns.append(turn.make_other_turn())


def _format_now(delay: float = 0) -> str:
    return format_timestamp(time.time() + delay)


def _read_turns(path: str) -> list[HostTurn]:
    """Return the turns in a file; [] if the file is missing, or not completely written yet."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    parts = (line.partition(" ") for line in text.splitlines())
    return [HostTurn(format_one_line(by), since) for since, space, by in parts if space and by]

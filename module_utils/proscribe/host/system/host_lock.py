"""Turns of the runs that change a host. Each run knows the earlier turns, and the run that it waits for.

The lock is the kernel's (flock), so it ends with its holder, however that ends. The content of the file names the
holder, and counts only while the file is locked. The file is root's: a user who could open it could hold the lock, and
so prevent the ban for good. The file is removed with the turn. So a run that has waited checks that the locked file is
still the file at the path.
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
USERS_TOOLS_LOCK_PATH = "/run/proscribe-users-tools.lock"  # of the run that runs tools of users
TURNS_PATH = "/run/proscribe.turns"  # the runs that have changed this host since its start, the latest last
UNKNOWN_HOLDER = "another run"
RETRY_INTERVAL_SECONDS = 0.2  # seconds between two tries of a lock
MAX_FILE_BYTES = 4096  # bytes that are read of either file
MAX_REMEMBERED_TURNS = 8  # number of remembered turns
CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


class HostTurn(NamedTuple):
    """Turn of a run that changes a host or has changed it, with its start (UTC)."""

    by: str
    since: str

    def format_line(self) -> str:
        """Return the turn as a line of the files."""
        return f"{self.since} {self.by}\n"

    def make_other_turn(self) -> OtherHostTurn:
        """Return the turn with a waiting time of zero."""
        return {"by": self.by, "since": self.since, "waited": 0}


class HostBusyError(ControlError):
    """Error of a run that has waited too long for another run on the host."""

    def __init__(self, turn: HostTurn, until: str) -> None:
        super().__init__(f"this host is being changed by {turn.by}, since {turn.since}; waited for it until {until}")
        self.turn = turn


class HostLock:
    """Lock of a process on a host, with its turns.

    `real_path` converts a path of the host to a path of this machine.
    """

    def __init__(self, real_path: Callable[[str], str], by: str, timeout: float, lock: str = HOST_LOCK_PATH) -> None:
        self.real_path, self.by, self.timeout, self.lock = (
            real_path,
            format_one_line(by)[:200] or UNKNOWN_HOLDER,
            timeout,
            lock,
        )
        self.other_turns: list[OtherHostTurn] = []  # runs that this run waited for, or that came in between

    @contextlib.contextmanager
    def obtain_lock(self) -> Iterator[None]:
        """Take the turn for the block. Raises HostBusyError, and ControlError if the lock file cannot be made."""
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
        """Record for other runs that this run has changed the host."""
        turns = [*_read_turns(self.real_path(TURNS_PATH)), HostTurn(self.by, _format_now())][-MAX_REMEMBERED_TURNS:]
        with contextlib.suppress(OSError):
            descriptor = os.open(self.real_path(TURNS_PATH), CREATE_FLAGS, 0o600)
            try:
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, "".join(map(HostTurn.format_line, turns)).encode(), 0)
            finally:
                os.close(descriptor)

    def forget_changes(self) -> None:
        """Delete the record of turns."""
        with contextlib.suppress(OSError):
            os.unlink(self.real_path(TURNS_PATH))

    def _wait_for_lock(self) -> int:
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
        """Return the descriptor of the locked lock file; None while another run has the lock."""
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
        """Add the runs that have changed this host since this run last did."""
        turns = _read_turns(self.real_path(TURNS_PATH))
        own_indexes = [index for index, turn in enumerate(turns) if turn.by == self.by]
        for turn in turns[own_indexes[-1] + 1 :] if own_indexes else ():
            self.other_turns.append(turn.make_other_turn())


def _format_now(delay: float = 0) -> str:
    return format_timestamp(time.time() + delay)


def _read_turns(path: str) -> list[HostTurn]:
    """Return the turns in a file; none if the file is missing, or is being written now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    parts = (line.partition(" ") for line in text.splitlines())
    return [HostTurn(format_one_line(by), since) for since, space, by in parts if space and by]

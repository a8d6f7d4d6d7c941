"""Runs that change a host take turns, each knows who had the turn before it, and whoever waits knows for whom.

The lock is the kernel's (flock), so it ends with its holder, however that ends. What stands in the file says who has
it, and counts only while it is locked. The file is root's: one that users could open they could hold as well, and keep
the ban off for good. It goes with the turn, so whoever has waited checks whether what it locked is still the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Callable, Iterator

from ...base.moments import format_timestamp
from ...base.tuples import NamedTuple
from .types import ControlError, one_line

if TYPE_CHECKING:
    from ...model.types.record import OtherHostTurn

LOCK = "/run/proscribe.lock"
USERS_TOOLS_LOCK = "/run/proscribe-users-tools.lock"  # of the run that has users' tools run
LAST = "/run/proscribe.turns"  # who has changed this host since it was started, the last one last
SOMEBODY = "another run"
PAUSE = 0.2  # seconds until a lock is tried again
MOST = 4096  # bytes that are read of either file
REMEMBERED = 8  # turns that are remembered
CREATE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


class Turn(NamedTuple):
    """Who changes a host, or did, and since when (UTC)."""

    by: str
    since: str

    def line(self) -> str:
        """As it stands in the files."""
        return f"{self.since} {self.by}\n"

    def waited(self) -> OtherHostTurn:
        """The turn, before anybody has waited for it."""
        return {"by": self.by, "since": self.since, "waited": 0}


class Busy(ControlError):
    """Another run had the host for as long as this one would wait."""

    def __init__(self, turn: Turn, until: str) -> None:
        super().__init__(f"this host is being changed by {turn.by}, since {turn.since}; waited for it until {until}")
        self.turn = turn


class Turns:
    """The turns of one process on a host, of a `lock`. `path` makes a path of the host one of this machine's."""

    def __init__(self, path: Callable[[str], str], by: str, patience: float, lock: str = LOCK) -> None:
        self.path, self.by, self.patience, self.lock = path, one_line(by)[:200] or SOMEBODY, patience, lock
        self.others: list[OtherHostTurn] = []  # who was waited for, or came in between

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn. Raises Busy, and ControlError where the lock cannot be made."""
        descriptor = self._wait()
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, Turn(self.by, _now()).line().encode(), 0)
            self._find_between()
            yield
        finally:
            os.unlink(self.path(self.lock))
            os.close(descriptor)

    def note(self) -> None:
        """Remember that this run has changed the host, for the others."""
        turns = [*_turns(self.path(LAST)), Turn(self.by, _now())][-REMEMBERED:]
        with contextlib.suppress(OSError):
            descriptor = os.open(self.path(LAST), CREATE, 0o600)
            try:
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, "".join(map(Turn.line, turns)).encode(), 0)
            finally:
                os.close(descriptor)

    def forget(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(LAST))

    def _wait(self) -> int:
        began, until = time.monotonic(), _now(self.patience)
        while (descriptor := self._lock()) is None:
            holder = next(iter(_turns(self.path(self.lock))), Turn(SOMEBODY, "a moment ago"))
            waited = time.monotonic() - began
            if waited > self.patience:
                raise Busy(holder, until)
            self.others = [holder.waited()]
            time.sleep(PAUSE)
        for one in self.others:
            one["waited"] = max(round(time.monotonic() - began), 1)
        return descriptor

    def _lock(self) -> int | None:
        """The descriptor of the lock file, locked; None while another run has it."""
        path = self.path(self.lock)
        try:
            descriptor = os.open(path, CREATE, 0o600)
        except OSError as error:
            raise ControlError(f"cannot lock {self.lock}: {error.strerror}") from None
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)
        return None

    def _find_between(self) -> None:
        """Who has changed this host since this run did."""
        turns = _turns(self.path(LAST))
        own = [at for at, turn in enumerate(turns) if turn.by == self.by]
        for turn in turns[own[-1] + 1 :] if own else ():
            self.others.append(turn.waited())


def _now(later: float = 0) -> str:
    return format_timestamp(time.time() + later)


def _turns(path: str) -> list[Turn]:
    """The turns in a file; none where it is not there, or another one is written at this moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            text = file.read(MOST).decode("utf-8", "replace")
    except OSError:
        return []
    parts = (line.partition(" ") for line in text.splitlines())
    return [Turn(one_line(by), since) for since, space, by in parts if space and by]

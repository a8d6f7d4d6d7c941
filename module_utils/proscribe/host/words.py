"""What the door to the operating system speaks of: its two errors, tools' answers, accounts, processes."""

from __future__ import annotations

from typing import Sequence

from ..tuples import NamedTuple


class ControlError(Exception):
    """Something on the host that a control cannot go on with: what was tried, and what the host answered."""

    def __init__(self, message: str, *, done: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.done = done  # the actions that were carried out all the same, when changing a host


class Unseen(Exception):
    """Something that could not be looked at, and why: the rules that need it are `unknown`."""


class Result(NamedTuple):
    """What a tool answered."""

    rc: int
    out: str
    err: str


class User(NamedTuple):
    """An account with a home directory."""

    name: str
    uid: int
    gid: int
    home: str


class Process(NamedTuple):
    """A running program, known by its executable and never by the name it gives itself."""

    pid: int
    exe: str  # as /proc/PID/exe shows it, without " (deleted)"

"""The end of a tool: what it has started and left running is ended with it, and nothing that has its number by now."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import contextlib
import os
from typing import Callable

ROUNDS = 5  # of ending what a tool has started: it may start more meanwhile
KILL, STOP = 9, 19  # signals on Linux
STARTED = 19  # in what `_fields` gives


def end_session(leader: int) -> None:
    """End what runs in the session of a tool, and what descends from it although it has begun a session of its own. The
    tool itself has not been waited for.
    """
    with contextlib.suppress(OSError):
        os.kill(leader, STOP)  # nothing is started, and nobody is an orphan, while its descendants are looked for
    for _ in range(ROUNDS):
        alive = descendants(leader)
        for pid, started in alive.items():
            kill(pid, since, started)
        with contextlib.suppress(OSError):
            os.killpg(leader, KILL)
        if not alive:
            return


def kill(pid: int, of: Callable[[int], object], seen: object) -> None:
    """Kill a process of which `of` says what it said when it was `seen`. That is asked again once it is held by a
    descriptor: it may have ended, and its number be another's.
    """
    with contextlib.suppress(OSError):
        held = os.pidfd_open(pid)
        try:
            if of(pid) == seen:
                _signal.pidfd_send_signal(held, KILL)
        finally:
            os.close(held)


def descendants(leader: int) -> dict[int, str]:
    """The living processes of a session, and those that descend from one of them, each with when it started."""
    parents: dict[int, int] = {}
    started: dict[int, str] = {}
    found: set[int] = set()
    for name in os.listdir("/proc") if hasattr(os, "pidfd_open") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = _fields(int(name))
                state, parent, _, session = fields[:4]
                if state not in "ZX":
                    started[int(name)] = fields[STARTED]
                    parents[int(name)] = int(parent)
                    if int(session) == leader:
                        found.add(int(name))
    grown = 0
    while grown != len(found):
        grown = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return {pid: started[pid] for pid in sorted(found)}


def since(pid: int) -> str:
    """When a process started, in ticks since the host did. Raises OSError."""
    return "".join(_fields(pid)[STARTED:][:1])


def _fields(pid: int) -> list[str]:
    """What /proc/PID/stat has behind the name of the program, from the state on. Raises OSError."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()

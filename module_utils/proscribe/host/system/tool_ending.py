"""The end of a tool: what it has started and left running is ended with it, and nothing that has its number by now."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import contextlib
import os
from typing import Callable

MAX_ROUNDS = 5  # of ending what a tool has started: it may start more meanwhile
KILL_SIGNAL, STOP_SIGNAL = 9, 19  # signals on Linux
START_TIME_FIELD = 19  # in what `_read_stat_fields` gives


def end_session(leader: int) -> None:
    """End what runs in the session of a tool, and what descends from it although it has begun a session of its own. The
    tool itself has not been waited for.
    """
    with contextlib.suppress(OSError):
        os.kill(
            leader, STOP_SIGNAL
        )  # nothing is started, and nobody is an orphan, while its descendants are looked for
    for _ in range(MAX_ROUNDS):
        running = find_descendants(leader)
        for pid, started in running.items():
            kill_process(pid, read_start_ticks, started)
        with contextlib.suppress(OSError):
            os.killpg(leader, KILL_SIGNAL)
        if not running:
            return


def kill_process(pid: int, identify: Callable[[int], object], identity: object) -> None:
    """Kill a process of which `identify` says what it said when it was `identity`. That is asked again once it is held by a
    descriptor: it may have ended, and its number be another's.
    """
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if identify(pid) == identity:
                _signal.pidfd_send_signal(descriptor, KILL_SIGNAL)
        finally:
            os.close(descriptor)


def find_descendants(leader: int) -> dict[int, str]:
    """The living processes of a session, and those that descend from one of them, each with when it started."""
    parents: dict[int, int] = {}
    started: dict[int, str] = {}
    members: set[int] = set()
    for name in os.listdir("/proc") if hasattr(os, "pidfd_open") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = _read_stat_fields(int(name))
                state, parent, _, session = fields[:4]
                if state not in "ZX":
                    started[int(name)] = fields[START_TIME_FIELD]
                    parents[int(name)] = int(parent)
                    if int(session) == leader:
                        members.add(int(name))
    member_count = 0
    while member_count != len(members):
        member_count = len(members)
        members |= {pid for pid, parent in parents.items() if parent in members}
    return {pid: started[pid] for pid in sorted(members)}


def read_start_ticks(pid: int) -> str:
    """When a process started, in ticks since the host did. Raises OSError."""
    return "".join(_read_stat_fields(pid)[START_TIME_FIELD:][:1])


def _read_stat_fields(pid: int) -> list[str]:
    """What /proc/PID/stat has behind the name of the program, from the state on. Raises OSError."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()

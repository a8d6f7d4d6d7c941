"""Termination of a tool and of the processes that it has left running.

Another process that has reused a number is spared.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import contextlib
import os
from typing import Callable

MAX_ROUNDS = 5  # rounds of ending the processes of a tool: it may start more meanwhile
KILL_SIGNAL, STOP_SIGNAL = 9, 19  # signals on Linux
START_TIME_FIELD = 19  # index in the result of `_read_stat_fields`


def end_session(leader: int) -> None:
    """End the processes in the session of a tool, and its descendants in other sessions.

    The caller has not waited for the tool yet, so no other process can have its number.
    """
    with contextlib.suppress(OSError):
        # A stopped tool starts nothing, and leaves no orphans, while its descendants are listed.
        os.kill(leader, STOP_SIGNAL)
    for _ in range(MAX_ROUNDS):
        running = find_descendants(leader)
        for pid, started in running.items():
            kill_process(pid, read_start_ticks, started)
        with contextlib.suppress(OSError):
            os.killpg(leader, KILL_SIGNAL)
        if not running:
            return


def kill_process(pid: int, identify: Callable[[int], object], identity: object) -> None:
    """Kill a process, if `identify` still returns `identity` for it.

    The check is made while a descriptor holds the process. Before that, the process may have ended, and another may
    have its number.
    """
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if identify(pid) == identity:
                _signal.pidfd_send_signal(descriptor, KILL_SIGNAL)
        finally:
            os.close(descriptor)


def find_descendants(leader: int) -> dict[int, str]:
    """Return the living processes of a session and their descendants, each with its start time in ticks."""
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
    """Return the start time of a process, in ticks since the start of the host. Raises OSError."""
    return "".join(_read_stat_fields(pid)[START_TIME_FIELD:][:1])


def _read_stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name of the program, from the state on. Raises OSError."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()

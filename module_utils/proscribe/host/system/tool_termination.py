"""Termination of a tool and of the processes that the tool started.

A process is killed only after a check of its identity: the number of an ended process may be in use again.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import contextlib
import os
from typing import Callable

MAX_ROUNDS = 5  # a tool may start more processes while its processes are killed, so killing is repeated
KILL_SIGNAL, STOP_SIGNAL = 9, 19  # numbers of SIGKILL and SIGSTOP on Linux
START_TIME_FIELD = 19  # index of the start time in the result of `_read_stat_fields`


def end_session(leader: int) -> None:
    """End all processes in the session of a tool (`leader`), and the descendants in other sessions.

    The caller must not have waited for the tool yet. So no other process can have the tool's process id.
    """
    with contextlib.suppress(OSError):
        # Stop the tool while its descendants are listed: a stopped tool starts no process and leaves no orphans.
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
    """Kill the process `pid`, if `identify(pid)` still returns `identity`.

    Before the check, the process may have ended and its id may be in use again. The check runs while a descriptor of
    the process is open. So the signal reaches exactly the process that was checked.
    """
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if identify(pid) == identity:
                _signal.pidfd_send_signal(descriptor, KILL_SIGNAL)
        finally:
            os.close(descriptor)


def find_descendants(leader: int) -> dict[int, str]:
    """Return the running processes of a session and their descendants: process id to start time in ticks."""
    parents: dict[int, int] = {}
    started: dict[int, str] = {}
    members: set[int] = set()
    for name in os.listdir("/proc") if hasattr(os, "pidfd_open") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = _read_stat_fields(int(name))
                state, parent, _, session = fields[:4]
                if state not in "ZX":  # a zombie or a dead process does not run any more
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
    """Return the start time of a process, in clock ticks since the boot of the host. Raises OSError."""
    return "".join(_read_stat_fields(pid)[START_TIME_FIELD:][:1])


def _read_stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat, without the process id and the program's name. Raises OSError.

    Index 0 is the state.
    """
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()

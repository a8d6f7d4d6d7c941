"""Processes of a controller that need the same file take turns, and whoever waits says for whom. It needs the standard
library only, since the launcher runs it before there is anything else.

    python3 -I waiting.py DESCRIPTOR        locks a file that the shell has open
"""

from __future__ import annotations

import fcntl
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator, Sequence

PAUSE = 0.05  # seconds until it is tried again
LONGEST = 3600.0  # seconds that the launcher waits
TICKS = os.sysconf("SC_CLK_TCK")
SHOWN = 120  # characters of a command
OWN_COMMANDS = "proscribe.controller.cli"  # the module that the launcher runs for a command


def locked(descriptor: int, patience: float, say: Callable[[str], None] | None = None) -> bool:
    """Lock a file for this process alone, until it ends or closes the file. Returns whether that was so within that
    many seconds. `say` is called once: with the holder of the lock, and the end of the wait; else stderr gets it.
    """
    end = time.monotonic() + patience
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            if not said and patience >= 1:
                until = _clock(time.time() + patience)
                (say or _say)(f"waits for {holder(descriptor)}, until {until} at the latest")
                said = True
            time.sleep(PAUSE)


def holder(descriptor: int) -> str:
    """Who has locked an open file, in words: the kernel knows, so nobody has to write it down."""
    for pid in _holders(os.fstat(descriptor).st_ino):
        try:
            owner, began = os.stat(f"/proc/{pid}").st_uid, _began(pid)
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read(4096).decode(errors="replace").rstrip("\0").split("\0")
        except (OSError, ValueError, IndexError):
            continue
        command = "".join(c if c.isprintable() else " " for c in _describe_command(words)).strip()
        shorter = command if len(command) <= SHOWN else f"{command[: SHOWN - 3]}..."
        return f"process {pid} of {_name(owner)}, which began at {_clock(began)} ({shorter})"
    return "a process that cannot be seen from here"


def _describe_command(words: Sequence[str]) -> str:
    """Return a command line as a person would type it: without the source text behind `-c`, which the launcher uses."""
    source = next((at + 1 for at, word in enumerate(words[:-1]) if word == "-c" and "\n" in words[at + 1]), 0)
    if not source:
        return " ".join(words)
    arguments = words[source + 1 :]
    if OWN_COMMANDS in arguments[1:2]:
        return " ".join(["proscribe", *arguments[2:]])
    return " ".join(arguments or [*words[:source], "..."])


def _holders(inode: int) -> Iterator[int]:
    """The processes that have a lock on a file of that number (proc_locks(5)); 0, of which /proc has nothing, is one in
    another namespace.
    """
    try:
        with open("/proc/locks", encoding="ascii") as lines:
            words = [line.split() for line in lines]
    except OSError:  # another system has none
        return
    for word in words:
        if len(word) > 5 and word[1] == "FLOCK" and word[5].rpartition(":")[2] == str(inode):
            yield int(word[4])


def _began(pid: int) -> float:
    """When a process began, in seconds since 1970 (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="ascii") as lines:
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return booted + ticks / TICKS


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"account {uid}"


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _say(text: str) -> None:
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(0 if locked(int(sys.argv[1]), LONGEST) else 1)

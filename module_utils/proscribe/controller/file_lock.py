"""Locks on files that several processes of a controller need, with messages about the holding process.

The module needs only the standard library, because the launcher runs it before anything else is installed.

    python3 -I file_lock.py DESCRIPTOR        locks a file that the shell has open
"""

from __future__ import annotations

import fcntl
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator, Sequence

RETRY_PAUSE_SECONDS = 0.05  # pause between two attempts to lock the file
MAX_WAIT_SECONDS = 3600.0  # longest time that the launcher waits for a lock
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
MAX_COMMAND_LENGTH = 120  # most characters of the holder's command in a message
# module that the launcher starts with `python -m` for each command of Proscribe
COMMAND_MODULE = "proscribe.controller.cli"


def lock_file(descriptor: int, timeout_seconds: float, report_wait: Callable[[str], None] | None = None) -> bool:
    """Lock an open file, and return True if that succeeds within `timeout_seconds`.

    The lock ends when this process ends or closes the file. If another process holds the lock, `report_wait` is called
    once. Its text says which process that is, and when the wait ends. By default the text goes to stderr.
    """
    deadline = time.monotonic() + timeout_seconds
    is_reported = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            # A shorter wait than a second is not worth a message.
            if not is_reported and timeout_seconds >= 1:
                until = _format_clock(time.time() + timeout_seconds)
                (report_wait or _print_wait)(f"waits for {describe_holder(descriptor)}, until {until} at the latest")
                is_reported = True
            time.sleep(RETRY_PAUSE_SECONDS)


def describe_holder(descriptor: int) -> str:
    """Describe the process that has locked an open file, for a message.

    The kernel's list of locks names the process.
    """
    for pid in _list_holders(os.fstat(descriptor).st_ino):
        try:
            owner_uid, started_at = os.stat(f"/proc/{pid}").st_uid, _read_start_time(pid)
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read(4096).decode(errors="replace").rstrip("\0").split("\0")
        except (OSError, ValueError, IndexError):  # the process has ended, or is in another namespace
            continue
        command = "".join(
            character if character.isprintable() else " " for character in _describe_command(arguments)
        ).strip()
        shortened = command if len(command) <= MAX_COMMAND_LENGTH else f"{command[: MAX_COMMAND_LENGTH - 3]}..."
        return (
            f"process {pid} of {_format_account(owner_uid)}, which began at {_format_clock(started_at)} ({shortened})"
        )
    return "a process that cannot be seen from here"


def _describe_command(command_words: Sequence[str]) -> str:
    """Return a process's command line as a user would type it.

    The launcher starts Python with source text after `-c`. That text is left out.
    """
    source_index = next(
        (
            index + 1
            for index, word in enumerate(command_words[:-1])
            if word == "-c" and "\n" in command_words[index + 1]
        ),
        0,
    )
    if not source_index:
        return " ".join(command_words)
    arguments = command_words[source_index + 1 :]
    if COMMAND_MODULE in arguments[1:2]:
        return " ".join(["proscribe", *arguments[2:]])
    return " ".join(arguments or [*command_words[:source_index], "..."])


def _list_holders(inode: int) -> Iterator[int]:
    """Yield the ids of the processes that have a lock on the file with this inode number (proc_locks(5)).

    The id 0 stands for a process in another namespace, which /proc does not show.
    """
    try:
        with open("/proc/locks", encoding="ascii") as lines:
            rows = [line.split() for line in lines]
    except OSError:  # only Linux has this file
        return
    # Field 1 is the type of the lock, field 4 the process, field 5 the file: MAJOR:MINOR:INODE.
    for fields in rows:
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
            yield int(fields[4])


def _read_start_time(pid: int) -> float:
    """Return the time when a process started, in seconds since 1970 (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="ascii") as lines:
        boot_time = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot_time + ticks / CLOCK_TICKS


def _format_account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"account {uid}"


def _format_clock(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _print_wait(text: str) -> None:
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(0 if lock_file(int(sys.argv[1]), MAX_WAIT_SECONDS) else 1)

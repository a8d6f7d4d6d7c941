"""What the daemon (daemon.py) reports of itself, in a file that root alone can write. Pure: the
daemon and every audit load it.
"""

from __future__ import annotations

from typing import Mapping

STATE = "/run/proscribe-launches"
# What an observation tries to execute: the kernel reports that to the daemon, and then refuses it (heartbeat.py).
HEARTBEAT = "/usr/libexec/proscribe/heartbeat"
MOST_BEATS = 16
ANYBODY = "-"  # in place of a process, where the kernel does not say whose heartbeat it was


def report_of(fields: Mapping[str, str]) -> str:
    """The file: a line for each field."""
    return "".join(f"{name} {' '.join(value.split())}\n" for name, value in fields.items())


def parsed(content: str) -> dict[str, str]:
    """The fields of the file."""
    return {name: value for name, _, value in (line.partition(" ") for line in content.split("\n")) if name}


def noted_beat(pid: int | str, moment: int) -> str:
    """A heartbeat of a process, and when the daemon noted it (time.monotonic_ns)."""
    return f"{pid}:{moment}"


def noted(fields: Mapping[str, str], pid: int, since: int) -> bool:
    """Whether the daemon has noted a heartbeat of a process since then."""
    for one in fields.get("beats", "").split():
        whose, _, moment = one.partition(":")
        if whose in (str(pid), ANYBODY) and moment.isdigit() and int(moment) >= since:
            return True
    return False


def number(fields: Mapping[str, str], name: str) -> int:
    """A field that is a number; 0 for none."""
    value = fields.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0

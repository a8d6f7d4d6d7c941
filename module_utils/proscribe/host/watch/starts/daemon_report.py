"""The daemon's report of itself (daemon.py), in a file that only root can write. No input or output here.

The daemon and every observation of the host load this module.
"""

from __future__ import annotations

from typing import Mapping

REPORT_PATH = "/run/proscribe-launches"
# File that each observation tries to execute, to test the daemon. The kernel reports the attempt to the daemon, and
# then refuses it (heartbeat.py).
HEARTBEAT_PATH = "/usr/libexec/proscribe/heartbeat"
MAX_BEATS = 16
UNKNOWN_PROCESS = "-"  # stands for the process id if the kernel reports a heartbeat without its process


def format_report(fields: Mapping[str, str]) -> str:
    """Return the text of the report: a line for each field."""
    return "".join(f"{name} {' '.join(content.split())}\n" for name, content in fields.items())


def parse_report(content: str) -> dict[str, str]:
    """Return the fields of the report."""
    return {name: field for name, _, field in (line.partition(" ") for line in content.split("\n")) if name}


def format_beat(pid: int | str, moment: int) -> str:
    """Return the text of a heartbeat: the process that sent it, and the time (time.monotonic_ns).

    `pid` is UNKNOWN_PROCESS if the kernel does not name the process.
    """
    return f"{pid}:{moment}"


def has_noted_beat(fields: Mapping[str, str], pid: int, since: int) -> bool:
    """Return whether the daemon has noted a heartbeat of the process `pid` since a time (time.monotonic_ns).

    A heartbeat of an unknown process counts too.
    """
    for beat in fields.get("beats", "").split():
        beat_pid, _, moment = beat.partition(":")
        if beat_pid in (str(pid), UNKNOWN_PROCESS) and moment.isdigit() and int(moment) >= since:
            return True
    return False


def parse_number_field(fields: Mapping[str, str], name: str) -> int:
    """Return a field as a number; 0 if it is no number."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

"""The daemon's report of itself (daemon.py), in a file that only root can write. Pure.

The daemon and every audit load this module.
"""

from __future__ import annotations

from typing import Mapping

REPORT_PATH = "/run/proscribe-launches"
# File that an observation tries to execute: the kernel reports that to the daemon, and then refuses (heartbeat.py).
HEARTBEAT_PATH = "/usr/libexec/proscribe/heartbeat"
MAX_BEATS = 16
UNKNOWN_PROCESS = "-"  # instead of a process, if the kernel does not report the process of a heartbeat


def format_report(fields: Mapping[str, str]) -> str:
    """Return the text of the report: a line for each field."""
    return "".join(f"{name} {' '.join(content.split())}\n" for name, content in fields.items())


def parse_report(content: str) -> dict[str, str]:
    """Return the fields of the report."""
    return {name: field for name, _, field in (line.partition(" ") for line in content.split("\n")) if name}


def format_beat(pid: int | str, moment: int) -> str:
    """Return the heartbeat of a process as text, with the time of its note (time.monotonic_ns)."""
    return f"{pid}:{moment}"


def has_noted_beat(fields: Mapping[str, str], pid: int, since: int) -> bool:
    """Return whether the daemon has noted a heartbeat of a process since a time (time.monotonic_ns)."""
    for beat in fields.get("beats", "").split():
        beat_pid, _, moment = beat.partition(":")
        if beat_pid in (str(pid), UNKNOWN_PROCESS) and moment.isdigit() and int(moment) >= since:
            return True
    return False


def parse_number_field(fields: Mapping[str, str], name: str) -> int:
    """Return a field as a number; 0 if it is no number."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

"""What the daemon (daemon.py) reports of itself, in a file that root alone can write. Pure: the
daemon and every audit load it.
"""

from __future__ import annotations

from typing import Mapping

REPORT_PATH = "/run/proscribe-launches"
# What an observation tries to execute: the kernel reports that to the daemon, and then refuses it (heartbeat.py).
HEARTBEAT_PATH = "/usr/libexec/proscribe/heartbeat"
MAX_BEATS = 16
UNKNOWN_PROCESS = "-"  # in place of a process, where the kernel does not say whose heartbeat it was


def format_report(fields: Mapping[str, str]) -> str:
    """The file: a line for each field."""
    return "".join(f"{name} {' '.join(content.split())}\n" for name, content in fields.items())


def parse_report(content: str) -> dict[str, str]:
    """The fields of the file."""
    return {name: field for name, _, field in (line.partition(" ") for line in content.split("\n")) if name}


def format_beat(pid: int | str, moment: int) -> str:
    """A heartbeat of a process, and when the daemon noted it (time.monotonic_ns)."""
    return f"{pid}:{moment}"


def has_noted_beat(fields: Mapping[str, str], pid: int, since: int) -> bool:
    """Whether the daemon has noted a heartbeat of a process since then."""
    for beat in fields.get("beats", "").split():
        beat_pid, _, moment = beat.partition(":")
        if beat_pid in (str(pid), UNKNOWN_PROCESS) and moment.isdigit() and int(moment) >= since:
            return True
    return False


def parse_number_field(fields: Mapping[str, str], name: str) -> int:
    """A field that is a number; 0 for none."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

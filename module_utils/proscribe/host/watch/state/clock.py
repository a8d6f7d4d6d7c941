"""The watch's time: a clock that goes back does not reopen a waiver.

The latest time that this host has seen is stored. Where its clock is behind that, the stored time counts, until a run
of the controller brings the true time.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ....base.moments import format_timestamp, is_timestamp, parse_timestamp
from ...system import ControlError, Host, ObservationError
from . import files

if TYPE_CHECKING:
    from typing import Mapping

BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"
SLACK_SECONDS = 60  # seconds that a clock may be set back by, as time synchronisation does


def read_effective_time(host: Host) -> int:
    """The moment that counts now, in seconds since 1970. Writes nothing."""
    now = int(time.time())
    mark = files.read_clock_mark(host)
    return max(now, parse_timestamp(mark)) if mark else now


def use_monotonic_clock(host: Host) -> Host:
    """The host, with this clock for what depends on the hour."""
    host.clock = partial(read_effective_time, host)
    return host


def update_clock(host: Host) -> int:
    """Remember the present time; by how many seconds the clock is behind the latest time seen, 0 for a sound one."""
    now = int(time.time())
    mark = files.read_clock_mark(host)
    if mark and parse_timestamp(mark) > now:
        seconds_back = parse_timestamp(mark) - now
        return seconds_back if seconds_back > SLACK_SECONDS else 0
    host.write_file(files.CLOCK_PATH, format_timestamp(now) + "\n", 0o600)
    return 0


def make_deadline(host: Host, length: int) -> dict[str, object]:
    """Return the moment in `length` seconds as a file has it: {until, boot, uptime}."""
    return {
        "until": format_timestamp(read_effective_time(host) + length),
        "boot": read_boot_id(host),
        "uptime": _read_uptime() + length,
    }


def is_ahead(host: Host, deadline: Mapping[str, object], max_seconds: int) -> bool:
    """Return whether a stored deadline lies ahead, by at most `max_seconds` seconds. A clock that was set back does not
    move it, as long as the host does not start anew.
    """
    until, uptime = deadline.get("until"), deadline.get("uptime")
    now = read_effective_time(host)
    if not is_timestamp(until) or not now < parse_timestamp(until) <= now + max_seconds:
        return False
    return not (type(uptime) is int and deadline.get("boot") == read_boot_id(host) and _read_uptime() >= uptime)


def set_by_controller(host: Host, now: object) -> None:
    """Have the stored time be the controller's, which also corrects a host that has seen a time too far ahead."""
    moment = now if is_timestamp(now) else format_timestamp(time.time())
    if files.read_clock_mark(host) != moment:
        host.write_file(files.CLOCK_PATH, f"{moment}\n", 0o600)


def read_boot_id(host: Host) -> str:
    """What names this start of the host; "" where nobody says."""
    try:
        return (host.read_text(BOOT_ID_PATH) or "").strip()
    except (ControlError, ObservationError):
        return ""


def read_awake_seconds() -> int:
    """For how many seconds the host has run since its start, without those that it slept: as its timers count."""
    return int(time.clock_gettime(time.CLOCK_MONOTONIC))


def _read_uptime() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))

"""Clock of the watch: a clock that goes back does not reopen a waiver.

The host stores the latest time that it has seen. While its clock is behind, the stored time counts, until a run of the
controller brings the true time.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ....base.timestamps import format_timestamp, is_timestamp, parse_timestamp
from ...system import ControlError, Host, ObservationError
from . import watch_files

if TYPE_CHECKING:
    from typing import Mapping

BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"
SLACK_SECONDS = 60  # tolerated step back of a clock, as by time synchronisation


def read_effective_time(host: Host) -> int:
    """Return the time that counts now, in seconds since 1970. Writes nothing."""
    now = int(time.time())
    mark = watch_files.read_clock_mark(host)
    return max(now, parse_timestamp(mark)) if mark else now


def use_monotonic_clock(host: Host) -> Host:
    """Give the host this clock, for everything that depends on the hour. Return the host."""
    host.clock = partial(read_effective_time, host)
    return host


def update_clock(host: Host) -> int:
    """Store the present time. Return the seconds that the clock is behind the latest time seen.

    Returns 0 for a sound clock; a step back of at most SLACK_SECONDS is sound.
    """
    now = int(time.time())
    mark = watch_files.read_clock_mark(host)
    if mark and parse_timestamp(mark) > now:
        seconds_back = parse_timestamp(mark) - now
        return seconds_back if seconds_back > SLACK_SECONDS else 0
    host.write_file(watch_files.CLOCK_PATH, format_timestamp(now) + "\n", 0o600)
    return 0


def make_deadline(host: Host, length: int) -> dict[str, object]:
    """Return the moment in `length` seconds, in the form of the files: {until, boot, uptime}."""
    return {
        "until": format_timestamp(read_effective_time(host) + length),
        "boot": read_boot_id(host),
        "uptime": _read_uptime() + length,
    }


def is_ahead(host: Host, deadline: Mapping[str, object], max_seconds: int) -> bool:
    """Return whether a stored deadline lies ahead, by at most `max_seconds` seconds.

    A clock that is set back does not move the deadline, as long as the host does not restart.
    """
    until, uptime = deadline.get("until"), deadline.get("uptime")
    now = read_effective_time(host)
    if not is_timestamp(until) or not now < parse_timestamp(until) <= now + max_seconds:
        return False
    return not (type(uptime) is int and deadline.get("boot") == read_boot_id(host) and _read_uptime() >= uptime)


def set_by_controller(host: Host, now: object) -> None:
    """Set the stored time to the controller's. This also corrects a host that has seen a time too far ahead."""
    moment = now if is_timestamp(now) else format_timestamp(time.time())
    if watch_files.read_clock_mark(host) != moment:
        host.write_file(watch_files.CLOCK_PATH, f"{moment}\n", 0o600)


def read_boot_id(host: Host) -> str:
    """Return the id of the host's current boot; "" if unknown."""
    try:
        return (host.read_text(BOOT_ID_PATH) or "").strip()
    except (ControlError, ObservationError):
        return ""


def read_awake_seconds() -> int:
    """Return the seconds since the host's start without its sleep, as its timers count."""
    return int(time.clock_gettime(time.CLOCK_MONOTONIC))


def _read_uptime() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))

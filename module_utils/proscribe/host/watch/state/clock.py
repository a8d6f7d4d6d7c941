"""Clock of the watch, which never goes back.

So setting the host's clock back does not make an expired waiver valid again. The host stores the latest time that it
has seen. While the system clock is behind, the stored time counts. A run of the controller sets the stored time to the
controller's time.
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
SLACK_SECONDS = 60  # a clock may go back by as much, for example by time synchronisation, without a report


def read_effective_time(host: Host) -> int:
    """Return the time that counts now: the later of system clock and stored time, in seconds since 1970."""
    now = int(time.time())
    mark = watch_files.read_clock_mark(host)
    return max(now, parse_timestamp(mark)) if mark else now


def use_monotonic_clock(host: Host) -> Host:
    """Make the host use this clock for all decisions that depend on the time. Return the host."""
    host.clock = partial(read_effective_time, host)
    return host


def update_clock(host: Host) -> int:
    """Store the present time. Return by how many seconds the system clock is behind the stored time.

    Returns 0 if the system clock is behind by at most SLACK_SECONDS. A stored time in the future is not replaced.
    """
    now = int(time.time())
    mark = watch_files.read_clock_mark(host)
    if mark and parse_timestamp(mark) > now:
        seconds_back = parse_timestamp(mark) - now
        return seconds_back if seconds_back > SLACK_SECONDS else 0
    host.write_file(watch_files.CLOCK_PATH, format_timestamp(now) + "\n", 0o600)
    return 0


def make_deadline(host: Host, length: int) -> dict[str, object]:
    """Return the moment `length` seconds from now, in the form in which files store a deadline.

    `until` is the time of this clock, `boot` is the boot id, and `uptime` is the seconds since the boot.
    """
    return {
        "until": format_timestamp(read_effective_time(host) + length),
        "boot": read_boot_id(host),
        "uptime": _read_uptime() + length,
    }


def is_ahead(host: Host, deadline: Mapping[str, object], max_seconds: int) -> bool:
    """Return whether a stored deadline (`make_deadline`) lies in the future, by at most `max_seconds` seconds.

    Setting the clock back does not extend a deadline before the next boot, because the uptime counts too.
    """
    until, uptime = deadline.get("until"), deadline.get("uptime")
    now = read_effective_time(host)
    if not is_timestamp(until) or not now < parse_timestamp(until) <= now + max_seconds:
        return False
    # within the boot in which the deadline was stored, the uptime must not have reached it either
    return not (type(uptime) is int and deadline.get("boot") == read_boot_id(host) and _read_uptime() >= uptime)


def set_by_controller(host: Host, now: object) -> None:
    """Set the stored time to the controller's time `now`; to the system clock if `now` is no timestamp.

    This also corrects a host that has stored a time too far in the future.
    """
    moment = now if is_timestamp(now) else format_timestamp(time.time())
    if watch_files.read_clock_mark(host) != moment:
        host.write_file(watch_files.CLOCK_PATH, f"{moment}\n", 0o600)


def read_boot_id(host: Host) -> str:
    """Return the id of the host's current boot; "" if it cannot be read."""
    try:
        return (host.read_text(BOOT_ID_PATH) or "").strip()
    except (ControlError, ObservationError):
        return ""


def read_awake_seconds() -> int:
    """Return the seconds since the host's boot, without the time that it slept. Timers of systemd count so too."""
    return int(time.clock_gettime(time.CLOCK_MONOTONIC))


def _read_uptime() -> int:
    """Return the seconds since the host's boot, with the time that it slept."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))

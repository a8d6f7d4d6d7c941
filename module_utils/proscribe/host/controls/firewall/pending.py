"""A change of the firewall that waits for its confirmation, as it is on the host's disk; see program.py.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import calendar
import time

from ....base.hashing import sha256
from ...system import ControlError, Host
from . import boot, program

METHODS = f"{program.RUN}/ways"  # "address port [user]" a line: where the host could send to before the change
MOST = 3  # times that the same rules are taken back before they are left alone
PAUSE = 24 * 3600  # seconds for which they are left alone; each trial that cuts a host off costs it a minute


def claim(host: Host, token: str, outcome: str) -> bool:
    """Decide what becomes of a change; False if that is decided already."""
    return host.rename_file(f"{program.RUN}/pending-{token}", f"{outcome}-{token}")


def stop(host: Host, token: str) -> None:
    """Stop the timer of a change that is decided: it could do nothing any more. Without systemd it ends by itself."""
    if host.find_entry(boot.SYSTEMD_RUNS_PATH) is not None:
        host.run_command(["systemctl", "stop", f"proscribe-rollback-{token}.timer"])


def clear(host: Host) -> None:
    """Delete what a decided change leaves."""
    for name in host.list_directory(program.RUN):
        host.delete_file(f"{program.RUN}/{name}")


def drop(host: Host) -> None:
    """Forget what waits for its confirmation, and what was taken back: the control is lifted."""
    for token in boot.pending(host):
        claim(host, token, "dropped")
        stop(host, token)
    clear(host)
    host.delete_file(program.TRACE)


def outcome(host: Host) -> str:
    """What became of a change that is not pending any more and was not kept."""
    back = boot.taken_back(host)
    return f"the new rules were {back[-1]}" if back else "the new rules were taken back meanwhile"


def tried_before(host: Host, text: str) -> str:
    """What to say before a table is tried after one was taken back; "" if none was.

    Raises ControlError for a table that was taken back MOST times in a row, until PAUSE has passed.
    """
    back = boot.taken_back(host)
    digest = sha256(text.encode()).hexdigest()
    same = [change for change in back[-MOST:] if change.digest == digest]
    if len(same) == MOST and time.time() - _seconds(same[-1].at) < PAUSE:
        raise ControlError(
            f"these rules were taken back {MOST} times in a row, and are not tried again for a day: "
            f"the last time they were {same[-1]}. To try at once, delete {program.TRACE}"
        )
    return f"the last change was {back[-1]}; tried again" if back else ""


def uptime(host: Host) -> int:
    """Seconds since the boot."""
    return int(float((host.read_text("/proc/uptime") or "0").split()[0]))


def _seconds(moment: str) -> int:
    """A time of the trace in seconds since 1970; 0 for one that cannot be read."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0

"""A change of the firewall that waits for its confirmation, as it is on the host's disk; see program.py.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import calendar
import time

from ....base.hashing import sha256
from ...system import ControlError, Host
from . import boot, program

ROUTES_PATH = (
    f"{program.CHANGE_DIRECTORY}/ways"  # "address port [user]" a line: where the host could send to before the change
)
MAX_REVERTS = 3  # times that the same rules are taken back before they are left alone
RETRY_PAUSE_SECONDS = (
    24 * 3600
)  # seconds for which they are left alone; each trial that cuts a host off costs it a minute


def decide_change(host: Host, token: str, outcome: str) -> bool:
    """Decide what becomes of a change; False if that is decided already."""
    return host.rename_file(f"{program.CHANGE_DIRECTORY}/pending-{token}", f"{outcome}-{token}")


def stop_rollback_timer(host: Host, token: str) -> None:
    """Stop the timer of a change that is decided: it could do nothing any more. Without systemd it ends by itself."""
    if host.find_entry(boot.SYSTEMD_RUNS_PATH) is not None:
        host.run_command(["systemctl", "stop", f"proscribe-rollback-{token}.timer"])


def clear_change_files(host: Host) -> None:
    """Delete what a decided change leaves."""
    for name in host.list_directory(program.CHANGE_DIRECTORY):
        host.delete_file(f"{program.CHANGE_DIRECTORY}/{name}")


def drop_pending_changes(host: Host) -> None:
    """Forget what waits for its confirmation, and what was taken back: the control is lifted."""
    for token in boot.list_pending_tokens(host):
        decide_change(host, token, "dropped")
        stop_rollback_timer(host, token)
    clear_change_files(host)
    host.delete_file(program.REVERT_LOG_PATH)


def describe_outcome(host: Host) -> str:
    """What became of a change that is not pending any more and was not kept."""
    reverted_changes = boot.list_reverted_changes(host)
    return (
        f"the new rules were {reverted_changes[-1]}" if reverted_changes else "the new rules were taken back meanwhile"
    )


def check_earlier_reverts(host: Host, text: str) -> str:
    """What to say before a table is tried after one was taken back; "" if none was.

    Raises ControlError for a table that was taken back MAX_REVERTS times in a row, until RETRY_PAUSE_SECONDS has passed.
    """
    reverted_changes = boot.list_reverted_changes(host)
    digest = sha256(text.encode()).hexdigest()
    same_table_changes = [change for change in reverted_changes[-MAX_REVERTS:] if change.digest == digest]
    if (
        len(same_table_changes) == MAX_REVERTS
        and time.time() - _parse_trace_time(same_table_changes[-1].reverted_at) < RETRY_PAUSE_SECONDS
    ):
        raise ControlError(
            f"these rules were taken back {MAX_REVERTS} times in a row, and are not tried again for a day: "
            f"the last time they were {same_table_changes[-1]}. To try at once, delete {program.REVERT_LOG_PATH}"
        )
    return f"the last change was {reverted_changes[-1]}; tried again" if reverted_changes else ""


def read_uptime(host: Host) -> int:
    """Seconds since the boot."""
    return int(float((host.read_text("/proc/uptime") or "0").split()[0]))


def _parse_trace_time(moment: str) -> int:
    """A time of the trace in seconds since 1970; 0 for one that cannot be read."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0

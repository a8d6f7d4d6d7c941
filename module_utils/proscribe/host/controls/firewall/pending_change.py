"""Change of the firewall that waits for its confirmation, as stored on the host's disk; see program.py.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import calendar
import time

from ....base.hashing import sha256
from ...system import ControlError, Host
from . import boot_units, program

ROUTES_PATH = (
    f"{program.CHANGE_DIRECTORY}/ways"  # "address port [user]" a line: routes that the host could use before the change
)
MAX_REVERTS = 3  # after so many reverts, the same rules are not tried for a time
RETRY_PAUSE_SECONDS = 24 * 3600  # pause before the next trial; a trial that cuts a host off costs it a minute


def decide_change(host: Host, token: str, outcome: str) -> bool:
    """Decide the outcome of a change. Returns False if it is decided already."""
    return host.rename_file(f"{program.CHANGE_DIRECTORY}/pending-{token}", f"{outcome}-{token}")


def stop_rollback_timer(host: Host, token: str) -> None:
    """Stop the timer of a decided change, which has no effect any more. Without systemd it ends by itself."""
    if host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is not None:
        host.run_command(["systemctl", "stop", f"proscribe-rollback-{token}.timer"])


def clear_change_files(host: Host) -> None:
    """Delete the files of a decided change."""
    for name in host.list_directory(program.CHANGE_DIRECTORY):
        host.delete_file(f"{program.CHANGE_DIRECTORY}/{name}")


def drop_pending_changes(host: Host) -> None:
    """Delete the pending change and the record of reverted changes: the control is lifted."""
    for token in boot_units.list_pending_tokens(host):
        decide_change(host, token, "dropped")
        stop_rollback_timer(host, token)
    clear_change_files(host)
    host.delete_file(program.REVERT_LOG_PATH)


def describe_outcome(host: Host) -> str:
    """Describe the outcome of a change that is neither pending nor kept."""
    reverted_changes = boot_units.list_reverted_changes(host)
    return (
        f"the new rules were {reverted_changes[-1]}" if reverted_changes else "the new rules were taken back meanwhile"
    )


def check_earlier_reverts(host: Host, text: str) -> str:
    """Return the note for a trial that follows a reverted change; "" without such a change.

    Raises ControlError for a table that was reverted MAX_REVERTS times in a row, until RETRY_PAUSE_SECONDS have passed.
    """
    reverted_changes = boot_units.list_reverted_changes(host)
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
    """Return the seconds since the boot."""
    return int(float((host.read_text("/proc/uptime") or "0").split()[0]))


def _parse_trace_time(moment: str) -> int:
    """Parse a time of the log of reverts as seconds since 1970; 0 for an invalid time."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0

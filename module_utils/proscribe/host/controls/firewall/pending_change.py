"""Change of the firewall that waits for its confirmation: its files on the host's disk (see program.py).

Only an enforcing run needs this file.
"""

from __future__ import annotations

import calendar
import time

from ....base.hashing import sha256
from ...system import ControlError, Host
from . import boot_units, program

ROUTES_PATH = (
    # one "address port [uid]" a line: gateways and resolvers that the host could send to before the change
    f"{program.CHANGE_DIRECTORY}/ways"
)
MAX_REVERTS = 3  # after this number of reverts in a row, the same table is not tried again for RETRY_PAUSE_SECONDS
RETRY_PAUSE_SECONDS = 24 * 3600  # long, because a trial that cuts a host off leaves it unreachable for a minute


def decide_change(host: Host, token: str, outcome: str) -> bool:
    """Decide the outcome of a pending change. Return False if its outcome is decided already.

    `outcome` is a word for the name of the change's file. The rename of that file is the decision: only the first of
    several processes can rename it.
    """
    return host.rename_file(f"{program.CHANGE_DIRECTORY}/pending-{token}", f"{outcome}-{token}")


def stop_rollback_timer(host: Host, token: str) -> None:
    """Stop the timer that would revert a change. Its outcome is decided, so the timer has no effect any more.

    Without systemd, the timer ends by itself.
    """
    if host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is not None:
        host.run_command(["systemctl", "stop", f"proscribe-rollback-{token}.timer"])


def clear_change_files(host: Host) -> None:
    """Delete all files of a change whose outcome is decided."""
    for name in host.list_directory(program.CHANGE_DIRECTORY):
        host.delete_file(f"{program.CHANGE_DIRECTORY}/{name}")


def drop_pending_changes(host: Host) -> None:
    """Delete the pending change and the log of reverted changes, because the control is being removed."""
    for token in boot_units.list_pending_tokens(host):
        decide_change(host, token, "dropped")
        stop_rollback_timer(host, token)
    clear_change_files(host)
    host.delete_file(program.REVERT_LOG_PATH)


def describe_outcome(host: Host) -> str:
    """Describe why a change is no longer pending although it was not confirmed."""
    reverted_changes = boot_units.list_reverted_changes(host)
    return (
        f"the new rules were {reverted_changes[-1]}" if reverted_changes else "the new rules were taken back meanwhile"
    )


def check_earlier_reverts(host: Host, text: str) -> str:
    """Return a note if the last change was reverted and is now tried again; "" if it was not reverted.

    Raises ControlError if this same table (`text`) was reverted MAX_REVERTS times in a row, and RETRY_PAUSE_SECONDS
    have not passed since.
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
    """Parse a time of the log of reverted changes as seconds since 1970; 0 if it is invalid."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0

"""Program that stays on a host beside the table: programs/firewall.sh, because sh works when nothing else does.

Its functions must not depend on a controller, a connection, or the Python of the host. It loads a change only after its
answer is sent, and reverts the change unless it is confirmed. It restores the table after another program has deleted
it. All its inputs are files:

    RUN/pending-TOKEN    a change waits for its confirmation; who renames this file first decides its outcome
    RUN/candidate.nft    the transaction of the change; RUN/wanted.nft is the whole table, for the boot file
    RUN/previous.nft     the table that a revert loads
    RUN/loaded-TOKEN     the kernel accepted the candidate; otherwise failed-TOKEN has nft's message
    TRACE                a line for each reverted change, until a change is confirmed: time (UTC), reason (unreached:
                         no controller confirmed it; cut: it cut the host off), SHA-256 of the table

A reboot deletes RUN, and so every pending change: the boot loads the last confirmed table.

The watcher restores a deleted table at once, twenty times a minute. If a program deletes it more often, the watcher
restores it every half minute: the two must not keep the host busy.
"""

from __future__ import annotations

from ...programs import FIREWALL
from ...system import STATE_DIRECTORY, WRITTEN_BY

PROGRAM_PATH = "/usr/libexec/proscribe/firewall"
PROGRAM_MODE = 0o700
CHANGE_DIRECTORY = "/run/proscribe/firewall-change"
CANDIDATE_PATH = f"{CHANGE_DIRECTORY}/candidate.nft"
PREVIOUS_TABLE_PATH = f"{CHANGE_DIRECTORY}/previous.nft"
DESIRED_TABLE_PATH = f"{CHANGE_DIRECTORY}/wanted.nft"
REVERT_LOG_PATH = f"{STATE_DIRECTORY}/firewall-taken-back"


def render_program_text(confirmed_path: str, table: str) -> str:
    """Return the program for the path of the confirmed table and for the name of the table."""
    return FIREWALL.format(
        written_by=WRITTEN_BY, confirmed=confirmed_path, run=CHANGE_DIRECTORY, trace=REVERT_LOG_PATH, table=table
    )

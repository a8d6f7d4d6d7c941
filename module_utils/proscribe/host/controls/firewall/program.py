"""Shell program that is installed on a host to restore and revert the table: programs/firewall.sh.

It is written for sh, because sh works when nothing else does. Its functions must not depend on a controller, a
connection, or the Python of the host. It loads a change of the table after the run has answered, and reverts the change
unless a controller confirms it. It restores the table after another program has deleted it. All its inputs are files:

    RUN/pending-TOKEN    a change waits for its confirmation; whoever renames this file first decides its outcome
    RUN/candidate.nft    the transaction of the change; RUN/wanted.nft is the whole table, for the boot file
    RUN/previous.nft     the table that a revert loads
    RUN/loaded-TOKEN     the kernel accepted the candidate; otherwise failed-TOKEN has nft's message
    TRACE                a line for each reverted change, until a change is confirmed: time (UTC), reason (unreached:
                         no controller confirmed it; cut: it cut the host off), SHA-256 of the table

A reboot deletes RUN, and so every pending change. The boot then loads the last confirmed table.

If the table is deleted, the program restores it immediately, up to twenty times a minute. If another program deletes it
more often, the table is restored every half minute. Otherwise the two programs would keep the host busy.
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
    """Return the text of the program.

    `confirmed_path` is the file of the confirmed table, and `table` the name of the table.
    """
    return FIREWALL.format(
        written_by=WRITTEN_BY, confirmed=confirmed_path, run=CHANGE_DIRECTORY, trace=REVERT_LOG_PATH, table=table
    )

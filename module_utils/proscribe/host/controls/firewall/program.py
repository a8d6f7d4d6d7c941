"""The program that stays on a host beside the table: programs/firewall.sh, because sh works when nothing else does.

It holds what must not depend on a controller, on a connection, or on the Python of the host. It loads a change only
after its answer is on its way, and takes it back unless it was confirmed. It loads the table again when another program
has deleted it. Everything it decides by is a file:

    CHANGE_DIRECTORY/pending-TOKEN    a change waits for its confirmation; whoever renames this file first decides what becomes of it
    CHANGE_DIRECTORY/candidate.nft    the transaction of the change; CHANGE_DIRECTORY/wanted.nft is the whole table, for the boot file
    CHANGE_DIRECTORY/previous.nft     what taking it back loads
    CHANGE_DIRECTORY/loaded-TOKEN     the kernel took the candidate; failed-TOKEN instead holds what nft said
    REVERT_LOG_PATH                a line for each change that was taken back, until one is confirmed: when (UTC), why (unreached:
                         nobody confirmed it; cut: it cut the host off), the SHA-256 of the table

CHANGE_DIRECTORY is gone after a reboot, and so is every pending change: the boot loads what was confirmed last.

The watcher loads at once what is gone, twenty times a minute. A program that deletes it more often is answered
every half minute: the two of them must not keep the host busy.
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
    """The program, for the file that holds the confirmed table and for the table's name."""
    return FIREWALL.format(
        written_by=WRITTEN_BY, confirmed=confirmed_path, run=CHANGE_DIRECTORY, trace=REVERT_LOG_PATH, table=table
    )

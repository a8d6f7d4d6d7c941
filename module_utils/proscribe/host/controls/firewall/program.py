"""The program that stays on a host beside the table: programs/firewall.sh, because sh works when nothing else does.

It holds what must not depend on a controller, on a connection, or on the Python of the host. It loads a change only
after its answer is on its way, and takes it back unless it was confirmed. It loads the table again when another program
has deleted it. Everything it decides by is a file:

    RUN/pending-TOKEN    a change waits for its confirmation; whoever renames this file first decides what becomes of it
    RUN/candidate.nft    the transaction of the change; RUN/wanted.nft is the whole table, for the boot file
    RUN/previous.nft     what taking it back loads
    RUN/loaded-TOKEN     the kernel took the candidate; failed-TOKEN instead holds what nft said
    TRACE                a line for each change that was taken back, until one is confirmed: when (UTC), why (unreached:
                         nobody confirmed it; cut: it cut the host off), the SHA-256 of the table

RUN is gone after a reboot, and so is every pending change: the boot loads what was confirmed last.

The watcher loads at once what is gone, twenty times a minute. A program that deletes it more often is answered
every half minute: the two of them must not keep the host busy.
"""

from __future__ import annotations

from ...programs import FIREWALL
from ...system import STATE_DIRECTORY, WRITTEN_BY

PATH = "/usr/libexec/proscribe/firewall"
MODE = 0o700
RUN = "/run/proscribe/firewall-change"
CANDIDATE = f"{RUN}/candidate.nft"
PREVIOUS = f"{RUN}/previous.nft"
DESIRED_TABLE = f"{RUN}/wanted.nft"
TRACE = f"{STATE_DIRECTORY}/firewall-taken-back"


def text(confirmed: str, table: str) -> str:
    """The program, for the file that holds the confirmed table and for the table's name."""
    return FIREWALL.format(written_by=WRITTEN_BY, confirmed=confirmed, run=RUN, trace=TRACE, table=table)

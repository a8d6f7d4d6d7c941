"""Check that others cannot change the files of scheduled runs, before a schedule is installed.

Every run repeats this check before it starts anything (`host/programs/`). Standard library only.
"""

from __future__ import annotations

import pwd
from typing import Iterable

from ...base.run_files import UnreadableRunFile, find_exposed_file
from ..system import ControlError


def require_exclusive_access(account: str, paths: Iterable[str]) -> None:
    """Raise ControlError if others than root and `account` can change the `paths` or files below them.

    The error names the first such file. ControlError is also raised for a missing account, and for files that cannot be
    checked.
    """
    try:
        uid = pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ControlError(f"there is no account {account} on this machine, as which runs are to be started") from None
    try:
        exposed = find_exposed_file(paths, {uid})
    except UnreadableRunFile as error:
        raise ControlError(str(error)) from None
    if exposed:
        raise ControlError(
            f"{exposed}, and scheduled runs would have {account} run or follow it. Nothing was touched. Have the"
            f" checkout, its inventory and its Ansible in a place that only {account} and root can change, such as"
            " /opt/proscribe, and run schedule there; or name an account that owns them: proscribe_schedule_account"
            f" (docs/scheduling.md). {exposed.remedy}".rstrip()
        )

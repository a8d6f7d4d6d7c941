"""What scheduled runs are made of, and who beside their account could change it. Standard library only.

Whoever can change a file that root runs at night is root. So what a schedule runs, and reads to be run, has to belong
to root or to the account of its runs. That goes for every directory on the way to it, too.
"""

from __future__ import annotations

import os
import pwd
from typing import Iterable, Iterator

from ...base.ownership import exposed
from ..system import ControlError

MARK = "pyvenv.cfg"  # stands at the top of a virtual environment


def require_own(account: str, paths: Iterable[str]) -> None:
    """Raises ControlError, with the first thing that others can change, unless only root and an account can change the
    files named and all below them. What is not there yet is nobody's, unless others could make it.
    """
    try:
        uid = pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ControlError(f"there is no account {account} on this machine, as which runs are to be started") from None
    for path in [each for named in paths for each in _with_what_runs_it(named)]:
        try:
            found = exposed(path, {uid})
        except OSError as error:
            raise ControlError(f"it cannot be seen who can change {path}: {error}") from None
        if found:
            raise ControlError(
                f"{found}, and scheduled runs would have {account} run or follow it. Nothing was touched. Have the"
                f" checkout, its inventory and its Ansible in a place that only {account} and root can change, such as"
                " /opt/proscribe, and run schedule there; or name an account that owns them:"
                " proscribe_schedule_account (docs/scheduling.md)"
            )


def _with_what_runs_it(path: str) -> Iterator[str]:
    """A path; for a program also the virtual environment that it lies in, and what its first line names."""
    yield path
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        return
    environment = os.path.dirname(os.path.dirname(real))
    if os.path.exists(os.path.join(environment, MARK)):
        yield environment
    try:
        with open(real, "rb") as stream:
            first = stream.readline(1000)
    except OSError:
        return
    interpreter = first[2:].split()[:1] if first.startswith(b"#!") else []
    yield from (os.fsdecode(word) for word in interpreter if word.startswith(b"/"))

"""Removed variables: what replaces them, reported before any host is contacted."""

from __future__ import annotations

from ....model.quarantined import ITEM_ID
from ...policy_errors import PolicyError, PolicyErrors
from .inventory import Question

RESTORE = "proscribe_restore"  # made `lift` restore; where it was left out or mistyped, the ban came off


def refuse(question: Question) -> None:
    """Raises PolicyErrors where a host has such a variable, with the command and the options that replace it: no whole
    command line, since the rest of this run's options has to stay, without the one that set the variable.
    """
    for host in question.hosts:
        if RESTORE in host.values:
            value = host.values[RESTORE]
            expected = (
                "no such variable any more; nothing was lifted. To restore from the quarantine, use the command"
                f" quarantine with its subcommand restore, {_options(value)}and this run's other options"
            )
            raise PolicyErrors([PolicyError(host.where(RESTORE), RESTORE, value, expected)])


def _options(value: object) -> str:
    return "".join(f"--id {id_}, " for id_ in _ids(value))


def _ids(value: object) -> list[str]:
    listed = value if isinstance(value, list) else str(value).split(",")
    return [id_ for id_ in (str(one).strip() for one in listed) if ITEM_ID.fullmatch(id_)]

"""Variables that are no more: what does now what they did, told before any host is asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..quarantined import ID
from .errors import PolicyError, PolicyErrors
from .inventory import Question

RESTORE = "proscribe_restore"  # made `lift` restore; where it was left out or mistyped, the ban came off


def refuse(question: Question) -> None:
    """Raises PolicyErrors where a host has such a variable, with the command that takes its place."""
    for host in question.hosts:
        if RESTORE in host.values:
            value = host.values[RESTORE]
            command = shlex.join(_restore(question, value))
            expected = f"no such variable any more; nothing was lifted. To restore from the quarantine: {command}"
            raise PolicyErrors([PolicyError(host.where(RESTORE), RESTORE, value, expected)])


def _restore(question: Question, value: object) -> Sequence[str]:
    listed = value if isinstance(value, list) else str(value).split(",")
    ids = [str(id_).strip() for id_ in listed]
    words = ["./proscribe", "quarantine", "restore"]
    words += [word for source in question.inventory for word in ("-i", source)]
    words += ["--limit", question.limit] if question.limit else []
    return [*words, *(word for id_ in ids if ID.fullmatch(id_) for word in ("--id", id_))]

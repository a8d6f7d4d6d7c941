"""The ids of what is in a quarantine, as both sides speak of them: the host gives them, and reports name them."""

from __future__ import annotations

from ..base.patterns import pattern

# <service or kind>-<eight hexadecimal digits>: never a step of a path, nor anything to a shell.
ID = pattern(r"[a-z][a-z0-9_]{0,63}-[0-9a-f]{8}")
VERB = "quarantine"  # of the actions that move something
LIST, RESTORE, PRUNE = "list", "restore", "prune"  # what can be done with a quarantine
DONE = {RESTORE: "restored", PRUNE: "pruned"}
MOST = 10_000  # items of one answer


def moved(id_: str) -> str:
    """What the end of an action says once it has moved something: under which id it can be restored."""
    return f"as {id_}"


def id_of(action: str) -> str:
    """The id that an action names at its end, once it was done; "" for one that has moved nothing. What stands before
    is a path, which is its user's word.
    """
    verb, _, rest = action.partition(" ")
    _, found, id_ = rest.rpartition(" as ")
    return id_ if verb == VERB and found and ID.fullmatch(id_) else ""

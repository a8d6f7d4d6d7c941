"""The ids of what is in a quarantine, as both sides speak of them: the host gives them, and reports name them."""

from __future__ import annotations

from ..base.patterns import compile_pattern

# <service or kind>-<eight hexadecimal digits>: never a step of a path, nor anything to a shell.
ITEM_ID = compile_pattern(r"[a-z][a-z0-9_]{0,63}-[0-9a-f]{8}")
QUARANTINE_VERB = "quarantine"  # of the actions that move something
LIST, RESTORE, PRUNE = "list", "restore", "prune"  # what can be done with a quarantine
DONE_WORDS = {RESTORE: "restored", PRUNE: "pruned"}
MAX_ITEMS = 10_000  # items of one answer


def format_moved_suffix(item_id: str) -> str:
    """What the end of an action says once it has moved something: under which id it can be restored."""
    return f"as {item_id}"


def parse_moved_id(action: str) -> str:
    """The id that an action names at its end, once it was done; "" for one that has moved nothing. What stands before
    is a path, which is its user's word.
    """
    verb, _, remainder = action.partition(" ")
    _, separator, item_id = remainder.rpartition(" as ")
    return item_id if verb == QUARANTINE_VERB and separator and ITEM_ID.fullmatch(item_id) else ""

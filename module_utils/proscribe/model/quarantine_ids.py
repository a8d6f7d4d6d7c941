"""The ids of items in a quarantine, and the actions that name them. Hosts create the ids, and reports show them."""

from __future__ import annotations

from ..base.lazy_patterns import compile_pattern

# <service or kind>-<eight hexadecimal digits>: no `..` or `/` of a path, and no character that a shell interprets.
ITEM_ID = compile_pattern(r"[a-z][a-z0-9_]{0,63}-[0-9a-f]{8}")
QUARANTINE_VERB = "quarantine"  # the first word of actions that move an item into the quarantine
LIST, RESTORE, PRUNE = "list", "restore", "prune"  # the commands for a quarantine
DONE_WORDS = {RESTORE: "restored", PRUNE: "pruned"}
MAX_ITEMS = 10_000  # most items in a host's answer


def format_moved_suffix(item_id: str) -> str:
    """Return the end of an action's text about an item that was moved: `as <id>`.

    With this id an operator can restore the item.
    """
    return f"as {item_id}"


def parse_moved_id(action: str) -> str:
    """Return the id of the item that an action moved into the quarantine; "" for another action.

    The id is at the end of the action's text. The text before the id is a path, so users can choose that part.
    """
    verb, _, remainder = action.partition(" ")
    _, separator, item_id = remainder.rpartition(" as ")
    return item_id if verb == QUARANTINE_VERB and separator and ITEM_ID.fullmatch(item_id) else ""

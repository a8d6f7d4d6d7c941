"""Readers of policies that anybody may have written: a value of a type that browsers do not accept counts as absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ...model.plan import format_canonical

if TYPE_CHECKING:
    from typing import TypeGuard

    Policies = Mapping[str, object]  # by name, with values as JSON has them


def read_table(table: Policies, key: str) -> dict[str, object]:
    """Return the table under a key, or an empty table for a value of another type."""
    entry = table.get(key)
    return entry if isinstance(entry, dict) else {}


def read_list(table: Policies, key: str) -> list[object]:
    """Return the list under a key, or an empty list for a value of another type."""
    entry = table.get(key)
    return entry if isinstance(entry, list) else []


def is_same_json(first: object, second: object) -> bool:
    """Return whether two JSON values are equal, in any order of their keys.

    Python's `==` is not enough: in Python, 1 equals true.
    """
    return format_canonical(first) == format_canonical(second)


def is_text_list(entries: object) -> TypeGuard[list[str]]:
    """Return whether a value is a list of texts only. Chromium ignores a list with any other entry."""
    return isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)


def make_distinct_entries(entries: list[object]) -> list[object]:
    """Return the entries of a list without repetitions, in their order."""
    # The key of an entry that is no text is a tuple, so that it never equals the key of a text.
    return list({entry if isinstance(entry, str) else (format_canonical(entry),): entry for entry in entries}.values())


def find_missing_entries(required: list[object], entries: list[object]) -> list[object]:
    """Return the entries of `required` that the list `entries` does not have."""
    present_entries = set(map(format_canonical, entries))
    return [entry for entry in required if format_canonical(entry) not in present_entries]

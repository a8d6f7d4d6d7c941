"""Parts of policies that anybody may have written: what is of another type than browsers take counts as nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ...model.plan import format_canonical

if TYPE_CHECKING:
    from typing import TypeGuard

    Policies = Mapping[str, object]  # by name, with values as JSON has them


def table_in(table: Policies, key: str) -> dict[str, object]:
    """A table in a table."""
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def list_in(table: Policies, key: str) -> list[object]:
    """A list in a table."""
    value = table.get(key)
    return value if isinstance(value, list) else []


def same(one: object, other: object) -> bool:
    """Whether two JSON values are the same, whatever the order of their keys (to Python alone, 1 is true)."""
    return format_canonical(one) == format_canonical(other)


def all_texts(value: object) -> TypeGuard[list[str]]:
    """Whether a value is a list that Chromium takes for one of its lists of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def distinct_entries(entries: list[object]) -> list[object]:
    """Return each entry of a list once, in its order."""
    return list({one if isinstance(one, str) else (format_canonical(one),): one for one in entries}.values())


def missing_entries(required: list[object], entries: list[object]) -> list[object]:
    """Return the required entries that a list does not have."""
    present = set(map(format_canonical, entries))
    return [one for one in required if format_canonical(one) not in present]

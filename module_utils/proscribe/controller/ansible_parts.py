"""Parts of Ansible's objects with a private name and a public type: a release that renames one does not hide it."""

from __future__ import annotations

from typing import Any, TypeVar

Kind = TypeVar("Kind")


def part_of(whole: Any, name: str, kind: type[Kind]) -> Any:
    """The part of that name; without it, the first of that type, None for none."""
    if hasattr(whole, name):
        return getattr(whole, name)
    return next((value for value in getattr(whole, "__dict__", {}).values() if isinstance(value, kind)), None)


def identity(one: Any) -> str:
    """What distinguishes a task or a play from others of its run: its id, else its place."""
    return str(getattr(one, "_uuid", "") or one.get_path())

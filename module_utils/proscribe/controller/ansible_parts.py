"""Parts of Ansible's objects with a private name and a public type: a release that renames one does not hide it."""

from __future__ import annotations

from typing import Any, TypeVar

PartType = TypeVar("PartType")


def find_part(parent: Any, attribute: str, part_type: type[PartType]) -> Any:
    """The part of that name; without it, the first of that type, None for none."""
    if hasattr(parent, attribute):
        return getattr(parent, attribute)
    return next(
        (
            attribute_value
            for attribute_value in getattr(parent, "__dict__", {}).values()
            if isinstance(attribute_value, part_type)
        ),
        None,
    )


def identify_task(task: Any) -> str:
    """What distinguishes a task or a play from others of its run: its id, else its place."""
    return str(getattr(task, "_uuid", "") or task.get_path())

"""Access to parts of Ansible's objects by private name, or by public type if a release renames the attribute."""

from __future__ import annotations

from typing import Any, TypeVar

PartType = TypeVar("PartType")


def find_part(parent: Any, attribute: str, part_type: type[PartType]) -> Any:
    """Return the part with that name; without it the first part of that type, or None."""
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
    """Return a text that distinguishes a task or a play from others of its run: its id, else its place."""
    return str(getattr(task, "_uuid", "") or task.get_path())

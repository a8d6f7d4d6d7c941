"""Access to parts of Ansible's objects by private name, or by public type if a release renames the attribute."""

from __future__ import annotations

from typing import Any, TypeVar

PartType = TypeVar("PartType")


def find_part(parent: Any, attribute: str, part_type: type[PartType]) -> Any:
    """Return an attribute of one of Ansible's objects, which a release of Ansible may have renamed.

    If `parent` has no `attribute`, the result is the first attribute value of type `part_type`; None if there is none.
    """
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
    """Return a text that distinguishes a task or a play from the others of its run.

    This is Ansible's id of the task; for a task without an id, its file and line.
    """
    return str(getattr(task, "_uuid", "") or task.get_path())

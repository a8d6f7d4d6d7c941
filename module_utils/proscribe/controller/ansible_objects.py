"""Access to parts of Ansible's objects by their public types, because the names of the attributes are private."""

from __future__ import annotations

from typing import Any, TypeVar

PartType = TypeVar("PartType")


def find_part(parent: Any, part_type: type[PartType]) -> Any:
    """Return the first attribute value of type `part_type` of one of Ansible's objects; None if there is none.

    The attribute's name is private to Ansible, and a release may rename it. The type is public.
    """
    parts = getattr(parent, "__dict__", {}).values()
    return next((part for part in parts if isinstance(part, part_type)), None)


def identify_task(task: Any) -> str:
    """Return a text that distinguishes a task or a play from the others of its run.

    This is Ansible's id of the task; for a task without an id, its file and line.
    """
    return str(getattr(task, "_uuid", "") or task.get_path())

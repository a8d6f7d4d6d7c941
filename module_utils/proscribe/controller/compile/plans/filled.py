"""Parts of a plan have no key that is empty."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

Part = TypeVar("Part", bound=Mapping[str, object])


def filled(part: Part, always: Collection[str] = ()) -> Part:
    """A part without the keys that are empty, but for those that are `always` there."""
    made: Any = {key: value for key, value in part.items() if value or key in always}
    return made  # type: ignore[no-any-return]

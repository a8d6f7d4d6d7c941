"""Python source as ruff writes it."""

from __future__ import annotations

from collections.abc import Sequence


def as_text(value: str) -> str:
    """A text as ruff writes it."""
    written = repr(value)
    return written if '"' in value or written[0] == '"' else f'"{written[1:-1]}"'


def as_tuple(texts: Sequence[str]) -> list[str]:
    """An argument that is a tuple, as ruff writes it."""
    if len(texts) == 1:
        return [f"        ({as_text(texts[0])},),"]
    return ["        (", *(f"            {as_text(one)}," for one in texts), "        ),"]

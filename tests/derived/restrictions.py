"""The table of all variables, in docs/restrictions.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proscribe.compile.restrictions import RESTRICTIONS

from .part import Part, table


def written(value: Any) -> str:
    """A value as YAML has it on one line, as people write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return '""' if value == "" else str(value)


def variables() -> str:
    return table(
        ("variable", "default", "meaning"),
        ((f"`proscribe_{name}`", f"`{written(one.default)}`", one.meaning) for name, one in RESTRICTIONS.items()),
    )


DERIVED = (Part("docs/restrictions.md", variables, "variables"),)

"""The table of all variables, in docs/restrictions.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proscribe.compile.restrictions import RESTRICTIONS

from .part import Part


def written(value: Any) -> str:
    """A value as YAML has it on one line, as people write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


def table() -> str:
    rows = (f"| `proscribe_{name}` | `{written(one.default)}` | {one.meaning} |" for name, one in RESTRICTIONS.items())
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


DERIVED = (Part("docs/restrictions.md", table, "variables"),)

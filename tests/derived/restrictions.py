"""The table of all variables, in docs/restrictions.md, and their entries in what roles say that they take."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from proscribe.controller.compile.restrictions import RESTRICTIONS
from proscribe.controller.report.collection.plays import ENFORCING

from .part import OPTIONS, Part, table

LINE = 110  # characters


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


def options() -> str:
    """For `options` of an entry point. Their values are of type `raw`: the compiler reads them, and says where a wrong
    one was written.
    """
    lines = []
    for name, one in RESTRICTIONS.items():
        meaning = textwrap.wrap(one.meaning, LINE, break_on_hyphens=False, break_long_words=False)
        lines += [f"proscribe_{name}:", "  description: >-", *(f"    {line}" for line in meaning), "  type: raw"]
        lines += [f"  default: {json.dumps(one.default)}"] if one.default is not None else []
    return "".join(f"{OPTIONS}{line}\n" for line in lines)


ROLES = ("compliance", "drift_schedule", *ENFORCING)
DERIVED = (
    Part("docs/restrictions.md", variables, "variables"),
    *(Part(f"roles/{role}/meta/argument_specs.yml", options, "variables") for role in ROLES),
)

"""JSON on a host, where the module json is loaded only for what needs it: with the regular expressions that it loads in
its turn, it is a tenth of what an observation costs.
"""

from __future__ import annotations

from typing import Any

MANY = 1000  # items, which the module writes faster, with what it costs to load it


def from_json(text: str | bytes, **options: Any) -> Any:
    """What `json.loads` makes of a text. Raises ValueError."""
    import json

    return json.loads(text, **options)


def to_json(value: Any, **options: Any) -> str:
    """What `json.dumps` makes of a value."""
    import json

    return json.dumps(value, **options)


def written(value: Any) -> str:
    """As `to_json`, which is asked only for what is not plain: nearly all that is said is."""
    kind = type(value)
    if kind is str and value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    if kind is int:
        return str(value)
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if (kind is list or kind is tuple) and len(value) < MANY:
        return "[" + ", ".join(map(written, value)) + "]"
    if kind is dict and len(value) < MANY and all(type(key) is str for key in value):
        return "{" + ", ".join([f"{written(key)}: {written(item)}" for key, item in value.items()]) + "}"
    return to_json(value)

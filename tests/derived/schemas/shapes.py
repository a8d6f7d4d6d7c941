"""The shapes that JSON Schemas are put together from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from proscribe.model.finding import STATES
from proscribe.model.plan import CONTROLS
from proscribe.model.quarantined import ID

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
FLAG: Shape = {"type": "boolean"}
COUNT: Shape = {"type": "integer", "minimum": 0}
SOME: Shape = {"type": "integer", "minimum": 1}
TIME: Shape = {"type": "string", "format": "date-time"}
DAY: Shape = {"type": "string", "format": "date"}
ANYTHING: Shape = {"type": "object"}


def one_of(words: Collection[str | None]) -> Shape:
    """One of a few words; None is null."""
    return {"enum": list(words)}


STATE = one_of(STATES)
CONTROL = one_of(CONTROLS)


def matching(pattern: re.Pattern[str]) -> Shape:
    """A text that is all of it as the code's own pattern has it, in the words of ECMA 262."""
    # Python's \Z, and its fullmatch, have the end of the text where a schema has $.
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$".replace(r"\Z", "$")}


QUARANTINE_ID: Shape = matching(ID)


def about(shape: Shape, description: str) -> Shape:
    """The shape with what it means."""
    return {**shape, "description": description}


def maybe(shape: Shape) -> Shape:
    """The shape, or null."""
    if "enum" in shape:
        return {**shape, "enum": [*shape["enum"], None]}
    return {**shape, "type": [shape["type"], "null"]}


def listed(item: Shape, least: int = 0) -> Shape:
    """A list of such items."""
    return {"type": "array", "items": item, **({"minItems": least} if least else {})}


TEXTS = listed(TEXT)


def by(values: Shape, names: Shape | None = None) -> Shape:
    """A mapping with such values, and such names."""
    return {"type": "object", **({"propertyNames": names} if names else {}), "additionalProperties": values}


def keyed(
    properties: Mapping[str, Shape], optional: Collection[str] = (), required: Collection[str] | None = None
) -> Shape:
    """A mapping with these keys, of which all but the optional ones are required, or those that are named."""
    needed = [key for key in properties if key not in optional] if required is None else list(required)
    return {"type": "object", "properties": dict(properties), **({"required": needed} if needed else {})}


def made(
    example: Collection[str],
    properties: Mapping[str, Shape],
    optional: Collection[str] = (),
    required: Collection[str] | None = None,
) -> Shape:
    """As `keyed`, of what code makes: `example` has the keys of one that it made, all but the optional ones. Raises
    ValueError for a key that only one of both has, so that no key is left undescribed.
    """
    if different := set(example) ^ (properties.keys() - set(optional)):
        raise ValueError(f"either the code or its schema lacks {', '.join(sorted(different))}")
    return keyed({key: properties[key] for key in (*example, *optional)}, optional, required)


def shut(shape: Shape) -> Shape:
    """The mapping without room for other keys."""
    return {**shape, "additionalProperties": False}

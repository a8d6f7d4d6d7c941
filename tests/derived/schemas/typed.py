"""The JSON Schema of a TypedDict of `model/types`: its keys, and what `Annotated` says of them."""

import types
from typing import Annotated, NotRequired, Union, get_args, get_origin

from proscribe.base.typed_dict import TypedDict
from proscribe.model.types.annotations import UNDOCUMENTED_KEY, SchemaKeywords
from proscribe.wire.answers.typed_reader import find_optional_keys, read_hints, split_hint

from .shapes import by, keyed, listed, matching, maybe

NULL = {"type": "null"}
SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", type(None): "null"}


def keys_of(kind):
    """The keys of a TypedDict that a document has, each with its type."""
    return {key: hint for key, hint in read_hints(kind).items() if UNDOCUMENTED_KEY not in split_hint(hint)[1]}


def shape_of(hint):
    origin, parts = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return shape_of(parts[0])
    if origin is Annotated:
        return _noted(parts[0], parts[1:])
    if isinstance(hint, type) and issubclass(hint, TypedDict):
        return _keyed(hint)
    if origin in (Union, types.UnionType):
        return _either([shape_of(part) for part in parts])
    if origin is list:
        return listed(shape_of(parts[0]))
    if origin is dict:
        names, values = map(shape_of, parts)
        return by(values, names if names.keys() != {"type"} else None)
    return {"type": SCALARS[hint]}


def _keyed(kind):
    keys, optional = keys_of(kind), find_optional_keys(kind)
    return keyed(
        {key: shape_of(hint) for key, hint in keys.items()}, required=[key for key in keys if key not in optional]
    )


def _either(shapes):
    given = [shape for shape in shapes if shape != NULL]
    shape = given[0] if len(given) == 1 else {"type": [one["type"] for one in given]}
    return maybe(shape) if len(given) < len(shapes) else shape


def _noted(hint, notes):
    shape = shape_of(next((note for note in notes if isinstance(note, type)), hint))
    for note in notes:
        if isinstance(note, str):
            shape["description"] = note
        elif isinstance(note, SchemaKeywords):
            shape |= {keyword: _plain(value) for keyword, value in note.keywords.items()}
    if {"const", "enum"} & shape.keys():
        shape.pop("type", None)
    return shape


def _plain(value):
    if hasattr(value, "pattern"):
        return matching(value)["pattern"]
    return list(value) if isinstance(value, tuple) else value

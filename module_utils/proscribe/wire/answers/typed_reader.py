"""Readers of hosts' answers, made from the types of model/types: their keys, their kinds of text and their limits.

A reader copies only the keys of its type. Keys with the mark CONTROLLER_KEY are left out. A text without a kind has no
reader, so its type has to name one. Readers are made at their first use.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints

from ...model import quarantine_ids, vocabulary
from ...model.types import annotations as value_types
from ...model.types.annotations import CONTROLLER_KEY, AnswerKeywords
from .value_readers import (
    MAX_COUNT,
    MAX_LIST_ITEMS,
    UnusableAnswer,
    quote_content,
    read_choice,
    read_count,
    read_flag,
    read_line,
    read_lines,
    read_list,
    read_moment,
    read_name,
    require_list,
    require_mapping,
)

# What the types import for type checkers only.
NAMES = {"Annotated": Annotated, "NotRequired": NotRequired, **vars(quarantine_ids), **vars(vocabulary)}
NAMES |= vars(value_types)
TEXT_READERS = {"line": read_line, "name": read_name, "lines": read_lines}

Reader = Callable[[Any], Any]
_Field = tuple[str, Reader, object, bool]  # a key, the reader of its value, its default value, whether it is optional


def read_typed(kind: type, content: object, label: str, prefix: str = "") -> Any:
    """Read a mapping with the keys of a TypedDict: first the required keys, then the others.

    `label` names the mapping in errors, `prefix` precedes the names of its keys. Raises UnusableAnswer.
    """
    return _make_mapping_reader(kind, label, prefix)(content)


def read_keys(kind: type, answer: Mapping[Any, Any], *keys: str) -> Any:
    """Read only these keys of a TypedDict, without the optional keys that the answer lacks.

    Raises UnusableAnswer.
    """
    fields = _make_fields(kind, keys)
    return {
        key: read(answer.get(key, default))
        for key, read, default, is_optional in fields
        if not is_optional or key in answer
    }


@functools.cache
def read_hints(kind: type) -> dict[str, Any]:
    """Return the type of each key of a TypedDict, with all that `Annotated` says of it."""
    return get_type_hints(kind, localns=NAMES, include_extras=True)


def split_hint(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without NotRequired and Annotated, and the annotations."""
    if get_origin(hint) is NotRequired:
        (hint,) = get_args(hint)
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


def find_optional_keys(kind: type) -> set[str]:
    """Return the keys that a document with this TypedDict may lack."""
    optional_keys = {key for key, hint in read_hints(kind).items() if get_origin(hint) is NotRequired}
    for base in kind.__mro__:
        optional_keys |= {
            key for key in base.__dict__.get("__annotations__", ()) if not getattr(base, "__total__", True)
        }
    return optional_keys


@functools.cache
def _make_fields(kind: type, keys: Iterable[str], prefix: str = "") -> list[_Field]:
    """Return the fields of these keys of a TypedDict. `prefix` precedes the names of the keys in errors."""
    hints, optional_keys, fields = read_hints(kind), find_optional_keys(kind), []
    for key in keys:
        keywords = _merge_keywords(split_hint(hints[key])[1])
        is_optional = "default" not in keywords and key in optional_keys
        fields.append((key, _make_reader(hints[key], prefix + key), keywords.get("default"), is_optional))
    return fields


@functools.cache
def _make_mapping_reader(kind: type, label: str, prefix: str) -> Reader:
    hints = read_hints(kind).items()
    keys = tuple(key for key, hint in hints if CONTROLLER_KEY not in split_hint(hint)[1])
    return _join_fields(_make_fields(kind, keys, prefix), label)


def _join_fields(fields: Iterable[_Field], label: str) -> Reader:
    required_fields = [(key, read, default) for key, read, default, is_optional in fields if not is_optional]
    optional_fields = [(key, read) for key, read, _, is_optional in fields if is_optional]

    def read_mapping(content: object) -> dict[str, Any]:
        find = require_mapping(content, label).get
        values = {key: read(find(key, default)) for key, read, default in required_fields}
        for key, read in optional_fields:
            if (entry := find(key)) is not None:
                values[key] = read(entry)
        return values

    return read_mapping


def _merge_keywords(notes: Iterable[Any]) -> dict[str, Any]:
    """Return the keywords of a type's annotations. The last one counts."""
    keyword_notes = (note for note in notes if isinstance(note, AnswerKeywords))
    return {key: value for note in keyword_notes for key, value in note.keywords.items()}


def _make_reader(hint: Any, label: str, prefix: str | None = None) -> Reader:
    """Return the reader of a value. `prefix` precedes the names of a mapping's keys in errors."""
    hint, notes = split_hint(hint)
    keywords = _merge_keywords(notes)
    label = keywords.get("label", label)
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        (part,) = (part for part in parts if part is not NoneType)
        read = _make_reader(part, label)
        return (lambda content: None if content is None else read(content)) if keywords.get("nullable", True) else read
    if origin is list:
        return _make_list_reader(parts[0], label, keywords)
    if origin is dict:
        return _make_dict_reader(parts[0], parts[1], label, keywords)
    if hasattr(origin, "__total__"):
        return _make_mapping_reader(origin, label, f"{label}." if prefix is None else prefix)
    if origin is bool:
        return lambda content: read_flag(content, label)
    if origin is int:
        # Most numbers pass this check, which costs less than the reader.
        return lambda content: (
            content if type(content) is int and 0 <= content <= MAX_COUNT else read_count(content, label)
        )
    return _make_text_reader(label, keywords)


def _make_list_reader(item: Any, label: str, keywords: Mapping[str, Any]) -> Reader:
    """Return the reader of a list. If it may be cut, mappings beyond its limit are not read, as they cost more."""
    read = _make_reader(item, keywords.get("item", label), "")
    max_items = keywords.get("maxItems", MAX_LIST_ITEMS)
    if not keywords.get("is_cut"):
        return lambda content: [read(entry) for entry in require_list(content, label, max_items)]
    if hasattr(split_hint(item)[0], "__total__"):
        return lambda content: [read(entry) for entry in require_list(content, label)[:max_items]]
    return lambda content: read_list(read, content, label)[:max_items]


def _make_dict_reader(key: Any, value: Any, label: str, keywords: Mapping[str, Any]) -> Reader:
    """Return the reader of a mapping with any keys, or with those in the keyword `properties`."""
    if "properties" in keywords:
        fields = [(name, _make_reader(value, name), None, True) for name in keywords["properties"]]
        return _join_fields(fields, label)
    read_key, read_value = _make_reader(key, label), _make_reader(value, label)
    max_keys = keywords.get("maxProperties", MAX_LIST_ITEMS)
    return lambda content: {
        read_key(name): read_value(entry) for name, entry in require_mapping(content, label, max_keys).items()
    }


def _make_text_reader(label: str, keywords: Mapping[str, Any]) -> Reader:
    """Return the reader of a text: a constant, a word, a time, or a text of a kind or pattern."""
    noun, pattern = keywords.get("noun", label), keywords.get("pattern")
    if "const" in keywords:
        return functools.partial(_read_constant, keywords["const"], label)
    if "enum" in keywords:
        words = keywords["enum"]
        return lambda content: (
            content if type(content) is str and content in words else read_choice(content, words, noun)
        )
    if "format" in keywords:
        return lambda content: read_moment(content, label)
    if "text" in keywords:
        read = _make_kind_reader(TEXT_READERS[keywords["text"]], label, keywords["maxLength"])
        return read if pattern is None else lambda content: _read_matching(read(content), pattern, noun)
    return functools.partial(_read_matching, pattern=keywords["pattern"], noun=noun)


def _make_kind_reader(read: Callable[[object, str, int], str], label: str, max_length: int) -> Reader:
    def read_text(content: object) -> str:
        # Most texts are short and printable, which every reader returns as they are.
        if type(content) is str and len(content) <= max_length and content.isprintable():
            return content
        return read(content, label, max_length)

    return read_text


def _read_constant(constant: str, label: str, content: object) -> str:
    if content != constant:
        raise UnusableAnswer(f"{label} is {quote_content(content)}, expected {constant!r}")
    return constant


def _read_matching(content: object, pattern: re.Pattern[str], noun: str) -> str:
    if not isinstance(content, str) or not pattern.fullmatch(content):
        raise UnusableAnswer(f"{quote_content(content)} is no {noun}")
    return str(content)

"""Schemas for the YAML files that people write: a text, a list, or a mapping with known keys.

Also functions that read texts from data that may have mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...policy_errors import (
    MAX_VALUE_LENGTH,
    PolicyError,
    PolicyErrors,
    describe_known_key,
    propose_similar_names,
)
from .grammar import Check
from .yaml_file import Document, KeyPath, read_yaml

Mistake = tuple[KeyPath, object, str]  # the path to a value, the value, and what was expected


class KeySchema(Protocol):
    """Interface of a schema: `check` yields each mistake in the value of a key."""

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]: ...


@dataclass(frozen=True)
class TextSchema:
    """A schema for a single text."""

    text_check: Check

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield a mistake for a value that is no text, or that `text_check` refuses."""
        if not isinstance(data, str):
            expected = self.text_check("")
            yield path, data, f"one text: {expected}" if expected else "one text"
        elif expected := self.text_check(data):
            yield path, data, expected


@dataclass(frozen=True)
class OptionalSchema:
    """A schema for a key that may be without a value. YAML reads `key:` as an empty text."""

    schema: KeySchema
    empty_values: Sequence[object] = ("",)

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield the mistakes of a value that is not empty."""
        if data not in self.empty_values:
            yield from self.schema.check(data, path)


@dataclass(frozen=True)
class ListSchema:
    """A schema for a list of texts or mappings that has at least `min_items` (0 or 1), and duplicates if allowed."""

    item_schema: KeySchema
    min_items: int = 1
    has_unique_items: bool = True

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield a mistake for a value that is no list or too short, and for each invalid or duplicate item."""
        if not isinstance(data, list) or len(data) < self.min_items:
            # A whole file is not repeated, because it may be secret, and no long text is.
            if isinstance(data, str) and path and 0 < len(data) <= MAX_VALUE_LENGTH:
                yield path, data, f"a list, such as [{data}]"
            elif self.min_items:
                yield path, data, "a list with at least one item (leave the key out where there is none)"
            else:
                yield path, data, "a list"
            return
        fingerprints: set[str] = set()
        for index, element in enumerate(data):
            yield from self.item_schema.check(element, (*path, index))
            if self.has_unique_items:
                fingerprint = element if isinstance(element, str) else json.dumps(element, sort_keys=True)
                if fingerprint in fingerprints:
                    yield (*path, index), element, "every item once; this one is a duplicate"
                fingerprints.add(fingerprint)


@dataclass(frozen=True)
class GroupSchema:
    """A schema for a mapping with known keys. The keys in `required` must be present and have a value.

    If the keys are names of the inventory or answers, `key_description` says what they are. Then messages do not list
    the names, and the mapping may be empty.
    """

    keys: Mapping[str, KeySchema]
    required: Sequence[str] = ()
    key_description: str = ""

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield a mistake for a value that is no mapping or empty, and for missing, unknown or invalid keys."""
        if not isinstance(data, dict) or not (data or self.key_description):
            problem = "at least one key out of" if data == {} else "a mapping with keys out of"
            names = f"a mapping; each key is {self.key_description}" if self.key_description else ""
            yield path, data, names or f"{problem} {', '.join(self.keys)}"
            return
        for key in self.required:
            if data.get(key) in (None, ""):
                yield (*path, key), None, "a value: this key is required"
        for key, child in data.items():
            if key not in self.keys:
                description = self.key_description and self.key_description + propose_similar_names(key, self.keys)
                yield (*path, key), key, description or describe_known_key(key, self.keys)
            elif child != "" or key not in self.required:
                yield from self.keys[key].check(child, (*path, key))


def read_document(path: Path, schema: KeySchema) -> Document:
    """Read a YAML file that fits a schema. Raises PolicyErrors with every mistake."""
    try:
        document = read_yaml(path)
    except PolicyError as error:
        raise PolicyErrors([error]) from None
    if mistakes := list(schema.check(document.data, ())):
        raise PolicyErrors(document.make_error(*mistake) for mistake in mistakes)
    return document


def get_key_list(entry: Mapping[str, object], key: str) -> Sequence[object]:
    """Return the list at a key of `entry`; () if the key is missing or its value is no list.

    The schema of the key reports such a value.
    """
    content = entry.get(key)
    return content if isinstance(content, list | tuple) else ()


def get_key_texts(entry: Mapping[str, object], key: str) -> list[str]:
    """Return the texts in the list at a key of `entry`, without items of other types.

    Such items are mistakes, which the schema of the key reports.
    """
    return [text for text in get_key_list(entry, key) if isinstance(text, str)]

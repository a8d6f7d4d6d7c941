"""Schemas for the keys of a YAML file: a text, a list, or a mapping with known keys.

Also functions that read lists of texts from data that may have mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...policy_errors import propose_similar_names
from ..reading.grammar import Check
from ..reading.yaml_file import KeyPath

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
            yield path, data, "one text"
        elif expected := self.text_check(data):
            yield path, data, expected


@dataclass(frozen=True)
class ListSchema:
    """A schema for a list of texts or mappings that has at least one item and no duplicates."""

    item_schema: KeySchema

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield a mistake for a value that is no list or empty, and for each invalid or duplicate item."""
        if not isinstance(data, list) or not data:
            yield path, data, "a list with at least one item (leave the key out where there is none)"
            return
        fingerprints: set[str] = set()
        for index, element in enumerate(data):
            yield from self.item_schema.check(element, (*path, index))
            fingerprint = element if isinstance(element, str) else json.dumps(element, sort_keys=True)
            if fingerprint in fingerprints:
                yield (*path, index), element, "every item once; this one is a duplicate"
            fingerprints.add(fingerprint)


@dataclass(frozen=True)
class GroupSchema:
    """A schema for a mapping with known keys. The keys in `required` must be present."""

    keys: Mapping[str, KeySchema]
    required: Sequence[str] = ()

    def check(self, data: object, path: KeyPath) -> Iterator[Mistake]:
        """Yield a mistake for a value that is no mapping or empty, and for missing, unknown or invalid keys."""
        if not isinstance(data, dict) or not data:
            problem = "at least one key out of" if data == {} else "a mapping with keys out of"
            yield path, data, f"{problem} {', '.join(self.keys)}"
            return
        for key in self.required:
            if key not in data:
                yield (*path, key), None, "a value: this key is required"
        for key, child in data.items():
            if key in self.keys:
                yield from self.keys[key].check(child, (*path, key))
            else:
                hint = propose_similar_names(key, self.keys) or f", one of {', '.join(self.keys)}"
                yield (*path, key), key, f"a known key{hint}"


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

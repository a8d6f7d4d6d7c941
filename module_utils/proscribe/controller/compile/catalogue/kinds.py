"""What the keys of a file hold: one text, a list, or a mapping with known keys; and the reading of lists in these."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...policy_errors import close_to
from ..reading.grammar import Check
from ..reading.yaml_file import KeyPath

Mistake = tuple[KeyPath, object, str]  # the path to a value, the value, and what was expected


class Kind(Protocol):
    """What a key holds."""

    def check(self, value: object, path: KeyPath) -> Iterator[Mistake]: ...


@dataclass(frozen=True)
class Text:
    """One text."""

    well_formed: Check

    def check(self, value: object, path: KeyPath) -> Iterator[Mistake]:
        if not isinstance(value, str):
            yield path, value, "one text"
        elif expected := self.well_formed(value):
            yield path, value, expected


@dataclass(frozen=True)
class Listed:
    """A list of texts or groups, at least one, none twice."""

    item: Kind

    def check(self, value: object, path: KeyPath) -> Iterator[Mistake]:
        if not isinstance(value, list) or not value:
            yield path, value, "a list with at least one item (leave the key out where there is none)"
            return
        seen: set[str] = set()
        for index, item in enumerate(value):
            yield from self.item.check(item, (*path, index))
            known = item if isinstance(item, str) else json.dumps(item, sort_keys=True)
            if known in seen:
                yield (*path, index), item, "every item once; this one is a duplicate"
            seen.add(known)


@dataclass(frozen=True)
class Group:
    """A mapping with known keys."""

    keys: Mapping[str, Kind]
    required: Sequence[str] = ()

    def check(self, value: object, path: KeyPath) -> Iterator[Mistake]:
        if not isinstance(value, dict) or not value:
            content = "at least one key out of" if value == {} else "a mapping with keys out of"
            yield path, value, f"{content} {', '.join(self.keys)}"
            return
        for key in self.required:
            if key not in value:
                yield (*path, key), None, "a value: this key is required"
        for key, item in value.items():
            if key in self.keys:
                yield from self.keys[key].check(item, (*path, key))
            else:
                known = close_to(key, self.keys) or f", one of {', '.join(self.keys)}"
                yield (*path, key), key, f"a known key{known}"


def listed(entry: Mapping[str, object], key: str) -> Sequence[object]:
    """The list of a key, empty where there is none; what is no list is a mistake that its kind reports."""
    value = entry.get(key)
    return value if isinstance(value, list | tuple) else ()


def texts(entry: Mapping[str, object], key: str) -> list[str]:
    """The texts in the list of a key, of an entry that may have mistakes."""
    return [one for one in listed(entry, key) if isinstance(one, str)]

"""What an organisation changes in an entry of the catalogue, without a service of its own.

`<directory>/amends/<service id>.yml` adds values, removes values, and accepts values that the entry has under
`unverified`. The entry keeps its id, so waivers, reports and history go on. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...policy_errors import PolicyError, close_to
from ..reading.yaml_file import Document, KeyPath
from .kinds import Mistake
from .schema import amendable

FOLDER = "amends"
# Keys of an amendment that take the place of the entry's own.
REPLACED = ("audience", "enforce", "programs", "checked", "networks_checked", "networks_note", "checked_accepted")

# Where values come from that the entry's own file does not have: (list, value) -> the file and the place in it.
Origins = dict[tuple[KeyPath, str], tuple[Document, KeyPath]]


class Amended(NamedTuple):
    """An entry with an amendment applied: its data, and where its new values come from."""

    data: dict[str, object]
    origins: Origins


def amended(entry: Mapping[str, object], origins: Origins, document: Document) -> tuple[Amended, list[Mistake]]:
    """Apply a well-formed amendment to an entry with the `origins` of earlier ones. A mistake is about the
    amendment: path in it, value, expected.
    """
    amendment = document.data
    data = copy.deepcopy(dict(entry))
    origins = dict(origins)
    mistakes: list[Mistake] = []
    for path, index, value in _values(amendment.get("accept", {})):
        candidates = _at(data, ("unverified", *path))
        if value in candidates:
            candidates.remove(value)
            _add(data, path, value)
            origins[path, value] = document, ("accept", *path, index)
        else:
            expected = f"a value that {entry['id']} has under unverified{close_to(value, candidates)}"
            mistakes.append((("accept", *path, index), value, expected))
    for path, index, value in _values(amendment.get("add", {})):
        if value in _at(data, path):
            mistakes.append((("add", *path, index), value, f"a value that {entry['id']} does not have yet"))
        elif value in _at(data, ("unverified", *path)):
            mistakes.append((("add", *path, index), value, f"it under accept: {entry['id']} has it under unverified"))
        else:
            _add(data, path, value)
            origins[path, value] = document, ("add", *path, index)
    for path, index, value in _values(amendment.get("remove", {})):
        present = _at(data, path)
        if value in present:
            present.remove(value)
            origins.pop((path, value), None)
        else:
            expected = f"a value that {entry['id']} has{close_to(value, present)}"
            mistakes.append((("remove", *path, index), value, expected))
    data.update({key: amendment[key] for key in REPLACED if key in amendment})
    if "decided" in amendment:
        data["decided"] = [*_at(data, ("decided",)), *amendment["decided"]]
    if "compared" in amendment:  # the newest of each publisher
        items: list[Any] = [*_at(data, ("compared",)), *amendment["compared"]]
        data["compared"] = list({item["with"]: item for item in items}.values())
    data["sources"] = list(dict.fromkeys([*_at(data, ("sources",)), *amendment["sources"]]))
    return Amended(_pruned(data), origins), mistakes


def placed(mistake: Mistake, document: Document, place: KeyPath, origins: Origins) -> PolicyError:
    """A mistake of an amended entry, where it was made: in the amendment that brought the value, or else in the entry,
    which is at `place` of its document.
    """
    path, value, expected = mistake
    if isinstance(value, str) and (path[:-1], value) in origins:
        document, place, path = *origins[path[:-1], value], ()
    return document.error((*place, *path), value, expected)


def _values(group: Mapping[str, object], path: KeyPath = ()) -> Iterator[tuple[KeyPath, int, str]]:
    """The list, the index and the value of each value of a part of an amendment."""
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _values(value, (*path, key))
        elif isinstance(value, list):
            yield from (((*path, key), index, item) for index, item in enumerate(value))


def _at(data: Mapping[str, object], path: KeyPath) -> list[str]:
    """The list at a path; an empty one where there is none."""
    found: object = data
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []


def _add(data: dict[str, object], path: KeyPath, value: str) -> None:
    *above, last = map(str, path)
    for key in above:
        inner = data.get(key)
        inner = data[key] = inner if isinstance(inner, dict) else {}
        data = inner
    data[last] = [*_at(data, (last,)), value]


def _pruned(data: dict[str, object]) -> dict[str, object]:
    """Without the lists and groups of an entry that have become empty: a key says that there is something."""
    return {key: full for key, value in data.items() if (full := _full(value)) not in ([], {}) or not amendable(key)}


def _full(value: object) -> object:
    """A value without the empty lists and groups in it."""
    if not isinstance(value, dict):
        return value
    return {key: full for key, one in value.items() if (full := _full(one)) not in ([], {})}

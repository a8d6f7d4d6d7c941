"""Amendments: an organisation's changes to an entry of the catalogue.

`<directory>/amends/<service id>.yml` adds values and removes values. It also accepts values that the entry has under
`unverified`. The entry keeps its id, so its waivers, reports and history continue. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...policy_errors import PolicyError, propose_similar_names
from ..reading.document_schema import Mistake
from ..reading.yaml_file import Document, KeyPath
from .schema import is_amendable

FOLDER = "amends"
# Keys of an amendment whose value replaces the value in the catalogue's entry.
REPLACED_KEYS = ("audience", "enforce", "programs", "checked", "networks_checked", "networks_note", "checked_accepted")

# Sources of the values that amendments brought: (path of the list, value) -> (document, path in the document).
Origins = dict[tuple[KeyPath, str], tuple[Document, KeyPath]]


class AmendedEntry(NamedTuple):
    """An entry with an amendment applied: its data, and the origins of its new values."""

    data: dict[str, object]
    origins: Origins


def apply_amendment(
    entry: Mapping[str, object], origins: Origins, document: Document
) -> tuple[AmendedEntry, list[Mistake]]:
    """Apply a well-formed amendment (`document`) to an entry, and return the amended entry and the mistakes.

    `origins` has the sources of the values that earlier amendments added. A mistake is, for example, the removal of a
    value that the entry does not have. Its path leads into the amendment.
    """
    amendment = document.data
    data = copy.deepcopy(dict(entry))
    origins = dict(origins)
    mistakes: list[Mistake] = []
    for path, index, identifier in _iterate_values(amendment.get("accept", {})):
        candidates = _find_list(data, ("unverified", *path))
        if identifier in candidates:
            candidates.remove(identifier)
            _append_identifier(data, path, identifier)
            origins[path, identifier] = document, ("accept", *path, index)
        else:
            expected = f"a value that {entry['id']} has under unverified{propose_similar_names(identifier, candidates)}"
            mistakes.append((("accept", *path, index), identifier, expected))
    for path, index, identifier in _iterate_values(amendment.get("add", {})):
        if identifier in _find_list(data, path):
            mistakes.append((("add", *path, index), identifier, f"a value that {entry['id']} does not have yet"))
        elif identifier in _find_list(data, ("unverified", *path)):
            mistakes.append(
                (("add", *path, index), identifier, f"it under accept: {entry['id']} has it under unverified")
            )
        else:
            _append_identifier(data, path, identifier)
            origins[path, identifier] = document, ("add", *path, index)
    for path, index, identifier in _iterate_values(amendment.get("remove", {})):
        present_values = _find_list(data, path)
        if identifier in present_values:
            present_values.remove(identifier)
            origins.pop((path, identifier), None)
        else:
            expected = f"a value that {entry['id']} has{propose_similar_names(identifier, present_values)}"
            mistakes.append((("remove", *path, index), identifier, expected))
    data.update({key: amendment[key] for key in REPLACED_KEYS if key in amendment})
    if "decided" in amendment:
        data["decided"] = [*_find_list(data, ("decided",)), *amendment["decided"]]
    if "compared" in amendment:  # the newest comparison with each publisher
        comparisons: list[Any] = [*_find_list(data, ("compared",)), *amendment["compared"]]
        data["compared"] = list({comparison["with"]: comparison for comparison in comparisons}.values())
    data["sources"] = list(dict.fromkeys([*_find_list(data, ("sources",)), *amendment["sources"]]))
    return AmendedEntry(_drop_empty_keys(data), origins), mistakes


def locate_mistake(mistake: Mistake, document: Document, entry_path: KeyPath, origins: Origins) -> PolicyError:
    """Return a mistake of an amended entry as an error at the place that caused it.

    The place is in the amendment that added the value, if one did, and otherwise in the entry. `document` is the file
    of the entry, and `entry_path` leads to the entry in it.
    """
    path, bad_value, expected = mistake
    if isinstance(bad_value, str) and (path[:-1], bad_value) in origins:
        document, entry_path, path = *origins[path[:-1], bad_value], ()
    return document.make_error((*entry_path, *path), bad_value, expected)


def _iterate_values(group: Mapping[str, object], path: KeyPath = ()) -> Iterator[tuple[KeyPath, int, str]]:
    """Yield (path of its list, index in the list, value) for each value in a part of an amendment."""
    for key, content in group.items():
        if isinstance(content, dict):
            yield from _iterate_values(content, (*path, key))
        elif isinstance(content, list):
            yield from (((*path, key), index, identifier) for index, identifier in enumerate(content))


def _find_list(data: Mapping[str, object], path: KeyPath) -> list[str]:
    """Return the list at a path, or an empty list if the path has none."""
    content: object = data
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, list) else []


def _append_identifier(data: dict[str, object], path: KeyPath, identifier: str) -> None:
    """Append a value to the list at a path, and add the list and the mappings around it if they are missing."""
    *parent_keys, last_key = map(str, path)
    for key in parent_keys:
        child = data.get(key)
        child = data[key] = child if isinstance(child, dict) else {}
        data = child
    data[last_key] = [*_find_list(data, (last_key,)), identifier]


def _drop_empty_keys(data: dict[str, object]) -> dict[str, object]:
    """Return an entry without the lists and mappings that an amendment has emptied.

    Other keys stay, even if they are empty.
    """
    return {
        key: pruned
        for key, content in data.items()
        if (pruned := _remove_empty_parts(content)) not in ([], {}) or not is_amendable(key)
    }


def _remove_empty_parts(content: object) -> object:
    """Return a value without the empty lists and mappings in it."""
    if not isinstance(content, dict):
        return content
    return {key: pruned for key, part in content.items() if (pruned := _remove_empty_parts(part)) not in ([], {})}

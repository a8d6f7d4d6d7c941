"""Retired keys: keys of earlier versions that no code reads. A run ignores them and reports their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..reading.yaml_file import Document, KeyPath

RETIRED_KEYS = ("engine", "user_data")
MAX_PLACES_SHOWN = 5  # places in a warning


def remove_retired_keys(document: Document) -> Iterator[str]:
    """Remove the retired keys from a document.

    Yield the place of each: `path:line: key`.
    """
    for path in list(_remove_keys(document.data, ())):
        yield f"{document.describe_place(path)}: {path[-1]}"


def _remove_keys(data: object, path: KeyPath) -> Iterator[KeyPath]:
    """Remove the retired keys from a part of a file, and yield the path of each.

    Also remove a mapping that becomes empty by that.
    """
    if isinstance(data, list):
        for index, element in enumerate(data):
            yield from _remove_keys(element, (*path, index))
    elif isinstance(data, dict):
        for key, child in list(data.items()):
            if key in RETIRED_KEYS:
                del data[key]
                yield (*path, key)
                continue
            paths = list(_remove_keys(child, (*path, key)))
            yield from paths
            if paths and not child:
                del data[key]


def describe_retired_keys(places: Sequence[str]) -> str:
    """Return the warning of a run about retired keys; `places` is not empty."""
    more = f" and {len(places) - MAX_PLACES_SHOWN} more" if len(places) > MAX_PLACES_SHOWN else ""
    keys = " and ".join(RETIRED_KEYS)
    return (
        f"catalogue: nothing reads the keys {keys} any more, delete them: {', '.join(places[:MAX_PLACES_SHOWN])}{more}"
    )

"""Keys that entries of earlier versions have, and that nothing reads: they are passed over, and a run says where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..reading.yaml_file import Document, KeyPath

RETIRED_KEYS = ("engine", "user_data")
MAX_PLACES_SHOWN = 5  # places in a warning


def remove_retired_keys(document: Document) -> Iterator[str]:
    """Remove these keys from what a file holds; yields where each is."""
    for path in list(_remove_keys(document.data, ())):
        yield f"{document.describe_place(path)}: {path[-1]}"


def _remove_keys(data: object, path: KeyPath) -> Iterator[KeyPath]:
    """The paths to these keys in a part of a file. It is without them afterwards, and without groups of these alone."""
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
    """What a run says of such keys; there is at least one."""
    more = f" and {len(places) - MAX_PLACES_SHOWN} more" if len(places) > MAX_PLACES_SHOWN else ""
    keys = " and ".join(RETIRED_KEYS)
    return (
        f"catalogue: nothing reads the keys {keys} any more, delete them: {', '.join(places[:MAX_PLACES_SHOWN])}{more}"
    )

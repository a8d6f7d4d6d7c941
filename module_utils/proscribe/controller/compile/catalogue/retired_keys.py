"""Keys that entries of earlier versions have, and that nothing reads: they are passed over, and a run says where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..reading.yaml_file import Document, KeyPath

RETIRED = ("engine", "user_data")
MOST_NAMED = 5  # places in a warning


def removed(document: Document) -> Iterator[str]:
    """Remove these keys from what a file holds; yields where each is."""
    for path in list(_removed(document.data, ())):
        yield f"{document.place(path)}: {path[-1]}"


def _removed(data: object, path: KeyPath) -> Iterator[KeyPath]:
    """The paths to these keys in a part of a file. It is without them afterwards, and without groups of these alone."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _removed(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in list(data.items()):
            if key in RETIRED:
                del data[key]
                yield (*path, key)
                continue
            found = list(_removed(value, (*path, key)))
            yield from found
            if found and not value:
                del data[key]


def warning(places: Sequence[str]) -> str:
    """What a run says of such keys; there is at least one."""
    more = f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
    keys = " and ".join(RETIRED)
    return f"catalogue: nothing reads the keys {keys} any more, delete them: {', '.join(places[:MOST_NAMED])}{more}"

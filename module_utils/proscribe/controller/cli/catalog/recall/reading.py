"""Public lists out of a folder -> names; and fetched into it.

A list that cannot be read is named with the reason, never taken for an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ....report.text.wording import counted
from ..fetching import NotFetched, fetch
from ..files import write
from ..formats import FORMATS, Unreadable
from ..list_files import NotRead, over_https, texts
from ..public_lists import MOST_NAMES, Source, name_of


class Lists(NamedTuple):
    """What was read: the names of each list, each with its place in the list, and of the others the reason why not."""

    names: Mapping[str, Mapping[str, int]]
    missing: Mapping[str, str]


def read_lists(sources: Iterable[Source], folder: Path) -> Lists:
    """The lists that are in a folder."""
    names: dict[str, dict[str, int]] = {}
    missing: dict[str, str] = {}
    for source in sources:
        try:
            names[source.id] = _names(source, folder)
        except (NotRead, Unreadable) as error:
            missing[source.id] = str(error)
    for source in sources:
        if absent := [id_ for id_ in source.without if id_ not in names and source.id in names]:
            missing[source.id] = f"its names without those of {absent[0]} are not known: that list is missing"
            del names[source.id]
    by_id = {source.id: source for source in sources}
    left_out = {id_: {one for other in by_id[id_].without for one in names[other]} for id_ in names}
    cleared = {id_: {one: at for one, at in found.items() if one not in left_out[id_]} for id_, found in names.items()}
    return Lists(cleared, missing)


def _names(source: Source, folder: Path) -> dict[str, int]:
    """The names of a list, each with its first place. Raises NotRead, Unreadable."""
    found: dict[str, int] = {}
    for _, text in texts(source, folder):
        for part in source.named or ("",):
            for place, value in enumerate(FORMATS[source.format](text, part), 1):
                if name := name_of(value):
                    found.setdefault(name, place)
                    if len(found) > MOST_NAMES:
                        raise NotRead(f"it has more than {MOST_NAMES:,} names")
    if len(found) < source.least:
        raise NotRead(f"it has {counted(len(found), 'name')}, expected at least {source.least}")
    return found


def fetch_lists(sources: Iterable[Source], folder: Path, ca_file: str) -> Iterator[str]:
    """Fetch the lists that have an address into the folder; a line for each, with what was not fetched and why."""
    for source in sources:
        if not source.url:
            yield f"{source.id}: not fetched, it has no address; put it into {folder / source.folder}"
            continue
        try:
            fetched = sum(1 for _ in _fetch(source, folder, ca_file))
        except (NotFetched, NotRead) as error:
            yield f"{source.id}: not fetched: {error}"
        else:
            yield f"{source.id}: {counted(fetched, 'file')}"


def _fetch(source: Source, folder: Path, ca_file: str) -> Iterator[Path]:
    """Fetch the files of a list, each into its place. Raises NotFetched, NotRead."""
    for path, text in over_https(source, lambda url: fetch(url, ca_file).text):
        place = folder / source.folder / path
        # What a clone has there may be a link to anywhere.
        if not Path(os.path.realpath(place.parent)).is_relative_to(os.path.realpath(folder)):
            raise NotRead(f"{place.parent} leads out of {folder}")
        write(place, text)
        yield place

"""Reader of the public lists in a folder, and their download into this folder.

A list that cannot be read is reported with the reason, never treated as empty.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ....report.text.wording import format_count
from ..catalogue_files import write_catalogue_file
from ..download import FetchError, fetch_list
from ..list_files import ListReadError, fetch_texts, read_texts
from ..list_formats import FORMATS, ListFormatError
from ..public_lists import MAX_LIST_NAMES, PublicList, extract_host_name


class ListContents(NamedTuple):
    """The names of each list that was read, and for each other list the reason why it is missing."""

    names_by_list: Mapping[str, Mapping[str, int]]  # by list id: each name with its place in the list, from 1
    reasons_by_list: Mapping[str, str]  # by list id: the reason, as text


def read_lists(sources: Iterable[PublicList], folder: Path) -> ListContents:
    """Read public lists from the files in a folder, and remove from each list the names that it leaves out.

    A list leaves out the names of other lists (`without`). So a list is missing if one of these cannot be read.
    """
    names_by_list: dict[str, dict[str, int]] = {}
    reasons_by_list: dict[str, str] = {}
    for source in sources:
        try:
            names_by_list[source.id] = _read_names(source, folder)
        except (ListReadError, ListFormatError) as error:
            reasons_by_list[source.id] = str(error)
    for source in sources:  # without these other lists, the names to leave out are unknown
        if absent := [
            list_id for list_id in source.without if list_id not in names_by_list and source.id in names_by_list
        ]:
            reasons_by_list[source.id] = f"its names without those of {absent[0]} are not known: that list is missing"
            del names_by_list[source.id]
    lists_by_id = {source.id: source for source in sources}
    left_out_names = {
        list_id: {name for other_id in lists_by_id[list_id].without for name in names_by_list[other_id]}
        for list_id in names_by_list
    }
    cleared_names = {
        list_id: {name: place for name, place in list_names.items() if name not in left_out_names[list_id]}
        for list_id, list_names in names_by_list.items()
    }
    return ListContents(cleared_names, reasons_by_list)


def _read_names(source: PublicList, folder: Path) -> dict[str, int]:
    """Read a public list from its files in a folder, and return its names, each with its first place.

    The place counts from 1 within a file, or within a part of the file such as a service. Raises ListReadError for a
    list that is unreadable, too long or too short, and ListFormatError for a wrong format.
    """
    places_by_name: dict[str, int] = {}
    for _, text in read_texts(source, folder):
        for part in source.named or ("",):
            for place, raw_value in enumerate(FORMATS[source.format](text, part), 1):
                if name := extract_host_name(raw_value):
                    places_by_name.setdefault(name, place)
                    if len(places_by_name) > MAX_LIST_NAMES:
                        raise ListReadError(f"it has more than {MAX_LIST_NAMES:,} names")
    if len(places_by_name) < source.least:
        raise ListReadError(f"it has {format_count(len(places_by_name), 'name')}, expected at least {source.least}")
    return places_by_name


def fetch_lists(sources: Iterable[PublicList], folder: Path, ca_file: str) -> Iterator[str]:
    """Fetch public lists over https into a folder, and yield a line for the screen for each list.

    The line has the number of files, or the reason why the list was not fetched. A list without an address is not
    fetched.
    """
    for source in sources:
        if not source.url:
            yield f"{source.id}: not fetched, it has no address; put it into {folder / source.folder}"
            continue
        try:
            file_count = sum(1 for _ in _fetch_files(source, folder, ca_file))
        except (FetchError, ListReadError) as error:
            yield f"{source.id}: not fetched: {error}"
        else:
            yield f"{source.id}: {format_count(file_count, 'file')}"


def _fetch_files(source: PublicList, folder: Path, ca_file: str) -> Iterator[Path]:
    """Fetch the files of a public list over https, write them into the folder, and yield each path.

    Raises FetchError, ListReadError.
    """
    for path, text in fetch_texts(source, lambda url: fetch_list(url, ca_file).text):
        file_path = folder / source.folder / path
        # The folder may have cloned repositories of strangers. A symbolic link in one may lead to any directory.
        if not Path(os.path.realpath(file_path.parent)).is_relative_to(os.path.realpath(folder)):
            raise ListReadError(f"{file_path.parent} leads out of {folder}")
        write_catalogue_file(file_path, text)
        yield file_path

"""Public lists out of a folder -> names; and fetched into it.

A folder of lists is made of others' repositories: a link in it, a pipe, a file of any size or content. Each file is
read whole and bounded, none outside of the folder. A list that cannot be read is named with the reason, never taken
for an empty one.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....compile.reading import grammar
from ....compile.reading.plain_file import content_of
from ....policy_errors import PolicyError
from ....report.text.wording import counted
from ..fetching import NotFetched, fetch
from ..files import write
from ..formats import FORMATS, INCLUDES, Unreadable
from ..publishers import Publisher
from .sources import Source

LARGEST = 32 << 20  # bytes of a file
MOST_BYTES = 64 << 20  # of all files of a list
MOST_FILES = 1_000  # of a list
MOST_NAMES = 1_000_000  # of a list
LONGEST = 256  # characters of a name as a list has it, with a scheme or a path


class Lists(NamedTuple):
    """What was read: the names of each list, each with its place in the list, and of the others the reason why not."""

    names: Mapping[str, Mapping[str, int]]
    missing: Mapping[str, str]


class NotRead(Exception):
    """A list that could not be read, and why."""


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


def name_of(value: str) -> str:
    """The host name in a value of a list, without wildcard, `www`, port and path; "" for none."""
    text = value[: LONGEST + 1].strip().strip("\"',").lower()
    if len(text) > LONGEST:
        return ""
    text = text.partition("/")[0].partition(":")[0].lstrip("*.").rstrip(".").removeprefix("www.")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return "" if grammar.domain(text) else text


def _names(source: Source, folder: Path) -> dict[str, int]:
    """The names of a list, each with its first place. Raises NotRead, Unreadable."""
    found: dict[str, int] = {}
    for text in _texts(source, folder):
        for part in source.named or ("",):
            for place, value in enumerate(FORMATS[source.format](text, part), 1):
                if name := name_of(value):
                    found.setdefault(name, place)
                    if len(found) > MOST_NAMES:
                        raise NotRead(f"it has more than {MOST_NAMES:,} names")
    if len(found) < source.least:
        raise NotRead(f"it has {counted(len(found), 'name')}, expected at least {source.least}")
    return found


def _each(waiting: Sequence[str]) -> Iterator[str]:
    """Each path once, also of those that are added meanwhile. Raises NotRead for too many."""
    done: set[str] = set()
    for path in waiting:
        if path in done:
            continue
        done.add(path)
        if len(done) > MOST_FILES:
            raise NotRead(f"it has more than {MOST_FILES} files")
        yield path


def _texts(source: Source, folder: Path) -> Iterator[str]:
    """The files of a list, and those that they include. Raises NotRead."""
    waiting = [path for each in source.paths for path in _matching(each, folder / source.folder)]
    size = 0
    for path in _each(waiting):
        content = _content(folder / source.folder / path, folder)
        size += len(content)
        if size > MOST_BYTES:
            raise NotRead(f"its files have more than {MOST_BYTES} bytes")
        if b"\0" in content:
            raise NotRead(f"{source.folder}/{path} is no text: byte {content.index(0)} is NUL")
        text = content.decode("utf-8", errors="replace")
        yield text
        waiting += _included(source, path, text)


def _included(source: Source, path: str, text: str) -> list[str]:
    """The paths of what a file includes: files beside it."""
    if source.format not in INCLUDES:
        return []
    found = list(INCLUDES[source.format](text))
    for name in found:
        if "/" in name or name.startswith("."):
            raise NotRead(f"{source.folder}/{path} includes {name[:80]!r}, expected a file beside it")
    return [str(Path(path).with_name(name)) for name in found]


def _matching(path: str, folder: Path) -> list[str]:
    """The paths that a path of the table stands for."""
    if "*" not in path:
        return [path]
    parent = Path(path).parent
    try:
        with os.scandir(folder / parent) as entries:
            names = sorted(one.name for one in entries if fnmatch.fnmatchcase(one.name, Path(path).name))
    except OSError as error:
        raise NotRead(f"{folder.name}/{parent}: {error.strerror}") from None
    if not names:
        raise NotRead(f"{folder.name}/{path}: no such file")
    return [str(parent / name) for name in names]


def _content(path: Path, folder: Path) -> bytes:
    try:
        return content_of(path, LARGEST, within=folder)
    except PolicyError as error:
        raise NotRead(f"{path.relative_to(folder)}: found {error.value}, expected {error.expected}") from None


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
    """Fetch the files of a list and what they include, each into its place. Raises NotFetched, NotRead."""
    waiting = list(source.paths)
    for path in _each(waiting):
        place = folder / source.folder / path
        # What a clone has there may be a link to anywhere.
        if not Path(os.path.realpath(place.parent)).is_relative_to(os.path.realpath(folder)):
            raise NotRead(f"{place.parent} leads out of {folder}")
        address = Publisher(source.id, source.url + path, "lines", "feed", source.id, source.id, 1)
        text = fetch(address, ca_file).text
        write(place, text)
        yield place
        waiting += _included(source, path, text)

"""The files of a public list (public_lists.py), in a folder of lists or over https.

A folder of lists is made of others' repositories: a link in it, a pipe, a file of any size or content. Each file is
read whole and bounded, none outside of the folder. What a file includes is read beside it, and from nowhere else.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...compile.reading.plain_file import read_plain_file
from ...policy_errors import PolicyError
from .formats import INCLUDES
from .public_lists import Source

LARGEST = 32 << 20  # bytes of a file
MOST_BYTES = 64 << 20  # of all files of a list
MOST_FILES = 1_000  # of a list


class NotRead(Exception):
    """A list that could not be read, and why."""


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


def texts(source: Source, folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a list in a folder of lists, and those that they include. Raises NotRead."""
    waiting = [path for each in source.paths for path in _matching(each, folder / source.folder)]
    size = 0
    for path in _each(waiting):
        place = folder / source.folder / path
        content = _content(place, folder)
        size += len(content)
        if size > MOST_BYTES:
            raise NotRead(f"its files have more than {MOST_BYTES} bytes")
        if b"\0" in content:
            raise NotRead(f"{source.folder}/{path} is no text: byte {content.index(0)} is NUL")
        text = content.decode("utf-8", errors="replace")
        yield place, text
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
        return read_plain_file(path, LARGEST, within=folder)
    except PolicyError as error:
        raise NotRead(f"{path.relative_to(folder)}: found {error.value}, expected {error.expected}") from None


def over_https(source: Source, fetched: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The path of each file of a list, and its text: those of the table, and what they include. Raises NotRead."""
    waiting = list(source.paths)
    size = 0
    for path in _each(waiting):
        text = fetched(source.url + path)
        size += len(text)
        if size > MOST_BYTES:
            raise NotRead(f"its files have more than {MOST_BYTES} bytes")
        yield path, text
        waiting += _included(source, path, text)

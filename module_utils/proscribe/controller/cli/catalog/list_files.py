"""Files of a public list (public_lists.py), in a directory of lists or over https.

A directory of lists holds the repositories of strangers: links, pipes, and files of any size or content. Each file is
read whole, within a limit, and only inside the directory. Included files are read only from the same directory.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...compile.reading.plain_file import read_plain_file
from ...policy_errors import PolicyError
from .list_formats import INCLUDE_FORMATS
from .public_lists import PublicList

MAX_FILE_BYTES = 32 << 20
MAX_LIST_BYTES = 64 << 20
MAX_LIST_FILES = 1_000


class ListReadError(Exception):
    """A list that could not be read, with the reason."""


def _iterate_unique_paths(pending_paths: Sequence[str]) -> Iterator[str]:
    """Yield each path once, also paths that the caller appends to `pending_paths` during the iteration.

    Raises ListReadError for more than MAX_LIST_FILES paths.
    """
    seen_paths: set[str] = set()
    for path in pending_paths:
        if path in seen_paths:
            continue
        seen_paths.add(path)
        if len(seen_paths) > MAX_LIST_FILES:
            raise ListReadError(f"it has more than {MAX_LIST_FILES} files")
        yield path


def read_texts(source: PublicList, folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield path and text of each file of a list in a directory of lists, and of included files.

    Raises ListReadError for a file that is missing, too large or no text.
    """
    pending_paths = [
        path for path_pattern in source.paths for path in _find_matching_paths(path_pattern, folder / source.folder)
    ]
    total_bytes = 0
    for path in _iterate_unique_paths(pending_paths):
        file_path = folder / source.folder / path
        content = _read_content(file_path, folder)
        total_bytes += len(content)
        if total_bytes > MAX_LIST_BYTES:
            raise ListReadError(f"its files have more than {MAX_LIST_BYTES} bytes")
        if b"\0" in content:
            raise ListReadError(f"{source.folder}/{path} is no text: byte {content.index(0)} is NUL")
        text = content.decode("utf-8", errors="replace")
        yield file_path, text
        pending_paths += _list_included_paths(source, path, text)


def _list_included_paths(source: PublicList, path: str, text: str) -> list[str]:
    """Return the paths that a list's file includes. Raises ListReadError for files outside the same directory."""
    if source.format not in INCLUDE_FORMATS:
        return []
    included_names = list(INCLUDE_FORMATS[source.format](text))
    for name in included_names:
        if "/" in name or name.startswith("."):
            raise ListReadError(f"{source.folder}/{path} includes {name[:80]!r}, expected a file beside it")
    return [str(Path(path).with_name(name)) for name in included_names]


def _find_matching_paths(path_pattern: str, folder: Path) -> list[str]:
    """Return the paths below a list's folder that match a path of recall.yml, such as `data/*.txt`.

    A path without `*` is returned as it is. Raises ListReadError if no file matches.
    """
    if "*" not in path_pattern:
        return [path_pattern]
    parent = Path(path_pattern).parent
    try:
        with os.scandir(folder / parent) as entries:
            names = sorted(
                directory_entry.name
                for directory_entry in entries
                if fnmatch.fnmatchcase(directory_entry.name, Path(path_pattern).name)
            )
    except OSError as error:
        raise ListReadError(f"{folder.name}/{parent}: {error.strerror}") from None
    if not names:
        raise ListReadError(f"{folder.name}/{path_pattern}: no such file")
    return [str(parent / name) for name in names]


def _read_content(path: Path, folder: Path) -> bytes:
    """Read a file of a public list, which must be a plain file inside `folder`.

    Raises ListReadError for any other file, and for more than MAX_FILE_BYTES.
    """
    try:
        return read_plain_file(path, MAX_FILE_BYTES, within=folder)
    except PolicyError as error:
        raise ListReadError(
            f"{path.relative_to(folder)}: found {error.found_value}, expected {error.expected}"
        ) from None


def fetch_texts(source: PublicList, fetch_text: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a list: those in recall.yml, and those that these files include.

    `fetch_text` returns the text at an address. Raises ListReadError for too many or too large files.
    """
    pending_paths = list(source.paths)
    total_length = 0
    for path in _iterate_unique_paths(pending_paths):
        text = fetch_text(source.url + path)
        total_length += len(text)
        if total_length > MAX_LIST_BYTES:
            raise ListReadError(f"its files have more than {MAX_LIST_BYTES} bytes")
        yield path, text
        pending_paths += _list_included_paths(source, path, text)

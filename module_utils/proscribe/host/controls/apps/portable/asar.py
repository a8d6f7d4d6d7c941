"""Reader of `app.asar`, the archive of an Electron app: names in its package.json, and files beside it.

The archive begins with a pickle of Chromium that holds a single JSON text with nested `files`. Each file has its size
and the position of its content after the header. A file with `unpacked` is a separate file in the directory
`app.asar.unpacked` (electron/asar, README).
"""

from __future__ import annotations

import json
import struct
from typing import Any, Iterator, Mapping

from .....base.elf import ReadContent
from .....base.named_tuple import NamedTuple

MAX_HEADER_BYTES = 1024 * 1024  # a larger header is not read
MAX_MANIFEST_BYTES = 256 * 1024  # size of a package.json
MAX_DEPTH = 40  # levels of directories in an archive that are read


class AsarPackage(NamedTuple):
    """Description of an Electron app, from its archive."""

    names: list[str]  # name, productName and desktopName of its package.json
    unpacked_sizes: dict[str, int]  # sizes of the files in app.asar.unpacked, by their paths there


def is_asar_archive(head: bytes) -> bool:
    """Return whether a file that begins with `head` may be an asar archive.

    The file must begin with four nested sizes, and then with the JSON text.
    """
    if len(head) < 17:
        return False
    four, pickle, payload, text = struct.unpack_from("<IIII", head)
    return bool(four == 4 and text <= payload <= pickle and head[16:17] == b"{")


def read_asar(content: ReadContent) -> AsarPackage | None:
    """Read an asar archive.

    Return None for a file of another format, and for an archive beyond the limits.
    """
    head = content(0, 17)
    if not is_asar_archive(head):
        return None
    _, pickle, _, size = struct.unpack_from("<IIII", head)
    if size > MAX_HEADER_BYTES:
        return None
    try:
        files = json.loads(content(16, size))["files"]
        entry = files["package.json"]
        place = 8 + pickle + int(entry["offset"])
        package = json.loads(content(place, max(0, min(int(entry["size"]), MAX_MANIFEST_BYTES))))
        return AsarPackage(_choose_package_names(package), dict(_iterate_unpacked_files(files, "", 0)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):  # a size may be Infinity
        return None


def read_package_names(content: ReadContent) -> list[str]:
    """Return the app's names in a separate package.json, or [] for a file of another format."""
    try:
        return _choose_package_names(json.loads(content(0, MAX_MANIFEST_BYTES)))
    except (ValueError, AttributeError, RecursionError):
        return []


def _choose_package_names(package: Mapping[str, Any]) -> list[str]:
    """Return the app's names in the content of a package.json."""
    return [package[key] for key in ("name", "productName", "desktopName") if isinstance(package.get(key), str)]


def _iterate_unpacked_files(files: Mapping[str, Any], parent: str, depth: int) -> Iterator[tuple[str, int]]:
    """Yield the files that lie beside an archive, in `app.asar.unpacked`, as (path in that directory, size).

    `parent` is the path of the directory whose `files` are read, "" or with a final slash. Files below MAX_DEPTH
    directories are left out.
    """
    if depth > MAX_DEPTH:
        return
    for name, entry in files.items():
        if "/" in name or name in ("", ".", ".."):
            continue
        if "files" in entry:
            yield from _iterate_unpacked_files(entry["files"], f"{parent}{name}/", depth + 1)
        elif entry.get("unpacked") is True:
            yield parent + name, int(entry["size"])

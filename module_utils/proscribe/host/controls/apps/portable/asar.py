"""The archive of an Electron app, `app.asar`: what its package.json calls it, and which files lie beside it.

A pickle of Chromium's with one text, JSON: a tree of `files`, each with its size and the place of its content behind
the header. It is `unpacked` if it is a file of its own in `app.asar.unpacked` (electron/asar, README).
"""

from __future__ import annotations

import json
import struct
from typing import Any, Iterator, Mapping

from .....base.elf import ReadContent
from .....base.tuples import NamedTuple

MAX_HEADER_BYTES = 1024 * 1024  # bytes of a header; a larger one is not read
MAX_MANIFEST_BYTES = 256 * 1024  # bytes of a package.json
MAX_DEPTH = 40


class AsarPackage(NamedTuple):
    """What an archive says of its app."""

    names: list[str]  # name, productName and desktopName of its package.json
    unpacked_sizes: dict[str, int]  # the size of each file in app.asar.unpacked, by its path there


def is_asar_archive(head: bytes) -> bool:
    """Whether a file that begins so may be such an archive."""
    if len(head) < 17:
        return False
    four, pickle, payload, text = struct.unpack_from("<IIII", head)
    return bool(four == 4 and text <= payload <= pickle and head[16:17] == b"{")


def read_asar(content: ReadContent) -> AsarPackage | None:
    """Read an archive; None for what is none, or has more to say than is read."""
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
    """Read the names in a package.json that is a file of its own; none for what is no such file."""
    try:
        return _choose_package_names(json.loads(content(0, MAX_MANIFEST_BYTES)))
    except (ValueError, AttributeError, RecursionError):
        return []


def _choose_package_names(package: Mapping[str, Any]) -> list[str]:
    return [package[key] for key in ("name", "productName", "desktopName") if isinstance(package.get(key), str)]


def _iterate_unpacked_files(files: Mapping[str, Any], parent: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > MAX_DEPTH:
        return
    for name, entry in files.items():
        if "/" in name or name in ("", ".", ".."):
            continue
        if "files" in entry:
            yield from _iterate_unpacked_files(entry["files"], f"{parent}{name}/", depth + 1)
        elif entry.get("unpacked") is True:
            yield parent + name, int(entry["size"])

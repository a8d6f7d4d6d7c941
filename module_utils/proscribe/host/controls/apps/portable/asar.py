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

LARGEST = 1024 * 1024  # bytes of a header; a larger one is not read
MANIFEST = 256 * 1024  # bytes of a package.json
DEEPEST = 40


class Asar(NamedTuple):
    """What an archive says of its app."""

    names: list[str]  # name, productName and desktopName of its package.json
    unpacked: dict[str, int]  # the size of each file in app.asar.unpacked, by its path there


def is_asar(head: bytes) -> bool:
    """Whether a file that begins so may be such an archive."""
    if len(head) < 17:
        return False
    four, pickle, payload, text = struct.unpack_from("<IIII", head)
    return bool(four == 4 and text <= payload <= pickle and head[16:17] == b"{")


def read(content: ReadContent) -> Asar | None:
    """Read an archive; None for what is none, or has more to say than is read."""
    head = content(0, 17)
    if not is_asar(head):
        return None
    _, pickle, _, size = struct.unpack_from("<IIII", head)
    if size > LARGEST:
        return None
    try:
        files = json.loads(content(16, size))["files"]
        entry = files["package.json"]
        place = 8 + pickle + int(entry["offset"])
        package = json.loads(content(place, max(0, min(int(entry["size"]), MANIFEST))))
        return Asar(_names(package), dict(_unpacked(files, "", 0)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):  # a size may be Infinity
        return None


def read_package(content: ReadContent) -> list[str]:
    """Read the names in a package.json that is a file of its own; none for what is no such file."""
    try:
        return _names(json.loads(content(0, MANIFEST)))
    except (ValueError, AttributeError, RecursionError):
        return []


def _names(package: Mapping[str, Any]) -> list[str]:
    return [package[key] for key in ("name", "productName", "desktopName") if isinstance(package.get(key), str)]


def _unpacked(files: Mapping[str, Any], above: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > DEEPEST:
        return
    for name, entry in files.items():
        if "/" in name or name in ("", ".", ".."):
            continue
        if "files" in entry:
            yield from _unpacked(entry["files"], f"{above}{name}/", depth + 1)
        elif entry.get("unpacked") is True:
            yield above + name, int(entry["size"])

"""The archive of an Electron app: what its package.json calls it, and which files lie beside it."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from made_apps import Read
from proscribe.host.controls.apps.portable import asar

PACKAGE = {"productName": "Owl", "name": "owl", "desktopName": "owl.desktop", "version": "1"}
TREE: dict[str, Any] = {
    "a.node": {"size": 5, "unpacked": True},
    "packed": {"size": 6, "offset": "9"},
    "odd": {"size": 7, "unpacked": "yes"},
    "": {"size": 1, "unpacked": True},
    ".": {"size": 1, "unpacked": True},
    "..": {"files": {"x": {"size": 1, "unpacked": True}}},
    "b/c": {"size": 1, "unpacked": True},
    "d": {"files": {"e": {"files": {"f": {"size": "8", "unpacked": True}}}, "g": {"size": 2, "unpacked": True}}},
}


def archive(package: Any = PACKAGE, tree: dict[str, Any] = TREE, offset: int = 0, cut: int = 0) -> bytes:
    content = json.dumps(package).encode()
    entry = {"size": len(content) - cut, "offset": str(offset)}
    header = json.dumps({"files": {"package.json": entry, **tree}}).encode()
    padded = header.ljust(-(-len(header) // 4) * 4, b"\0")
    return struct.pack("<IIII", 4, len(padded) + 8, len(padded) + 4, len(header)) + padded + bytes(offset) + content


def deep(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"x": {"size": 1, "unpacked": True}}
    for _ in range(depth):
        tree = {"d": {"files": tree}}
    return tree


def test_so_deep_is_looked() -> None:
    for depth, found in ((asar.DEEPEST, 1), (asar.DEEPEST + 1, 0)):
        read = asar.read(Read(archive(tree=deep(depth))))
        assert read and len(read.unpacked) == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF" + bytes(100),
        archive(cut=1),
        archive(["owl"]),
        archive(tree={"a": {"unpacked": True}}),
        archive(tree={"a": 5}),
        archive(tree={"a": {"files": 5}}),
        archive()[:-1],
        archive().replace(b'"package.json"', b'"package.jsox"'),
        archive().replace(b'"files": {"package', b'"filex": {"package'),
        archive(tree={"a": {"size": float("inf"), "unpacked": True}}),
    ],
)
def test_what_is_none(content: bytes) -> None:
    assert asar.read(Read(content)) is None


def test_a_header_or_a_package_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive()
    size = struct.unpack_from("<I", content, 12)[0]
    for most, is_read in ((size, True), (size - 1, False)):
        monkeypatch.setattr(asar, "LARGEST", most)
        assert (asar.read(Read(content)) is not None) is is_read
    monkeypatch.setattr(asar, "LARGEST", size)
    for most, is_read in ((len(json.dumps(PACKAGE)), True), (len(json.dumps(PACKAGE)) - 1, False)):
        monkeypatch.setattr(asar, "MANIFEST", most)
        assert (asar.read(Read(content)) is not None) is is_read

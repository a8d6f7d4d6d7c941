"""A reader for the archive in an AppImage: the names in a directory, and the beginning of a file.

The format is squashfs 4.0 (Documentation/filesystems/squashfs.rst of Linux). Whoever made it may be hostile: everything
has a bound, and what does not fit raises Unreadable.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Callable, Iterator

from .....base.elf import ReadContent
from .....base.tuples import NamedTuple

MAGIC = b"hsqs"
BLOCK = 8192  # bytes of inodes and names in one piece
LARGEST_BLOCK = 1024 * 1024  # of files
MOST_BLOCKS = 200  # that one observation unpacks
MOST_NAMES = 4_000  # in a directory
MOST_LINKS, MOST_STEPS = 8, 32  # on the way to a file
MEMORY = 64 * 1024 * 1024  # bytes that unpacking may take
_NONE = 0xFFFFFFFF
_DIRECTORY, _FILE, _LINK = (1, 8), (2, 9), (3, 10)


class Unreadable(Exception):
    """An archive that cannot be read, and why."""


class Node(NamedTuple):
    """A directory, a file or a link of an archive."""

    kind: int
    start: int  # of its names, or of its blocks
    offset: int
    size: int
    fragment: int = _NONE
    blocks: tuple[int, ...] = ()  # sizes of those of a file
    target: str = ""


class Archive:
    """An archive that begins at `start` of a file. Raises Unreadable."""

    def __init__(self, content: ReadContent, start: int) -> None:
        self.content, self.start = content, start
        head = content(start, 96)
        if len(head) < 96 or head[:4] != MAGIC:
            raise Unreadable("it has no squashfs archive")
        fields = struct.unpack("<IIIIIHHHHHHQQQQQQQQ", head)
        self.block, method, major = fields[3], fields[5], fields[9]
        self.root, self.inodes, self.names, self.fragments = fields[11], fields[15], fields[16], fields[17]
        if major != 4 or not 4096 <= self.block <= LARGEST_BLOCK:
            raise Unreadable("its archive is of another kind")
        self.unpack = _unpacker(method)
        self.left = MOST_BLOCKS
        self._pieces: dict[int, tuple[bytes, int]] = {}

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unreadable("its archive has too much in it to search")

    def _piece(self, at: int) -> tuple[bytes, int]:
        """The piece of inodes or names at a place of the archive, and where the next one begins."""
        if at not in self._pieces:
            self._count()
            head = self.content(self.start + at, 2)
            if len(head) < 2:
                raise Unreadable("its archive is cut short")
            (size,) = struct.unpack("<H", head)
            data = self.content(self.start + at + 2, size & 0x7FFF)
            self._pieces[at] = (data if size & 0x8000 else self.unpack(data, BLOCK)), at + 2 + (size & 0x7FFF)
        return self._pieces[at]

    def _bytes(self, at: int, offset: int, size: int) -> bytes:
        """So many bytes of inodes or names from a place on, over as many pieces as that takes."""
        found = b""
        while len(found) < offset + size:
            piece, following = self._piece(at)
            if not piece or following <= at:
                raise Unreadable("its archive is cut short")
            found += piece
            at = following
        return found[offset : offset + size]

    def node(self, reference: int) -> Node:
        at, offset = self.inodes + (reference >> 16), reference & 0xFFFF
        kind = struct.unpack("<H", self._bytes(at, offset, 2))[0]
        if kind == 1:
            start, _, size, inner, _ = struct.unpack("<IIHHI", self._bytes(at, offset + 16, 16))
            return Node(kind, start, inner, size)
        if kind == 8:
            _, size, start, _, _, inner, _ = struct.unpack("<IIIIHHI", self._bytes(at, offset + 16, 24))
            return Node(kind, start, inner, size)
        if kind in _FILE:
            form, long = ("<IIII", 32) if kind == 2 else ("<QQQIIII", 56)
            fields = struct.unpack(form, self._bytes(at, offset + 16, long - 16))
            start, fragment, inner, size = fields if kind == 2 else (fields[0], fields[4], fields[5], fields[1])
            whole = size // self.block if fragment != _NONE else -(-size // self.block)
            count = min(whole, MOST_BLOCKS)  # more are never unpacked
            blocks = struct.unpack(f"<{count}I", self._bytes(at, offset + long, 4 * count))
            return Node(kind, start, inner, size, fragment, blocks)
        if kind in _LINK:
            _, size = struct.unpack("<II", self._bytes(at, offset + 16, 8))
            target = self._bytes(at, offset + 24, min(size, 4096))
            return Node(kind, 0, 0, size, target=target.decode("utf-8", "surrogateescape"))
        return Node(kind, 0, 0, 0)

    def listed(self, directory: Node) -> Iterator[tuple[str, int]]:
        """The names in a directory, each with what leads to its node (squashfs.rst, 3.4)."""
        if directory.kind not in _DIRECTORY or directory.size <= 3:
            return
        size, at, count = directory.size - 3, 0, 0  # for `.` and `..`, which are not there
        if size > 64 * MOST_NAMES:
            raise Unreadable("a directory of its archive is too large")
        data = self._bytes(self.names + directory.start, directory.offset, size)
        while at + 12 <= len(data):
            more, start, _ = struct.unpack_from("<III", data, at)
            at += 12
            for _ in range(min(more + 1, 256)):
                if at + 9 > len(data):  # a name has one byte at least
                    return
                offset, _, _, long = struct.unpack_from("<HhHH", data, at)
                name = data[at + 8 : at + 9 + long]
                at += 9 + long
                count += 1
                if count > MOST_NAMES:
                    raise Unreadable("a directory of its archive is too large")
                yield name.decode("utf-8", "surrogateescape"), start << 16 | offset

    def find(self, path: str) -> Node | None:
        """The entry at a path below the root, links in the archive followed; None if there is none."""
        steps = [step for step in path.split("/") if step]
        above = [self.node(self.root)]
        links = 0
        while steps:
            step = steps.pop(0)
            if step in (".", ".."):
                above = above[:-1] if step == ".." and len(above) > 1 else above
                continue
            reference = dict(self.listed(above[-1])).get(step)
            if reference is None:
                return None
            node = self.node(reference)
            if node.kind in _LINK:
                links += 1
                above = above[:1] if node.target.startswith("/") else above
                steps = [inner for inner in node.target.split("/") if inner] + steps
                if links > MOST_LINKS or len(steps) > MOST_STEPS:
                    return None
            elif steps and node.kind not in _DIRECTORY:
                return None
            else:
                above.append(node)
        return above[-1]

    def head(self, node: Node, size: int) -> bytes:
        """The first bytes of a file; b"" for what is none."""
        found = b""
        at = self.start + node.start
        if node.kind not in _FILE:
            return b""
        size = min(size, node.size)
        for block in node.blocks:
            if len(found) >= size:
                break
            found += self._data(at, block)
            at += block & 0xFFFFFF
        if len(found) < size and node.fragment != _NONE:
            place = struct.unpack("<Q", self._raw(self.fragments + 8 * (node.fragment // 512), 8))[0]
            start, block = struct.unpack("<QI", self._bytes(place, 16 * (node.fragment % 512), 12))
            found += self._data(self.start + start, block)[node.offset :]
        return found[:size]

    def _raw(self, at: int, size: int) -> bytes:
        data = self.content(self.start + at, size)
        if len(data) < size:
            raise Unreadable("its archive is cut short")
        return data

    def _data(self, at: int, block: int) -> bytes:
        """A block of a file: by its size, whose bit 24 says that it is not packed; 0 is a hole."""
        self._count()
        size = block & 0xFFFFFF
        if size > self.block:
            raise Unreadable("a block of its archive is too large")
        if not size:
            return bytes(self.block)
        data = self.content(at, size)
        return data if block & 0x1000000 else self.unpack(data, self.block)


def _unpacker(method: int) -> Callable[[bytes, int], bytes]:
    """What unpacks one block, and no more than a block's bytes of it."""
    if method == 1:
        return _bounded(lambda data, most: zlib.decompressobj().decompress(data, most))
    if method == 2:
        return _bounded(lambda data, most: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY).decompress(data, most))
    if method == 4:
        return _bounded(lambda data, most: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY).decompress(data, most))
    if method == 6:
        try:
            from compression.zstd import ZstdDecompressor  # type: ignore[import-not-found,unused-ignore] # Python 3.14
        except ImportError:
            raise Unreadable("its archive is packed with zstd, which this host's Python cannot read") from None
        return _bounded(lambda data, most: ZstdDecompressor().decompress(data, most))
    raise Unreadable("its archive is packed with an unknown method")


def _bounded(unpack: Callable[[bytes, int], bytes]) -> Callable[[bytes, int], bytes]:
    def bounded(data: bytes, most: int) -> bytes:
        try:
            return unpack(data, most)
        except Exception as error:  # each of them has errors of its own
            raise Unreadable(f"its archive cannot be unpacked: {error}") from None

    return bounded

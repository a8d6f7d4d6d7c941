"""Reader of the archive in an AppImage: the names in a directory, and the beginning of a file.

The format is squashfs 4.0 (Documentation/filesystems/squashfs.rst of Linux). An inode describes a directory, file or
link. Inodes, names and files are stored in compressed blocks. The end of a file may be in a fragment, a block that
several files share. The author of an archive may be hostile. So everything has a limit, and an archive beyond a limit
raises UnreadableArchive.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Callable, Iterator

from .....base.elf import ReadContent
from .....base.named_tuple import NamedTuple

SQUASHFS_MAGIC = b"hsqs"
METADATA_BLOCK_BYTES = 8192  # size of a block of inodes or names
MAX_BLOCK_BYTES = 1024 * 1024  # largest block of a file that is read
MAX_BLOCKS = 200  # most blocks of an archive that are decompressed
MAX_NAMES = 4_000  # most names in a directory
MAX_LINKS, MAX_STEPS = 8, 32  # most links, and most path components at a time, on the way to a file
MAX_MEMORY_BYTES = 64 * 1024 * 1024  # memory that decompression may use
_NO_FRAGMENT = 0xFFFFFFFF  # number of the fragment of a file that has none
# kinds of inodes, each in a basic and an extended form
_DIRECTORY_KINDS, _FILE_KINDS, _LINK_KINDS = (1, 8), (2, 9), (3, 10)


class UnreadableArchive(Exception):
    """Error: an archive cannot be read. The message is the reason."""


class ArchiveNode(NamedTuple):
    """Directory, file or link of an archive (inode)."""

    kind: int
    start: int  # for a directory: position of the block with its names; for a file: position of its first block
    offset: int  # for a directory: offset of its names in the block; for a file: offset of its end in the fragment
    size: int  # for a directory: bytes of its names and 3 more; for a file: its bytes
    fragment: int = _NO_FRAGMENT  # for a file: number of the fragment with its end
    block_sizes: tuple[int, ...] = ()  # for a file: sizes of its blocks as stored, as in `_read_block`
    target: str = ""  # for a link: the path that it names


class SquashfsArchive:
    """Squashfs archive that begins at the offset `start` of a file. Its methods raise UnreadableArchive."""

    def __init__(self, content: ReadContent, start: int) -> None:
        self.read_content, self.start = content, start
        head = content(start, 96)
        if len(head) < 96 or head[:4] != SQUASHFS_MAGIC:
            raise UnreadableArchive("it has no squashfs archive")
        fields = struct.unpack("<IIIIIHHHHHHQQQQQQQQ", head)
        self.block_size, method, major = fields[3], fields[5], fields[9]
        self.root_reference, self.inodes_offset, self.names_offset, self.fragments_offset = (
            fields[11],
            fields[15],
            fields[16],
            fields[17],
        )
        if major != 4 or not 4096 <= self.block_size <= MAX_BLOCK_BYTES:
            raise UnreadableArchive("its archive is of another kind")
        self.unpack_block = _choose_unpacker(method)
        self.blocks_left = MAX_BLOCKS
        self._metadata_blocks: dict[int, tuple[bytes, int]] = {}

    def _count_block(self) -> None:
        """Count a block that is decompressed. Raises UnreadableArchive beyond MAX_BLOCKS."""
        self.blocks_left -= 1
        if self.blocks_left < 0:
            raise UnreadableArchive("its archive has too much in it to search")

    def _read_metadata_block(self, position: int) -> tuple[bytes, int]:
        """Return a decompressed block of inodes or names, and the position of the next block."""
        if position not in self._metadata_blocks:
            self._count_block()
            head = self.read_content(self.start + position, 2)
            if len(head) < 2:
                raise UnreadableArchive("its archive is cut short")
            (size,) = struct.unpack("<H", head)  # the lower 15 bits are the stored size; bit 15: not compressed
            data = self.read_content(self.start + position + 2, size & 0x7FFF)
            self._metadata_blocks[position] = (
                (data if size & 0x8000 else self.unpack_block(data, METADATA_BLOCK_BYTES)),
                position + 2 + (size & 0x7FFF),
            )
        return self._metadata_blocks[position]

    def _read_metadata(self, position: int, offset: int, size: int) -> bytes:
        """Return `size` bytes of inodes or names.

        They begin `offset` bytes after the block at `position` begins.
        """
        content = b""
        while len(content) < offset + size:
            piece, following = self._read_metadata_block(position)
            if not piece or following <= position:
                raise UnreadableArchive("its archive is cut short")
            content += piece
            position = following
        return content[offset : offset + size]

    def read_node(self, reference: int) -> ArchiveNode:
        """Return the directory, file or link of an inode reference.

        Another kind gives a node without content. The upper bits of `reference` are the position of a block, and its
        lower 16 bits the offset in that block.
        """
        position, offset = self.inodes_offset + (reference >> 16), reference & 0xFFFF
        kind = struct.unpack("<H", self._read_metadata(position, offset, 2))[0]
        if kind == 1:  # directory
            start, _, size, inner_offset, _ = struct.unpack("<IIHHI", self._read_metadata(position, offset + 16, 16))
            return ArchiveNode(kind, start, inner_offset, size)
        if kind == 8:  # directory in the extended form
            _, size, start, _, _, inner_offset, _ = struct.unpack(
                "<IIIIHHI", self._read_metadata(position, offset + 16, 24)
            )
            return ArchiveNode(kind, start, inner_offset, size)
        if kind in _FILE_KINDS:  # the extended form has longer fields in another order
            layout, length = ("<IIII", 32) if kind == 2 else ("<QQQIIII", 56)
            fields = struct.unpack(layout, self._read_metadata(position, offset + 16, length - 16))
            start, fragment, inner_offset, size = fields if kind == 2 else (fields[0], fields[4], fields[5], fields[1])
            block_count = size // self.block_size if fragment != _NO_FRAGMENT else -(-size // self.block_size)
            count = min(block_count, MAX_BLOCKS)  # more blocks are never decompressed
            blocks = struct.unpack(f"<{count}I", self._read_metadata(position, offset + length, 4 * count))
            return ArchiveNode(kind, start, inner_offset, size, fragment, blocks)
        if kind in _LINK_KINDS:
            _, size = struct.unpack("<II", self._read_metadata(position, offset + 16, 8))
            target = self._read_metadata(position, offset + 24, min(size, 4096))
            return ArchiveNode(kind, 0, 0, size, target=target.decode("utf-8", "surrogateescape"))
        return ArchiveNode(kind, 0, 0, 0)

    def list_directory(self, directory: ArchiveNode) -> Iterator[tuple[str, int]]:
        """Yield (name, inode reference) for each name in a directory (squashfs.rst, 3.4).

        Yield nothing for a file.
        """
        if directory.kind not in _DIRECTORY_KINDS or directory.size <= 3:
            return
        # The size counts 3 bytes for `.` and `..`, which are not stored.
        size, position, count = directory.size - 3, 0, 0
        if size > 64 * MAX_NAMES:
            raise UnreadableArchive("a directory of its archive is too large")
        data = self._read_metadata(self.names_offset + directory.start, directory.offset, size)
        # a header comes before each run of names whose inodes are in the same block
        while position + 12 <= len(data):
            entry_count, start, _ = struct.unpack_from("<III", data, position)
            position += 12
            for _ in range(min(entry_count + 1, 256)):
                if position + 9 > len(data):  # a name has at least one byte
                    return
                offset, _, _, name_length = struct.unpack_from("<HhHH", data, position)
                name = data[position + 8 : position + 9 + name_length]
                position += 9 + name_length
                count += 1
                if count > MAX_NAMES:
                    raise UnreadableArchive("a directory of its archive is too large")
                yield name.decode("utf-8", "surrogateescape"), start << 16 | offset

    def find_node(self, path: str) -> ArchiveNode | None:
        """Return the node at a path below the root, or None if there is none.

        Links are followed within the archive, at most MAX_LINKS of them.
        """
        steps = [step for step in path.split("/") if step]
        parents = [self.read_node(self.root_reference)]
        links = 0
        while steps:
            step = steps.pop(0)
            if step in (".", ".."):
                parents = parents[:-1] if step == ".." and len(parents) > 1 else parents
                continue
            reference = dict(self.list_directory(parents[-1])).get(step)
            if reference is None:
                return None
            node = self.read_node(reference)
            if node.kind in _LINK_KINDS:
                links += 1
                parents = parents[:1] if node.target.startswith("/") else parents
                steps = [inner_step for inner_step in node.target.split("/") if inner_step] + steps
                if links > MAX_LINKS or len(steps) > MAX_STEPS:
                    return None
            elif steps and node.kind not in _DIRECTORY_KINDS:
                return None
            else:
                parents.append(node)
        return parents[-1]

    def read_head(self, node: ArchiveNode, size: int) -> bytes:
        """Return the first `size` bytes of a file, or b"" if the node is no file."""
        content = b""
        position = self.start + node.start
        if node.kind not in _FILE_KINDS:
            return b""
        size = min(size, node.size)
        for block in node.block_sizes:
            if len(content) >= size:
                break
            content += self._read_block(position, block)
            position += block & 0xFFFFFF
        if len(content) < size and node.fragment != _NO_FRAGMENT:
            # the end of the file: a table of positions leads to the fragment's description, with 512 in each block
            place = struct.unpack("<Q", self._read_raw(self.fragments_offset + 8 * (node.fragment // 512), 8))[0]
            start, block = struct.unpack("<QI", self._read_metadata(place, 16 * (node.fragment % 512), 12))
            content += self._read_block(self.start + start, block)[node.offset :]
        return content[:size]

    def _read_raw(self, at: int, size: int) -> bytes:
        """Return `size` bytes as they are stored at the offset `at` of the archive.

        Raises UnreadableArchive if the archive ends before.
        """
        data = self.read_content(self.start + at, size)
        if len(data) < size:
            raise UnreadableArchive("its archive is cut short")
        return data

    def _read_block(self, at: int, block: int) -> bytes:
        """Return a decompressed block of a file, which is stored at the offset `at`.

        `block` has the stored size in its lower 24 bits. The size 0 is a hole, a block of zero bytes that is not
        stored. Bit 24 means that the block is not compressed.
        """
        self._count_block()
        size = block & 0xFFFFFF
        if size > self.block_size:
            raise UnreadableArchive("a block of its archive is too large")
        if not size:
            return bytes(self.block_size)
        data = self.read_content(at, size)
        return data if block & 0x1000000 else self.unpack_block(data, self.block_size)


def _choose_unpacker(method: int) -> Callable[[bytes, int], bytes]:
    """Return the function that decompresses a block, for the number of a compression method of squashfs.

    The function takes the compressed bytes and the largest number of bytes to return. Raises UnreadableArchive if this
    Python lacks the method.
    """
    if method == 1:
        return _limit_unpacking(lambda data, max_bytes: zlib.decompressobj().decompress(data, max_bytes))
    if method == 2:
        return _limit_unpacking(
            lambda data, max_bytes: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MAX_MEMORY_BYTES).decompress(
                data, max_bytes
            )
        )
    if method == 4:
        return _limit_unpacking(
            lambda data, max_bytes: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY_BYTES).decompress(data, max_bytes)
        )
    if method == 6:
        try:
            from compression.zstd import ZstdDecompressor  # type: ignore[import-not-found,unused-ignore] # Python 3.14
        except ImportError:
            raise UnreadableArchive("its archive is packed with zstd, which this host's Python cannot read") from None
        return _limit_unpacking(lambda data, max_bytes: ZstdDecompressor().decompress(data, max_bytes))
    raise UnreadableArchive("its archive is packed with an unknown method")


def _limit_unpacking(unpack: Callable[[bytes, int], bytes]) -> Callable[[bytes, int], bytes]:
    """Return a function as `unpack`, which raises only UnreadableArchive."""

    def unpack_bounded(data: bytes, max_bytes: int) -> bytes:
        try:
            return unpack(data, max_bytes)
        except Exception as error:  # each decompressor has errors of its own
            raise UnreadableArchive(f"its archive cannot be unpacked: {error}") from None

    return unpack_bounded

"""A maker of archives as AppImages have them, after the kernel's documentation (filesystems/squashfs.rst)."""

import lzma
import struct
import zlib
from collections.abc import Mapping
from typing import Union

Tree = Mapping[str, Union[bytes, str, "Tree"]]  # a file, a link, a directory
BLOCK, NONE = 4096, 0xFFFFFFFF
METHODS = {
    "gzip": (1, zlib.compress),
    "lzma": (2, lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    "xz": (4, lzma.compress),
}


class Table:
    """Inodes, names or fragments: pieces of 8 KiB, each packed or not."""

    def __init__(self, pack):
        self.pack, self.done, self.open = pack, b"", b""

    def add(self, data):
        """Where it begins: the place of its piece in the table, and the place in that."""
        place = len(self.done), len(self.open)
        self.open += data
        while len(self.open) >= 8192:
            self.end()
        return place

    def end(self):
        piece, self.open = self.open[:8192], self.open[8192:]
        body = self.pack(piece) if self.pack else piece
        self.done += struct.pack("<H", len(body) | (0 if self.pack else 0x8000)) + body
        return self.done


class Maker:
    """An archive of a tree. `long` makes inodes in their extended forms."""

    def __init__(self, tree, method="gzip", packed=True, long=False):
        self.method, pack = METHODS[method]
        self.pack = pack if packed else None
        self.long = long
        self.data, self.fragments = b"", b""
        self.inodes, self.names = Table(self.pack), Table(self.pack)
        place, offset = self.directory(tree)
        self.root = place << 16 | offset

    def archive(self, **other):
        inodes, names = 96 + len(self.data), 0
        names = inodes + len(self.inodes.end())
        table = names + len(self.names.end())
        fragments = Table(self.pack)
        parts = [self.fragments[at : at + 8192] for at in range(0, len(self.fragments), 8192)]
        places = b"".join(struct.pack("<Q", table + fragments.add(part)[0]) for part in parts)
        index = table + len(fragments.end())
        fields = {
            "magic": 0x73717368, "inodes": 1, "time": 0, "block": BLOCK, "fragments": len(self.fragments) // 16,
            "method": self.method, "log": 12, "flags": 0, "ids": 1, "major": 4, "minor": 0, "root": self.root,
            "used": index, "id_table": 0, "xattrs": 0, "inode_table": inodes, "names_table": names,
            "fragment_table": index, "export": 0, **other,
        }  # fmt: skip
        head = struct.pack("<IIIIIHHHHHHQQQQQQQQ", *fields.values())
        return head + self.data + self.inodes.done + self.names.done + fragments.done + places

    def block(self, content):
        """Add a block; its size, with the bit that says that it is not packed."""
        body = self.pack(content) if self.pack else content
        self.data += body
        return len(body) | (0 if self.pack else 1 << 24)

    def node(self, kind, body):
        return self.inodes.add(struct.pack("<HHHHII", kind + 7 * self.long, 0o755, 0, 0, 0, 1) + body)

    def directory(self, tree):
        made = [(name.encode(), *self.any(inner)) for name, inner in sorted(tree.items())]
        listing = b""
        while made:
            run = [one for one in made[:256] if one[1] == made[0][1]]  # as many as follow each other in one piece
            made = made[len(run) :]
            listing += struct.pack("<III", len(run) - 1, run[0][1], 1)
            for name, _, offset in run:
                listing += struct.pack("<HhHH", offset, 0, 1, len(name) - 1) + name
        start, offset = self.names.add(listing)
        size = len(listing) + 3
        if self.long:
            return self.node(1, struct.pack("<IIIIHHI", 2, size, start, 1, 0, offset, NONE))
        return self.node(1, struct.pack("<IIHHI", start, 2, size, offset, 1))

    def any(self, inner):
        if isinstance(inner, str):
            return self.node(3, struct.pack("<II", 1, len(inner)) + inner.encode() + b"\xff" * 4 * self.long)
        return self.file(inner) if isinstance(inner, bytes) else self.directory(inner)

    def file(self, content):
        start = 96 + len(self.data)
        tail = len(content) % BLOCK if len(content) % 2 else 0  # one of an even size has no fragment
        whole = content[: len(content) - tail]
        pieces = [whole[at : at + BLOCK] for at in range(0, len(whole), BLOCK)]
        sizes = [self.block(piece) if piece.strip(b"\0") else 0 for piece in pieces]
        fragment = (NONE, 0)
        if tail:
            at = 96 + len(self.data)
            size = self.block(b"another" + content[-tail:] + b"and another")
            fragment = len(self.fragments) // 16, len(b"another")
            self.fragments += struct.pack("<QII", at, size, 0)
        if self.long:
            body = struct.pack("<QQQIIII", start, len(content), 0, 1, *fragment, NONE)
        else:
            body = struct.pack("<IIII", start, *fragment, len(content))
        return self.node(2, body + struct.pack(f"<{len(sizes)}I", *sizes))

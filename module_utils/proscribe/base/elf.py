"""ELF files by their content: whether one is a program, where its sections are, and what Go says of how it was built.

See elf(5), and for Go debug/buildinfo of its standard library. Whatever a file says of itself, a bounded part of it is
read: tables of at most some hundred entries, texts of at most some kilobytes.
"""

from __future__ import annotations

import struct
from typing import Callable, Iterable, Mapping, Sequence

from .tuples import NamedTuple

Read = Callable[[int, int], bytes]  # offset and size: the bytes that a file has there, fewer or none at its end

HEAD = 64  # bytes of a header
MOST = 512  # sections or segments; large programs have fifty
NAMES = 64 * 1024  # bytes of their names
TEXT = 16 * 1024  # bytes of a text that is read
GO = b"\xff Go buildinf:"
FIXED, MOVABLE = 2, 3  # a program at a fixed address, and one (or a library) at any
_INTERPRETER = 3  # the kind of segment that names the dynamic loader
_WRITABLE = 2


class Elf(NamedTuple):
    """What matters of an ELF file."""

    order: str  # "<" or ">", for struct
    wide: bool  # 64 bits
    sections: Mapping[str, tuple[int, int]]  # offset and size by name
    segments: Sequence[tuple[int, int, int, bool]]  # offset, address, size in the file, whether it is writable
    end: int  # of all that belongs to it: an AppImage has its archive there
    kind: int = MOVABLE
    interpreted: bool = False  # the kernel starts it with a dynamic loader


def is_elf(head: bytes) -> bool:
    """Whether what begins so is a program or a library that Linux would load."""
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2) or head[6] != 1:
        return False
    kind, machine = struct.unpack_from("<>"[head[5] - 1] + "HH", head, 16)
    return kind in (FIXED, MOVABLE) and machine != 0


def read(content: Read) -> Elf | None:
    """The tables of an ELF file; None for one that is none, or has none that can be."""
    head = content(0, HEAD)
    if not is_elf(head):
        return None
    order, wide = "<>"[head[5] - 1], head[4] == 2
    try:
        _, programs, sections = struct.unpack_from(order + ("QQQ" if wide else "III"), head, 24)
        sizes = struct.unpack_from(order + "HHHHH", head, 54 if wide else 42)
        headers = _table(content, programs, sizes[0], sizes[1], 56 if wide else 32)
        segments = [_segment(entry, order, wide) for entry in headers]
        interpreted = any(struct.unpack_from(order + "I", entry)[0] == _INTERPRETER for entry in headers)
        kind = struct.unpack_from(order + "H", head, 16)[0]
        entries = [
            struct.unpack_from(order + ("IIQQQQ" if wide else "IIIIII"), entry)
            for entry in _table(content, sections, sizes[2], sizes[3], 64 if wide else 40)
        ]
        names = b""
        if sizes[4] < len(entries):
            names = content(entries[sizes[4]][4], min(entries[sizes[4]][5], NAMES))
    except struct.error:
        return None
    found = {
        names[entry[0] :].partition(b"\0")[0].decode("ascii", "replace"): (entry[4], entry[5])
        for entry in reversed(entries)
        if entry[0] < len(names)
    }
    # The table of the sections is last in the files that AppImages begin with, as its own runtime works it out too.
    end = max([sections + sizes[2] * sizes[3], *(entry[4] + entry[5] for entry in entries if entry[1] not in (0, 8))])
    return Elf(order, wide, found, segments, end, kind, interpreted)


def _table(content: Read, offset: int, size: int, count: int, expected: int) -> list[bytes]:
    if not offset or not count or size != expected or count > MOST:
        return []
    table = content(offset, size * count)
    return [table[at : at + size] for at in range(0, len(table) - size + 1, size)]


def _segment(entry: bytes, order: str, wide: bool) -> tuple[int, int, int, bool]:
    if wide:
        kind, flags, offset, address, _, size = struct.unpack_from(order + "IIQQQQ", entry)
    else:
        kind, offset, address, _, size, _, flags = struct.unpack_from(order + "IIIIIII", entry)
    return (offset, address, size, bool(flags & _WRITABLE)) if kind == 1 else (0, 0, 0, False)


def text(content: Read, elf: Elf, section: str) -> str:
    """The text in a section, up to its first zero byte; "" if there is none."""
    offset, size = elf.sections.get(section, (0, 0))
    return content(offset, min(size, TEXT)).partition(b"\0")[0].decode("utf-8", "replace") if size else ""


def go_package(content: Read, elf: Elf) -> str:
    """The import path of the package that a Go program was built from; "" if it is none, or does not tell."""
    data = _build_info(content, elf)
    if len(data) < 32:
        return ""
    if data[15] & 2:  # since Go 1.18 both texts follow, each after its length
        version, rest = _counted(data[32:])
        module = _counted(rest)[0] if version.startswith((b"go", b"devel")) else b""
    else:
        module = _pointed(content, elf, data)
    if len(module) < 33:
        return ""
    # Between two marks of sixteen bytes stand lines `path\t...`, `mod\t...`, `dep\t...`.
    for line in module[16:-16].split(b"\n"):
        key, _, value = line.partition(b"\t")
        if key == b"path":
            return value.partition(b"\t")[0].decode("utf-8", "replace")
    return ""


def is_built_from(package: str, modules: Iterable[str]) -> bool:
    """Return whether a package is one of some Go modules, or below one."""
    return bool(package) and any(f"{package}/".startswith(f"{module}/") for module in modules)


def may_start_others(elf: Elf, package: str) -> bool:
    """Return whether a program may be a dynamic loader, or an emulator without one.

    Such a program can lie at any address, and needs no loader itself.
    """
    return elf.kind == MOVABLE and not elf.interpreted and not package


def _build_info(content: Read, elf: Elf) -> bytes:
    if ".go.buildinfo" in elf.sections:
        offset, size = elf.sections[".go.buildinfo"]
        data = content(offset, min(size, TEXT))
        if data.startswith(GO):
            return data
    for offset, _, size, writable in elf.segments:  # one whose sections were taken away
        if writable:
            data = content(offset, min(size, NAMES))
            at = data.find(GO)
            if at >= 0 and not at % 16:
                return content(offset + at, TEXT)
    return b""


def _counted(data: bytes) -> tuple[bytes, bytes]:
    """A text after its length, seven bits in a byte, and what follows it; two empty ones where it is cut short."""
    length = shift = 0
    for at, byte in enumerate(data[:5]):
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            end = at + 1 + length
            return (data[at + 1 : end], data[end:]) if end <= len(data) else (data[at + 1 :], b"")
        shift += 7
    return b"", b""


def _pointed(content: Read, elf: Elf, data: bytes) -> bytes:
    """Before Go 1.18: the address of the address of a text, and beside that its length."""
    width = data[14]
    if width not in (4, 8):
        return b""
    code = (">" if data[15] & 1 else "<") + ("Q" if width == 8 else "I")
    header = _at(content, elf, struct.unpack_from(code, data, 16 + width)[0], 2 * width)
    if len(header) < 2 * width:
        return b""
    address, length = struct.unpack(code[0] + code[1] * 2, header)
    return _at(content, elf, address, length) if length <= TEXT else b""


def _at(content: Read, elf: Elf, address: int, size: int) -> bytes:
    """What a program has at an address of its memory."""
    for offset, begin, length, _ in elf.segments:
        if begin <= address < begin + length:
            return content(offset + address - begin, min(size, begin + length - address))
    return b""

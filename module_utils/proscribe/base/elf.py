"""ELF files judged by their content: programs, their sections, and the build information of Go.

Sources: elf(5); for Go, debug/buildinfo of its standard library. Only a bounded part of a file is read, whatever the
file declares: tables of some hundred entries, texts of some kilobytes.
"""

from __future__ import annotations

import struct
from typing import Callable, Iterable, Mapping, Sequence

from .named_tuple import NamedTuple

# A function of (offset, size). It returns the bytes of a file there, fewer or none at the end of the file.
ReadContent = Callable[[int, int], bytes]

HEADER_BYTES = 64  # bytes of the file header
MAX_TABLE_ENTRIES = 512  # most sections or segments that are read; large programs have some fifty
MAX_NAMES_BYTES = 64 * 1024  # bytes of the names of sections
MAX_TEXT_BYTES = 16 * 1024  # most bytes of a text that are read
GO_BUILD_MARK = b"\xff Go buildinf:"
FIXED_PROGRAM, MOVABLE_PROGRAM = 2, 3  # a program at a fixed address; a program or a library at any address
_INTERPRETER_SEGMENT = 3  # the kind of segment that names the dynamic loader
_WRITABLE_FLAG = 2


class ElfFile(NamedTuple):
    """The parts of an ELF file that Proscribe uses."""

    byte_order: str  # "<" or ">", for struct
    is_64_bit: bool
    sections: Mapping[str, tuple[int, int]]  # key: name of the section; value: its offset and size in the file
    segments: Sequence[tuple[int, int, int, bool]]  # offset, address, size in the file, and whether it is writable
    end: int  # offset of the end of all tables and sections; in an AppImage its archive begins there
    kind: int = MOVABLE_PROGRAM  # FIXED_PROGRAM or MOVABLE_PROGRAM
    has_interpreter: bool = False  # True if the kernel starts the program with a dynamic loader


def is_elf(head: bytes) -> bool:
    """Return whether a file with this beginning is a program or library that Linux would load."""
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2) or head[6] != 1:
        return False
    kind, machine = struct.unpack_from("<>"[head[5] - 1] + "HH", head, 16)
    return kind in (FIXED_PROGRAM, MOVABLE_PROGRAM) and machine != 0


def read_elf(read_content: ReadContent) -> ElfFile | None:
    """Return the tables of an ELF file; None for another file, and for tables that cannot be read."""
    head = read_content(0, HEADER_BYTES)
    if not is_elf(head):
        return None
    byte_order, is_64_bit = "<>"[head[5] - 1], head[4] == 2
    try:
        _, segments_offset, sections_offset = struct.unpack_from(byte_order + ("QQQ" if is_64_bit else "III"), head, 24)
        # size and number of the segment headers, size and number of the section headers, index of the names' section
        table_sizes = struct.unpack_from(byte_order + "HHHHH", head, 54 if is_64_bit else 42)
        segment_headers = _read_table(
            read_content, segments_offset, table_sizes[0], table_sizes[1], 56 if is_64_bit else 32
        )
        segments = [_parse_segment(entry, byte_order, is_64_bit) for entry in segment_headers]
        has_interpreter = any(
            struct.unpack_from(byte_order + "I", entry)[0] == _INTERPRETER_SEGMENT for entry in segment_headers
        )
        kind = struct.unpack_from(byte_order + "H", head, 16)[0]
        # (offset of the name in `names`, type, flags, address, offset, size) of each section
        section_headers = [
            struct.unpack_from(byte_order + ("IIQQQQ" if is_64_bit else "IIIIII"), entry)
            for entry in _read_table(
                read_content, sections_offset, table_sizes[2], table_sizes[3], 64 if is_64_bit else 40
            )
        ]
        names = b""
        if table_sizes[4] < len(section_headers):
            names = read_content(
                section_headers[table_sizes[4]][4], min(section_headers[table_sizes[4]][5], MAX_NAMES_BYTES)
            )
    except struct.error:
        return None
    # Reversed: of several sections with the same name, the first counts.
    sections_by_name = {
        names[entry[0] :].partition(b"\0")[0].decode("ascii", "replace"): (entry[4], entry[5])
        for entry in reversed(section_headers)
        if entry[0] < len(names)
    }
    # In the program at the start of an AppImage the section table is last. AppImage's own runtime computes this end,
    # too. Sections of the types 0 (unused) and 8 (no bits) occupy no bytes of the file.
    end = max(
        [
            sections_offset + table_sizes[2] * table_sizes[3],
            *(entry[4] + entry[5] for entry in section_headers if entry[1] not in (0, 8)),
        ]
    )
    return ElfFile(byte_order, is_64_bit, sections_by_name, segments, end, kind, has_interpreter)


def _read_table(read_content: ReadContent, offset: int, size: int, count: int, expected_size: int) -> list[bytes]:
    """Return the entries of a table in the file, each as bytes.

    `count` and `size` are the number and the size of the entries. Returns [] if the file has no such table, if the
    table is too large, or if `size` is not `expected_size`.
    """
    if not offset or not count or size != expected_size or count > MAX_TABLE_ENTRIES:
        return []
    table = read_content(offset, size * count)
    return [table[at : at + size] for at in range(0, len(table) - size + 1, size)]


def _parse_segment(entry: bytes, byte_order: str, is_64_bit: bool) -> tuple[int, int, int, bool]:
    """Return the offset, the address and the size of a segment, and whether it is writable.

    The numbers are 0 for a segment that is not loaded into memory.
    """
    if is_64_bit:
        kind, flags, offset, address, _, size = struct.unpack_from(byte_order + "IIQQQQ", entry)
    else:
        kind, offset, address, _, size, _, flags = struct.unpack_from(byte_order + "IIIIIII", entry)
    return (offset, address, size, bool(flags & _WRITABLE_FLAG)) if kind == 1 else (0, 0, 0, False)


def read_section_text(read_content: ReadContent, elf: ElfFile, section: str) -> str:
    """Return the text of a section up to its first zero byte; "" if the file has no such section."""
    offset, size = elf.sections.get(section, (0, 0))
    return (
        read_content(offset, min(size, MAX_TEXT_BYTES)).partition(b"\0")[0].decode("utf-8", "replace") if size else ""
    )


def read_go_package(read_content: ReadContent, elf: ElfFile) -> str:
    """Return the import path of a Go program's main package; "" for another program, and if the path is unknown."""
    data = _find_build_info(read_content, elf)
    if len(data) < 32:  # shorter than the header of the build information
        return ""
    if data[15] & 2:  # since Go 1.18 both texts follow here, each after its length
        version, remainder = _split_counted_text(data[32:])
        module = _split_counted_text(remainder)[0] if version.startswith((b"go", b"devel")) else b""
    else:
        module = _read_pointed_text(read_content, elf, data)
    # Lines `path\t...`, `mod\t...`, `dep\t...` stand between two marks of sixteen bytes.
    if len(module) < 33:
        return ""
    for line in module[16:-16].split(b"\n"):
        key, _, path_field = line.partition(b"\t")
        if key == b"path":
            return path_field.partition(b"\t")[0].decode("utf-8", "replace")
    return ""


def is_built_from(package: str, modules: Iterable[str]) -> bool:
    """Return whether a Go package is one of these Go modules, or lies below one of these modules.

    A package with the name "" is unknown: the result is False.
    """
    return bool(package) and any(f"{package}/".startswith(f"{module}/") for module in modules)


def may_start_programs(elf: ElfFile, package: str) -> bool:
    """Return whether a program may be a dynamic loader, or an emulator that needs no dynamic loader.

    Such a program can lie at any address, and the kernel starts it without a loader. `package` is its Go package or "".
    A Go program is neither a loader nor an emulator.
    """
    return elf.kind == MOVABLE_PROGRAM and not elf.has_interpreter and not package


def _find_build_info(read_content: ReadContent, elf: ElfFile) -> bytes:
    """Return the build information of a Go program; b"" if there is none.

    The build information is in a section of the program, or in one of the writable segments.
    """
    if ".go.buildinfo" in elf.sections:
        offset, size = elf.sections[".go.buildinfo"]
        data = read_content(offset, min(size, MAX_TEXT_BYTES))
        if data.startswith(GO_BUILD_MARK):
            return data
    # fallback for a program without sections (stripped): search its memory image
    for offset, _, size, writable in elf.segments:
        if writable:
            data = read_content(offset, min(size, MAX_NAMES_BYTES))
            at = data.find(GO_BUILD_MARK)
            if at >= 0 and not at % 16:  # Go places the build information at a multiple of 16 bytes
                return read_content(offset + at, MAX_TEXT_BYTES)
    return b""


def _split_counted_text(data: bytes) -> tuple[bytes, bytes]:
    """Split a text from the data after it, and return both.

    The data begins with the text's length, seven bits in a byte. If the length is cut short, both results are b"". If
    the text is cut short, its first bytes are returned.
    """
    length = shift = 0
    for at, byte in enumerate(data[:5]):
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            end = at + 1 + length
            return (data[at + 1 : end], data[end:]) if end <= len(data) else (data[at + 1 :], b"")
        shift += 7
    return b"", b""


def _read_pointed_text(read_content: ReadContent, elf: ElfFile, data: bytes) -> bytes:
    """Read a text as Go before 1.18 stores it; b"" if it cannot be read.

    `data` has the address of a header, and the header has the address and the length of the text. Byte 14 of `data` is
    the size of an address, and byte 15 has the byte order.
    """
    width = data[14]
    if width not in (4, 8):
        return b""
    code = (">" if data[15] & 1 else "<") + ("Q" if width == 8 else "I")
    header = _read_memory(read_content, elf, struct.unpack_from(code, data, 16 + width)[0], 2 * width)
    if len(header) < 2 * width:
        return b""
    address, length = struct.unpack(code[0] + code[1] * 2, header)
    return _read_memory(read_content, elf, address, length) if length <= MAX_TEXT_BYTES else b""


def _read_memory(read_content: ReadContent, elf: ElfFile, address: int, size: int) -> bytes:
    """Return at most `size` bytes that a program has at an address of its memory; b"" for an unknown address."""
    for offset, begin, length, _ in elf.segments:
        if begin <= address < begin + length:
            return read_content(offset + address - begin, min(size, begin + length - address))
    return b""

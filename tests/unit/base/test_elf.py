"""ELF files of any machine, the package that a Go program names, and files that cannot be."""

import struct
from collections.abc import Mapping

import made_apps as made
import pytest
from made_apps import Read
from proscribe.base import elf

PACKAGE = "github.com/jpillora/chisel"


def go_package(content: bytes) -> str:
    read = Read(content)
    binary = elf.read(read)
    return elf.go_package(read, binary) if binary else ""


def test_go_program_names_the_package_it_was_built_from():
    assert go_package(made.go(PACKAGE)) == PACKAGE
    stripped = made.go(PACKAGE).replace(b".go.buildinfo", b".something.el")
    assert go_package(made.elf({".data": bytes(-(64 + 56 + 18) % 16) + made.build_info(PACKAGE)})) in (PACKAGE, "")
    assert go_package(stripped) in (PACKAGE, "")  # found only where it begins at a multiple of 16, as Go lays it


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("size", "package"), [(100, PACKAGE), (16 * 1024, PACKAGE), (16 * 1024 + 1, "")])
def test_go_before_1_18_points_to_its_texts(width, order, size, package):
    """Two strings, each an address and a length, as wide as the machine has them (debug/buildinfo)."""
    content = made.SENTINEL + f"path\t{PACKAGE}\n".encode().ljust(size - 32, b"\n") + made.SENTINEL
    blank = made.elf({".go.buildinfo": bytes(32), ".strings": bytes(32), ".text": content})
    read = Read(blank)
    binary = elf.read(read)
    assert binary
    address = {name: 0x1000 + place for name, (place, _) in binary.sections.items()}
    two = order + ("II" if width == 4 else "QQ")
    pointers = struct.pack(two, address[".strings"], address[".strings"] + 2 * width)
    head = b"\xff Go buildinf:" + bytes([width, order == ">"]) + pointers.ljust(16, b"\0")
    strings = (struct.pack(two, 0, 0) + struct.pack(two, address[".text"], len(content))).ljust(32, b"\0")
    assert go_package(made.elf({".go.buildinfo": head, ".strings": strings, ".text": content})) == package


@pytest.mark.parametrize(
    "info",
    [
        made.build_info(PACKAGE)[:20],  # shorter than it ever is
        made.build_info(PACKAGE)[:40],  # a version that is cut short
        made.build_info(PACKAGE)[:60],  # a text that is cut short
        made.build_info(PACKAGE)[:32] + b"\xff" * 9,  # a length without an end
        made.build_info(PACKAGE).replace(b"\x08go1", b"\x88\x80\x80\x80\x80\x00go1"),  # a length of too many bytes
        b"\xff Go buildinf:" + bytes([5, 0]) + bytes(16),  # addresses of five bytes
        b"\xff Go buildinf:" + bytes([8, 0]) + b"\xff" * 16,  # an address that points to nothing
    ],
    ids=range(7),
)
def test_program_with_malformed_build_info_has_no_package(info):
    assert go_package(made.elf({".go.buildinfo": info})) == ""


def lay_out(order: str, wide: bool, sizes: Mapping[int, int] = {}) -> bytes:
    """Build a program with a section `.x` and two segments; `sizes` replaces sizes and counts of its header."""
    word = "Q" if wide else "I"
    start, per_segment, per_section = (64, 56, 64) if wide else (52, 32, 40)
    names = b"\0.x\0.names\0"
    at = start + 2 * per_segment
    counts = [sizes.get(n, usual) for n, usual in enumerate((per_segment, 2, per_section, 3, 2))]
    head = b"\x7fELF" + bytes([2 if wide else 1, "<>".index(order) + 1, 1]) + bytes(9)
    head += struct.pack(f"{order}HHI{word * 3}I", 2, 62, 1, 0x1000, start, at + 5 + len(names), 0)
    head += struct.pack(f"{order}HHHHHH", start, *counts)
    for type_, flags, place, address in ((1, 6, at, 0x2000), (3, 4, 7, 7)):
        wide_or_not = (type_, flags, place, address, 0, 5, 5, 1), (type_, place, address, 0, 5, 5, flags, 1)
        head += struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *wide_or_not[not wide])
    end = b""
    for named, type_, place, size in ((0, 0, 10**6, 10**6), (1, 1, at, 5), (4, 3, at + 5, len(names))):
        end += struct.pack(f"{order}II{word * 4}II{word * 2}", named, type_, 0, 0, place, size, 0, 0, 0, 0)
    return head + b"12345" + names + end


ANY_MACHINE = pytest.mark.parametrize(("order", "wide"), [("<", True), ("<", False), (">", True), (">", False)])


@ANY_MACHINE
def test_program_is_read_as_its_machine_lays_it(order, wide):
    content = lay_out(order, wide)
    at = (64 + 2 * 56) if wide else (52 + 2 * 32)
    binary = elf.read(Read(content))
    assert binary is not None
    assert (binary.order, binary.wide, binary.end) == (order, wide, len(content)), "an AppImage's archive follows"
    assert binary.segments == [(at, 0x2000, 5, True), (0, 0, 0, False)]
    assert {name: place for name, place in binary.sections.items() if name} == {".x": (at, 5), ".names": (at + 5, 11)}
    assert elf.text(Read(content), binary, ".x") == "12345" and elf.text(Read(content), binary, ".y") == ""


@ANY_MACHINE
@pytest.mark.parametrize(
    ("sizes", "segments", "sections"),
    [
        ({0: 57}, 0, 2),  # segments of another size
        ({1: 0}, 0, 2),
        ({1: 513}, 0, 2),  # more segments than any program has
        ({2: 63}, 2, 0),  # sections of another size
        ({4: 3}, 2, 0),  # names in a section that there is not
    ],
)
def test_table_that_cannot_be_is_empty_and_the_other_is_read(order, wide, sizes, segments, sections):
    binary = elf.read(Read(lay_out(order, wide, sizes) + bytes(10**5)))
    assert binary is not None
    assert (len(binary.segments), len([name for name in binary.sections if name])) == (segments, sections)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"MZ" + bytes(100), made.elf()[:63], b"\x7fELF" + b"\xff" * 200],
)
def test_file_that_is_no_elf_is_read_as_none(content):
    assert elf.read(Read(content)) is None

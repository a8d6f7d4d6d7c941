"""What is in a program, and what its maker says of it: well-formed, hostile and made-up files, read within bounds."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
import types
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from proscribe.controls.apps import asar, elf, evidence, image_contents, parts, squashfs
from proscribe.controls.apps.copy_names import Names
from proscribe.host import Host

PACKAGE = "github.com/jpillora/chisel"
WECHAT = frozenset({"wechat", "com.tencent.wechat"})


class Read:
    """A file's content as the readers take it, with a count of what they have asked for."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked = content, 0

    def __call__(self, offset: int, size: int) -> bytes:
        assert size >= 0 and offset >= 0
        self.asked += size
        return self.content[offset : offset + size]


def go_package(content: bytes) -> str:
    read = Read(content)
    binary = elf.read(read)
    return elf.go_package(read, binary) if binary else ""


def test_go_tells_of_which_package_a_program_was_built() -> None:
    assert go_package(made.go(PACKAGE)) == PACKAGE
    stripped = made.go(PACKAGE).replace(b".go.buildinfo", b".something.el")
    assert go_package(made.elf({".data": bytes(-(64 + 56 + 18) % 16) + made.build_info(PACKAGE)})) in (PACKAGE, "")
    assert go_package(stripped) in (PACKAGE, "")  # found only where it begins at a multiple of 16, as Go lays it


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_go_before_1_18_points_to_its_texts(width: int, order: str) -> None:
    """Two addresses of strings, each an address and a length, as wide as the machine has them (debug/buildinfo)."""
    told = made.SENTINEL + f"path\t{PACKAGE}\n".encode() + made.SENTINEL
    blank = made.elf({".go.buildinfo": bytes(32), ".strings": bytes(32), ".text": told})
    read = Read(blank)
    binary = elf.read(read)
    assert binary
    address = {name: 0x1000 + place for name, (place, _) in binary.sections.items()}
    two = order + ("II" if width == 4 else "QQ")
    pointers = struct.pack(two, address[".strings"], address[".strings"] + 2 * width)
    head = b"\xff Go buildinf:" + bytes([width, order == ">"]) + pointers.ljust(16, b"\0")
    strings = (struct.pack(two, 0, 0) + struct.pack(two, address[".text"], len(told))).ljust(32, b"\0")
    assert go_package(made.elf({".go.buildinfo": head, ".strings": strings, ".text": told})) == PACKAGE


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(made.build_info(PACKAGE)[:20], id="shorter than it ever is"),
        pytest.param(made.build_info(PACKAGE)[:40], id="a version that is cut short"),
        pytest.param(made.build_info(PACKAGE)[:60], id="a text that is cut short"),
        pytest.param(made.build_info(PACKAGE)[:32] + b"\xff" * 9, id="a length without an end"),
        pytest.param(b"\xff Go buildinf:" + bytes([5, 0]) + bytes(16), id="addresses of five bytes"),
        pytest.param(b"\xff Go buildinf:" + bytes([8, 0]) + b"\xff" * 16, id="an address of nothing"),
    ],
)
def test_a_program_that_does_not_tell_its_package_tells_none(info: bytes) -> None:
    assert go_package(made.elf({".go.buildinfo": info})) == ""


def laid(order: str, wide: bool, sizes: Mapping[int, int] = {}, name: int = 1) -> bytes:
    """A program of any machine with a section `.x` and two segments, whose table of sections is its end. `sizes` takes
    the place of the header's sizes and counts; the name of `.x` is at `name` in the names.
    """
    word = "Q" if wide else "I"
    start, per_segment, per_section = (64, 56, 64) if wide else (52, 32, 40)
    names = b"\0.x\0.names\0"
    at = start + 2 * per_segment
    counts = [sizes.get(n, given) for n, given in enumerate((per_segment, 2, per_section, 3, 2))]
    head = b"\x7fELF" + bytes([2 if wide else 1, "<>".index(order) + 1, 1]) + bytes(9)
    head += struct.pack(f"{order}HHI{word * 3}I", 2, 62, 1, 0x1000, start, at + 5 + len(names), 0)
    head += struct.pack(f"{order}HHHHHH", start, *counts)
    for kind, flags, place, address in ((1, 6, at, 0x2000), (3, 4, 7, 7)):
        wide_or_not = (kind, flags, place, address, 0, 5, 5, 1), (kind, place, address, 0, 5, 5, flags, 1)
        head += struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *wide_or_not[not wide])
    end = b""
    for named, kind, place, size in ((0, 0, 10**6, 10**6), (name, 1, at, 5), (4, 3, at + 5, len(names))):
        end += struct.pack(f"{order}II{word * 4}II{word * 2}", named, kind, 0, 0, place, size, 0, 0, 0, 0)
    return head + b"12345" + names + end


ANY_MACHINE = pytest.mark.parametrize(("order", "wide"), [("<", True), ("<", False), (">", True), (">", False)])


@ANY_MACHINE
def test_a_program_is_read_as_its_machine_lays_it(order: str, wide: bool) -> None:
    content = laid(order, wide)
    at = (64 + 2 * 56) if wide else (52 + 2 * 32)
    found = elf.read(Read(content))
    assert found is not None
    assert (found.order, found.wide, found.end) == (order, wide, len(content)), "what follows is an AppImage's archive"
    assert found.segments == [(at, 0x2000, 5, True), (0, 0, 0, False)]
    assert {name: place for name, place in found.sections.items() if name} == {".x": (at, 5), ".names": (at + 5, 11)}
    assert elf.text(Read(content), found, ".x") == "12345" and elf.text(Read(content), found, ".y") == ""


@ANY_MACHINE
@pytest.mark.parametrize(
    ("sizes", "segments", "sections"),
    [
        pytest.param({0: 0}, 0, 2, id="segments of no size"),
        pytest.param({0: 57}, 0, 2, id="of another size"),
        pytest.param({1: 0}, 0, 2, id="none"),
        pytest.param({1: 513}, 0, 2, id="more of them than any program has"),
        pytest.param({2: 63}, 2, 0, id="sections of another size"),
        pytest.param({4: 3}, 2, 0, id="names in a section that there is not"),
    ],
)
def test_a_table_that_cannot_be_is_none_and_takes_nothing_from_the_other(
    order: str, wide: bool, sizes: Mapping[int, int], segments: int, sections: int
) -> None:
    found = elf.read(Read(laid(order, wide, sizes) + bytes(10**5)))
    assert found is not None
    assert (len(found.segments), len([name for name in found.sections if name])) == (segments, sections)


def test_a_section_whose_name_is_nowhere_has_none() -> None:
    found = elf.read(Read(laid("<", True, name=10**6)))
    assert found is not None and set(found.sections) == {"", ".names"}
    assert found.sections[""] == (10**6, 10**6), "the first section, which has an empty name"


@pytest.mark.parametrize(
    ("at", "value", "is_one"),
    [
        pytest.param(0, 0x7F, True, id="as it is"),
        *(pytest.param(at, 0, False, id=f"{what} that is none") for at, what in ((1, "a mark"), (4, "a width"))),
        *(pytest.param(at, 3, False, id=f"another {what}") for at, what in ((4, "width"), (5, "order"))),
        pytest.param(6, 2, False, id="another version"),
        pytest.param(16, 1, False, id="an object that is no program yet"),
        pytest.param(16, 3, True, id="a library"),
        pytest.param(16, 4, False, id="a core that was dumped"),
        pytest.param(18, 0, False, id="of no machine"),
    ],
)
def test_what_linux_would_load(at: int, value: int, is_one: bool) -> None:
    head = bytearray(made.elf()[:20])
    head[at] = value
    assert elf.is_elf(bytes(head)) is is_one
    assert not elf.is_elf(bytes(head[:19]))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"MZ" + bytes(100), made.elf()[:63], b"\x7fELF" + b"\xff" * 200],
)
def test_what_is_no_elf_file(content: bytes) -> None:
    assert elf.read(Read(content)) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_spoilt_program_is_read_within_bounds(data: st.DataObject) -> None:
    """Whatever stands in its tables, no reader asks for more than a megabyte, and none raises."""
    content = bytearray(data.draw(st.sampled_from([made.go(PACKAGE), made.image("wechat")])))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(content) - 1, data.draw(st.sampled_from([120, 10**6])))))
        content[place] = data.draw(st.integers(0, 255))
    read = Read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    binary = elf.read(read)
    if binary:
        elf.go_package(read, binary)
        elf.text(read, binary, ".upd_info")
    assert read.asked < 2**20
    assert isinstance(image_contents.doubt(read, WECHAT), str)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_spoilt_archive_is_unreadable_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(made.squashfs({"a.desktop": made.entry("a"), "link": b"x", "AppRun": made.elf()}))
    for _ in range(data.draw(st.integers(1, 10))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read = Read(bytes(content))
    begun = time.process_time()
    try:
        archive = squashfs.Archive(read, 0)
        for name, reference in archive.listed(archive.node(archive.root)):
            archive.head(archive.node(reference), 4096)
            archive.find(name)
    except squashfs.Unreadable:
        pass
    assert time.process_time() - begun < 5


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(st.text(max_size=5), inner)
    )
)
@example({"files": {"package.json": {"size": -1, "offset": "-9"}}})
@example({"files": {"a": {"files": {}}, "package.json": {"size": 10**30, "offset": "1e9"}}})
@example({"files": []})
def test_a_hostile_header_of_an_electron_archive(header: Any) -> None:
    text = json.dumps(header).encode()
    asar.read(
        lambda offset, size: (struct.pack("<IIII", 4, len(text) + 8, len(text) + 4, len(text)) + text)[
            max(offset, 0) : max(offset, 0) + max(size, 0)
        ]
    )


def test_a_header_that_nests_for_ever_is_none() -> None:
    text = b'{"files":' * 100_000
    content = struct.pack("<IIII", 4, len(text) + 8, len(text) + 4, len(text)) + text
    assert asar.read(Read(content)) is None


def test_an_electron_archive_names_its_app_and_what_lies_beside_it() -> None:
    told = asar.read(Read(made.asar({"name": "signal-desktop", "productName": "Signal"}, {"a.node": 5})))
    assert told == asar.Asar(["signal-desktop", "Signal"], {"a.node": 5})


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (made.image("wechat"), ""),
        (made.image("wechat", categories="Utility;"), ""),
        (made.image("WeChat", "com.tencent.WeChat"), ""),
        (made.image("wechat", categories="Game;Network;"), ""),
        (made.image("wechat", categories="Game;"), "its own desktop entry says that it is something else (Game)"),
        (made.image("other"), "does not say that it is this app"),
        (made.image("other", "wechat", files={"wechat": b"text"}), "does not say that it is this app"),
        (made.image("wechat", files={"second.desktop": made.entry("x")}), "more than one desktop entry"),
        (made.elf({}, b"AI\x02"), "it has no squashfs archive"),
        (made.elf({}, b"AI\x02") + made.squashfs({"AppRun": b"x"}), "it has no desktop entry"),
        (b"text", "it is no program"),
    ],
)
def test_an_appimage_is_what_is_in_it(image: bytes, doubt: str) -> None:
    told = image_contents.doubt(Read(image), WECHAT)
    assert doubt in told and bool(told) == bool(doubt)


def test_a_method_that_is_not_known_here_is_told() -> None:
    archive = bytearray(made.squashfs({"a.desktop": b""}))
    struct.pack_into("<H", archive, 20, 3)
    told = image_contents.doubt(Read(made.elf({}, b"AI\x02") + bytes(archive)), WECHAT)
    assert told == (
        "known by its name alone, since its archive is packed in a way that is not known here, so it is not moved"
    )


def test_zstd_is_unpacked_within_bounds_where_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 is on no machine of ours: this stands for its module, with zlib in place of zstd."""
    asked: list[int] = []

    class Decompressor:
        def decompress(self, data: bytes, max_length: int) -> bytes:
            asked.append(max_length)
            return zlib.decompress(data)[:max_length]

    entry = made.entry("wechat")
    archive = bytearray(made.squashfs({"wechat.desktop": zlib.compress(entry), "wechat": zlib.compress(made.elf())}))
    struct.pack_into("<H", archive, 20, 6)
    packed = bytes(archive).replace(
        struct.pack("<I", len(zlib.compress(entry)) | 1 << 24), struct.pack("<I", len(zlib.compress(entry)))
    )
    told = image_contents.doubt(Read(made.elf({}, b"AI\x02") + packed), WECHAT)
    assert "packed with zstd, which this host's Python cannot read" in told or sys.version_info >= (3, 14)
    module = types.ModuleType("compression.zstd")
    module.ZstdDecompressor = Decompressor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    read = squashfs.Archive(Read(packed), 0)
    node = read.find("wechat.desktop")
    assert node and read.head(node, 10**6)[:15] == entry[:15]
    assert asked == [131072]


def named(**services: Mapping[str, Any]) -> Names:
    empty: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
    return Names({id_: {**empty, **entry} for id_, entry in services.items()})


def test_what_has_moved_is_asked_again(tmp_path: Path) -> None:
    names = named(
        telegram={"processes": ["Telegram"]},
        wechat={"processes": ["wechat"]},
        tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}},
    )
    door = Host(str(tmp_path))
    own = parts.Own(["Telegram"], [], os.getuid())

    def unlike(kind: str, original: str, service: str, content: bytes, of: parts.Own = own) -> str:
        (tmp_path / "content").write_bytes(content)
        return evidence.unlike(door, "/content", original, kind=kind, names=names, service=service, of=of)

    assert unlike("program", "/home/a/Telegram", "telegram", made.elf()) == ""
    assert unlike("program", "/home/a/Telegram", "telegram", b"a thesis") == "it is no program"
    assert unlike("program", "/home/a/chisel", "tunnels", made.go(PACKAGE)) == ""
    assert unlike("program", "/home/a/chisel", "tunnels", made.elf()) == "it is another program"
    assert unlike("appimage", "/home/a/w.AppImage", "wechat", made.image("wechat")) == ""
    assert "does not say" in unlike("appimage", "/home/a/w.AppImage", "wechat", made.image("other"))
    assert unlike("wine", "/home/a/W.exe", "wechat", made.windows()) == ""
    assert unlike("wine", "/home/a/W.exe", "wechat", b"MZ") == "it is no program of Windows"
    assert unlike("tree", "/home/a/T/libx.so", "telegram", made.elf()) == ""
    assert "not the program's: itself" in unlike("tree", "/home/a/T/x.odt", "telegram", made.elf())
    other = parts.Own(["Telegram"], [], os.getuid() + 1)
    assert unlike("program", "/home/a/Telegram", "telegram", made.elf(), other) == "it is somebody else's"
    (tmp_path / "content").unlink()
    assert evidence.unlike(door, "/content", "/x", kind="tree", names=names, service="telegram", of=own) == "it is gone"


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o777])
def test_a_path_of_the_catalogue_counts_where_only_root_can_put_something(tmp_path: Path, mode: int) -> None:
    if os.getuid():
        pytest.skip("needs files of root")
    made.put(tmp_path / "opt/wechat", {"wechat": made.elf()})
    (tmp_path / "opt/wechat").chmod(mode)
    tmp_path.chmod(0o755)
    known = evidence.named(Host(str(tmp_path)), "/opt/wechat/wechat", own=True)
    assert known and bool(known.doubt) is (mode != 0o755)


def test_an_absent_file_has_nothing_in_it(tmp_path: Path) -> None:
    read: Callable[[int, int], bytes] = evidence.content(Host(str(tmp_path)), "/none")
    assert read(0, 10) == b"" and elf.read(read) is None


# -- how a program is known for certain --------------------------------------------------------------------------------


def test_the_bounds_of_a_look_at_a_program_are_these() -> None:
    assert (elf.HEAD, elf.MOST, elf.NAMES, elf.TEXT) == (64, 512, 64 * 1024, 16 * 1024)
    assert (evidence.MOST_NAMES, evidence.MOST_PARTS, evidence.SHOWN) == (200, 200, 3)
    assert (evidence.PE_HEAD, evidence.INI) == (4096, 16 * 1024)


CERTAIN, DOUBT, NONE = "certain", "doubt", "none"


@pytest.mark.parametrize(
    ("files", "how", "own"),
    [
        pytest.param({"Telegram": made.elf()}, DOUBT, False, id="alone"),
        pytest.param({"Telegram": made.elf(), "notes": b""}, DOUBT, False, id="beside notes"),
        pytest.param({"Telegram": made.elf(), "Updater": made.elf()}, CERTAIN, False, id="beside a part of a frame"),
        pytest.param({"Telegram": made.elf(), "Updater": b"text"}, DOUBT, False, id="beside its name"),
        pytest.param(
            {"Telegram": made.elf(), "telegram-cli": made.elf()}, CERTAIN, False, id="beside another of its own"
        ),
        pytest.param({"Telegram": made.elf(), "telegram-cli": b"text"}, DOUBT, False, id="beside that one's name"),
        pytest.param({"Telegram": made.elf(), "wechat": made.elf()}, DOUBT, False, id="beside another app's"),
        pytest.param({"Telegram": made.elf(), "libx.so": made.elf()}, DOUBT, False, id="beside a library"),
        pytest.param({"Telegram": b"#!/bin/sh\n", "Updater": made.elf()}, CERTAIN, False, id="a script in a frame"),
        pytest.param(
            {"Telegram": b"#!/bin/sh\n", "telegram-cli": made.elf()}, NONE, False, id="a script beside another"
        ),
        pytest.param({"Telegram": b"#!/bin/sh\n"}, NONE, False, id="a script alone"),
        pytest.param({"Telegram": b"text", "Updater": made.elf()}, NONE, False, id="no program"),
    ],
)
@pytest.mark.parametrize("folder", ["x", "Telegram"])
def test_what_lies_beside_a_program_tells_whether_it_is_the_app(
    tmp_path: Path, files: dict[str, bytes], how: str, own: bool, folder: str
) -> None:
    """In a directory of the app's name a library is enough, and what is certain there has the directory for itself."""
    made.put(tmp_path / folder, files)
    names = named(telegram={"processes": ["Telegram", "telegram-cli"]}, wechat={"processes": ["wechat"]})
    known = evidence.program(Host(str(tmp_path)), f"/{folder}/Telegram", names, "telegram", list(files))
    if folder == "Telegram" and "libx.so" in files:
        how = CERTAIN
    assert (NONE if known is None else DOUBT if known.doubt else CERTAIN) == how
    assert bool(known and known.own) is (how == CERTAIN and folder == "Telegram")


def test_a_word_that_is_no_program_of_the_services_is_none(tmp_path: Path) -> None:
    made.put(tmp_path / "x", {"chisel": made.elf(), "Updater": made.elf()})
    names = named(tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}})
    assert evidence.program(Host(str(tmp_path)), "/x/chisel", names, "tunnels", ["chisel", "Updater"]) is None


@pytest.mark.parametrize(
    ("package", "is_one"),
    [(PACKAGE, True), (f"{PACKAGE}/cmd/x", True), (f"{PACKAGE}2", False), (f"x/{PACKAGE}", False), ("x", False)],
)
def test_what_go_has_written_into_it_says_whose_it_is(tmp_path: Path, package: str, is_one: bool) -> None:
    made.put(tmp_path, {"x": made.go(package)})
    names = named(tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}}, other={})
    assert bool(evidence.tool(Host(str(tmp_path)), "/x", names, "tunnels")) is is_one
    assert evidence.tool(Host(str(tmp_path)), "/x", names, "other") is None


@pytest.mark.parametrize(
    ("beside", "certain"),
    [
        ({}, False),
        ({"a.dll": made.windows()}, True),
        ({"A.DLL": made.windows()}, True),
        ({"b.exe": made.windows()}, True),
        ({"a.dll": b"MZ"}, False),
        ({"a.dat": made.windows()}, False),
        ({"a.dll/x": b""}, False),
        ({f"{number:02}.dll": b"text" for number in range(20)} | {"z.dll": made.windows()}, False),
        ({f"{number:02}.dll": b"text" for number in range(19)} | {"z.dll": made.windows()}, True),
    ],
)
def test_a_windows_program_has_others_of_its_kind_beside_it(
    tmp_path: Path, beside: dict[str, bytes], certain: bool
) -> None:
    made.put(tmp_path / "x", {"W.exe": made.windows(), **beside})
    host = Host(str(tmp_path))
    known, foreign = (evidence.windows(host, "/x/W.exe", named_) for named_ in (True, False))
    assert known and foreign and foreign.doubt and bool(known.doubt) is not certain


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (made.windows(), True),
        (b"", False),
        (made.windows()[:63], False),
        (b"NZ" + made.windows()[2:], False),
        (made.windows().replace(b"PE\0\0", b"PE\0\1"), False),
        (made.windows()[: 128 + 23], False),
        (made.windows()[: 128 + 24], True),
        (b"MZ".ljust(60, b"\0") + b"\xff\xff\xff\xff" + bytes(60), False),
    ],
)
def test_a_file_of_windows_has_two_headers(tmp_path: Path, content: bytes, is_one: bool) -> None:
    made.put(tmp_path, {"x": content, "d/x": b""})
    host = Host(str(tmp_path))
    assert evidence.is_windows(host, "/x") is is_one
    assert not evidence.is_windows(host, "/d") and not evidence.is_windows(host, "/none")


@pytest.mark.parametrize(
    ("entry", "files", "told"),
    [
        (made.entry("x"), {"notes": b"", "run": made.elf()}, True),
        (made.entry("x"), {"notes": b""}, False),
        (b"text", {"run": made.elf()}, False),
    ],
)
def test_an_entry_is_told_with_a_program_beside_it(
    tmp_path: Path, entry: bytes, files: dict[str, bytes], told: bool
) -> None:
    made.put(tmp_path / "x", {"a.desktop": entry, **files})
    known = evidence.unpacked(Host(str(tmp_path)), "/x", "a.desktop", [*files, "a.desktop"])
    assert bool(known) is told and (not known or known.doubt)


def test_what_is_gone_since_its_directory_was_listed_is_no_sign_of_an_app(tmp_path: Path) -> None:
    """Users remove files while root looks; that must hide nothing else of the look."""
    names = Names({"telegram": {"processes": ["Telegram"], "paths": [], "packages": {}}}, [])
    made.put(tmp_path / "Telegram", {"Telegram": made.elf()})
    known = evidence.program(Host(str(tmp_path)), "/Telegram/Telegram", names, "telegram", ["libcef.so", "liba.so.1"])
    assert known == evidence.Known("a program of that name", evidence.ALONE)


def test_what_of_an_apps_directory_moves_and_what_is_said_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program goes first: if the rest cannot, at least that is gone."""
    host, names, me = Host(str(tmp_path)), named(telegram={"processes": ["Telegram"]}), os.getuid()
    app = {"Telegram": made.elf(), "liba.so": made.elf(), "libb.so": made.elf()}
    made.put(tmp_path / "app", app)

    def moving(program: str = "/app/Telegram") -> tuple[list[str], str, str]:
        return evidence.moving(host, "/app", program, names, "telegram", me)

    assert moving() == ([], "", "") == moving("/app")
    made.put(tmp_path / "app", {f"note{number}": b"text" for number in range(4)})
    all_parts = ["/app/Telegram", "/app/liba.so", "/app/libb.so"]
    said = "stays, since it is not the program's own: note0, note1, note2 and 1 more"
    assert moving() == (all_parts, said, "") == moving("/app")
    assert moving("/app/libb.so")[0] == ["/app/libb.so", "/app/Telegram", "/app/liba.so"]
    (tmp_path / "app/note3").unlink()
    assert moving()[1] == "stays, since it is not the program's own: note0, note1, note2"
    monkeypatch.setattr(evidence, "MOST_PARTS", 2)
    assert moving() == (all_parts[:2], f"{said.removesuffix(' and 1 more')}; 1 more parts", "")
    monkeypatch.setattr(parts, "MOST", 2)
    many = "there is more in it than is looked through (2 files, 40 directories deep)"
    assert moving() == (["/app/Telegram"], f"the rest stays: {many}", "")
    assert moving("/app") == ([], f"the rest stays: {many}", f"{many}, so it is not moved")
    monkeypatch.undo()
    for name in app:
        (tmp_path / "app" / name).unlink()
    nothing = "nothing in it shows that it is a program's own, so it is not moved"
    assert moving("/app") == ([], "", nothing) and moving() == (["/app/Telegram"], "", "")


def test_of_a_browsers_folder_of_a_web_app_pictures_move(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n"
    made.put(tmp_path / "app", {"i.png": picture})
    assert evidence.moving_web_app(Host(str(tmp_path)), "/app", os.getuid()) == ([], "", "")
    made.put(tmp_path / "app", {"libx.so": made.elf()})
    said = "stays, since it is not the program's own: libx.so"
    assert evidence.moving_web_app(Host(str(tmp_path)), "/app", os.getuid()) == (["/app/i.png"], said, "")

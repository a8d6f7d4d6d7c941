"""What is in a program, and what its maker says of it: well-formed, hostile and made-up files, read within bounds."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
import types
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import made_apps as fake
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_apps import Read
from properties import examples
from proscribe.base import elf
from proscribe.host.controls.apps.portable import appimage_contents, asar, evidence, program_parts, squashfs
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.system import Host

PACKAGE = "github.com/jpillora/chisel"
WECHAT = frozenset({"wechat", "com.tencent.wechat"})


@examples(300)
@given(st.data())
def test_a_spoilt_program_is_read_within_bounds(data: st.DataObject) -> None:
    """Whatever stands in its tables, no reader asks for more than a megabyte, and none raises."""
    content = bytearray(data.draw(st.sampled_from([fake.go(PACKAGE), fake.image("wechat")])))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(content) - 1, data.draw(st.sampled_from([120, 10**6])))))
        content[place] = data.draw(st.integers(0, 255))
    read = Read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    binary = elf.read(read)
    if binary:
        elf.go_package(read, binary)
        elf.text(read, binary, ".upd_info")
    assert read.requested < 2**20
    assert isinstance(appimage_contents.doubt(read, WECHAT), str)


@examples(300)
@given(st.data())
def test_a_spoilt_archive_is_unreadable_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(fake.squashfs({"a.desktop": fake.entry("a"), "link": b"x", "AppRun": fake.elf()}))
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


@pytest.mark.slow
@examples(200)
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


def test_zstd_is_unpacked_within_bounds_where_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any Python: this stands for the module of 3.14, with zlib in place of zstd. test_sid.py has the real one."""
    lengths: list[int] = []

    class Decompressor:
        def decompress(self, data: bytes, max_length: int) -> bytes:
            lengths.append(max_length)
            return zlib.decompress(data)[:max_length]

    entry = fake.entry("wechat")
    archive = bytearray(fake.squashfs({"wechat.desktop": zlib.compress(entry), "wechat": zlib.compress(fake.elf())}))
    struct.pack_into("<H", archive, 20, 6)
    packed = bytes(archive).replace(
        struct.pack("<I", len(zlib.compress(entry)) | 1 << 24), struct.pack("<I", len(zlib.compress(entry)))
    )
    doubt = appimage_contents.doubt(Read(fake.elf({}, b"AI\x02") + packed), WECHAT)
    assert "packed with zstd, which this host's Python cannot read" in doubt or sys.version_info >= (3, 14)
    module = types.ModuleType("compression.zstd")
    module.ZstdDecompressor = Decompressor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    read = squashfs.Archive(Read(packed), 0)
    node = read.find("wechat.desktop")
    assert node and read.head(node, 10**6)[:15] == entry[:15]
    assert lengths == [131072]


def named(**services: Mapping[str, Any]) -> Names:
    empty: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
    return Names({id_: {**empty, **entry} for id_, entry in services.items()})


def test_moved_file_is_checked_again(tmp_path: Path) -> None:
    names = named(
        telegram={"processes": ["Telegram"]},
        wechat={"processes": ["wechat"]},
        tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}},
    )
    door = Host(str(tmp_path))
    own = program_parts.Own(["Telegram"], [], os.getuid())

    def unlike(kind: str, original: str, service: str, content: bytes, of: program_parts.Own = own) -> str:
        (tmp_path / "content").write_bytes(content)
        return evidence.unlike(door, "/content", original, kind=kind, names=names, service=service, of=of)

    assert unlike("program", "/home/a/Telegram", "telegram", fake.elf()) == ""
    assert unlike("program", "/home/a/Telegram", "telegram", b"a thesis") == "it is no program"
    assert unlike("program", "/home/a/chisel", "tunnels", fake.go(PACKAGE)) == ""
    assert unlike("program", "/home/a/chisel", "tunnels", fake.elf()) == "it is another program"
    assert unlike("appimage", "/home/a/w.AppImage", "wechat", fake.image("wechat")) == ""
    assert "does not say" in unlike("appimage", "/home/a/w.AppImage", "wechat", fake.image("other"))
    assert unlike("wine", "/home/a/W.exe", "wechat", fake.windows()) == ""
    assert unlike("wine", "/home/a/W.exe", "wechat", b"MZ") == "it is no program of Windows"
    assert unlike("tree", "/home/a/T/libx.so", "telegram", fake.elf()) == ""
    assert "not the program's: itself" in unlike("tree", "/home/a/T/x.odt", "telegram", fake.elf())
    other = program_parts.Own(["Telegram"], [], os.getuid() + 1)
    assert unlike("program", "/home/a/Telegram", "telegram", fake.elf(), other) == "it is somebody else's"
    (tmp_path / "content").unlink()
    assert evidence.unlike(door, "/content", "/x", kind="tree", names=names, service="telegram", of=own) == "it is gone"


CERTAIN, DOUBT, NONE = "certain", "doubt", "none"


@pytest.mark.parametrize(
    ("files", "how"),
    [
        pytest.param({"Telegram": fake.elf()}, DOUBT, id="alone"),
        pytest.param({"Telegram": fake.elf(), "Updater": fake.elf()}, CERTAIN, id="beside a part of a frame"),
        pytest.param({"Telegram": fake.elf(), "Updater": b"text"}, DOUBT, id="beside its name"),
        pytest.param({"Telegram": fake.elf(), "telegram-cli": fake.elf()}, CERTAIN, id="beside another of its own"),
        pytest.param({"Telegram": fake.elf(), "telegram-cli": b"text"}, DOUBT, id="beside that one's name"),
        pytest.param({"Telegram": fake.elf(), "wechat": fake.elf()}, DOUBT, id="beside another app's"),
        pytest.param({"Telegram": fake.elf(), "libx.so": fake.elf()}, DOUBT, id="beside a library"),
        pytest.param({"Telegram": b"#!/bin/sh\n", "Updater": fake.elf()}, CERTAIN, id="a script in a frame"),
        pytest.param({"Telegram": b"#!/bin/sh\n", "telegram-cli": fake.elf()}, NONE, id="a script beside another"),
        pytest.param({"Telegram": b"#!/bin/sh\n"}, NONE, id="a script alone"),
        pytest.param({"Telegram": b"text", "Updater": fake.elf()}, NONE, id="no program"),
    ],
)
@pytest.mark.parametrize("folder", ["x", "Telegram"])
def test_files_beside_a_program_are_evidence(tmp_path: Path, files: dict[str, bytes], how: str, folder: str) -> None:
    """In a directory of the app's name a library is enough, and what is certain there has the directory for itself."""
    fake.put(tmp_path / folder, files)
    names = named(telegram={"processes": ["Telegram", "telegram-cli"]}, wechat={"processes": ["wechat"]})
    match = evidence.program(Host(str(tmp_path)), f"/{folder}/Telegram", names, "telegram", list(files))
    if folder == "Telegram" and "libx.so" in files:
        how = CERTAIN
    assert (NONE if match is None else DOUBT if match.doubt else CERTAIN) == how
    assert bool(match and match.own) is (how == CERTAIN and folder == "Telegram")


def test_a_word_that_is_no_program_of_the_services_is_none(tmp_path: Path) -> None:
    fake.put(tmp_path / "x", {"chisel": fake.elf(), "Updater": fake.elf()})
    names = named(tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}})
    assert evidence.program(Host(str(tmp_path)), "/x/chisel", names, "tunnels", ["chisel", "Updater"]) is None


@pytest.mark.parametrize(
    ("beside", "certain"),
    [
        ({"a.dll": fake.windows()}, True),
        ({"a.dll": b"MZ"}, False),
        ({"a.dat": fake.windows()}, False),
        ({"a.dll/x": b""}, False),
        ({f"{number:02}.dll": b"text" for number in range(20)} | {"z.dll": fake.windows()}, False),
        ({f"{number:02}.dll": b"text" for number in range(19)} | {"z.dll": fake.windows()}, True),
    ],
)
def test_windows_program_is_certain_beside_others(tmp_path: Path, beside: dict[str, bytes], certain: bool) -> None:
    fake.put(tmp_path / "x", {"W.exe": fake.windows(), **beside})
    host = Host(str(tmp_path))
    match, foreign = (evidence.windows(host, "/x/W.exe", named_) for named_ in (True, False))
    assert match and foreign and foreign.doubt and bool(match.doubt) is not certain


@pytest.mark.parametrize(
    ("entry", "files", "reported"),
    [
        (fake.entry("x"), {"notes": b"", "run": fake.elf()}, True),
        (fake.entry("x"), {"notes": b""}, False),
        (b"text", {"run": fake.elf()}, False),
    ],
)
def test_entry_counts_beside_a_program(tmp_path: Path, entry: bytes, files: dict[str, bytes], reported: bool) -> None:
    fake.put(tmp_path / "x", {"a.desktop": entry, **files})
    match = evidence.unpacked(Host(str(tmp_path)), "/x", "a.desktop", [*files, "a.desktop"])
    assert bool(match) is reported and (not match or match.doubt)


def test_file_that_is_gone_is_no_evidence(tmp_path: Path) -> None:
    """Users remove files while root looks; that must hide nothing else of the look."""
    names = Names({"telegram": {"processes": ["Telegram"], "paths": [], "packages": {}}}, [])
    fake.put(tmp_path / "Telegram", {"Telegram": fake.elf()})
    match = evidence.program(Host(str(tmp_path)), "/Telegram/Telegram", names, "telegram", ["libcef.so", "liba.so.1"])
    assert match == evidence.Known("a program of that name", evidence.ALONE)


def test_own_parts_of_an_apps_directory_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes first: if the rest cannot, at least that is gone."""
    host, names, me = Host(str(tmp_path)), named(telegram={"processes": ["Telegram"]}), os.getuid()
    app = {"Telegram": fake.elf(), "liba.so": fake.elf(), "libb.so": fake.elf()}
    fake.put(tmp_path / "app", app)

    def moving(program: str = "/app/Telegram") -> tuple[list[str], str, str]:
        return evidence.moving(host, "/app", program, names, "telegram", me)

    assert moving() == ([], "", "") == moving("/app")
    fake.put(tmp_path / "app", {f"note{number}": b"text" for number in range(4)})
    all_parts = ["/app/Telegram", "/app/liba.so", "/app/libb.so"]
    words = "stays, since it is not the program's own: note0, note1, note2 and 1 more"
    assert moving() == (all_parts, words, "") == moving("/app")
    assert moving("/app/libb.so")[0] == ["/app/libb.so", "/app/Telegram", "/app/liba.so"]
    (tmp_path / "app/note3").unlink()
    assert moving()[1] == "stays, since it is not the program's own: note0, note1, note2"
    monkeypatch.setattr(evidence, "MOST_PARTS", 2)
    assert moving() == (all_parts[:2], f"{words.removesuffix(' and 1 more')}; 1 more parts", "")
    monkeypatch.setattr(program_parts, "MOST", 2)
    many = "there is more in it than is searched (2 files, 40 directories deep)"
    assert moving() == (["/app/Telegram"], f"the rest stays: {many}", "")
    assert moving("/app") == ([], f"the rest stays: {many}", f"{many}, so it is not moved")
    monkeypatch.undo()
    for name in app:
        (tmp_path / "app" / name).unlink()
    nothing = "nothing in it shows that it is a program's own, so it is not moved"
    assert moving("/app") == ([], "", nothing) and moving() == (["/app/Telegram"], "", "")


NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs files of root and of others")


@NEEDS_ROOT
@pytest.mark.parametrize("place", ["opt/wechat", "opt"])
@pytest.mark.parametrize(("mode", "owner"), [(0o775, 0), (0o757, 0), (0o755, 1000)])
def test_path_of_the_catalogue_counts_where_only_root_writes(tmp_path: Path, place: str, mode: int, owner: int) -> None:
    """Else anybody has root take a directory of that name, with whatever is in it, away from somebody."""
    tmp_path.chmod(0o755)
    fake.put(tmp_path / "opt/wechat", {"notes": b"text"})
    host = Host(str(tmp_path))
    assert evidence.named_directory(host, "/opt/wechat") is None
    assert evidence.named(host, "/opt/wechat/notes", own=True) is None
    fake.put(tmp_path / "opt/wechat", {"wechat": fake.elf()})
    match = evidence.named_directory(host, "/opt/wechat")
    assert match == evidence.Known("the catalogue names this path, and root put it there", own=True)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == match
    assert evidence.named(host, "/opt/wechat/wechat", own=False) == match._replace(own=False)
    (tmp_path / place).chmod(mode)
    os.chown(tmp_path / place, owner, owner)
    match = evidence.named_directory(host, "/opt/wechat")
    assert match == evidence.Known("the catalogue names this path", evidence.PATH_ALONE)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == match
    assert not evidence.only_root(host, "/opt/nothing")


@pytest.mark.parametrize(("before", "result"), [(199, True), (200, False)])
def test_at_most_200_names_of_a_directory_are_checked(tmp_path: Path, before: int, result: bool) -> None:
    fake.put(tmp_path / "x", {**{f"a{number:03}": b"" for number in range(before)}, "wechat": fake.elf()})
    host = Host(str(tmp_path))
    assert bool(evidence.named_directory(host, "/x")) is result
    fake.put(tmp_path / "x", {"a.desktop": fake.entry("wechat")})
    (tmp_path / "x/a000").unlink()  # the entry is one of the names
    listed = host.list("/x")[::-1]
    assert bool(evidence.unpacked(host, "/x", "a.desktop", listed)) is result


def test_the_first_sign_of_an_app_is_named(tmp_path: Path) -> None:
    host, names = Host(str(tmp_path)), named(telegram={"processes": ["Telegram", "telegram-cli"]})

    def match(folder: str, files: list[str], at_a_path: bool = False) -> evidence.Known | None:
        fake.put(tmp_path / folder, {name: fake.elf() for name in files})
        return evidence.program(host, f"/{folder}/Telegram", names, "telegram", files[::-1], at_a_path)

    both = match("x", ["Telegram", "Updater", "libffmpeg.so", "telegram-cli"])
    assert both == evidence.Known("a program of that name, beside Updater")
    assert evidence.sign(host, "/x") == "Updater"
    others = match("y", ["Telegram", "telegram-cli"])
    assert others == evidence.Known("a program of that name, beside telegram-cli")
    libraries = match("Telegram", ["Telegram", "liba.so.1", "libb.so"])
    assert libraries == evidence.Known("a program of that name, beside liba.so.1", own=True)
    assert match("z", ["Telegram", "liba.so.1"]) == evidence.Known("a program of that name", evidence.ALONE)
    at_a_path = match("z", ["Telegram", "liba.so.1"], at_a_path=True)
    assert at_a_path == evidence.Known("a program of that name, beside liba.so.1", own=True)


@pytest.mark.parametrize(
    ("ini", "vendor"),
    [
        (b"[App]\r\nVendor=Tor Project \r\n", "Tor Project"),
        (b"[App]\nVendor=Mozilla\n", "Mozilla"),
        (b"[App]\nXVendor=Tor Project\n", ""),
        (b"[App]\nVendor=Caf\xe9\n", "Caf\ufffd"),
        (b"[App]\nVendor=" + "é".encode() * 40, "é" * 40),
        (b"#" * (16 * 1024 - 8) + b"\nVendor=x", ""),
        (b"#" * (16 * 1024 - 9) + b"\nVendor=x", "x"),
    ],
)
def test_vendor_of_a_browser_is_evidence(tmp_path: Path, ini: bytes, vendor: str) -> None:
    """Tor Browser's program is called firefox: without the vendor, Firefox would be moved in its place."""
    fake.put(tmp_path / "x", {"firefox": fake.elf(), "libxul.so": fake.elf(), "application.ini": ini})
    host = Host(str(tmp_path))
    assert evidence.gecko(host, "/x") == vendor
    names = named(
        tor={"processes": ["firefox"], "markers": {"gecko": ["Tor Project"]}}, other={"processes": ["firefox"]}
    )
    beside = host.list("/x")
    match = evidence.program(host, "/x/firefox", names, "tor", beside)
    why = "a program of that name, beside libxul.so"
    if vendor == "Tor Project":
        assert match == evidence.Known(f"{why}, and its application.ini says so", own=True)
    else:
        assert match == evidence.Known(why, "its application.ini is of another vendor, so it is not moved")
    assert evidence.program(host, "/x/firefox", names, "other", beside) == evidence.Known(why)
    assert evidence.gecko(host, "/none") == ""


@pytest.mark.parametrize(
    ("package", "how"),
    [
        ({"name": "wechat"}, "certain"),
        ({"name": "x", "productName": "WeChat"}, "certain"),
        ({"name": "n" * 70, "productName": "y"}, "doubt"),
        ({}, "unsaid"),
    ],
)
def test_package_json_names_the_app(tmp_path: Path, package: dict[str, str], how: str) -> None:
    files = {"wechat": fake.elf(), "libffmpeg.so": fake.elf(), "resources/app.asar": fake.asar(package)}
    fake.put(tmp_path / "x", files)
    host, names = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]})
    why = "a program of that name, beside libffmpeg.so"
    expected = {
        "certain": evidence.Known(f"{why}, and its package.json says so", own=True),
        "doubt": evidence.Known(why, f"its package.json calls it {'n' * 60}, so it is not moved"),
        "unsaid": evidence.Known(why),
    }
    assert evidence.program(host, "/x/wechat", names, "wechat", host.list("/x")) == expected[how]
    without = [name for name in host.list("/x") if name != "resources"]
    assert evidence.program(host, "/x/wechat", names, "wechat", without) == evidence.Known(why)


def test_a_tool_is_known_by_one_of_its_services_packages(tmp_path: Path) -> None:
    fake.put(tmp_path, {"x": fake.go("github.com/b"), "y": fake.go("github.com/" + "c" * 200), "z": b"text"})
    names = named(tunnels={"markers": {"go": ["github.com/a", "github.com/b", "github.com"], "programs": ["x"]}})
    host = Host(str(tmp_path))
    assert evidence.tool(host, "/x", names, "tunnels") == evidence.Known("a program built from github.com/b")
    long = evidence.tool(host, "/y", names, "tunnels")
    assert long and len(long.why) == len("a program built from ") + 120
    assert evidence.tool(host, "/z", names, "tunnels") is None
    match = evidence.program(host, "/x", names, "tunnels", [])
    assert match == evidence.tool(host, "/x", names, "tunnels"), "and needs nothing beside it"


def test_file_listed_by_the_archive_is_the_apps_own_with_that_size(tmp_path: Path) -> None:
    """No other sign says of such a file that it is the app's and not its user's."""
    files = fake.electron("wechat", "wechat")
    fake.put(tmp_path / "wechat", files)
    host, names = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]})
    native = "/wechat/resources/app.asar.unpacked/native.bin"
    assert evidence.listed(host, "/wechat") == {native: 7} and evidence.listed(host, "/none") == {}
    assert evidence.moving(host, "/wechat", "/wechat/wechat", names, "wechat", os.getuid()) == ([], "", "")
    (tmp_path / native[1:]).write_bytes(b"eightB!!")
    parts, stays, nothing = evidence.moving(host, "/wechat", "/wechat/wechat", names, "wechat", os.getuid())
    assert (parts[0], native in parts, nothing) == ("/wechat/wechat", False, "")
    assert stays.endswith("own: resources/app.asar.unpacked/native.bin")


def test_an_empty_directory_in_an_app_is_reported_by_its_path(tmp_path: Path) -> None:
    host, names, me = Host(str(tmp_path)), named(wechat={"processes": ["wechat"]}), os.getuid()
    fake.put(tmp_path / "x", {"wechat": fake.elf()})
    (tmp_path / "x/logs").mkdir()
    words = "stays, since it is not the program's own: logs"
    assert evidence.moving(host, "/x", "/x/wechat", names, "wechat", me) == (["/x/wechat"], words, "")


def test_pictures_are_own_in_a_browsers_folder_alone(tmp_path: Path) -> None:
    names, me = named(wechat={"processes": ["wechat"], "desktop_files": ["w.desktop"]}), os.getuid()
    app, browsers = (evidence.own(names, "wechat", me, {"/x": 1}, pictures) for pictures in (False, True))
    assert (app.programs, app.entries, app.uid, app.listed) == (["wechat"], ["w.desktop"], me, {"/x": 1})
    assert (browsers.programs, browsers.entries, browsers.uid, browsers.listed) == ((), (), me, {})
    assert (app.pictures, browsers.pictures, evidence.own(names, "wechat", me, {}).pictures) == (False, True, False)


@pytest.mark.parametrize(("flags", "result"), [(6, True), (7, True), (5, False), (4, False)])
@pytest.mark.parametrize("shift", [0, 8])
def test_go_program_without_sections_names_its_package(flags: int, result: bool, shift: int) -> None:
    """`strip` can take the table of sections away; Go lays this at a multiple of sixteen (debug/buildinfo)."""
    content = bytearray(fake.elf({".text": b"", ".data": b"x" * 200}))
    struct.pack_into("<Q", content, 40, 0)  # where the sections' table is
    struct.pack_into("<HH", content, 60, 0, 0)
    struct.pack_into("<I", content, 64 + 4, flags)
    content[128 + shift :] = fake.build_info(PACKAGE).ljust(len(content) - 128 - shift, b"\0")
    struct.pack_into("<QQ", content, 64 + 32, len(content), len(content))
    read = Read(bytes(content))
    binary = elf.read(read)
    assert binary and not binary.sections
    assert elf.go_package(read, binary) == (PACKAGE if result and not shift else "")


@pytest.mark.parametrize("name", ["chat", "tool"])
def test_many_names_hide_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry: dict[str, Any] = {"packages": {}, "paths": [], "processes": ["chat", "chat-gui"]}
    names = Names({"chat": {**entry, "markers": {"programs": ["tool"]}}, "other": {**entry, "processes": ["other"]}})
    signs = {"chat", "chat-gui", "tool", "resources", "icudtl.dat", "AppRun"}
    fake.put(tmp_path / "app", dict.fromkeys([*signs, "other", *(f"a{number}" for number in range(9))], b""))
    for most, more in ((0, 0), (3, 3)):
        monkeypatch.setattr(evidence, "MOST_AROUND", most)
        around = evidence.around(Host(str(tmp_path)), "/app", names, name)
        assert signs <= around <= {*os.listdir(tmp_path / "app")} and len(around - signs) <= more

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

import made_apps as made
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
    content = bytearray(data.draw(st.sampled_from([made.go(PACKAGE), made.image("wechat")])))
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

    entry = made.entry("wechat")
    archive = bytearray(made.squashfs({"wechat.desktop": zlib.compress(entry), "wechat": zlib.compress(made.elf())}))
    struct.pack_into("<H", archive, 20, 6)
    packed = bytes(archive).replace(
        struct.pack("<I", len(zlib.compress(entry)) | 1 << 24), struct.pack("<I", len(zlib.compress(entry)))
    )
    doubt = appimage_contents.doubt(Read(made.elf({}, b"AI\x02") + packed), WECHAT)
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


def test_what_has_moved_is_asked_again(tmp_path: Path) -> None:
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
    other = program_parts.Own(["Telegram"], [], os.getuid() + 1)
    assert unlike("program", "/home/a/Telegram", "telegram", made.elf(), other) == "it is somebody else's"
    (tmp_path / "content").unlink()
    assert evidence.unlike(door, "/content", "/x", kind="tree", names=names, service="telegram", of=own) == "it is gone"


# -- how a program is known for certain --------------------------------------------------------------------------------


CERTAIN, DOUBT, NONE = "certain", "doubt", "none"


@pytest.mark.parametrize(
    ("files", "how"),
    [
        pytest.param({"Telegram": made.elf()}, DOUBT, id="alone"),
        pytest.param({"Telegram": made.elf(), "notes": b""}, DOUBT, id="beside notes"),
        pytest.param({"Telegram": made.elf(), "Updater": made.elf()}, CERTAIN, id="beside a part of a frame"),
        pytest.param({"Telegram": made.elf(), "Updater": b"text"}, DOUBT, id="beside its name"),
        pytest.param({"Telegram": made.elf(), "telegram-cli": made.elf()}, CERTAIN, id="beside another of its own"),
        pytest.param({"Telegram": made.elf(), "telegram-cli": b"text"}, DOUBT, id="beside that one's name"),
        pytest.param({"Telegram": made.elf(), "wechat": made.elf()}, DOUBT, id="beside another app's"),
        pytest.param({"Telegram": made.elf(), "libx.so": made.elf()}, DOUBT, id="beside a library"),
        pytest.param({"Telegram": b"#!/bin/sh\n", "Updater": made.elf()}, CERTAIN, id="a script in a frame"),
        pytest.param({"Telegram": b"#!/bin/sh\n", "telegram-cli": made.elf()}, NONE, id="a script beside another"),
        pytest.param({"Telegram": b"#!/bin/sh\n"}, NONE, id="a script alone"),
        pytest.param({"Telegram": b"text", "Updater": made.elf()}, NONE, id="no program"),
    ],
)
@pytest.mark.parametrize("folder", ["x", "Telegram"])
def test_files_beside_a_program_show_whether_it_is_the_app(
    tmp_path: Path, files: dict[str, bytes], how: str, folder: str
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
    ("entry", "files", "reported"),
    [
        (made.entry("x"), {"notes": b"", "run": made.elf()}, True),
        (made.entry("x"), {"notes": b""}, False),
        (b"text", {"run": made.elf()}, False),
    ],
)
def test_an_entry_is_reported_only_with_a_program_beside_it(
    tmp_path: Path, entry: bytes, files: dict[str, bytes], reported: bool
) -> None:
    made.put(tmp_path / "x", {"a.desktop": entry, **files})
    known = evidence.unpacked(Host(str(tmp_path)), "/x", "a.desktop", [*files, "a.desktop"])
    assert bool(known) is reported and (not known or known.doubt)


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
    monkeypatch.setattr(program_parts, "MOST", 2)
    many = "there is more in it than is searched (2 files, 40 directories deep)"
    assert moving() == (["/app/Telegram"], f"the rest stays: {many}", "")
    assert moving("/app") == ([], f"the rest stays: {many}", f"{many}, so it is not moved")
    monkeypatch.undo()
    for name in app:
        (tmp_path / "app" / name).unlink()
    nothing = "nothing in it shows that it is a program's own, so it is not moved"
    assert moving("/app") == ([], "", nothing) and moving() == (["/app/Telegram"], "", "")


# -- what an app's own words count for, where a path of the catalogue counts, and what odd files hide ------------------

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs files of root and of others")


@NEEDS_ROOT
@pytest.mark.parametrize("place", ["opt/wechat", "opt"])
@pytest.mark.parametrize(("mode", "owner"), [(0o775, 0), (0o757, 0), (0o755, 1000)])
def test_a_directory_of_the_catalogue_counts_where_only_root_can_put_something(
    tmp_path: Path, place: str, mode: int, owner: int
) -> None:
    """Else anybody has root take a directory of that name, with whatever is in it, away from somebody."""
    tmp_path.chmod(0o755)
    made.put(tmp_path / "opt/wechat", {"notes": b"text"})
    host = Host(str(tmp_path))
    assert evidence.named_directory(host, "/opt/wechat") is None
    assert evidence.named(host, "/opt/wechat/notes", own=True) is None
    made.put(tmp_path / "opt/wechat", {"wechat": made.elf()})
    known = evidence.named_directory(host, "/opt/wechat")
    assert known == evidence.Known("the catalogue names this path, and root put it there", own=True)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == known
    assert evidence.named(host, "/opt/wechat/wechat", own=False) == known._replace(own=False)
    (tmp_path / place).chmod(mode)
    os.chown(tmp_path / place, owner, owner)
    known = evidence.named_directory(host, "/opt/wechat")
    assert known == evidence.Known("the catalogue names this path", evidence.PATH_ALONE)
    assert evidence.named(host, "/opt/wechat/wechat", own=True) == known
    assert not evidence.only_root(host, "/opt/nothing")


@pytest.mark.parametrize(("before", "found"), [(199, True), (200, False)])
def test_at_most_200_names_of_a_directory_are_checked(tmp_path: Path, before: int, found: bool) -> None:
    made.put(tmp_path / "x", {**{f"a{number:03}": b"" for number in range(before)}, "wechat": made.elf()})
    host = Host(str(tmp_path))
    assert bool(evidence.named_directory(host, "/x")) is found
    made.put(tmp_path / "x", {"a.desktop": made.entry("wechat")})
    (tmp_path / "x/a000").unlink()  # the entry is one of the names
    listed = host.list("/x")[::-1]
    assert bool(evidence.unpacked(host, "/x", "a.desktop", listed)) is found


def test_the_first_sign_of_an_app_is_named(tmp_path: Path) -> None:
    host, names = Host(str(tmp_path)), named(telegram={"processes": ["Telegram", "telegram-cli"]})

    def known(folder: str, files: list[str], at_a_path: bool = False) -> evidence.Known | None:
        made.put(tmp_path / folder, {name: made.elf() for name in files})
        return evidence.program(host, f"/{folder}/Telegram", names, "telegram", files[::-1], at_a_path)

    both = known("x", ["Telegram", "Updater", "libffmpeg.so", "telegram-cli"])
    assert both == evidence.Known("a program of that name, beside Updater")
    assert evidence.sign(host, "/x") == "Updater"
    others = known("y", ["Telegram", "telegram-cli"])
    assert others == evidence.Known("a program of that name, beside telegram-cli")
    libraries = known("Telegram", ["Telegram", "liba.so.1", "libb.so"])
    assert libraries == evidence.Known("a program of that name, beside liba.so.1", own=True)
    assert known("z", ["Telegram", "liba.so.1"]) == evidence.Known("a program of that name", evidence.ALONE)
    at_a_path = known("z", ["Telegram", "liba.so.1"], at_a_path=True)
    assert at_a_path == evidence.Known("a program of that name, beside liba.so.1", own=True)


# -- what an app says of itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ini", "vendor"),
    [
        (b"[App]\nVendor=Tor Project\nName=Firefox\n", "Tor Project"),
        (b"[App]\r\nVendor=Tor Project \r\n", "Tor Project"),
        (b"[App]\nVendor=Mozilla\n", "Mozilla"),
        (b"[App]\nXVendor=Tor Project\n", ""),
        (b"[App]\nVendor=Caf\xe9\n", "Caf\ufffd"),
        (b"[App]\nVendor=" + "é".encode() * 40, "é" * 40),
        (b"#" * (16 * 1024 - 8) + b"\nVendor=x", ""),
        (b"#" * (16 * 1024 - 9) + b"\nVendor=x", "x"),
        (b"", ""),
    ],
)
def test_the_vendor_of_a_browser_says_whether_it_is_the_app(tmp_path: Path, ini: bytes, vendor: str) -> None:
    """Tor Browser's program is called firefox: without the vendor, Firefox would be moved in its place."""
    made.put(tmp_path / "x", {"firefox": made.elf(), "libxul.so": made.elf(), "application.ini": ini})
    host = Host(str(tmp_path))
    assert evidence.gecko(host, "/x") == vendor
    names = named(
        tor={"processes": ["firefox"], "markers": {"gecko": ["Tor Project"]}}, other={"processes": ["firefox"]}
    )
    beside = host.list("/x")
    known = evidence.program(host, "/x/firefox", names, "tor", beside)
    why = "a program of that name, beside libxul.so"
    if vendor == "Tor Project":
        assert known == evidence.Known(f"{why}, and its application.ini says so", own=True)
    else:
        assert known == evidence.Known(why, "its application.ini is of another vendor, so it is not moved")
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
def test_one_of_the_names_in_its_package_says_whether_it_is_the_app(
    tmp_path: Path, package: dict[str, str], how: str
) -> None:
    files = {"wechat": made.elf(), "libffmpeg.so": made.elf(), "resources/app.asar": made.asar(package)}
    made.put(tmp_path / "x", files)
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
    made.put(tmp_path, {"x": made.go("github.com/b"), "y": made.go("github.com/" + "c" * 200), "z": b"text"})
    names = named(tunnels={"markers": {"go": ["github.com/a", "github.com/b", "github.com"], "programs": ["x"]}})
    host = Host(str(tmp_path))
    assert evidence.tool(host, "/x", names, "tunnels") == evidence.Known("a program built from github.com/b")
    long = evidence.tool(host, "/y", names, "tunnels")
    assert long and len(long.why) == len("a program built from ") + 120
    assert evidence.tool(host, "/z", names, "tunnels") is None
    known = evidence.program(host, "/x", names, "tunnels", [])
    assert known == evidence.tool(host, "/x", names, "tunnels"), "and needs nothing beside it"


def test_what_an_archive_lists_beside_it_is_the_apps_own_with_that_size(tmp_path: Path) -> None:
    """No other sign says of such a file that it is the app's and not its user's."""
    files = made.electron("wechat", "wechat")
    made.put(tmp_path / "wechat", files)
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
    made.put(tmp_path / "x", {"wechat": made.elf()})
    (tmp_path / "x/logs").mkdir()
    said = "stays, since it is not the program's own: logs"
    assert evidence.moving(host, "/x", "/x/wechat", names, "wechat", me) == (["/x/wechat"], said, "")


def test_of_a_browsers_folder_only_pictures_are_its_own_and_of_an_apps_none(tmp_path: Path) -> None:
    names, me = named(wechat={"processes": ["wechat"], "desktop_files": ["w.desktop"]}), os.getuid()
    app, browsers = (evidence.own(names, "wechat", me, {"/x": 1}, pictures) for pictures in (False, True))
    assert (app.programs, app.entries, app.uid, app.listed) == (["wechat"], ["w.desktop"], me, {"/x": 1})
    assert (browsers.programs, browsers.entries, browsers.uid, browsers.listed) == ((), (), me, {})
    assert (app.pictures, browsers.pictures, evidence.own(names, "wechat", me, {}).pictures) == (False, True, False)

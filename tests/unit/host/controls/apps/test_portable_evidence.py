"""Programs and files of apps by content: well-formed, hostile and personal files, and what the quarantine takes."""

import json
import os
import struct
import sys
import time
import types
import zlib
from collections.abc import Mapping
from typing import Any

import made_apps as fake
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_apps import Read
from properties import examples
from proscribe.base import elf
from proscribe.host.controls.apps.portable import appimage_contents, asar, evidence, own_files, squashfs
from proscribe.host.controls.apps.portable.app_names import AppNames
from proscribe.host.system import Host
from squashfs_maker import METHODS, Maker

PACKAGE = "github.com/jpillora/chisel"
SHORT = st.text(max_size=5)
WECHAT = frozenset({"wechat", "com.tencent.wechat"})
CERTAIN, DOUBT, NONE = "certain", "doubt", "none"
TEXTS = {f"{number:02}.dll": b"text" for number in range(19)}
FOLDERS = ["data", "downloads", "profiles", "tdata", "user data", "userdata", ".git", ".hg", ".svn"]
FRAME = (
    *("AppRun", "Updater", "chrome-sandbox", "chrome_100_percent.pak", "icudtl.dat", "libcef.so"),
    *("libffmpeg.so", "libxul.so", "omni.ja", "resources.pak", "snapshot_blob.bin", "v8_context_snapshot.bin"),
)


@examples(300)
@given(st.data())
def test_damaged_program_is_read_within_bounds(data):
    content = bytearray(data.draw(st.sampled_from([fake.go(PACKAGE), fake.image("wechat")])))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(content) - 1, data.draw(st.sampled_from([120, 10**6])))))
        content[place] = data.draw(st.integers(0, 255))
    read = Read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    binary = elf.read_elf(read)
    if binary:
        elf.read_go_package(read, binary)
        elf.read_section_text(read, binary, ".upd_info")
    assert read.requested < 2**20 and isinstance(appimage_contents.explain_appimage_doubt(read, WECHAT), str)


@examples(300)
@given(st.data())
def test_a_spoilt_archive_is_unreadable_and_nothing_else(data):
    content = bytearray(fake.squashfs({"a.desktop": fake.entry("a"), "link": b"x", "AppRun": fake.elf()}))
    for _ in range(data.draw(st.integers(1, 10))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read, begun = Read(bytes(content)), time.process_time()
    try:
        archive = squashfs.SquashfsArchive(read, 0)
        for name, reference in archive.list_directory(archive.read_node(archive.root_reference)):
            archive.read_head(archive.read_node(reference), 4096)
            archive.find_node(name)
    except squashfs.UnreadableArchive:
        pass
    assert time.process_time() - begun < 5


@pytest.mark.slow
@examples(200)
@given(st.recursive(st.none() | st.integers() | SHORT, lambda inner: st.dictionaries(SHORT, inner)))
@example({"files": {"package.json": {"size": -1, "offset": "-9"}}})
@example({"files": {"a": {"files": {}}, "package.json": {"size": 10**30, "offset": "1e9"}}})
@example({"files": []})
def test_a_hostile_header_of_an_electron_archive(header):
    text = json.dumps(header).encode()
    content = struct.pack("<IIII", 4, len(text) + 8, len(text) + 4, len(text)) + text
    asar.read_asar(lambda offset, size: content[max(offset, 0) : max(offset, 0) + max(size, 0)])


def test_zstd_is_unpacked_within_bounds_where_python_can(monkeypatch):
    """A module with zlib stands for the one of Python 3.14. test_sid.py has the real one."""
    lengths: list[int] = []

    class Decompressor:
        def decompress(self, data: bytes, max_length: int) -> bytes:
            lengths.append(max_length)
            return zlib.decompress(data)[:max_length]

    monkeypatch.setitem(METHODS, "zstd", (6, zlib.compress))
    entry = fake.entry("wechat", Comment="x")
    content = Maker({"wechat.desktop": entry, "wechat": fake.elf()}, "zstd").archive()
    doubt = appimage_contents.explain_appimage_doubt(Read(fake.elf({}, b"AI\x02") + content), WECHAT)
    assert "packed with zstd" in doubt or sys.version_info >= (3, 14)
    module: Any = types.ModuleType("compression.zstd")
    module.ZstdDecompressor = Decompressor
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    read = squashfs.SquashfsArchive(Read(content), 0)
    node = read.find_node("wechat.desktop")
    assert node and read.read_head(node, 10**6) == entry and set(lengths) == {4096, 8192}


def named(**services: Mapping[str, Any]) -> AppNames:
    empty: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
    return AppNames({id_: {**empty, **entry} for id_, entry in services.items()})


WECHAT_NAMES = named(wechat={"processes": ["wechat"]})
TOOLS = named(tunnels={"markers": {"go": [PACKAGE], "programs": ["chisel"]}})
BOTH = named(telegram={"processes": ["Telegram", "telegram-cli"]}, wechat={"processes": ["wechat"]})
ME = os.getuid()


@pytest.mark.parametrize(
    ("kind", "original", "names", "content", "uid", "doubt"),
    [
        ("program", "/home/a/Telegram", BOTH, fake.elf(), ME, ""),
        ("program", "/home/a/Telegram", BOTH, b"a thesis", ME, "it is no program"),
        ("program", "/home/a/Telegram", BOTH, fake.elf(), ME + 1, "it is somebody else's"),
        ("program", "/home/a/chisel", TOOLS, fake.go(PACKAGE), ME, ""),
        ("program", "/home/a/chisel", TOOLS, fake.elf(), ME, "it is another program"),
        ("appimage", "/home/a/w.AppImage", WECHAT_NAMES, fake.image("wechat"), ME, ""),
        ("appimage", "/home/a/w.AppImage", WECHAT_NAMES, fake.image("other"), ME, "does not say"),
        ("wine", "/home/a/W.exe", WECHAT_NAMES, fake.windows(), ME, ""),
        ("wine", "/home/a/W.exe", WECHAT_NAMES, b"MZ", ME, "it is no program of Windows"),
        ("tree", "/home/a/T/libx.so", BOTH, fake.elf(), ME, ""),
        ("tree", "/home/a/T/x.odt", BOTH, fake.elf(), ME, "not the program's: itself"),
        ("tree", "/home/a/T/x.odt", BOTH, None, ME, "it is gone"),
    ],
)
def test_moved_file_is_checked_again(tmp_path, kind, original, names, content, uid, doubt):
    if content is not None:
        (tmp_path / "content").write_bytes(content)
    own = own_files.OwnFiles(["Telegram"], [], uid)
    (service, *_) = names.names_by_service
    of = {"kind": kind, "names": names, "service": service, "own_files": own}
    reason = evidence.explain_moved_difference(Host(str(tmp_path)), "/content", original, **of)
    assert doubt in reason and bool(doubt) == bool(reason)


@pytest.mark.parametrize(
    ("files", "how"),
    [
        ({"Telegram": fake.elf()}, DOUBT),  # alone
        ({"Telegram": fake.elf(), "Updater": fake.elf()}, CERTAIN),  # beside a part of a frame
        ({"Telegram": fake.elf(), "Updater": b"text"}, DOUBT),  # beside its name
        ({"Telegram": fake.elf(), "telegram-cli": fake.elf()}, CERTAIN),  # beside another of its own
        ({"Telegram": fake.elf(), "telegram-cli": b"text"}, DOUBT),  # beside that one's name
        ({"Telegram": fake.elf(), "wechat": fake.elf()}, DOUBT),  # beside another app's
        ({"Telegram": fake.elf(), "libx.so": fake.elf()}, DOUBT),  # beside a library
        ({"Telegram": b"#!/bin/sh\n", "Updater": fake.elf()}, CERTAIN),  # a script in a frame
        ({"Telegram": b"#!/bin/sh\n", "telegram-cli": fake.elf()}, NONE),  # a script beside another
        ({"Telegram": b"text", "Updater": fake.elf()}, NONE),  # no program
    ],
)
@pytest.mark.parametrize("folder", ["x", "Telegram"])
def test_files_beside_a_program_are_evidence(tmp_path, files, how, folder):
    fake.put(tmp_path / folder, files)
    match = evidence.identify_program(Host(str(tmp_path)), f"/{folder}/Telegram", BOTH, "telegram", list(files))
    if folder == "Telegram" and "libx.so" in files:
        how = CERTAIN
    assert (NONE if match is None else DOUBT if match.doubt else CERTAIN) == how
    assert bool(match and match.is_own_directory) is (how == CERTAIN and folder == "Telegram")


@pytest.mark.parametrize(
    ("beside", "certain"),
    [
        ({"a.dll": b"MZ"}, False),
        ({"a.dat": fake.windows()}, False),
        ({**TEXTS, "y.dll": b"text", "z.dll": fake.windows()}, False),
        ({**TEXTS, "z.dll": fake.windows()}, True),
    ],
)
def test_windows_program_is_certain_beside_others(tmp_path, beside, certain):
    fake.put(tmp_path / "x", {"W.exe": fake.windows(), **beside})
    host = Host(str(tmp_path))
    match, foreign = (evidence.identify_windows_program(host, "/x/W.exe", is_named) for is_named in (True, False))
    assert match and foreign and foreign.doubt and bool(match.doubt) is not certain


@pytest.mark.parametrize(
    ("entry", "files", "reported"),
    [
        (fake.entry("x"), {"notes": b"", "run": fake.elf()}, True),
        (fake.entry("x"), {"notes": b""}, False),
        (b"text", {"run": fake.elf()}, False),
    ],
)
def test_entry_counts_beside_a_program(tmp_path, entry, files, reported):
    fake.put(tmp_path / "x", {"a.desktop": entry, **files})
    match = evidence.identify_unpacked_app(Host(str(tmp_path)), "/x", "a.desktop", [*files, "a.desktop"])
    assert bool(match and match.doubt) is bool(match) is reported


def test_own_parts_of_an_apps_directory_move(tmp_path, monkeypatch):
    host, app = Host(str(tmp_path)), dict.fromkeys(("Telegram", "liba.so", "libb.so"), fake.elf())
    for folder in ("app", "opt"):
        fake.put(tmp_path / folder, app)

    def move(program: str = "/app/Telegram", folder: str = "/app") -> tuple[list[str], str, str]:
        return evidence.choose_moved_parts(host, folder, program, BOTH, "telegram", ME)

    parts = ["/app/Telegram", "/app/liba.so", "/app/libb.so"]
    assert move() == ([], "", "") == move("/app")
    # A folder of many programs never moves as a whole: what comes later would go with it.
    assert move("/opt/Telegram", "/opt") == ([path.replace("/app", "/opt") for path in parts], "", "")
    fake.put(tmp_path / "app", {f"note{number}": b"text" for number in range(4)})
    assert move() == move("/app") and move()[0] == parts and move()[1].endswith("note0, note1, note2 and 1 more")
    assert move("/app/libb.so")[0] == ["/app/libb.so", "/app/Telegram", "/app/liba.so"]
    (tmp_path / "app/note3").unlink()
    assert move()[1].endswith("own: note0, note1, note2")
    monkeypatch.setattr(evidence, "MAX_MOVED_PARTS", 2)
    assert move()[0] == parts[:2] and move()[1].endswith("; 1 more parts")
    monkeypatch.setattr(own_files, "MAX_FILES", 2)
    assert move()[0] == ["/app/Telegram"] and "the rest stays: there is more in it" in move()[1]
    assert move("/app")[0] == [] and move("/app")[2].endswith("so it is not moved")
    monkeypatch.undo()
    for name in app:
        (tmp_path / "app" / name).unlink()
    assert move("/app")[:2] == ([], "") and "so it is not moved" in move("/app")[2]
    assert move() == (["/app/Telegram"], "", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs files of root and of others")
@pytest.mark.parametrize("place", ["opt/wechat", "opt"])
@pytest.mark.parametrize(("mode", "owner"), [(0o775, 0), (0o757, 0), (0o755, 1000)])
def test_path_of_the_catalogue_counts_where_only_root_writes(tmp_path, place, mode, owner):
    """Else anybody has root take a directory of that name, with whatever is in it, away from somebody."""
    tmp_path.chmod(0o755)
    fake.put(tmp_path / "opt/wechat", {"notes": b"text"})
    host, program = Host(str(tmp_path)), "/opt/wechat/wechat"
    notes = evidence.identify_named_file(host, "/opt/wechat/notes", is_own_directory=True)
    assert evidence.identify_named_directory(host, "/opt/wechat") is notes is None
    fake.put(tmp_path / "opt/wechat", {"wechat": fake.elf()})
    match = evidence.identify_named_directory(host, "/opt/wechat")
    assert match and (match.doubt, match.is_own_directory) == ("", True)
    assert match == evidence.identify_named_file(host, program, is_own_directory=True)
    assert evidence.identify_named_file(host, program, is_own_directory=False) == match._replace(is_own_directory=False)
    (tmp_path / place).chmod(mode)
    os.chown(tmp_path / place, owner, owner)
    match = evidence.identify_named_directory(host, "/opt/wechat")
    assert match and match.doubt and not match.is_own_directory
    assert match == evidence.identify_named_file(host, program, is_own_directory=True)
    assert not evidence.is_root_only(host, "/opt/nothing")


@pytest.mark.parametrize(("before", "result"), [(199, True), (200, False)])
def test_at_most_200_names_of_a_directory_are_checked(tmp_path, before, result):
    fake.put(tmp_path / "x", {**{f"a{number:03}": b"" for number in range(before)}, "wechat": fake.elf()})
    host = Host(str(tmp_path))
    assert bool(evidence.identify_named_directory(host, "/x")) is result
    fake.put(tmp_path / "x", {"a.desktop": fake.entry("wechat")})
    (tmp_path / "x/a000").unlink()  # the entry is one of the names
    assert bool(evidence.identify_unpacked_app(host, "/x", "a.desktop", host.list_directory("/x")[::-1])) is result


@pytest.mark.parametrize(
    ("folder", "files", "at_a_path", "beside", "own"),
    [
        ("x", "Telegram Updater libffmpeg.so telegram-cli", False, ", beside Updater", False),
        ("x", "Telegram telegram-cli", False, ", beside telegram-cli", False),
        ("Telegram", "Telegram liba.so.1 libb.so", False, ", beside liba.so.1", True),
        ("x", "Telegram liba.so.1", True, ", beside liba.so.1", True),
        ("x", "Telegram liba.so.1", False, "", False),
        ("x", "Telegram gone.so", True, "", False),  # users remove files while root looks
    ],
)
def test_the_first_sign_of_an_app_is_named(tmp_path, folder, files, at_a_path, beside, own):
    names = files.split()
    fake.put(tmp_path / folder, {name: fake.elf() for name in names if name != "gone.so"})
    program = f"/{folder}/Telegram"
    match = evidence.identify_program(Host(str(tmp_path)), program, BOTH, "telegram", names[::-1], at_a_path)
    assert match and (match.reason, match.is_own_directory) == (f"a program of that name{beside}", own)
    assert bool(match.doubt) is not bool(beside)


@pytest.mark.parametrize(
    ("ini", "vendor"),
    [
        (b"[App]\r\nVendor=Tor Project \r\n", "Tor Project"),
        (b"[App]\nXVendor=Tor Project\n", ""),
        (b"[App]\nVendor=" + "é".encode() * 40, "é" * 40),
        (b"#" * (16 * 1024 - 8) + b"\nVendor=x", ""),
        (b"#" * (16 * 1024 - 9) + b"\nVendor=x", "x"),
    ],
)
def test_vendor_of_a_browser_is_evidence(tmp_path, ini, vendor):
    """Tor Browser's program is called firefox: without the vendor, Firefox would be moved in its place."""
    fake.put(tmp_path / "x", {"firefox": fake.elf(), "libxul.so": fake.elf(), "application.ini": ini})
    host, tor = Host(str(tmp_path)), {"processes": ["firefox"], "markers": {"gecko": ["Tor Project"]}}
    assert (evidence.read_gecko_vendor(host, "/x"), evidence.read_gecko_vendor(host, "/none")) == (vendor, "")
    names = named(tor=tor, other={"processes": ["firefox"]})
    around, is_tor = host.list_directory("/x"), vendor == "Tor Project"
    match, other = (evidence.identify_program(host, "/x/firefox", names, id_, around) for id_ in ("tor", "other"))
    assert match and (match.is_own_directory, "another vendor" in match.doubt) == (is_tor, not is_tor)
    assert other == evidence.AppEvidence("a program of that name, beside libxul.so")


@pytest.mark.parametrize(
    ("package", "doubt", "own"),
    [
        ({"name": "wechat"}, "", True),
        ({"name": "x", "productName": "WeChat"}, "", True),
        ({"name": "n" * 70, "productName": "y"}, f"its package.json calls it {'n' * 60}, so it is not moved", False),
        ({}, "", False),
    ],
)
def test_package_json_names_the_app(tmp_path, package, doubt, own):
    files = {"wechat": fake.elf(), "libffmpeg.so": fake.elf(), "resources/app.asar": fake.asar(package)}
    fake.put(tmp_path / "x", files)
    host = Host(str(tmp_path))
    match = evidence.identify_program(host, "/x/wechat", WECHAT_NAMES, "wechat", host.list_directory("/x"))
    assert match and (match.doubt, match.is_own_directory) == (doubt, own)
    match = evidence.identify_program(host, "/x/wechat", WECHAT_NAMES, "wechat", ["wechat", "libffmpeg.so"])
    assert match == evidence.AppEvidence("a program of that name, beside libffmpeg.so")


def test_a_tool_is_known_by_one_of_its_services_packages(tmp_path):
    fake.put(tmp_path, {"x": fake.go("github.com/b"), "y": fake.go("github.com/" + "c" * 200), "z": fake.elf()})
    names = named(tunnels={"markers": {"go": ["github.com/a", "github.com/b", "github.com"], "programs": ["x", "z"]}})
    host = Host(str(tmp_path))
    built = evidence.AppEvidence("a program built from github.com/b")
    assert evidence.identify_marked_tool(host, "/x", names, "tunnels") == built
    long = evidence.identify_marked_tool(host, "/y", names, "tunnels")
    assert long and len(long.reason) == 21 + 120
    assert evidence.identify_marked_tool(host, "/z", names, "tunnels") is None
    assert evidence.identify_program(host, "/z", names, "tunnels", ["x"]) is None
    assert evidence.identify_program(host, "/x", names, "tunnels", []), "it needs nothing beside it"


def test_file_listed_by_the_archive_is_the_apps_own_with_that_size(tmp_path):
    fake.put(tmp_path / "wechat", fake.electron("wechat", "wechat"))
    host, native = Host(str(tmp_path)), "resources/app.asar.unpacked/native.bin"
    assert evidence.list_unpacked_files(host, "/wechat") == {f"/wechat/{native}": 7}
    assert evidence.list_unpacked_files(host, "/none") == {}
    assert evidence.choose_moved_parts(host, "/wechat", "/wechat/wechat", WECHAT_NAMES, "wechat", ME) == ([], "", "")
    (tmp_path / "wechat" / native).write_bytes(b"eightB!!")
    parts, stays, nothing = evidence.choose_moved_parts(host, "/wechat", "/wechat/wechat", WECHAT_NAMES, "wechat", ME)
    assert parts[0] == "/wechat/wechat" and f"/wechat/{native}" not in parts
    assert stays.endswith(f"own: {native}") and nothing == ""


@pytest.mark.parametrize(("flags", "result"), [(6, True), (7, True), (5, False), (4, False)])
@pytest.mark.parametrize("shift", [0, 8])
def test_go_program_without_sections_names_its_package(flags, result, shift):
    """`strip` can take the table of sections away; Go lays this at a multiple of sixteen (debug/buildinfo)."""
    content = bytearray(fake.elf({".text": b"", ".data": b"x" * 200}))
    struct.pack_into("<Q", content, 40, 0)  # where the sections' table is
    struct.pack_into("<HH", content, 60, 0, 0)
    struct.pack_into("<I", content, 64 + 4, flags)
    content[128 + shift :] = fake.build_info(PACKAGE).ljust(len(content) - 128 - shift, b"\0")
    struct.pack_into("<QQ", content, 64 + 32, len(content), len(content))
    read = Read(bytes(content))
    binary = elf.read_elf(read)
    assert binary and not binary.sections
    assert elf.read_go_package(read, binary) == (PACKAGE if result and not shift else "")


@pytest.mark.parametrize("name", ["chat", "tool"])
def test_many_names_hide_no_evidence(tmp_path, monkeypatch, name):
    chat = {"processes": ["chat", "chat-gui"], "markers": {"programs": ["tool"]}}
    names = named(chat=chat, other={"processes": ["other"]})
    signs = {"chat", "chat-gui", "tool", "resources", "icudtl.dat", "AppRun"}
    fake.put(tmp_path / "app", dict.fromkeys([*signs, "other", *(f"a{number}" for number in range(9))], b""))
    for most in (0, 3):
        monkeypatch.setattr(evidence, "MAX_NEIGHBOUR_NAMES", most)
        around = evidence.list_neighbours(Host(str(tmp_path)), "/app", names, name)
        assert signs <= around <= {*os.listdir(tmp_path / "app")} and len(around - signs) <= most


ELF, SCRIPT = fake.elf(), b"#!/bin/sh\n"
INI_NAMES = ("application", "crashreporter", "defaults", "platform", "update-settings", "updater")
# Every name that the quarantine takes by, with what an app has under it. A user's file of that name stays.
OWN_NAMES: dict[str, list[bytes]] = {
    "AppRun": [SCRIPT, ELF], "Updater": [ELF], "chrome-sandbox": [ELF], "chrome_100_percent.pak": [fake.pak()],
    "icudtl.dat": [fake.icu()], "libcef.so": [ELF], "libffmpeg.so": [ELF], "libxul.so": [ELF],
    "omni.ja": [fake.jar(), b"PK\x03\x04" + bytes(40)], "resources.pak": [fake.pak()],
    "snapshot_blob.bin": [fake.snapshot()], "v8_context_snapshot.bin": [fake.snapshot()],
    "LICENSE": [b"Licence", b"LICENSE", b"(c) copyright"], "LICENSE.electron.txt": [b"Copyright"],
    "LICENSES.chromium.html": [b"<title>Licenses"], "app-update.yml": [b"owner: a\nprovider: github\n"],
    "chrome.manifest": [b"manifest chrome/a\n", b"content x y\n", b"resource a b\n", b"locale a b\n"],
    **dict.fromkeys([f"{name}.ini" for name in INI_NAMES], [b"; Mozilla\n\n[App]\n"]),
    "dependentlibs.list": [b"libnspr4.so\nlibxul.so\n"],
    "package-type": [b"deb", b"deb\n"], "precomplete": [b'remove "a"\n', b'rmdir "a/"\n'], "qt.conf": [b"[Paths]\n"],
    "removed-files": [b"browser/a\n"], "version": [b"v30.0.1\n", b"4.1"],
    "vk_swiftshader_icd.json": [b'{"file_format_version": "1.0.0"}'],
    "lib.so": [], "x.so": [ELF], "libx.so.1.2": [ELF], "native.node": [ELF], "x.sob": [], "x.so.a": [],
    "app.asar": [fake.asar({"name": "x"})], "browser.ja": [fake.jar()], "de.pak": [fake.pak()],
    "qt_de.qm": [b"\x3c\xb8\x64\x18\xca\xef\x9c\x95" + bytes(9)],
    "x.desktop": [], "app.desktop": [b"[Desktop Entry]\n", b"#!/usr/bin/env xdg-open\n[Desktop Entry]\n"],
    "own-program": [ELF, SCRIPT],
    **{name: [ELF] for name in (
        "chrome_crashpad_handler", "conjure-client", "crashpad_handler", "crashreporter", "firefox-bin",
        "firefox.real", "glxtest", "lyrebird", "minidump-analyzer", "obfs4proxy", "pingsender", "plugin-container",
        "snowflake-client", "tor", "updater", "vaapitest", "webtunnel-client",
    )},
    **{name: [SCRIPT, ELF] for name in (
        "abicheck", "chrome-wrapper", "execdesktop", "firefox", "start-tor-browser", "xdg-mime", "xdg-settings",
    )},
}  # fmt: skip
THESES = (
    b"", b"a thesis", b"PK\x05\x06", bytes(600), b"%PDF-1.7", b"MZ", b"\x89PNG\r\n\x1a\n", b"my file_format_version",
    b"#!x", b"\x7fELF", b"my provider: none", b"the manifest ", b'I remove "that"', b"see [1]", b"about lib.so\n",
    b"1st version", b"an entry: [Desktop Entry]", b"x:\n[Desktop\nEntry]",
)  # fmt: skip


@pytest.mark.parametrize("name", OWN_NAMES)
def test_name_counts_with_the_content_of_an_app_alone(tmp_path, name):
    own, host = own_files.OwnFiles(["own-program"], ["app.desktop"], ME), Host(str(tmp_path))
    pictures = own_files.OwnFiles((), (), ME, has_pictures=True)
    for content in OWN_NAMES[name]:
        fake.put(tmp_path / "app", {name: content})
        assert own.make_layout(host, "/app") == own_files.DirectoryLayout(True, [f"/app/{name}"], []), content
        assert not pictures.make_layout(host, "/app").is_whole, "a browser's folder of a web app has pictures"
    for content in THESES:
        if not any(content.startswith(real[:40]) for real in OWN_NAMES[name]):
            fake.put(tmp_path / "app", {name: content})
            assert own.make_layout(host, "/app") == own_files.DirectoryLayout(False, [], [name]), content


def test_no_name_is_taken_by_that_is_not_tried_here():
    assert {*own_files.KNOWN_FILES, *own_files.HELPER_PROGRAMS, *own_files.SCRIPT_NAMES} <= set(OWN_NAMES)
    assert set(own_files.TESTS_BY_SUFFIX) == {".asar", ".ja", ".pak", ".qm"}


@pytest.mark.parametrize(
    ("name", "whole"), [("i.png", True), ("i.ico", True), ("i.icns", True), ("i.jpg", False), ("i.png.txt", False)]
)
def test_pictures_alone_are_own_in_a_web_apps_folder(tmp_path, name, whole):
    fake.put(tmp_path / "app", {name: b"\x89PNG\r\n"})
    assert own_files.OwnFiles((), (), ME, has_pictures=True).make_layout(Host(str(tmp_path)), "/app").is_whole is whole


@pytest.mark.parametrize("folder", FOLDERS)
def test_personal_folder_inside_an_app_stays(tmp_path, folder):
    files = dict.fromkeys((f"{folder.title()}/lib.so", f"deep/{folder}/x.so", "lib/x.so", "Telegram", "a.out"), ELF)
    fake.put(tmp_path / "app", files)
    layout = own_files.OwnFiles(["Telegram"], [], ME).make_layout(Host(str(tmp_path)), "/app")
    stays = sorted([folder.title(), f"deep/{folder}", "a.out"])  # a program counts by its name alone
    assert layout == own_files.DirectoryLayout(False, ["/app/Telegram", "/app/lib"], stays)


def test_a_text_that_is_larger_than_any_licence_stays(tmp_path):
    fake.put(tmp_path / "app", {"LICENSE": b"Copyright", "libx.so": ELF})
    for name in ("LICENSE", "libx.so"):
        os.truncate(tmp_path / "app" / name, own_files.MAX_TEXT_BYTES + 1)
    own = own_files.OwnFiles([], [], ME)
    layout = own_files.DirectoryLayout(False, ["/app/libx.so"], ["LICENSE"])
    assert own.make_layout(Host(str(tmp_path)), "/app") == layout
    os.truncate(tmp_path / "app/LICENSE", own_files.MAX_TEXT_BYTES)
    assert own.make_layout(Host(str(tmp_path)), "/app").is_whole


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("theirs", ["app", "app/libx.so", "app/deep", "app/deep/liby.so"])
def test_file_of_another_owner_stays(tmp_path, theirs):
    fake.put(tmp_path / "app", {"libx.so": ELF, "deep/liby.so": ELF}, 1234)
    own = own_files.OwnFiles([], [], 1234)
    assert own.make_layout(Host(str(tmp_path)), "/app").is_whole
    os.chown(tmp_path / theirs, 4321, 4321)
    layout = own.make_layout(Host(str(tmp_path)), "/app")
    assert not layout.is_whole and f"/{theirs}" not in layout.parts
    if theirs != "app":
        assert layout.leftovers == [theirs.removeprefix("app/")]


@pytest.mark.parametrize(("levels", "fine"), [(39, True), (40, False)])
def test_exactly_so_deep_is_looked(tmp_path, levels, fine):
    fake.put(tmp_path / "app", {"d/" * levels + "lib.so": ELF})
    assert bool(own_files.OwnFiles([], [], ME).find_foreign_content(Host(str(tmp_path)), "/app", "/app")) is not fine


def test_links_devices_and_empty_directories_stay(tmp_path):
    fake.put(tmp_path / "app", {"libx.so.1": fake.elf()})
    for name, target in (("libx.so", "libx.so.1"), ("liby.so", "/etc/shadow"), ("libz.so", "../lib.so")):
        (tmp_path / "app" / name).symlink_to(target)
    os.mkfifo(tmp_path / "app/lib.so")
    (tmp_path / "app/empty").mkdir()
    layout = own_files.OwnFiles([], [], ME).make_layout(Host(str(tmp_path)), "/app")
    stays = ["empty", "lib.so", "liby.so", "libz.so"]
    assert layout == own_files.DirectoryLayout(False, ["/app/libx.so", "/app/libx.so.1"], stays)


@pytest.mark.parametrize("name", FRAME)
def test_part_of_a_frame_identifies_an_app_by_content(tmp_path, name):
    for content, sign in ((OWN_NAMES[name][0], name), (b"a thesis", "")):
        fake.put(tmp_path / "app", {name: content, "notes": b"x"})
        assert evidence.find_frame_sign(Host(str(tmp_path)), "/app") == sign

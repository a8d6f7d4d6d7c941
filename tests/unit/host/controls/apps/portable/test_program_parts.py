"""What of a directory is the program's own: of these files and nothing else the quarantine takes.

A name counts only with the content that an app has under it. Each name is tried with that, and with what a user may
have under the same name: a mistake in either direction leaves a program, or takes a thesis.
"""

import os

import made_apps as fake
import pytest
from proscribe.host.controls.apps.portable import evidence, program_parts
from proscribe.host.system import Host

ELF, SCRIPT = fake.elf(), b"#!/bin/sh\n"
INI = b"; Mozilla\n\n[App]\n"
# Every name that the quarantine takes by, with what an app has under it. A user's own file has another content, so of
# each the same name with a thesis in it has to stay.
OWN_NAMES: dict[str, list[bytes]] = {
    "AppRun": [SCRIPT, ELF],
    "Updater": [ELF],
    "chrome-sandbox": [ELF],
    "chrome_100_percent.pak": [fake.pak()],
    "icudtl.dat": [fake.icu()],
    "libcef.so": [ELF],
    "libffmpeg.so": [ELF],
    "libxul.so": [ELF],
    "omni.ja": [fake.jar(), b"PK\x03\x04" + bytes(40)],
    "resources.pak": [fake.pak()],
    "snapshot_blob.bin": [fake.snapshot()],
    "v8_context_snapshot.bin": [fake.snapshot()],
    "LICENSE": [b"Licence", b"LICENSE", b"(c) copyright"],
    "LICENSE.electron.txt": [b"Copyright"],
    "LICENSES.chromium.html": [b"<title>Licenses"],
    "app-update.yml": [b"owner: a\nprovider: github\n"],
    "application.ini": [INI],
    "chrome.manifest": [b"manifest chrome/a\n", b"content x y\n", b"resource a b\n", b"locale a b\n"],
    "crashreporter.ini": [INI],
    "defaults.ini": [INI],
    "dependentlibs.list": [b"libnspr4.so\nlibxul.so\n"],
    "package-type": [b"deb", b"deb\n"],
    "platform.ini": [INI],
    "precomplete": [b'remove "a"\n', b'rmdir "a/"\n'],
    "qt.conf": [b"[Paths]\n"],
    "removed-files": [b"browser/a\n"],
    "update-settings.ini": [INI],
    "updater.ini": [INI],
    "version": [b"v30.0.1\n", b"4.1"],
    "vk_swiftshader_icd.json": [b'{"file_format_version": "1.0.0"}'],
    "lib.so": [], "x.so": [ELF], "libx.so.1.2": [ELF], "native.node": [ELF], "x.sob": [], "x.so.a": [],
    "app.asar": [fake.asar({"name": "x"})],
    "browser.ja": [fake.jar()],
    "de.pak": [fake.pak()],
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
    own = program_parts.Own(["own-program"], ["app.desktop"], os.getuid())
    place = tmp_path / "app" / name
    for content in OWN_NAMES[name]:
        fake.put(tmp_path / "app", {name: content})
        assert own.layout(Host(str(tmp_path)), "/app") == program_parts.Layout(True, [f"/app/{name}"], []), content
        pictures = program_parts.Own((), (), os.getuid(), pictures=True)
        assert not pictures.layout(Host(str(tmp_path)), "/app").whole, "a browser's folder of a web app has pictures"
    for content in THESES:
        if not OWN_NAMES[name] or not any(content.startswith(real[:40]) for real in OWN_NAMES[name]):
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
            assert own.layout(Host(str(tmp_path)), "/app") == program_parts.Layout(False, [], [name]), content


def test_no_name_is_taken_by_that_is_not_tried_here():
    assert {*program_parts.FILES, *program_parts.HELPERS, *program_parts.SCRIPTS} <= set(OWN_NAMES)
    assert set(program_parts.SUFFIXES) == {".asar", ".ja", ".pak", ".qm"}


def test_a_part_counts_wherever_it_lies_and_a_program_by_its_name_alone(tmp_path):
    fake.put(tmp_path / "app", {"locales/de.pak": fake.pak(), "a.out": ELF})
    layout = program_parts.Own(["Telegram"], [], os.getuid()).layout(Host(str(tmp_path)), "/app")
    assert layout == program_parts.Layout(False, ["/app/locales"], ["a.out"])


@pytest.mark.parametrize("name", ["icon.png", "icon.ico", "icon.icns", "icon.jpg", "icon.png.txt"])
def test_pictures_alone_are_own_in_a_web_apps_folder(tmp_path, name):
    fake.put(tmp_path / "app", {name: b"\x89PNG\r\n"})
    layout = program_parts.Own((), (), os.getuid(), pictures=True).layout(Host(str(tmp_path)), "/app")
    assert layout.whole is (name.rpartition(".")[2] in ("png", "ico", "icns"))


@pytest.mark.parametrize(
    "folder", ["data", "downloads", "profiles", "tdata", "user data", "userdata", ".git", ".hg", ".svn"]
)
def test_personal_folder_inside_an_app_stays(tmp_path, folder):
    fake.put(tmp_path / "app", {"Telegram": ELF, f"{folder.title()}/lib.so": ELF, f"deep/{folder}/x.so": ELF})
    layout = program_parts.Own(["Telegram"], [], os.getuid()).layout(Host(str(tmp_path)), "/app")
    assert layout == program_parts.Layout(False, ["/app/Telegram"], [folder.title(), f"deep/{folder}"])


def test_a_text_that_is_larger_than_any_licence_stays(tmp_path):
    """Programs and libraries are as large as they are; a text of that name and size is somebody's own."""
    fake.put(tmp_path / "app", {"LICENSE": b"Copyright", "libx.so": ELF})
    for name, size in (("LICENSE", program_parts.LARGEST_TEXT + 1), ("libx.so", program_parts.LARGEST_TEXT + 1)):
        os.truncate(tmp_path / "app" / name, size)
    own = program_parts.Own([], [], os.getuid())
    assert own.layout(Host(str(tmp_path)), "/app") == program_parts.Layout(False, ["/app/libx.so"], ["LICENSE"])
    os.truncate(tmp_path / "app/LICENSE", program_parts.LARGEST_TEXT)
    assert own.layout(Host(str(tmp_path)), "/app").whole


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("theirs", ["app", "app/libx.so", "app/deep", "app/deep/liby.so"])
def test_file_of_another_owner_stays(tmp_path, theirs):
    fake.put(tmp_path / "app", {"libx.so": ELF, "deep/liby.so": ELF}, 1234)
    own = program_parts.Own([], [], 1234)
    assert own.layout(Host(str(tmp_path)), "/app").whole
    os.chown(tmp_path / theirs, 4321, 4321)
    layout = own.layout(Host(str(tmp_path)), "/app")
    assert not layout.whole and f"/{theirs}" not in layout.parts
    if theirs != "app":
        assert layout.stays == [theirs.removeprefix("app/")]


@pytest.mark.parametrize(("levels", "fine"), [(39, True), (40, False)])
def test_exactly_so_deep_is_looked(tmp_path, levels, fine):
    fake.put(tmp_path / "app", {"d/" * levels + "lib.so": ELF})
    own = program_parts.Own([], [], os.getuid())
    assert bool(own.unlike(Host(str(tmp_path)), "/app", "/app")) is not fine


def test_links_devices_and_empty_directories_stay(tmp_path):
    app = tmp_path / "app"
    fake.put(app, {"libx.so.1": fake.elf()})
    (app / "libx.so").symlink_to("libx.so.1")
    (app / "liby.so").symlink_to("/etc/shadow")
    (app / "libz.so").symlink_to("../lib.so")
    os.mkfifo(app / "lib.so")
    (app / "empty").mkdir()
    layout = program_parts.Own([], [], os.getuid()).layout(Host(str(tmp_path)), "/app")
    assert not layout.whole
    assert layout.parts == ["/app/libx.so", "/app/libx.so.1"]
    assert layout.stays == ["empty", "lib.so", "liby.so", "libz.so"]


FRAME = (
    *("AppRun", "Updater", "chrome-sandbox", "chrome_100_percent.pak", "icudtl.dat", "libcef.so"),
    *("libffmpeg.so", "libxul.so", "omni.ja", "resources.pak", "snapshot_blob.bin", "v8_context_snapshot.bin"),
)


@pytest.mark.parametrize("name", FRAME)
def test_part_of_a_frame_identifies_an_app_by_content(tmp_path, name):
    """A program with nothing of the kind beside it is known by its name alone, and stays."""
    fake.put(tmp_path / "app", {name: OWN_NAMES[name][0], "notes": b"x"})
    assert evidence.sign(Host(str(tmp_path)), "/app") == name
    (tmp_path / "app" / name).write_bytes(b"a thesis")
    assert evidence.sign(Host(str(tmp_path)), "/app") == ""

"""What AppImages and the archives of Electron apps say of themselves: which app they are, and that they are none."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import made_apps as made
import pytest
from made_apps import Read
from made_squashfs import Maker
from proscribe.host.controls.apps.portable import appimage_contents, asar

WECHAT = frozenset({"wechat", "com.tencent.wechat"})
OTHER = "does not say that it is this app"


def test_an_electron_archive_names_its_app_and_what_lies_beside_it() -> None:
    archive = asar.read(Read(made.asar({"name": "signal-desktop", "productName": "Signal"}, {"a.node": 5})))
    assert archive == asar.Asar(["signal-desktop", "Signal"], {"a.node": 5})


def packed(files: Any, before: bytes = b"", content: bytes = b"") -> bytes:
    """An app.asar with that tree of `files`, behind whose header comes `before`, and then a content."""
    text = json.dumps({"files": files}).encode()
    padded = text.ljust(-(-len(text) // 4) * 4, b"\0")
    return struct.pack("<IIII", 4, len(padded) + 8, len(padded) + 4, len(text)) + padded + before + content


MANIFEST = json.dumps({"name": "a", "productName": "b", "desktopName": "c.desktop", "version": "d"}).encode()


def test_a_package_json_is_read_where_its_archive_says() -> None:
    content = packed({"package.json": {"size": len(MANIFEST), "offset": "10"}}, bytes(10), MANIFEST + b"more")
    assert asar.read(Read(content)) == asar.Asar(["a", "b", "c.desktop"], {})


@pytest.mark.parametrize(
    ("files", "unpacked"),
    [
        ({"a": {"size": 3, "unpacked": True}, "b": {"size": 4, "offset": "0"}}, {"a": 3}),
        ({"d": {"files": {"e": {"files": {"f": {"size": 5, "unpacked": True}}}}}}, {"d/e/f": 5}),
        ({"d": {"files": {}, "unpacked": True}}, {}),
        ({"..": {"files": {"a": {"size": 3, "unpacked": True}}}, "a/b": {"size": 3, "unpacked": True}}, {}),
        ({".": {"size": 3, "unpacked": True}, "": {"size": 3, "unpacked": True}}, {}),
        ({"a": {"size": 3, "unpacked": "yes"}}, {}),
    ],
)
def test_what_lies_beside_an_archive_is_called_by_its_path_and_never_leads_out(files: Any, unpacked: Any) -> None:
    """Of that, an app's own parts are known: a path that led elsewhere would move what is not the app's."""
    archive = asar.read(Read(packed({"package.json": {"size": len(MANIFEST), "offset": "0"}, **files}, b"", MANIFEST)))
    assert archive is not None and archive.unpacked == unpacked


@pytest.mark.parametrize(("levels", "found"), [(40, 1), (41, 0)])
def test_a_tree_of_an_archive_is_gone_down_so_far(levels: int, found: int) -> None:
    files: Any = {"a": {"size": 3, "unpacked": True}}
    for _ in range(levels):
        files = {"d": {"files": files}}
    archive = asar.read(Read(packed({"package.json": {"size": len(MANIFEST), "offset": "0"}, **files}, b"", MANIFEST)))
    assert archive is not None and len(archive.unpacked) == found


@pytest.mark.parametrize(
    ("at", "value", "is_one"),
    [
        (0, 4, True),
        (0, 5, False),
        (4, 10**6, True),  # a larger pickle than it needs
        (4, 17, False),
        (8, 17, False),
        (12, 10**6, False),
        (16, ord("["), False),
    ],
)
def test_what_begins_as_an_archive_does(at: int, value: int, is_one: bool) -> None:
    head = bytearray(packed({"package.json": {"size": 1, "offset": "0"}})[:20])
    head[at : at + 4] = struct.pack("<I", value)
    assert asar.is_asar(bytes(head[:17])) is is_one
    assert not asar.is_asar(bytes(head[:16]))


def test_the_bounds_of_an_electron_archive_are_these() -> None:
    """A larger header is not read, and of a larger package.json the beginning, which is no JSON."""
    entry = {"package.json": {"size": len(MANIFEST), "offset": "0"}}
    long = 2**20 - len(json.dumps({"files": {**entry, "": ""}}))
    for more, found in ((0, True), (1, False)):
        assert bool(asar.read(Read(packed({**entry, "x" * (long + more): {}}, b"", MANIFEST)))) is found
    for more, found in ((0, True), (1, False)):
        large = json.dumps({"name": "a"}).encode().ljust(2**18 + more - 1) + b"}"
        large = large.replace(b"}", b" ", 1)
        assert bool(asar.read(Read(packed({"package.json": {"size": len(large), "offset": "0"}}, b"", large)))) is found


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (made.image("wechat"), ""),
        (made.image("wechat", categories="Utility;"), ""),
        (made.image("WeChat", "com.tencent.WeChat"), ""),
        (made.image("wechat", categories="Game;Network;"), ""),
        (made.image("wechat", categories="Game;"), "its own desktop entry says that it is something else (Game)"),
        (made.image("other"), f"known by its name alone: what is in it {OTHER}, so it is not moved"),
        (made.image("other", StartupWMClass="WeChat"), OTHER),
        (made.image("other", "wechat", files={"wechat": b"text"}), OTHER),
        (made.image("wechat", files={"second.desktop": made.entry("x")}), "more than one desktop entry"),
        (made.elf({}, b"AI\x02"), "it has no squashfs archive"),
        (made.elf({}, b"AI\x02") + made.squashfs({"AppRun": b"x"}), "it has no desktop entry"),
        (b"text", "it is no program"),
    ],
)
def test_an_appimage_is_what_is_in_it(image: bytes, doubt: str) -> None:
    reason = appimage_contents.doubt(Read(image), WECHAT)
    assert doubt in reason and bool(reason) == bool(doubt)


DIRECTORY: Any = {"usr": {"bin": {"wechat": made.elf(), "run": b"text"}}}
MANY = {f"a{number:02}": made.elf() for number in range(50)}  # as a Qt or Electron app has at its root
THREE_TEXTS = dict.fromkeys(("WECHAT", "WEchat", "WeChat"), b"text")  # each takes a read of the host's disk


@pytest.mark.parametrize(
    ("more", "update", "files", "is_one"),
    [
        pytest.param({}, "", {}, False, id="only its desktop entry"),
        pytest.param({"Exec": "/opt/a/WeChat --x"}, "", {}, True, id="the command"),
        pytest.param({"StartupWMClass": "com.tencent.WeChat"}, "", {}, True, id="the window"),
        pytest.param({"Name": "wechat", "Icon": "wechat"}, "", {}, False, id="what anybody calls something"),
        pytest.param({}, "gh-releases-zsync|Tencent|WeChat|latest|x", {}, True, id="where it is updated from"),
        pytest.param({}, "gh-releases-zsync|Tencent|wechat-fork|latest|x", {}, False, id="from somewhere else"),
        pytest.param({}, "zsync|http://x/wechat.zsync", {}, False, id="from an address that has the word in it"),
        pytest.param({}, "", {"wechat": made.elf()}, True, id="a program"),
        pytest.param({}, "", {"WeChat": made.elf()}, True, id="one in large letters"),
        pytest.param({}, "", {"wechat": "AppRun", "AppRun": made.elf()}, True, id="a link to one"),
        pytest.param({}, "", {"wechat": "nowhere"}, False, id="a link to nothing"),
        pytest.param({}, "", {**MANY, "wechat": made.elf()}, True, id="a program among many others"),
        pytest.param({}, "", {"wechat": made.elf(), "usr": {}}, True, id="one beside a usr without a bin"),
        pytest.param({}, "", {**THREE_TEXTS, "Wechat": made.elf()}, True, id="the fourth of that name"),
        pytest.param({}, "", {**THREE_TEXTS, "Wechat": b"text", "wEchat": made.elf()}, False, id="the fifth"),
        pytest.param({}, "", {"wechat": b"text"}, False, id="a text"),
        pytest.param({}, "", {"wechat": b"#!/bin/sh\n"}, False, id="a script, which is anybody's"),
        pytest.param({}, "", {"wechat": {"wechat": made.elf()}}, False, id="a directory"),
        pytest.param({}, "", DIRECTORY, True, id="a program where they are on a host"),
        pytest.param({}, "", {"usr": {"bin": {"WeChat": made.elf()}}}, True, id="in large letters there"),
        pytest.param({}, "", {"usr": {"bin": {"other": made.elf()}}}, False, id="another program there"),
        pytest.param({}, "", {"bin": DIRECTORY["usr"]["bin"]}, False, id="or somewhere else"),
        pytest.param({}, "", {"resources": {"app.asar": made.asar({"name": "wechat"})}}, True, id="its package.json"),
        pytest.param({}, "", {"resources": {"app.asar": made.asar({"name": "other"})}}, False, id="another's"),
        pytest.param({}, "", {"resources": {"app.asar": b"wechat"}}, False, id="none"),
        pytest.param({}, "", {"resources": {}}, False, id="no archive of Electron's"),
    ],
)
def test_an_appimage_is_an_app_that_is_named_in_two_places(
    more: Mapping[str, str], update: str, files: Any, is_one: bool
) -> None:
    """The name of a desktop entry is one; each of these is another, or none."""
    tree = {"wechat.desktop": made.entry("other", **more), **files}
    image = made.elf({".upd_info": update.encode() + b"\0"}, b"AI\x02") + Maker(tree).archive()
    reason = appimage_contents.doubt(Read(image), WECHAT)
    assert (reason == "") is is_one and (OTHER in reason) is not is_one


@pytest.mark.parametrize(
    ("entry", "category"),
    [
        *(
            (f"Categories={one};", one)
            for one in ["Game", "Education", "Science", "Graphics", "AudioVideo", "Audio", "Video"]
        ),
        ("Categories=Development;Utility", "Development"),
        ("Categories=Game;Education;", "Education"),
        ("Categories=Utility;", ""),
        ("Categories=;", ""),
        ("Categories=Network;Game;", ""),
        ("Categories", ""),
        ("Categories\nCategories = Game;", "Game"),
        ("Categories=Utility;\nCategories=Game;", ""),
        ("[Desktop Action x]\nCategories=Game;", ""),
        ("[Desktop Action x]\nName=x\n[Desktop Entry]\nCategories=Game;", "Game"),
    ],
)
def test_a_category_that_none_of_ours_has_is_anothers(entry: str, category: str) -> None:
    text = f"[Desktop Entry]\nExec=wechat\n{entry}\n".encode()
    image = made.elf({}, b"AI\x02") + Maker({"wechat.desktop": text}).archive()
    reason = appimage_contents.doubt(Read(image), WECHAT)
    assert (f"something else ({category})" in reason) is bool(category) and bool(reason) is bool(category)


def test_an_entry_that_names_no_category_has_none() -> None:
    image = made.elf({}, b"AI\x02") + Maker({"wechat.desktop": b"[Desktop Entry]\nExec=wechat\n"}).archive()
    assert appimage_contents._said(Read(image), WECHAT) == (2, set())


@pytest.mark.parametrize(("others", "is_one"), [(19, True), (20, False)])
def test_at_most_20_commands_of_a_desktop_entry_are_checked(others: int, is_one: bool) -> None:
    actions = [f"[Desktop Action {number}]\nExec={number}\n" for number in range(others)]
    text = "[Desktop Entry]\nType=Application\n" + "".join([*actions, "[Desktop Action z]\nExec=wechat\n"])
    image = made.elf({}, b"AI\x02") + Maker({"wechat.desktop": text.encode()}).archive()
    assert bool(appimage_contents.doubt(Read(image), WECHAT)) is not is_one

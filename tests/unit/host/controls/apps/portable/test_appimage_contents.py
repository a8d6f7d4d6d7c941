"""What AppImages and the archives of Electron apps say of themselves: which app they are, and that they are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import made_apps as made
import pytest
from made_apps import Read
from made_squashfs import Maker
from proscribe.host.controls.apps.portable import appimage_contents

WECHAT = frozenset({"wechat", "com.tencent.wechat"})
OTHER = "does not say that it is this app"


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


def test_an_entry_that_names_no_category_has_none() -> None:
    image = made.elf({}, b"AI\x02") + Maker({"wechat.desktop": b"[Desktop Entry]\nExec=wechat\n"}).archive()
    assert appimage_contents._said(Read(image), WECHAT) == (2, set())

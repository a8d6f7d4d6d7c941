"""By which names copies of restricted apps are looked for: a name that is lost is a program that nobody sees."""

from typing import Any

import pytest
from proscribe.host.controls.apps.portable.names import Names

# Made so that each key has names of its own; a key that is lost takes its names with it.
WECHAT: dict[str, Any] = {
    "packages": {
        "apt": ["wechat-apt"],
        "rpm": ["wechat-rpm"],
        "pacman": ["wechat-pacman"],
        "snap": ["wechat-snap"],
        "flatpak": ["com.tencent.Flat"],
        "npm": ["wechat-npm"],
        "pip": ["wechat-pip"],
    },
    "processes": ["wx", "WeChatAppEx"],
    "paths": ["/opt/apps/wechat/files/wx", "/usr/lib/weixin"],
    "windows": ["Tencent/WeChat/WeChat.exe", "Weixin/WeChat.exe"],
    "desktop_files": ["Wechat-Entry.desktop"],
    "names": ["微信", "WEIXIN", ""],
    "markers": {"programs": ["WxTool"]},
}
# Its programs have the names of other things too, so that they only count beside the rest of an app.
BOX: dict[str, Any] = {"packages": {"apt": ["boxdesktop"]}, "processes": ["box-sync"], "paths": [], "copies": ["Box"]}
CHAT: dict[str, Any] = {
    "packages": {"apt": ["xchat", "talk"]},
    "processes": ["wx", "wx"],
    "paths": [],
    "web_hosts": ["chat.example"],
}
SERVICES = {"wechat": WECHAT, "boxapp": BOX, "chat": CHAT}
NAMES = Names(SERVICES)


def test_key_of_an_entry_gives_names_of_its_kind():
    assert NAMES.programs == {"wx": ["wechat", "chat"], "WeChatAppEx": ["wechat"], "box-sync": ["boxapp"]}
    assert NAMES.portable_apps == {"Box": ["boxapp"]}
    assert NAMES.windows == {"WeChat.exe": {"wechat": ["/tencent/wechat/wechat.exe", "/weixin/wechat.exe"]}}
    assert NAMES.desktop_files == {"Wechat-Entry.desktop": ["wechat"]}
    assert NAMES.marked == {"WxTool": ["wechat"]}
    assert NAMES.markers == {"wechat": {"programs": ["WxTool"]}}
    assert NAMES.titles == {"微信": ["wechat"], "weixin": ["wechat"]}
    packages = ("wechat-apt", "wechat-rpm", "wechat-pacman", "wechat-snap")
    # `chat` and `talk` are too short for names that mean nothing else; and an app with copies is known by these alone.
    sole = dict.fromkeys(("wechatappex", *packages, "wechat", "wxtool"), ["wechat"])
    assert NAMES.stems == {"wx": ["wechat", "chat"], "xchat": ["chat"], **sole}
    assert NAMES.folders["wechat"] == {"wx", "weixin"}, "`files` and `lib` are directories of many apps"
    assert NAMES.called["wechat"] == {
        *("wx", "wechatappex", "wechat-entry", "wxtool"),
        *(*packages, "com.tencent.flat", "wechat-npm"),
    }
    assert NAMES.all == {"wx", "WeChatAppEx", "box-sync", "Box", "WeChat.exe", "Wechat-Entry.desktop", "WxTool"}


def test_the_names_of_one_app():
    assert NAMES.programs_of("wechat") == ["wx", "WeChatAppEx", "WxTool"]
    assert NAMES.programs_of("boxapp") == ["box-sync"]
    assert (NAMES.entries_of("wechat"), NAMES.entries_of("chat")) == (["Wechat-Entry.desktop"], [])


@pytest.mark.parametrize(
    ("directory", "service", "own"),
    [
        ("/home/alice/weixin", "wechat", True),
        ("/home/alice/WeChat-4.1.0-x86_64", "wechat", True),  # as a stem
        ("/home/alice/weixin", "chat", False),
        ("/home/alice/weixin/sub", "wechat", False),
        ("/opt/apps/wechat/files", "wechat", False),
    ],
)
def test_a_directory_that_is_an_apps_own(directory, service, own):
    assert NAMES.own(directory, service) is own


@pytest.mark.parametrize(
    ("directory", "name", "chosen"),
    [
        ("/srv", "wx", True),
        ("/srv", "wechat-apt", False),  # no program folder, no suffix
        ("/srv", "wechat-apt-4.1.AppImage", True),
        ("/srv", "微信.AppImage", True),
        ("/srv", "wechat.AppImage.txt", False),
        ("/a/Web Applications", "_crx_abc", True),
        ("/a/Web Applications", "abc_crx_", False),  # a host has thousands of names; each check costs
        ("/a/My Web Applications", "_crx_abc", False),
        ("/srv", "_crx_abc", False),
    ],
)
def test_only_names_of_portable_apps_are_checked_in_a_directory(directory, name, chosen):
    for names in ([name], [name, "other.AppImage"]):
        assert set(NAMES.choose(directory, names)) == ({name} if chosen else set())


def test_more_directories_of_many_things_take_no_name_away():
    names = Names(SERVICES, ["/home/alice"])
    more = names.beside(["/srv/tools"])
    assert vars(more) == {**vars(names), "program_folders": {*names.program_folders, "/srv/tools"}}
    assert set(more.choose("/srv/tools", ["wechat-apt"])) == {"wechat-apt"}
    assert "/srv/tools" not in names.program_folders and names.beside([]) is names

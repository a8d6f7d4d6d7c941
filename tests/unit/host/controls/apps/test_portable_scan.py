"""The scan of portable apps: names, odd directories, shared places, memory between scans, and moves."""

import os
from pathlib import Path
from typing import Any
from unittest import mock

import made_apps as fake
import pytest
from fake_tools import refuse
from made_apps import lay as put
from made_host import plan
from made_users import ALICE
from proscribe.host.controls import apps
from proscribe.host.controls.apps.portable import appimage, evidence, scan, scan_cache
from proscribe.host.controls.apps.portable.app_names import AppNames
from proscribe.host.controls.apps.portable.desktop_entries import make_web_app_id
from proscribe.host.controls.apps.portable.scan import PortableApp, PortableAppScan, ScanRegion, scan_portable_apps
from proscribe.host.controls.apps.portable.scan_cache import (
    ScanMemory,
    read_remembered_directories,
    read_scan_memory,
    save_scan_memory,
)
from proscribe.host.system import ControlError, Host, ObservationError, ToolResult

ELF, HOME = fake.elf(), "/home/alice"
HOMES = {HOME: ALICE}
EVERYWHERE, OF_ALICE = ScanRegion(HOMES, ["/home"]), ScanRegion(HOMES, [HOME], user=ALICE)
CHISEL = "github.com/jpillora/chisel"
SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {
        "processes": ["wechat"],
        "paths": ["/opt/wechat/wechat", "~/.wechat"],
        "windows": ["Tencent/WeChat/WeChat.exe"],
        "desktop_files": ["wechat.desktop"],
    },
    "signal": {"processes": ["signal-desktop"]},
    "whatsapp": {"web_hosts": ["whatsapp.com"]},
    "browsers": {"copies": ["falkon"]},
    "tunnels": {"markers": {"go": [CHISEL], "programs": ["chisel"]}},
}
EMPTY: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}


PLAN = plan(**SERVICES)
MEMORY = ScanMemory({"/opt": [1]}, "6 names", "2026-11-25T08:00:00Z", 3, {"npm": ([2], [3])})
WINE = f"{HOME}/.wine/drive_c/Program Files/Tencent/WeChat"
WEB_APP = f"{HOME}/.config/google-chrome/Default/Web Applications/_crx_{make_web_app_id('https://whatsapp.com/')}"
PNG = b"\x89PNG\r\n\x1a\n"
OPENS = fake.entry("x", Exec="chrome --app=https://web.whatsapp.com/")
UNIT = b"[Service]\nExecStart=/usr/bin/wechat\n"


def services(**more: Any) -> Any:
    return plan(**{**SERVICES, **more})["controls"]["apps"]["services"]


@pytest.fixture
def host(root):
    (root / "var/lib").mkdir(parents=True)
    return Host(str(root), lambda argv, **options: ToolResult(1, "", ""))


def scan_region(host: Host, region: ScanRegion = EVERYWHERE) -> PortableAppScan:
    return scan_portable_apps(host, services(), AppNames(services(), region.homes), region, (), {})


def search(host: Host, region: ScanRegion = EVERYWHERE, **more: Any) -> scan._PortableAppSearch:
    return scan._PortableAppSearch(host, AppNames(services(**more)), region, (), {})


def paths(apps: PortableAppScan) -> list[tuple[str, str]]:
    return sorted((app.kind, app.path) for app in apps.portable_apps)


def test_where_nothing_is_looked_for_nothing_is_scanned(host):
    host.scan_directories = None  # type: ignore[assignment]  # what calls it fails
    results = scan_portable_apps(host, {"a": EMPTY}, AppNames({"a": EMPTY}), ScanRegion(HOMES, ["/home"]), [], {})
    assert results == PortableAppScan([], [], [], {}, {})


def test_unread_home_leaves_its_rules_unknown(host, monkeypatch):
    real = os.open

    def refuse_closed(name: Any, flags: int, *rest: Any, **more: Any) -> int:
        if name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(name, flags, *rest, **more)

    (Path(host.root + HOME) / "closed").mkdir()
    monkeypatch.setattr(os, "open", refuse_closed)
    states = {verdict.rule: (verdict.state, verdict.drifted) for verdict in apps.observe(host, PLAN)}
    assert states["apps/wechat"] == ("unknown", False)


@pytest.mark.parametrize(("theirs", "reported"), [([], True), (["/opt/shared"], False), (["/opt/other"], True)])
def test_file_that_another_process_scans_is_not_scanned_as_the_hosts(host, theirs, reported):
    put(host, "/opt/shared/wechat")
    place = search(host, ScanRegion({}, ["/opt"]))
    place.check_named_path("wechat", "/opt/shared/wechat", theirs)
    assert bool(place.portable_apps) is reported


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_directory_of_a_user_in_a_place_of_the_host_is_scanned_on_behalf_of_that_user(host):
    fake.put(Path(f"{host.root}/srv/theirs"), {"wechat": ELF}, 1000)
    results = scan_region(host, ScanRegion({}, ["/srv"]))
    assert (results.portable_apps, dict(results.foreign_entries)) == ([], {1000: [("/srv/theirs", ())]})
    assert paths(scan_region(host, ScanRegion({}, ["/srv"], user=ALICE))) == [("program", "/srv/theirs/wechat")]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda place: place.symlink_to("/bin/sh")])
def test_odd_file_hides_no_program_behind_it(host, make):
    put(host, "/home/alice/x/wechat")
    put(host, "/home/alice/x/_crx_abc")
    make(Path(f"{host.root}/home/alice/x/signal-desktop"))
    region = search(host)
    region.check_directory("/home/alice/x", ["signal-desktop", "_crx_abc", "wechat", "gone"])
    assert [app.path for app in region.portable_apps] == ["/home/alice/x/wechat"] and region.unseen == []


def test_unread_directory_is_reported_and_hides_no_other(host, monkeypatch):
    for name in ("a", "b", "c"):
        put(host, f"/home/alice/{name}/wechat")
    refuse(monkeypatch, "list_directory", {"/home/alice/a": ObservationError("a"), "/home/alice/b": ControlError("b")})
    results = scan_region(host, OF_ALICE)
    assert (paths(results), sorted(results.unseen)) == ([("program", "/home/alice/c/wechat")], ["a", "b"])


def test_in_a_shared_directory_only_the_files_of_that_user_are_checked(host):
    for name in ("wechat", "signal-desktop", "libffmpeg.so"):  # others put files beside it to have it moved
        put(host, f"/tmp/{name}")
    results = scan_region(host, ScanRegion({}, [], [("/tmp", ["wechat"])], ALICE))
    assert [(app.path, bool(app.doubt), app.owner) for app in results.portable_apps] == [("/tmp/wechat", True, ALICE)]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda place: place.write_bytes(ELF), "program"),
        (lambda place: (place.mkdir(), (place / "run").write_bytes(ELF)), "tree"),
        (lambda place: place.mkdir(), ""),
        (os.mkfifo, ""),
        (lambda place: place.symlink_to("/bin/sh"), ""),
    ],
)
def test_path_below_a_home_counts_as_file_or_directory_with_a_program(host, make, kind):
    make(Path(f"{host.root}/home/alice/.wechat"))
    results = scan_region(host, OF_ALICE)
    assert paths(results) == ([(kind, "/home/alice/.wechat")] if kind else []) and not results.unseen


def test_library_is_enough_beside_a_program_below_a_path_of_the_catalogue(host):
    for folder, name in ((".wechat/x", "wechat"), (".wechat/y", "signal-desktop"), ("other/x", "wechat")):
        put(host, f"{HOME}/{folder}/{name}")
        put(host, f"{HOME}/{folder}/liba.so")
    certain = {app.path.removeprefix(f"{HOME}/"): not app.doubt for app in scan_region(host).portable_apps}
    assert certain == {".wechat/x": True, ".wechat/y/signal-desktop": False, "other/x/wechat": False}


def test_small_file_with_an_appimage_mark_is_not_an_appimage(host):
    content = fake.elf({".go.buildinfo": fake.build_info(CHISEL)}, b"AI\x02")
    for name in ("chisel-linux-amd64", "signal"):
        for size, is_image in ((0, False), (appimage.MIN_IMAGE_BYTES - 1, False), (appimage.MIN_IMAGE_BYTES, True)):
            put(host, "/home/alice/bin/x", content.ljust(size)).replace(f"{host.root}/home/alice/bin/{name}")
            assert paths(scan_region(host, OF_ALICE)) == [("appimage", f"/home/alice/bin/{name}")] * is_image
        os.unlink(f"{host.root}/home/alice/bin/{name}")
    put(host, "/home/alice/bin/chisel-linux-amd64", fake.go(CHISEL))  # as its maker publishes it
    assert paths(scan_region(host, OF_ALICE)) == [("program", "/home/alice/bin/chisel-linux-amd64")]


def test_services_of_a_file_are_reported_once_and_in_order():
    both = [PortableApp([service], "program", "/x/tool", "tool", None, "") for service in ("b", "c", "a", "b")]
    assert [app.services for app in scan._merge_portable_apps(both)] == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("path", "content", "certain"),
    [
        (".wine/drive_c/a/tencent/wechat/WeChat.exe", fake.windows(), True),
        (".wine/drive_c/WeChat.exe", b"MZ" + bytes(100), None),
        (".wine/drive_d/WeChat.exe", fake.windows(), None),
        ("drive_c/x/drive_c/WeChat.exe", fake.windows(), False),
    ],
)
def test_a_windows_program_counts_in_a_wine_prefix(host, path, content, certain):
    put(host, f"{HOME}/{path}", content, 0o644)
    put(host, f"{HOME}/{path.rpartition('/')[0]}/a.dll", fake.windows(), 0o644)
    assert ([app.doubt == "" for app in scan_region(host).portable_apps] or [None]) == [certain]


def test_a_version_stands_in_the_name_or_in_that_of_its_directory(host):
    for path in ("Signal-7.1.AppImage", "signal-2.0/signal-3.1.AppImage", "signal-4.2/signal.AppImage"):
        put(host, f"/home/alice/{path}", fake.image("signal-desktop"))
    results = scan_region(host).portable_apps
    assert sorted(app.version for app in results) == ["3.1", "4.2", "7.1"]
    assert {(app.name.lower()[:6], app.owner) for app in results} == {("signal", ALICE)}


@pytest.mark.parametrize(
    "damage", [ObservationError("x"), ControlError("x"), ValueError(), EOFError(), TypeError(), ["stamp"]]
)
def test_damaged_memory_is_read_anew(host, monkeypatch, damage):
    monkeypatch.setattr(scan_cache, "read_memory", mock.Mock(side_effect=[damage] * 2))
    assert read_scan_memory(host, "names", 30).is_fresh
    assert read_remembered_directories(host, ScanMemory({}, "s", "now", 0), 1000) == {}


@pytest.mark.parametrize(
    ("names", "every", "begins", "runs"),
    [("names", 30, True, 4), ("names", 4, False, 3), ("names", 4, True, None), ("others", 30, False, None)],
)
def test_memory_of_same_names_is_used(host, names, every, begins, runs):
    save_scan_memory(host, MEMORY._replace(names_stamp=read_scan_memory(host, "names", 1).names_stamp), begins)
    results = read_scan_memory(host, names, every)
    fresh = ScanMemory({}, results.names_stamp, results.full_scan_at, 0, is_fresh=True)
    expected = fresh if runs is None else MEMORY._replace(run_count=runs)
    assert results == expected._replace(names_stamp=results.names_stamp)


@pytest.mark.parametrize(
    ("change", "results"),
    [({}, {"/home/alice": [1]}), ({"names_stamp": "t"}, {}), ({"full_scan_at": "later"}, {}), ({"is_fresh": True}, {})],
)
def test_users_file_counts_with_its_own_scan(host, change, results):
    memory = ScanMemory({}, "s", "now", 0)
    text = scan_cache.format_user_memory(memory, {}, {"/home/alice": [1]})  # type: ignore[dict-item]
    save_scan_memory(host, memory._replace(texts_by_uid={"1000": text}))
    assert read_remembered_directories(host, memory._replace(**change), 1000) == results


def test_users_text_is_made_for_news_and_dropped_beyond_the_limit(monkeypatch):
    memory: Any = ScanMemory({}, "s", "now", 0)
    match: Any = {"/a": [1]}
    text = scan_cache.format_user_memory(memory, {}, match)
    assert text and scan_cache.format_user_memory(memory, match, match) is None
    assert scan_cache.format_user_memory(memory._replace(is_fresh=True), match, match) == text
    for room, result in ((len(text), text), (len(text) - 1, "")):
        monkeypatch.setattr(scan_cache, "MAX_MEMORY_BYTES", room)
        assert scan_cache.format_user_memory(memory, {}, match) == result
    stamps = [scan_cache.extend_names_stamp("s", folders) for folders in ([], ["/a", "/b"], ["/b", "/a"], ["/a"])]
    assert stamps[0] == "s" and stamps[1] == stamps[2] != stamps[3] and stamps[1].startswith("s ")


def test_files_of_users_who_are_gone_and_of_earlier_releases_go(host):
    for name in ("walk-1", "walk-2", "walk-3", "walk.json", "other"):
        host.write_file(f"/var/lib/proscribe/apps/{name}", name)
    save_scan_memory(host, ScanMemory({}, "s", "now", 0, texts_by_uid={"1": None, "2": "", "4": "text"}))
    assert sorted(os.listdir(host.root + "/var/lib/proscribe/apps")) == ["other", "walk", "walk-1", "walk-4"]
    files = [path.rpartition("/")[2] for path in sorted(scan_cache.list_memory_files(host))]
    assert files == ["walk", "walk-1", "walk-4"]


@pytest.mark.parametrize(("owned", "kind"), [("/opt/venv", "program"), ("/opt/ven", "tree")])
def test_app_of_a_package_system_is_reported_and_stays(host, owned, kind):
    for name in ("wechat", "libcef.so"):
        put(host, f"/opt/venv/wechat/{name}")
    place = search(host, ScanRegion({}, ["/opt"], owned_directories=[owned]))
    found = evidence.AppEvidence("why", is_own_directory=True)
    place._add_portable_app("wechat", "program", "/opt/venv/wechat/wechat", found)
    (app,) = place.portable_apps
    assert (app.kind, "a package system owns it" in app.doubt, bool(app.parts)) == (kind, kind == "program", False)


@pytest.mark.parametrize("doubt", ["", "known by its name alone"])
def test_app_of_a_host_package_stays_with_its_doubt(host, doubt):
    put(host, "/usr/bin/dpkg-query", b"")
    put(host, "/opt/x/wechat")
    host._run = lambda argv, **options: ToolResult(0, "some: x\n", "")
    place = search(host, ScanRegion({}, ["/opt"]))
    place._add_portable_app("wechat", "program", "/opt/x/wechat", evidence.AppEvidence("why", doubt))
    (app,) = place.portable_apps
    assert app.doubt == (doubt or "it belongs to the dpkg package some, so it is not moved")


@pytest.mark.parametrize(
    ("directory", "content", "sign", "counts"),
    [
        ("/home/alice/x", ELF, True, True),
        ("/opt/x", ELF, True, False),  # the host's own browser
        ("/home/alice/x", b"#!/bin/sh\n", True, False),
        ("/home/alice/x", ELF, False, False),
    ],
)
def test_browser_counts_in_a_home(host, directory, content, sign, counts):
    put(host, f"{directory}/firefox", content)
    if sign:
        put(host, f"{directory}/libcef.so")
    place = search(host, ScanRegion(HOMES, ["/opt"]), tor={"copies": ["firefox"]})
    place.check_directory(directory, ["_crx_abc", "firefox"])  # a web app is checked elsewhere
    expected = [("program", f"{directory}/firefox")] if counts else []
    assert [(app.kind, app.path) for app in place.portable_apps] == expected


@pytest.mark.parametrize(("mode", "state"), [("report", "not_applicable"), ("audit", "noncompliant")])
def test_browsers_that_no_policy_reaches_are_reported(host, mode, state):
    for path in (f"{HOME}/bin/dillo", f"{HOME}/chrome-linux/chrome", "/opt/google/chrome/chrome"):
        put(host, path)
    for path in (f"{HOME}/chrome-linux/icudtl.dat", "/opt/google/chrome/icudtl.dat"):
        put(host, path, fake.icu())
    put(host, f"{HOME}/x/chrome")  # nothing of a browser around it
    of = plan(**SERVICES)
    browsers = {**EMPTY, "mode": mode, "name": "", "processes": ["dillo"], "copies": ["chrome"]}
    of["controls"]["apps"]["settings"] = {"unmanaged_browsers": browsers}
    verdicts = apps.observe(host, of)
    (verdict,) = [verdict for verdict in verdicts if verdict.rule == "apps/unmanaged-browsers"]
    assert (verdict.state, verdict.drifted) == (state, False)
    assert [finding.path for finding in verdict.findings] == [f"{HOME}/bin/dillo", f"{HOME}/chrome-linux/chrome"]


@pytest.mark.parametrize(
    ("files", "moved"),
    [
        ({f"{WINE}/WeChat.exe": fake.windows(), f"{WINE}/WeChatWin.dll": fake.windows()}, [f"{WINE}/WeChat.exe"]),
        ({f"{WEB_APP}/icon.png": PNG}, [WEB_APP]),
        ({f"{WEB_APP}/icon.png": PNG, f"{WEB_APP}/notes.txt": b"mine"}, [f"{WEB_APP}/icon.png"]),
        ({f"{HOME}/Desktop/a.desktop": OPENS}, [f"{HOME}/Desktop/a.desktop"]),
        ({f"{HOME}/.config/autostart/a.desktop": fake.entry("wechat")}, [f"{HOME}/.config/autostart/a.desktop"]),
        ({f"{HOME}/.config/systemd/user/a.service": UNIT}, [f"{HOME}/.config/systemd/user/a.service"]),
        ({f"{HOME}/WeChat.AppImage": fake.image("other")}, []),
        ({f"{HOME}/WeChat.AppImage": fake.image("wechat")}, [f"{HOME}/WeChat.AppImage"]),
    ],
)
def test_portable_app_is_moved_whole_and_comes_back(host, files, moved):
    for path, content in files.items():
        put(host, path, content, 0o644)
    for action in apps.enforce(host, PLAN).actions:
        action.apply()
    assert [path for path in moved if host.find_entry(path)] == []
    stay = [path for path in files if not any(f"{path}/".startswith(f"{gone}/") for gone in moved)]
    assert [host.read_file(path) for path in stay] == [files[path] for path in stay]
    for action in apps.lift(host, PLAN).actions:
        action.apply()
    assert {path: host.read_file(path) for path in files} == files


@pytest.mark.parametrize(
    ("outer", "path", "stays"),
    [
        ({}, "/opt/app/bin/x", False),  # it moves with the tree
        ({"doubt": "by its name"}, "/opt/app/bin/x", True),  # the tree is doubtful and stays
        ({"parts": ["/opt/app/bin"]}, "/opt/app/bin/x", False),  # its part moves
        ({"parts": ["/opt/app/bi"]}, "/opt/app/bin/x", True),  # a part with half of its name moves
        ({"kind": "web_app"}, "/opt/app/bin/x", True),  # no tree
        ({}, "/opt/app2/x", True),  # beside it
    ],
)
def test_app_that_moves_with_a_directory_is_reported_with_it(outer, path, stays):
    tree = PortableApp(["a"], "tree", "/opt/app", "app", None, "")._replace(**outer)
    inner = PortableApp(["b"], "program", path, "x", None, "")
    assert [app.path for app in scan._merge_portable_apps([inner, tree])] == ["/opt/app", *([path] if stays else [])]
    assert tree.services == ["a"]


# Made so that each key has names of its own; a key that is lost takes its names with it.
WECHAT_ENTRY: dict[str, Any] = {
    "packages": {
        "flatpak": ["com.tencent.Flat"],
        **{manager: [f"wechat-{manager}"] for manager in ("apt", "rpm", "pacman", "snap", "npm", "pip")},
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
CHAT: dict[str, Any] = {"packages": {"apt": ["xchat", "talk"]}, "processes": ["wx", "wx"], "paths": []}
NAMED_SERVICES = {"wechat": WECHAT_ENTRY, "boxapp": BOX, "chat": CHAT}
NAMES = AppNames(NAMED_SERVICES)


def test_key_of_an_entry_gives_names_of_its_kind():
    assert NAMES.programs == {"wx": ["wechat", "chat"], "WeChatAppEx": ["wechat"], "box-sync": ["boxapp"]}
    assert NAMES.portable_apps == {"Box": ["boxapp"]}
    assert NAMES.windows_paths == {"WeChat.exe": {"wechat": ["/tencent/wechat/wechat.exe", "/weixin/wechat.exe"]}}
    assert NAMES.desktop_files == {"Wechat-Entry.desktop": ["wechat"]}
    assert NAMES.marked_programs == {"WxTool": ["wechat"]} and NAMES.markers == {"wechat": {"programs": ["WxTool"]}}
    assert NAMES.services_by_title == {"微信": ["wechat"], "weixin": ["wechat"]}
    packages = ("wechat-apt", "wechat-rpm", "wechat-pacman", "wechat-snap")
    # `chat` and `talk` are too short for names that mean nothing else; and an app with copies is known by these alone.
    sole = dict.fromkeys(("wechatappex", *packages, "wechat", "wxtool"), ["wechat"])
    assert NAMES.services_by_stem == {"wx": ["wechat", "chat"], "xchat": ["chat"], **sole}
    assert NAMES.own_folders["wechat"] == {"wx", "weixin"}, "`files` and `lib` are directories of many apps"
    own = {"wx", "wechatappex", "wechat-entry", "wxtool", *packages, "com.tencent.flat", "wechat-npm"}
    assert NAMES.names_by_service["wechat"] == own
    assert NAMES.all_names == {"wx", "WeChatAppEx", "box-sync", "Box", "WeChat.exe", "Wechat-Entry.desktop", "WxTool"}
    assert NAMES.list_programs("wechat") == ["wx", "WeChatAppEx", "WxTool"]
    assert NAMES.list_programs("boxapp") == ["box-sync"]
    assert (NAMES.list_desktop_entries("wechat"), NAMES.list_desktop_entries("chat")) == (["Wechat-Entry.desktop"], [])


def test_a_directory_that_is_an_apps_own():
    own = {"/home/alice/weixin": True, "/home/alice/WeChat-4.1.0-x86_64": True}
    own |= {"/home/alice/weixin/sub": False, "/opt/apps/wechat/files": False}
    assert {directory: NAMES.is_own_directory(directory, "wechat") for directory in own} == own
    assert not NAMES.is_own_directory("/home/alice/weixin", "chat")


def test_only_names_of_portable_apps_are_checked_in_a_directory():
    """A host has thousands of names; each check costs."""
    chosen = {("/srv", "wx"): True, ("/srv", "wechat-apt-4.1.AppImage"): True, ("/srv", "微信.AppImage"): True}
    chosen |= {("/srv", "wechat-apt"): False, ("/a/Web Applications", "_crx_abc"): True}  # no program folder, no suffix
    chosen |= {("/a/Web Applications", "abc_crx_"): False, ("/a/My Web Applications", "_crx_abc"): False}
    for (directory, name), is_chosen in chosen.items():
        for names in ([name], [name, "other.AppImage"]):
            assert set(NAMES.choose_names(directory, names)) == ({name} if is_chosen else set()), (directory, name)


def test_more_directories_of_many_things_take_no_name_away():
    names = AppNames(NAMED_SERVICES, ["/home/alice"])
    more = names.add_program_folders(["/srv/tools"])
    assert vars(more) == {**vars(names), "program_folders": {*names.program_folders, "/srv/tools"}}
    assert set(more.choose_names("/srv/tools", ["wechat-apt"])) == {"wechat-apt"}
    assert "/srv/tools" not in names.program_folders and names.add_program_folders([]) is names

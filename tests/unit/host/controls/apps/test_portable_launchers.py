"""Launchers: desktop entries and units of apps, of container runners, and as adversaries write them."""

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_tools import refuse
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, BOB, put, tree
from proscribe.base.name_folding import fold_name
from proscribe.host.controls.apps.portable import appimage, container_launchers, desktop_entries, evidence, launchers
from proscribe.host.controls.apps.portable.desktop_entries import (
    WebHosts,
    make_web_app_id,
    parse_arguments,
    parse_launcher,
    parse_started_program,
)
from proscribe.host.system import ControlError, Host, ObservationError, ToolResult

NOTHING: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
WECHAT: dict[str, Any] = {**NOTHING, "packages": {"flatpak": ["com.tencent.WeChat"]}, "processes": ["wechat"]}
WECHAT |= {"web_hosts": ["wechat.example"], "desktop_files": ["wechat-entry.desktop"], "names": ["微信"]}
QQ: dict[str, Any] = {**NOTHING, "processes": ["qq"], "web_hosts": ["chat.example"], "names": ["微信"]}
SERVICES = {"wechat": WECHAT, "qq": QQ}
OPENS = "[Desktop Entry]\nType=Application\nExec=firefox https://wechat.example/\n"
ADDRESS = "it opens https://wechat.example/"
APP = make_web_app_id("https://wechat.example/")
MENU = "/home/alice/.local/share/applications"
AUTOSTART = "/home/alice/.config/autostart"
ENTRY = "[Desktop Entry]\nType=Application\n"
UNIT = "/home/alice/.config/systemd/user/a.service"
LONG = "https://wechat.example/" + "x" * 300
BROWSER = "/home/alice/.config/chromium/Default/Web Applications"
EXEC_ENTRY = "[Desktop Entry]\nType=Application\nName=x\nExec={}\n"
BOX = "/usr/bin/distrobox-enter  -n box  --   {} -- %u "
WORDS = ["[Desktop Entry]", "Exec=", 'Exec="a', "Hidden=true", "URL=https://", "Exec=x --app-id=", "[", "="]
LINE = st.text(max_size=40) | st.sampled_from(WORDS) | st.text(max_size=60).map("Exec={}".format)
LINES = st.lists(LINE, max_size=12).map("\n".join)


def find_services(services: dict[str, dict[str, Any]], program: str, flatpak: str) -> list[str]:
    """Return services by flatpak id, by path, else by base name, as the file scan does."""
    ids = [id_ for id_, entry in services.items() if flatpak in entry["packages"].get("flatpak", ())]
    paths = [id_ for id_, entry in services.items() if any(f"{program}/".startswith(f"{at}/") for at in entry["paths"])]
    return ids or paths or [id_ for id_, of in services.items() if program.rpartition("/")[2] in of["processes"]]


services_of = functools.partial(find_services, SERVICES)


def observe(root: Path, system: bool = True, installed: Sequence[str] = (), **desktops: str) -> list[tuple[str, ...]]:
    host = Host(str(root))
    of = {f"/home/{name}": path for name, path in desktops.items()}
    result, unseen = launchers.find_launchers(host, SERVICES, services_of, [ALICE, BOB], system, of, installed)
    assert unseen == [] and all(copy.name == copy.path.rpartition("/")[2] for copy in result)
    return [
        (service, copy.kind, copy.path, copy.owner.name if copy.owner else "", copy.reason, copy.doubt)
        for copy in result
        for service in copy.services
    ]


def test_desktop_and_service_are_reported_once(tmp_path):
    root = tree(tmp_path)
    put(root, "/home/alice/Desktop/a.desktop", OPENS)
    assert len(observe(tmp_path, alice="/home/alice/Desktop")) == 1
    (root / "home/alice/Desktop/a.desktop").unlink()
    text = f"{OPENS}URL=https://chat.example/\nX-WebApp-URL=https://wechat.example/again\nName=微信\n"
    for name in ("a", "b"):
        put(root, f"{MENU}/{name}.desktop", text)
    both = [(service, f"{MENU}/{name}.desktop") for name in ("a", "b") for service in ("wechat", "qq")]
    assert sorted((service, path) for service, _, path, *_ in observe(root)) == sorted(both)


@pytest.mark.parametrize(
    ("path", "text", "service", "kind", "why", "doubt"),
    [
        (f"{MENU}/a.desktop", f"{ENTRY}URL=https://wechat.example/", "wechat", "web_app", ADDRESS, ""),
        (f"{MENU}/a.desktop", f"{ENTRY}URL={LONG}", "wechat", "web_app", f"it opens {LONG[:200]}", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Hidden=true\nURL=https://wechat.example/", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}URL=https://other.example/", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=x --app-id={APP}", "wechat", "web_app", f"it opens the web app {APP}", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=x --app-id={'a' * 32}", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Name=微信", "wechat", "launcher", "it is called 微信", evidence.NAME_ONLY_DOUBT),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Name=微信", "wechat", "autostart", "it is called 微信",
         evidence.NAME_ONLY_DOUBT),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=wechat", "", "", "", ""),  # its package or its file says so
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=env A=b /opt/wechat %U", "wechat", "autostart",
         "it starts /opt/wechat with the session", ""),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=flatpak run com.tencent.WeChat", "wechat", "autostart",
         "it starts com.tencent.WeChat with the session", ""),
        (f"{AUTOSTART}/wechat-entry.desktop", f"{ENTRY}Exec=sh run", "wechat", "autostart",
         "it starts sh with the session", ""),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=/{'x' * 300}/wechat", "wechat", "autostart",
         f"it starts /{'x' * 199} with the session", ""),
        *((UNIT, f"[Service]\n{key}=wechat", "wechat", "autostart", "it starts wechat with the session", "")
          for key in ("ExecStart", "ExecStartPre", "ExecStartPost")),
        (UNIT, "[Service]\nExecStop=/usr/bin/wechat", "", "", "", ""),
        (UNIT, "[Desktop Entry]\nExec=/usr/bin/wechat", "", "", "", ""),
    ],
)  # fmt: skip
def test_launcher_service(tmp_path, path, text, service, kind, why, doubt):
    put(tree(tmp_path), path, text + "\n")
    result = [result for result in observe(tmp_path) if result[0] != "qq"]
    assert result == ([(service, kind, path, "alice", why, doubt)] if service else [])


@pytest.mark.parametrize(
    ("method", "closed", "error", "names", "unseen"),
    [
        ("list_directory", MENU, ObservationError("no"), [], ["no"]),
        ("list_directory", MENU, ControlError("no"), [], ["no"]),
        ("read_file", f"{MENU}/a.desktop", ObservationError("no"), ["b.desktop"], ["no"]),
        ("read_file", f"{MENU}/a.desktop", ControlError("no"), ["b.desktop"], []),  # a pipe or a link is no launcher
        # the file scan reports that
        ("list_directory", "/home/alice/.local/bin", ObservationError("no"), ["a.desktop", "b.desktop"], []),
    ],
)
def test_unread_launcher_is_reported(tmp_path, monkeypatch, method, closed, error, names, unseen):
    put(tree(tmp_path), f"{MENU}/a.desktop", OPENS)
    put(tmp_path, f"{MENU}/b.desktop", OPENS)
    put(tmp_path, "/home/alice/.local/bin/wechat")
    refuse(monkeypatch, method, {closed: error})
    result, reasons = launchers.find_launchers(Host(str(tmp_path)), SERVICES, services_of, [ALICE], True)
    assert ([app.name for app in result], reasons) == (names, unseen)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"web_hosts": ["wechat.example"]}, OPENS),
        ({"names": ["微信"]}, f"{ENTRY}Name=微信\n"),
        ({"packages": {"flatpak": ["com.tencent.WeChat"]}}, f"{ENTRY}Exec=flatpak run com.tencent.WeChat\n"),
        ({"processes": ["wechat"]}, f"{ENTRY}Exec=wechat\n"),
        ({"paths": ["/opt/wechat"]}, f"{ENTRY}Exec=/opt/wechat\n"),
    ],
)
def test_any_name_of_an_app_has_launchers_searched(tmp_path, more, text):
    put(tree(tmp_path), f"{AUTOSTART}/a.desktop", text)
    for entry, services in (({**NOTHING, **more}, [["wechat"]]), (NOTHING, [])):
        of = {"wechat": entry, "other": NOTHING}
        result, unseen = launchers.find_launchers(Host(str(tmp_path)), of, services_of, [ALICE], True)
        assert ([copy.services for copy in result], unseen) == (services, [])


def test_a_web_app_that_a_browser_installed(tmp_path):
    put(tree(tmp_path), f"{BROWSER}/_crx_{APP}/notes.txt", "dear")
    (tmp_path / f"{BROWSER}/_crx_{APP}/icon.png"[1:]).write_bytes(b"\x89PNG\r\n\x1a\n")
    put(tmp_path, f"{BROWSER}/_crx_{'a' * 32}/icon.png", "")
    paths = [f"{BROWSER}/_crx_{id_}" for id_ in (APP, "a" * 32)]
    gone = f"/gone/_crx_{APP}"  # gone since the file scan: it is reported, and nothing of it moves
    (copy, other) = launchers.find_installed_web_apps(Host(str(tmp_path)), SERVICES, [*paths, gone], lambda path: ALICE)
    assert (copy.services, copy.kind, copy.path, copy.owner) == (["wechat"], "web_app", paths[0], ALICE)
    assert (copy.uid, copy.doubt, copy.parts) == (os.getuid(), "", [f"{paths[0]}/icon.png"])
    assert copy.leftovers.endswith(": notes.txt")
    assert (other.path, other.uid, other.parts, other.doubt) == (gone, -1, (), "")
    assert launchers.find_installed_web_apps(Host(str(tmp_path)), SERVICES, paths[1:], lambda path: ALICE) == []


def test_a_web_app_of_a_package_stays_what_it_is(tmp_path):
    root = tree(tmp_path)
    put(root, "/usr/bin/dpkg-query", "", 0o755)
    path = f"/opt/Web Applications/_crx_{APP}"
    put(root, f"{path}/icon.png", "")
    host = Host(str(root), lambda *_, **__: ToolResult(0, "some: x\n", ""))
    (copy,) = launchers.find_installed_web_apps(host, SERVICES, [path], lambda path: None)
    assert (copy.doubt, copy.uid) == ("it belongs to the dpkg package some, so it is not moved", -1)


TELEGRAM = {"flatpak": ["org.telegram.desktop"], "android": ["org.telegram.messenger"]}
BOXED: dict[str, dict[str, Any]] = {
    "telegram": {"packages": TELEGRAM, "processes": ["telegram-desktop"], "paths": ["/opt/telegram/Telegram"]},
    "wechat": {"packages": {"android": ["com.tencent.mm"]}, "processes": ["wechat"], "paths": ["/opt/wechat"]},
}
BOXED["wechat"]["desktop_files"] = ["wechat.desktop"]
find_boxed = functools.partial(find_services, BOXED)


DBX = "distrobox-enter"
PODMAN = ["-e", "--env", "-u", "--user", "-w", "--workdir"]
TOOLBOX = ["-c", "--container", "-d", "--distro", "-r", "--release"]


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("/usr/bin/waydroid app launch com.tencent.mm", ("waydroid", "", "com.tencent.mm")),
        ("waydroid show-full-ui", None),
        (f"/usr/bin/{DBX}  -n box  --   telegram-desktop -- %u ", (DBX, "telegram-desktop", "")),
        (f"{DBX} --root -n box -- sudo -S /opt/x/y", (DBX, "/opt/x/y", "")),
        ("distrobox enter box -- env A=b wechat", ("distrobox", "wechat", "")),
        (f'env A="/a b" DBX_SUDO_PROGRAM="sudo --askpass" {DBX} --root -n b -- wechat', (DBX, "wechat", "")),
        ("distrobox enter box", None),
        (f"{DBX} box wechat", None),
        ("toolbox --verbose run --container box wechat", ("toolbox", "wechat", "")),
        ("podman exec -it --user 1000 box /usr/bin/wechat", ("podman", "/usr/bin/wechat", "")),
        *((f"podman exec {word} wechat box /opt/x", ("podman", "/opt/x", "")) for word in PODMAN),
        *((f"toolbox run {word} wechat /opt/x", ("toolbox", "/opt/x", "")) for word in TOOLBOX),
        ("distrobox -n wechat enter box -- /opt/x", ("distrobox", "/opt/x", "")),
        ("docker exec -i box su-exec wechat", ("docker", "wechat", "")),
        ("lxc exec box -- /usr/bin/sudo-rs -n wechat", ("lxc", "wechat", "")),
        ("lxc-attach -n box -- wechat", ("lxc-attach", "wechat", "")),
        ("", None),
    ],
)
def test_line_of_a_container_runner_names_its_program(line, result):
    inside = container_launchers.parse_container_command(desktop_entries.parse_arguments(line))
    assert (tuple(inside) if inside else None) == result


@given(st.lists(st.sampled_from(["podman", "exec", "--", "-e", "env", "sudo", DBX, "waydroid", "app", "x"])))
def test_any_line_is_read(words):
    inside = container_launchers.parse_container_command(words)
    assert inside is None or bool(inside.program) != bool(inside.android_id)


@pytest.mark.parametrize(
    ("path", "line", "result"),
    [
        (f"{MENU}/waydroid.com.tencent.mm.desktop", "waydroid app launch com.tencent.mm", ("wechat", "launcher", True)),
        (f"{MENU}/box-org.telegram.desktop.desktop", BOX.format("telegram-desktop"), ("telegram", "launcher", True)),
        (f"{MENU}/box-wechat.desktop", BOX.format("/usr/bin/wechat"), ("wechat", "launcher", True)),
        (f"{MENU}/box-chat.desktop", BOX.format("/opt/wechat/wechat"), ("wechat", "launcher", True)),
        (f"{MENU}/box-chat.desktop", BOX.format("/usr/bin/wechat"), ("wechat", "launcher", False)),
        (f"{MENU}/wechat.desktop", "/usr/bin/wechat", None),  # of the host: its package or file says so
        ("/home/alice/.config/autostart/a.desktop", BOX.format("/opt/wechat/x"), ("wechat", "autostart", True)),
        ("/home/alice/Desktop/a.desktop", "waydroid app launch com.tencent.mm", ("wechat", "launcher", True)),
    ],
)
def test_container_launcher(tmp_path, path, line, result):
    root = tree(tmp_path)
    put(root, path, EXEC_ENTRY.format(line))
    portable_apps, unseen = launchers.find_launchers(Host(str(root)), BOXED, find_boxed, [ALICE, BOB], True)
    seen = [(*copy.services, copy.make_finding().kind, not copy.doubt) for copy in portable_apps]
    assert (seen, unseen) == ([result] if result else [], [])


@pytest.mark.parametrize(("length", "certain"), [(4096, True), (4097, False)])
def test_a_path_that_the_kernel_would_not_open_is_no_path_of_the_catalogue(length, certain):
    command = ["podman", "exec", "box", "/opt/wechat/".ljust(length - len("/wechat"), "x") + "/wechat"]
    ((_, _, doubt),) = container_launchers.ContainerApps(BOXED).identify_launcher("/x.desktop", [command], find_boxed)
    assert bool(doubt) is not certain


SCRIPT = """#!/bin/sh
# distrobox_binary
# name: box
if [ -z "${CONTAINER_ID}" ]; then
	exec "/usr/bin/distrobox-enter"  -n box  --  '%s'  "$@"
elif [ -n "${CONTAINER_ID}" ] && [ "${CONTAINER_ID}" != "box" ]; then
	exec distrobox-host-exec '/home/alice/.local/bin/wechat' "$@"
else
	exec '%s' "$@"
fi
"""


@pytest.mark.parametrize(
    ("name", "text", "certain"),
    [
        ("wechat", SCRIPT.replace("%s", "/opt/wechat/wechat"), [True]),
        ("wechat", SCRIPT.replace("%s", "/usr/bin/wechat"), [False]),
        ("wechat", SCRIPT.replace("%s", "/usr/bin/weechat"), []),
        ("other", SCRIPT.replace("%s", "/opt/wechat/wechat"), []),
        ("wechat", "# distrobox_binary\n" + "\texec '/" + "x" * 100_000, []),
    ],
)
def test_a_script_that_distrobox_exported(tmp_path, name, text, certain):
    path = f"/home/alice/.local/bin/{name}"
    put(tree(tmp_path), path, text, 0o755)
    portable_apps, unseen = launchers.find_launchers(Host(str(tmp_path)), BOXED, find_boxed, [ALICE], False)
    seen = [(copy.kind, copy.path, not copy.doubt) for copy in portable_apps]
    assert (seen, unseen) == ([("launcher", path, is_certain) for is_certain in certain], [])


def test_line_is_split_into_arguments():
    lines = {
        "a b %U c %%": ["a", "b", "c", "%%"],
        '"/opt/my app/x" --y="a b"': ["/opt/my app/x", "--y=a b"],
        r'"a\"b\\c"': [r'a"b\c'],
        'a "b\\': ["a", "b"],
        r'a\"b c"': ["a\\b c"],
        r'"a b" c\ d e\f \"': ["a b", "c\\", "d", "e\\f", "\\"],
        "flatpak run x @@u %u @@": ["flatpak", "run", "x"],
        "%1 %é a% %Ux %": ["%1", "%é", "a%", "%Ux", "%"],
        '"@@" "@@u" "%u" "%1" "a%"': ["%1", "a%"],
        '""': [],
    }
    assert {line: parse_arguments(line) for line in lines} == lines


def test_line_starts_a_program_or_a_flatpak():
    commands = {"/usr/bin/flatpak run --branch=stable --command=y org.x.Y --z": ("/usr/bin/flatpak", "org.x.Y")}
    commands |= {"env A=b C=d y": ("y", ""), "-/usr/bin/y": ("/usr/bin/y", ""), "flatpak run": ("flatpak", "")}
    commands |= {"/usr/bin/snap run --shell y z": ("y", ""), "snap run": ("", ""), "y run z": ("y", "")}
    starters = ("env", "nice", "ionice", "nohup", "setsid", "exec")
    commands |= {"é=1 y": ("é=1", ""), "env": ("", ""), **{f"/usr/bin/{by} -n A=b y": ("y", "") for by in starters}}
    assert {command: parse_started_program(parse_arguments(command)) for command in commands} == commands


def test_address_has_host_and_path_as_a_browser_reads_it():
    addresses = {
        "https://A.Example.COM./x?y#z": ("a.example.com", "/x"),
        "http://user:pw@a.example:8080/x": ("a.example", "/x"),
        "https://good.example@bad.example": ("bad.example", ""),
        "https://bad.example\\@good.example/": ("bad.example", "/@good.example/"),
        "https://a.example?x/y": ("a.example", ""),
        "https://a.example/x\\y#z?": ("a.example", "/x/y"),
        "a.example/x": ("", ""),
    }
    assert {address: desktop_entries.split_address(address) for address in addresses} == addresses
    id_ = make_web_app_id("https://www.youtube.com/?feature=ytca")
    assert id_ == "agimnkijcaahngcdmfeangaknmldooml", "in every Chromium"
    web = WebHosts({"a": {"web_hosts": ["a.example", "b.example/x/"], "web_allow": ["ok.a.example"]}})
    long = "x" * (253 - len(".a.example"))
    urls = {"w.a.example/y": ["a"], "b.example/x/y": ["a"], "b.example/xy": [], "ba.example": [], "ok.a.example": []}
    urls |= {"z.ok.a.example": [], f"{long}.a.example": ["a"], f"x{long}.a.example": []}
    assert {url: web.find_address_services(f"https://{url}") for url in urls} == urls


def test_entry_is_read_in_its_group_and_actions():
    title = "夜" * 80
    text = f"""Exec=before https://z.example
[Desktop Entry]
;Exec=commented https://z.example
# Exec=commented https://z.example
 Name = 猫
Name[en]=Owl
Name[ja]={title}
Name[ko]={title}夜
Name[zh=鳥
XName]=鳥
Exec = x\\s"b c" --app=https://a.example/x|y
Exec=y --app-id={"a" * 32} crx_{"b" * 32}_
URL=HTTP://b.example
X-WebApp-URL=https://c.example
Icon=https://z.example
Hidden=false
[Desktop Action New]
Exec=z https://d.example
URL=https://z.example
[Other]
Exec=w https://z.example
"""
    addresses = ["https://a.example/x", "HTTP://b.example", "https://c.example", "https://d.example"]
    commands = [["x", "b c", "--app=https://a.example/x|y"], ["y", f"--app-id={'a' * 32}", f"crx_{'b' * 32}_"]]
    commands.append(["z", "https://d.example"])
    assert parse_launcher(text) == (commands, addresses, ["a" * 32, "b" * 32], False, ("猫", title))
    assert [parse_launcher(f"[Desktop Entry]\nHidden={value}").is_hidden for value in ("True", "1")] == [True, False]


def test_address_or_web_app_names_a_service_once():
    web = WebHosts({"a": {"web_hosts": ["a.example", "x.a.example", "b.example/x/", "b.example/x"]}, "b": {}})
    assert web.find_address_services("https://x.a.example") == ["a"] == web.find_address_services("https://b.example/x")
    for address in ("https://a.example", "https://a.example/", "https://b.example/x", "https://b.example/x/"):
        assert web.find_app_services(make_web_app_id(address)) == ["a"], address
    assert web.find_app_services(make_web_app_id("https://b.example/")) == []


@given(LINES)
def test_no_text_is_too_odd(text):
    launcher = parse_launcher(text)
    assert all(words and all(words) for words in launcher.commands)
    assert all(re.fullmatch("[a-p]{32}", id_) for id_ in launcher.app_ids)
    web = WebHosts({"a": {"web_hosts": ["a.example"]}})
    assert {id_ for address in launcher.addresses for id_ in web.find_address_services(address)} <= {"a"}
    assert all(len(parse_started_program(command)) == 2 for command in launcher.commands)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=6))
def test_quoted_arguments_come_back_as_they_were(words):
    quoted = " ".join('"' + re.sub(r'([\\"`$])', r"\\\1", word) + '"' for word in words)
    codes = re.compile(r"%[a-zA-Z]|@@u?")
    assert parse_arguments(quoted) == [word for word in words if not codes.fullmatch(word)]


@given(st.text(max_size=40))
def test_a_stem_is_stable(name):
    stem = appimage.make_name_stem(name)
    assert stem in fold_name(name) and (stem or not name or fold_name(name) == appimage.IMAGE_SUFFIX)


@given(st.sampled_from(["telegram", "wechat", "qq"]), st.text(min_size=1, max_size=12))
def test_a_name_that_goes_on_in_letters_is_another_one(name, more):
    if more[0].isalpha() and not more.lower().startswith("linux") and appimage.make_name_stem(more) != "":
        assert appimage.make_name_stem(name + more) != name

"""What starts a restricted app: where launchers are looked for, whose each is, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_users import ALICE, BOB, put, tree
from proscribe.host.controls.apps.portable import evidence, launchers
from proscribe.host.controls.apps.portable.desktop_entries import app_id
from proscribe.host.system import ControlError, Host, Result, Unseen

WECHAT: dict[str, Any] = {
    "packages": {"flatpak": ["com.tencent.WeChat"]},
    "processes": ["wechat"],
    "paths": [],
    "web_hosts": ["wechat.example"],
    "desktop_files": ["wechat-entry.desktop"],
    "names": ["微信"],
}
QQ: dict[str, Any] = {
    "packages": {},
    "processes": ["qq"],
    "paths": [],
    "web_hosts": ["chat.example"],
    "names": ["微信"],
}
SERVICES = {"wechat": WECHAT, "qq": QQ}
OPENS = "[Desktop Entry]\nType=Application\nExec=firefox https://wechat.example/\n"
ADDRESS = "it opens https://wechat.example/"
APP = app_id("https://wechat.example/")
MENU = "/home/alice/.local/share/applications"
AUTOSTART = "/home/alice/.config/autostart"


def services_of(program: str, flatpak: str) -> list[str]:
    return [
        service
        for service, entry in SERVICES.items()
        if program.rpartition("/")[2] in entry["processes"] or flatpak in entry["packages"].get("flatpak", ())
    ]


def observe(root: Path, system: bool = True, installed: Sequence[str] = (), **desktops: str) -> list[tuple[str, ...]]:
    """What is found: service, kind, path, the user, why, doubt."""
    host = Host(str(root))
    of = {f"/home/{name}": path for name, path in desktops.items()}
    found, unseen = launchers.find_launchers(host, SERVICES, services_of, [ALICE, BOB], system, of, installed)
    assert unseen == []
    assert all(copy.name == copy.path.rpartition("/")[2] for copy in found)
    return [
        (service, copy.kind, copy.path, copy.owner.name if copy.owner else "", copy.why, copy.doubt)
        for copy in found
        for service in copy.services
    ]


def test_a_desktop_with_the_usual_name_is_scanned_once(tmp_path: Path) -> None:
    put(tree(tmp_path), "/home/alice/Desktop/a.desktop", OPENS)
    assert len(observe(tmp_path, alice="/home/alice/Desktop")) == 1


ENTRY = "[Desktop Entry]\nType=Application\n"
LONG = "https://wechat.example/" + "x" * 300


@pytest.mark.parametrize(
    ("path", "text", "service", "kind", "why", "doubt"),
    [
        (f"{MENU}/a.desktop", f"{ENTRY}URL=https://wechat.example/", "wechat", "web_app", ADDRESS, ""),
        (f"{MENU}/a.desktop", f"{ENTRY}URL={LONG}", "wechat", "web_app", f"it opens {LONG[:200]}", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Hidden=true\nURL=https://wechat.example/", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}URL=https://other.example/", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=x --app-id={APP}", "wechat", "web_app", f"it opens the web app {APP}", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=x --app-id={'a' * 32}", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Name=微信", "wechat", "launcher", "it is called 微信", evidence.ALONE),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Name=微信", "wechat", "autostart", "it is called 微信", evidence.ALONE),
        (f"{MENU}/a.desktop", f"{ENTRY}Name=信微", "", "", "", ""),
        (f"{MENU}/a.desktop", f"{ENTRY}Exec=wechat", "", "", "", ""),  # its package or its file says so
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=env A=b /opt/wechat %U", "wechat", "autostart",
         "it starts /opt/wechat with the session", ""),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=flatpak run com.tencent.WeChat", "wechat", "autostart",
         "it starts com.tencent.WeChat with the session", ""),
        (f"{AUTOSTART}/wechat-entry.desktop", f"{ENTRY}Exec=sh run", "wechat", "autostart",
         "it starts sh with the session", ""),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=sh run", "", "", "", ""),
        (f"{AUTOSTART}/a.desktop", f"{ENTRY}Exec=/{'x' * 300}/wechat", "wechat", "autostart",
         f"it starts /{'x' * 199} with the session", ""),
        *(
            ("/home/alice/.config/systemd/user/a.service", f"[Service]\n{key}=/usr/bin/wechat", "wechat", "autostart",
             "it starts /usr/bin/wechat with the session", "")
            for key in ("ExecStart", "ExecStartPre", "ExecStartPost")
        ),
        ("/home/alice/.config/systemd/user/a.service", "[Service]\nExecStop=/usr/bin/wechat", "", "", "", ""),
        ("/home/alice/.config/systemd/user/a.service", "[Desktop Entry]\nExec=/usr/bin/wechat", "", "", "", ""),
    ],
)  # fmt: skip
def test_whose_a_launcher_is(
    tmp_path: Path, path: str, text: str, service: str, kind: str, why: str, doubt: str
) -> None:
    put(tree(tmp_path), path, text + "\n")
    found = [found for found in observe(tmp_path) if found[0] != "qq"]
    assert found == ([(service, kind, path, "alice", why, doubt)] if service else [])


RUNS = {
    "waydroid": "waydroid app launch com.tencent.mm",
    "distrobox": "distrobox enter box -- wechat",
    "toolbox": "toolbox run -c box wechat",
    "podman": "podman exec box wechat",
    "docker": "docker exec box wechat",
    "lxc": "lxc exec box -- wechat",
    "incus": "incus exec box -- wechat",
}


@pytest.mark.parametrize("runner", RUNS)
def test_what_starts_something_in_a_container(tmp_path: Path, runner: str) -> None:
    assert tuple(RUNS) == launchers.RUNNERS
    of = {"wechat": {**WECHAT, "packages": {"android": ["com.tencent.mm"]}}}
    for number, directory in enumerate((MENU, AUTOSTART)):
        put(tree(tmp_path / str(number)), f"{directory}/a.desktop", f"{ENTRY}Exec={RUNS[runner]}\n")
        found, _ = launchers.find_launchers(Host(str(tmp_path / str(number))), of, services_of, [ALICE], True)
        assert [(copy.kind, copy.services) for copy in found] == [(("launcher", "autostart")[number], ["wechat"])]
        assert runner in found[0].why


def test_each_service_that_a_file_opens_is_reported_once_and_each_file_separately(tmp_path: Path) -> None:
    root = tree(tmp_path)
    text = f"{OPENS}URL=https://chat.example/\nX-WebApp-URL=https://wechat.example/again\nName=微信\n"
    for name in ("a", "b"):
        put(root, f"{MENU}/{name}.desktop", text)
    both = [(service, f"{MENU}/{name}.desktop") for name in ("a", "b") for service in ("wechat", "qq")]
    assert sorted((service, path) for service, _, path, *_ in observe(root)) == sorted(both)


@pytest.mark.parametrize(
    ("error", "directory", "entry"),
    [(Unseen("no"), ["no"], ["no"]), (ControlError("odd"), ["odd"], [])],  # a pipe or a link is no launcher
)
def test_what_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, directory: list[str], entry: list[str]
) -> None:
    put(tree(tmp_path), f"{MENU}/a.desktop", OPENS)
    put(tmp_path, f"{MENU}/b.desktop", OPENS)
    put(tmp_path, "/home/alice/.local/bin/wechat")
    real = {"list": Host.list, "read": Host.read}

    def refuse(which: str, closed: str) -> tuple[list[str], list[str]]:
        def method(self: Host, path: str, *rest: Any) -> Any:
            if path == closed:
                raise error
            return real[which](self, path, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(Host, which, method)
            found, unseen = launchers.find_launchers(Host(str(tmp_path)), SERVICES, services_of, [ALICE], True)
        return [copy.name for copy in found], unseen

    assert refuse("list", MENU) == ([], directory)
    assert refuse("read", f"{MENU}/a.desktop") == (["b.desktop"], entry)
    assert refuse("list", "/home/alice/.local/bin") == (["a.desktop", "b.desktop"], []), "the file scan tells that"


NOTHING: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}


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
def test_whatever_an_app_is_known_by_its_launchers_are_looked_for(
    tmp_path: Path, more: dict[str, Any], text: str
) -> None:
    put(tree(tmp_path), f"{AUTOSTART}/a.desktop", text)
    host = Host(str(tmp_path))
    of = {"wechat": {**NOTHING, **more}, "other": NOTHING}
    found, _ = launchers.find_launchers(host, of, services_of, [ALICE], True)
    assert [copy.services for copy in found] == [["wechat"]]
    assert launchers.find_launchers(host, {"wechat": NOTHING}, services_of, [ALICE], True) == ([], [])


BROWSER = "/home/alice/.config/chromium/Default/Web Applications"


def test_a_web_app_that_a_browser_installed(tmp_path: Path) -> None:
    put(tree(tmp_path), f"{BROWSER}/_crx_{APP}/notes.txt", "dear")
    (tmp_path / f"{BROWSER}/_crx_{APP}/icon.png"[1:]).write_bytes(b"\x89PNG\r\n\x1a\n")
    put(tmp_path, f"{BROWSER}/_crx_{'a' * 32}/icon.png", "")
    paths = [f"{BROWSER}/_crx_{id_}" for id_ in (APP, "a" * 32)]
    gone = f"/gone/_crx_{APP}"  # gone since the file scan: it is reported, and nothing of it moves
    found = launchers.installed(Host(str(tmp_path)), SERVICES, [*paths, gone], lambda path: ALICE)
    (copy, other) = found
    assert (copy.services, copy.kind, copy.path, copy.owner) == (["wechat"], "web_app", paths[0], ALICE)
    assert (copy.why, copy.uid) == ("a web app that a browser installed", (tmp_path / paths[0][1:]).stat().st_uid)
    assert (copy.doubt, copy.parts) == ("", [f"{paths[0]}/icon.png"])
    assert copy.stays == "stays, since it is not the program's own: notes.txt"
    assert (other.path, other.uid, other.parts, other.doubt) == (gone, -1, (), "")
    assert launchers.installed(Host(str(tmp_path)), SERVICES, paths[1:], lambda path: ALICE) == []


def test_a_web_app_of_a_package_stays_what_it_is(tmp_path: Path) -> None:
    root = tree(tmp_path)
    put(root, "/usr/bin/dpkg-query", "", 0o755)
    put(root, f"/opt/Web Applications/_crx_{APP}/icon.png", "")
    host = Host(str(root), lambda *_, **__: Result(0, "some: x\n", ""))
    (copy,) = launchers.installed(host, SERVICES, [f"/opt/Web Applications/_crx_{APP}"], lambda path: None)
    assert (copy.doubt, copy.uid) == ("it belongs to the dpkg package some, so it is not moved", -1)

"""Users whose folders and apps have names in their own language: what is found, and what is never moved for it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_apps import lay as put
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.portable import user_dirs
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.controls.apps.portable.scan_cache import keep
from proscribe.host.system import ControlError, Host, Result, Unseen, User, file_scan

HOME = "/home/alice"
NAMES_ARE_WORDS = "known by its name alone"
EMPTY: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
SERVICES: dict[str, dict[str, Any]] = {
    "wechat": {"processes": ["wechat"], "packages": {"apt": ["wechat"]}, "names": ["微信"]},
    "qq": {"processes": ["qq"], "names": ["腾讯QQ", "騰訊QQ"]},
    "kakaotalk": {"processes": ["KakaoTalk"], "names": ["카카오톡", "カカオトーク"]},
    "yandex_disk": {"processes": ["yandex-disk"], "names": ["Яндекс.Диск"]},
    "signal": {"processes": ["signal-desktop"]},
    "whatsapp": {"web_hosts": ["whatsapp.com"]},
}
DIRS = 'XDG_DESKTOP_DIR="$HOME/桌面"\nXDG_DOWNLOAD_DIR="$HOME/下載"\n'


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for place in ("home/alice", "root", "proc", "etc", "var/lib"):
        (tmp_path / place).mkdir(parents=True)
    accounts = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    (tmp_path / "etc/passwd").write_text(accounts)
    return Host(str(tmp_path), lambda argv, **options: Result(1, "", ""))


def section() -> dict[str, Any]:
    services = {id_: {"name": id_, **EMPTY, **given} for id_, given in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {}}


def portable_apps(host: Host) -> list[PortableApp]:
    return sorted(observe_apps(host, section()).portable_apps, key=lambda copy: copy.path)


def found(host: Host) -> list[tuple[str, str, str, str]]:
    return [(" ".join(c.services), c.kind, c.path, "doubt" if c.doubt else "certain") for c in portable_apps(host)]


@pytest.mark.parametrize("home", [HOME, "/root"])
def test_a_launcher_on_a_desktop_that_has_another_name_is_found(host: Host, home: str) -> None:
    put(host, f"{home}/桌面/x.desktop", "[Desktop Entry]\nExec=chromium --app=https://web.whatsapp.com/\n")
    assert found(host) == []
    put(host, home + user_dirs.FILE, DIRS)
    assert found(host) == [("whatsapp", "web_app", f"{home}/桌面/x.desktop", "certain")]


@pytest.mark.parametrize("home", [HOME, "/root"])
def test_an_appimage_without_its_suffix_in_downloads_that_have_another_name_is_found(host: Host, home: str) -> None:
    put(host, f"{home}/下載/signal", made.image("signal-desktop") + bytes(200_000))
    assert found(host) == []
    put(host, home + user_dirs.FILE, DIRS)
    assert found(host) == [("signal", "appimage", f"{home}/下載/signal", "certain")]


def test_what_is_remembered_of_a_folder_is_read_anew_once_it_is_said_to_be_downloads(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_scan, "SETTLED", -(10**10))  # what was just made is old enough to be remembered
    put(host, f"{HOME}/下載/signal", made.image("signal-desktop") + bytes(200_000))
    observed = observe_apps(host, section())
    keep(host, observed.memory, begins=True)
    put(host, HOME + user_dirs.FILE, DIRS)
    assert [copy.path for copy in observe_apps(host, section()).portable_apps] == [f"{HOME}/下載/signal"]


def test_a_folder_of_downloads_never_moves_as_a_whole_whatever_it_is_called(host: Host) -> None:
    put(host, HOME + user_dirs.FILE, DIRS)
    for name, content in made.electron("signal-desktop").items():
        put(host, f"{HOME}/下載/{name}", content)
    (copy,) = portable_apps(host)
    assert not copy.doubt and copy.path != f"{HOME}/下載" and f"{HOME}/下載" not in copy.parts


def test_an_app_does_not_stay_because_its_user_calls_its_folder_a_standard_one(host: Host) -> None:
    """The file is its user's word: it must not be a way to keep an app."""
    put(host, HOME + user_dirs.FILE, f'XDG_MUSIC_DIR="{HOME}/signal-desktop-7"\n')
    for name, content in made.electron("signal-desktop").items():
        put(host, f"{HOME}/signal-desktop-7/{name}", content)
    (copy,) = portable_apps(host)
    assert not copy.doubt and f"{HOME}/signal-desktop-7/signal-desktop" in copy.parts


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("$HOME/桌面", f"{HOME}/桌面"),
        (f"{HOME}/Рабочий стол", f"{HOME}/Рабочий стол"),
        ("$HOME/a//b/", f"{HOME}/a/b"),
        ('$HOME/a\\"b', f'{HOME}/a"b'),
        ("$HOME/", ""),  # switched off
        ("$HOME", ""),
        ("$HOME/../bob/Desktop", ""),
        ("$HOME/./x", ""),
        ("/home/alicex/Desktop", ""),
        ("/etc", ""),
        ("Desktop", ""),
        ("$HOME2/x", ""),
        (f"{HOME}/{'x' * (1024 - len(HOME) - 1)}", f"{HOME}/{'x' * (1024 - len(HOME) - 1)}"),
        (f"{HOME}/{'x' * (1024 - len(HOME))}", ""),
        (r"$HOME/a\\b", rf"{HOME}/a\b"),
        (r"$HOME/\$a\\\`b", rf"{HOME}/$a\`b"),
        ("$HOME/a\0b", ""),
    ],
)
def test_only_what_is_below_the_home_counts(value: str, path: str) -> None:
    assert user_dirs.parse(f'# c\n  XDG_DESKTOP_DIR="{value}"\nXDG_FOO_DIR="$HOME/y"\n', HOME) == (
        {"DESKTOP": path} if path else {}
    )


def test_every_key_of_the_specification_is_read_and_one_that_is_taken_back_is_not() -> None:
    keys = ("DESKTOP", "DOWNLOAD", "DOCUMENTS", "MUSIC", "PICTURES", "PUBLICSHARE", "TEMPLATES", "VIDEOS")
    text = "".join(f'XDG_{key}_DIR="$HOME/{key.lower()}"\n' for key in keys)
    assert user_dirs.parse(text, HOME) == {key: f"{HOME}/{key.lower()}" for key in keys}
    assert "MUSIC" not in user_dirs.parse(f'{text}XDG_MUSIC_DIR="$HOME/"\n', HOME), "the home itself switches it off"


def test_the_last_line_of_a_key_counts_and_the_rest_is_nothing() -> None:
    text = 'XDG_DESKTOP_DIR="$HOME/a"\nXDG_DESKTOP_DIR="$HOME/b"  \n#XDG_DESKTOP_DIR="$HOME/e"\n'
    odd = 'XDG_DOWNLOAD_DIR=$HOME/c\nXDG_MUSIC_DIR="$HOME/d\n\x00\xff garbage'  # a shell would read on
    assert user_dirs.parse(text + odd, HOME) == {"DESKTOP": f"{HOME}/b"}


@pytest.mark.parametrize("answer", [Unseen("closed"), ControlError("a link"), None, b"\xff"])
def test_a_file_that_cannot_be_read_says_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, answer: Exception | bytes | None
) -> None:
    """Nor does it keep anybody from what else the home has."""

    def read(path: str, most: int) -> bytes | None:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(host, "read", read)
    assert user_dirs.of_user(host, User("alice", 1000, 1000, HOME)) == {}


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_so_much_of_the_file_is_read(host: Host, more: int, read: bool) -> None:
    text = DIRS + "#" * (64 * 1024 - len(DIRS.encode()) + more)
    put(host, HOME + user_dirs.FILE, text)
    assert bool(user_dirs.of_user(host, User("alice", 1000, 1000, HOME))) is read


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_file_that_is_none_is_left_alone_and_the_usual_names_count(host: Host, kind: str) -> None:
    put(host, f"{HOME}/Desktop/x.desktop", "[Desktop Entry]\nExec=chromium --app=https://web.whatsapp.com/\n")
    file = put(host, HOME + user_dirs.FILE)
    file.unlink()
    dirs = put(host, "/etc/dirs", DIRS)
    {"pipe": os.mkfifo, "directory": os.mkdir, "link": lambda place: place.symlink_to(dirs)}[kind](file)
    assert [row[2] for row in found(host)] == [f"{HOME}/Desktop/x.desktop"]


# -- names in their own script -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("微信.AppImage", "wechat"),
        ("微信-4.1.0-x86_64.AppImage", "wechat"),
        ("騰訊QQ.AppImage", "qq"),
        ("腾讯ＱＱ.AppImage", "qq"),  # full width
        (unicodedata.normalize("NFD", "카카오톡") + ".AppImage", "kakaotalk"),  # as macOS writes it
        ("ｶｶｵﾄｰｸ.AppImage", "kakaotalk"),  # half width
        ("яндекс.диск.AppImage", "yandex_disk"),
    ],
)
def test_an_appimage_with_a_native_name_is_reported_and_stays(host: Host, name: str, service: str) -> None:
    put(host, f"{HOME}/下載/{name}", made.image("something-else"))
    (copy,) = portable_apps(host)
    assert (copy.services, copy.kind, copy.path) == ([service], "appimage", f"{HOME}/下載/{name}")
    assert copy.doubt.startswith(NAMES_ARE_WORDS)


def test_what_is_in_it_makes_it_certain(host: Host) -> None:
    put(host, f"{HOME}/微信.AppImage", made.image("wechat"))
    assert found(host) == [("wechat", "appimage", f"{HOME}/微信.AppImage", "certain")]


@pytest.mark.parametrize("name", ["微信读书.AppImage", "我的微信.AppImage", "信.AppImage", "微信.tar.gz"])
def test_a_name_counts_as_a_whole_only(host: Host, name: str) -> None:
    put(host, f"{HOME}/{name}", made.image("something-else"))
    assert found(host) == []


def test_a_directory_of_such_a_name_is_not_taken_for_the_apps_own() -> None:
    """A name alone never moves anything, and what lies beside a program of that name neither."""
    assert not Names(section()["services"]).own(f"{HOME}/微信", "wechat")


@pytest.mark.parametrize(
    "line", ["Name=微信", "Name[zh_CN]=微信", "Name=x\nName[zh_HK]=騰訊QQ", "Name[ru]=ЯНДЕКС.ДИСК", "Name[ko]=카카오톡"]
)
@pytest.mark.parametrize("menu", [f"{HOME}/桌面", f"{HOME}/.local/share/applications", "/usr/share/applications"])
def test_a_launcher_with_a_native_name_is_reported_and_stays(host: Host, line: str, menu: str) -> None:
    put(host, HOME + user_dirs.FILE, DIRS)
    put(host, f"{menu}/x.desktop", f"[Desktop Entry]\nExec=/opt/x/run\n{line}\n")
    (copy,) = portable_apps(host)
    assert (copy.kind, copy.path) == ("launcher", f"{menu}/x.desktop")
    assert NAMES_ARE_WORDS in copy.doubt and copy.why.startswith("it is called ")


@pytest.mark.parametrize(
    "text",
    [
        "[Desktop Entry]\nExec=/opt/x/run\nName=微信读书\n",
        "[Desktop Entry]\nExec=/opt/x/run\nComment[zh_CN]=微信\n",
        "[Desktop Action x]\nExec=/opt/x/run\nName=微信\n",
        "[Desktop Entry]\nName=微信\nHidden=true\n",
        "Name=微信\n",
    ],
)
def test_another_name_and_what_is_no_name_says_nothing(host: Host, text: str) -> None:
    put(host, f"{HOME}/.local/share/applications/x.desktop", text)
    assert found(host) == []


def test_a_plans_words_for_a_refusal_reach_the_gates(host: Host) -> None:
    from proscribe.host.controls.apps import install_block
    from proscribe.host.controls.apps.desired import Desired
    from proscribe.host.controls.apps.systems import dpkg

    put(host, "/var/lib/dpkg/status", b"")
    put(host, "/usr/bin/dpkg-query")
    own = {**section(), "settings": {"refusal_notice": "Not here.\n此處不得安裝。"}}
    parts = {
        part.path: part
        for _, part, _ in install_block.expected(host, {"contact": "it", "controls": {"apps": own}}, Desired(own))
    }
    assert parts[dpkg.CONTACT].desired(host).splitlines()[1:] == ["it", "Not here.", "此處不得安裝。"]

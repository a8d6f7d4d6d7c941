"""Users whose folders and apps have names in their own language: what is found, and what is never moved for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_apps import lay as put
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.portable import user_dirs
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.system import Host, Result, User

HOME = "/home/alice"
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


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_so_much_of_the_file_is_read(host: Host, more: int, read: bool) -> None:
    text = DIRS + "#" * (64 * 1024 - len(DIRS.encode()) + more)
    put(host, HOME + user_dirs.FILE, text)
    assert bool(user_dirs.of_user(host, User("alice", 1000, 1000, HOME))) is read


# -- names in their own script -----------------------------------------------------------------------------------------


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

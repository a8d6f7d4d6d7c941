"""Flatpak apps on made trees: what is deployed where, what a user's home can do to the look at it, and what is run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controls.apps import flatpak
from proscribe.controls.apps.package import Package
from proscribe.host import ControlError, Host, Process, Result, User

WECHAT = "com.tencent.WeChat"
ALICE = User("alice", 1000, 1000, "/home/alice")
BOB = User("bob", 1001, 1001, "/home/bob")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for directory in ("etc", "proc", "home/alice", "home/bob"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(
        "".join(f"{u.name}:x:{u.uid}:{u.gid}::{u.home}:/bin/sh\n" for u in (ALICE, BOB))
    )
    return tmp_path


def deploy(root: Path, installation: str, id_: str = WECHAT, branch: str = "x86_64/stable") -> Path:
    """What flatpak leaves of an installed app, in short."""
    place = root / installation.lstrip("/") / id_
    (place / branch / "0123abcd").mkdir(parents=True)
    (place / branch / "active").symlink_to("0123abcd")
    if not (place / "current").is_symlink():
        (place / "current").symlink_to(branch)
    return place


def test_an_app_of_the_system_and_one_of_a_user(root: Path) -> None:
    deploy(root, flatpak.SYSTEM)
    deploy(root, flatpak.SYSTEM, branch="aarch64/beta")
    deploy(root, ALICE.home + flatpak.PERSONAL)
    deploy(root, BOB.home + flatpak.PERSONAL, "org.example.Innocent")
    found, unseen = flatpak.query(Host(str(root)), {WECHAT})
    assert unseen == ""
    assert [(p.scope, p.path, p.handles) for p in found] == [
        (
            "system",
            f"/var/lib/flatpak/app/{WECHAT}",
            (f"app/{WECHAT}/aarch64/beta", f"app/{WECHAT}/x86_64/stable"),
        ),
        ("user:alice", f"/home/alice/.local/share/flatpak/app/{WECHAT}", (f"app/{WECHAT}/x86_64/stable",)),
    ]


@pytest.mark.parametrize("left", ["", "x86_64", "x86_64/stable", "x86_64/stable/0123abcd"])
def test_what_is_left_of_an_app_without_a_deployed_branch_is_not_installed(root: Path, left: str) -> None:
    (root / flatpak.SYSTEM.lstrip("/") / WECHAT / left).mkdir(parents=True)
    assert flatpak.query(Host(str(root)), {WECHAT}) == ([], "")


def test_a_host_without_flatpak_has_nothing_to_see(root: Path) -> None:
    assert flatpak.query(Host(str(root)), {WECHAT}) == ([], "")
    assert flatpak.query(Host(str(root)), set()) == ([], "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
@pytest.mark.parametrize("link", [".local", ".local/share/flatpak", f".local/share/flatpak/app/{WECHAT}"])
def test_a_users_link_is_unseen_and_hides_nothing_of_others(root: Path, link: str) -> None:
    deploy(root, "/elsewhere")
    place = root / "home/alice" / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(root / "elsewhere")
    os.lchown(place, ALICE.uid, ALICE.gid)
    deploy(root, BOB.home + flatpak.PERSONAL)
    found, unseen = flatpak.query(Host(str(root)), {WECHAT})
    assert [package.scope for package in found] == ["user:bob"]
    assert unseen == f"/home/alice/{link} is a link that uid 1000 made: not followed"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
def test_a_link_at_one_app_hides_only_that_app(root: Path) -> None:
    deploy(root, ALICE.home + flatpak.PERSONAL, "com.qq.QQ")
    link = root / "home/alice/.local/share/flatpak/app" / WECHAT
    link.symlink_to("/var")
    os.lchown(link, ALICE.uid, ALICE.gid)
    found, unseen = flatpak.query(Host(str(root)), {WECHAT, "com.qq.QQ"})
    assert [package.id for package in found] == ["com.qq.QQ"]
    assert "is a link" in unseen


def test_several_unseen_homes_are_told_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(str(root))
    real = host.list

    def refuse(path: str) -> list[str]:
        if path.startswith("/home/"):
            raise ControlError(f"{path} is odd")
        return real(path)

    monkeypatch.setattr(host, "users", lambda: [ALICE, BOB])
    monkeypatch.setattr(host, "list", refuse)
    _, unseen = flatpak.query(host, {WECHAT})
    assert unseen == "/home/alice/.local/share/flatpak/app is odd (and 1 more)"


def test_a_home_that_vanishes_while_it_is_looked_at_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(root, ALICE.home + flatpak.PERSONAL)
    host = Host(str(root))
    real = host.list

    def vanish(path: str) -> list[str]:
        names = real(path)
        if names == [WECHAT]:
            (root / path.lstrip("/")).rename(root / "gone")
        return names

    monkeypatch.setattr(host, "list", vanish)
    assert flatpak.query(host, {WECHAT}) == ([], "")


@pytest.mark.parametrize(
    ("info", "id_"),
    [
        (f"[Application]\nname={WECHAT}\nruntime=runtime/org.example.Platform/x86_64/1\n", WECHAT),
        (f"[Runtime]\nname={WECHAT}\n", ""),  # a shell in a runtime
        (f"[Instance]\nname={WECHAT}\n[Application]\n", ""),
        ("", ""),
        ("\x00\xff[Application]\nname", ""),
    ],
)
def test_whose_sandbox_it_is(info: str, id_: str) -> None:
    assert flatpak.parse(info) == id_


@given(st.text())
def test_any_text_in_a_sandbox_is_read_without_an_error(info: str) -> None:
    assert isinstance(flatpak.parse(info), str)


def test_a_process_is_known_by_its_sandbox_whatever_its_executable(root: Path) -> None:
    for pid, name in (("7", WECHAT), ("8", "org.example.Innocent")):
        (root / "proc" / pid / "root").mkdir(parents=True)
        (root / "proc" / pid / "root/.flatpak-info").write_text(f"[Application]\nname={name}\n")
    program = flatpak.programs(Host(str(root)), {WECHAT}, [])
    assert program(Process(7, "/usr/bin/python3.13")) == WECHAT
    assert program(Process(8, "/app/bin/wechat")) == ""
    assert program(Process(9, "/usr/bin/gone")) == ""
    assert flatpak.programs(Host(str(root)), set(), [])(Process(7, "")) == ""


def test_a_user_s_app_is_removed_as_that_user_and_data_and_runtimes_stay(root: Path) -> None:
    calls: list[tuple[Sequence[str], Any]] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        calls.append((argv, options["user"]))
        return Result(0, "", "")

    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/flatpak").touch(0o755)
    system = Package("flatpak", WECHAT, handles=(f"app/{WECHAT}/x86_64/stable",))
    actions, refused = flatpak.removal(Host(str(root), run), [system, system._replace(owner=ALICE)])
    assert ([str(a) for a in actions], refused) == ([f"remove {WECHAT} (system)", f"remove {WECHAT} (user:alice)"], [])
    for action in actions:
        action.apply()
    uninstall = ["flatpak", "uninstall", "--assumeyes", "--noninteractive", f"app/{WECHAT}/x86_64/stable"]
    assert calls == [
        ([*uninstall[:2], "--system", *uninstall[2:]], None),
        ([*uninstall[:2], "--user", *uninstall[2:]], ALICE),
    ]


def test_apps_without_flatpak_itself_are_refused(root: Path) -> None:
    package = Package("flatpak", WECHAT)
    assert flatpak.removal(Host(str(root)), [package]) == (
        [],
        [(package, "flatpak itself is not installed on this host")],
    )

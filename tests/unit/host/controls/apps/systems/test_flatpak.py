"""Flatpak apps in test directories: what is deployed where, what a user's home can do to its scan, and what is run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tools import DONE, Tools
from made_users import ALICE, BOB, everywhere, put
from proscribe.host.controls.apps.systems import flatpak
from proscribe.host.controls.apps.systems.flatpak_filters import RemoteFilters
from proscribe.host.controls.apps.systems.flatpak_remotes import DIRECTORY, groups, installations
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Process, Result
from proscribe.model.removed import Removed

WECHAT = "com.tencent.WeChat"
COMMIT = "0123abcd" * 8
SYSTEM = "/var/lib/flatpak/app"
PERSONAL = "/.local/share/flatpak/app"


def deploy(
    root: Path, installation: str, id_: str = WECHAT, branch: str = "x86_64/stable", detail: bytes = b""
) -> Path:
    """What flatpak leaves of an installed app, in short."""
    place = root / installation.lstrip("/") / id_
    (place / branch / COMMIT).mkdir(parents=True)
    (place / branch / COMMIT / "deploy").write_bytes(b"made\0" + COMMIT.encode() + b"\0" + detail)
    (place / branch / "active").symlink_to(COMMIT)
    if not (place / "current").is_symlink():
        (place / "current").symlink_to(branch)
    return place


def test_an_app_of_the_system_and_one_of_a_user(root: Path) -> None:
    deploy(root, SYSTEM)
    deploy(root, SYSTEM, branch="aarch64/beta")
    deploy(root, ALICE.home + PERSONAL)
    deploy(root, BOB.home + PERSONAL, "org.example.Innocent")
    found, unseen = everywhere(flatpak, Host(str(root)), {WECHAT})
    assert unseen == ""
    assert [(p.scope, p.version, p.path, p.handles) for p in found] == [
        (scope, COMMIT[:12], f"{place}/{WECHAT}/{branch}", (f"app/{WECHAT}/{branch}",))
        for scope, place, branch in (
            ("system", SYSTEM, "aarch64/beta"),
            ("system", SYSTEM, "x86_64/stable"),
            ("user:alice", "/home/alice" + PERSONAL, "x86_64/stable"),
        )
    ]


@pytest.mark.parametrize(
    ("detail", "version"),
    [
        (b"\0\0appdata-version\0\0\0\0004.1.0\0\0s\x17", "4.1.0"),
        (b"\0\0appdata-version\0\x1b[31m\0", COMMIT[:12]),
        (b"\0appdata-version\0", COMMIT[:12]),
        (b"\xff" * 40, COMMIT[:12]),
    ],
)
def test_the_version_of_a_deployment_is_its_appdata_version_or_commit(root: Path, detail: bytes, version: str) -> None:
    deploy(root, SYSTEM, detail=detail)
    assert [package.version for package in everywhere(flatpak, Host(str(root)), {WECHAT})[0]] == [version]


def test_two_deployments_of_a_branch_are_one_app_of_no_certain_version(root: Path) -> None:
    (deploy(root, SYSTEM) / "x86_64/stable" / ("ab" * 32)).mkdir()
    assert [package.version for package in everywhere(flatpak, Host(str(root)), {WECHAT})[0]] == [""]


def test_an_app_of_another_installation(root: Path) -> None:
    conf = '[Installation "extra"]\nPath=/srv/flatpak/\n[Other "x"]\nPath=/no\n[Installation "odd"]\nPath=relative\n'
    put(root, "/etc/flatpak/installations.d/extra.conf", conf)
    put(root, "/etc/flatpak/installations.d/old.conf.bak", conf.replace("/srv", "/mnt"))
    deploy(root, "/srv/flatpak/app")
    assert installations(Host(str(root))) == {"default": "/var/lib/flatpak", "extra": "/srv/flatpak"}
    assert [package.path for package in everywhere(flatpak, Host(str(root)), {WECHAT})[0]] == [
        f"/srv/flatpak/app/{WECHAT}/x86_64/stable"
    ]


@pytest.mark.parametrize("left", ["", "x86_64", "x86_64/stable", f"x86_64/stable/{COMMIT}"])
def test_what_is_left_of_an_app_without_a_deployed_branch_is_not_installed(root: Path, left: str) -> None:
    (root / SYSTEM.lstrip("/") / WECHAT / left).mkdir(parents=True)
    assert everywhere(flatpak, Host(str(root)), {WECHAT}) == ([], "")


def test_a_host_without_flatpak_has_nothing_to_see(root: Path) -> None:
    assert everywhere(flatpak, Host(str(root)), {WECHAT}) == ([], "")
    assert everywhere(flatpak, Host(str(root)), set()) == ([], "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
@pytest.mark.parametrize("link", [".local", ".local/share/flatpak", f".local/share/flatpak/app/{WECHAT}"])
def test_a_users_link_is_unseen_and_hides_nothing_of_others(root: Path, link: str) -> None:
    deploy(root, "/elsewhere")
    place = root / "home/alice" / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(root / "elsewhere")
    os.lchown(place, ALICE.uid, ALICE.gid)
    deploy(root, BOB.home + PERSONAL)
    found, unseen = everywhere(flatpak, Host(str(root)), {WECHAT})
    assert [package.scope for package in found] == ["user:bob"]
    assert unseen == f"/home/alice/{link} is a link that uid 1000 made: not followed"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
def test_a_link_at_one_app_hides_only_that_app(root: Path) -> None:
    deploy(root, ALICE.home + PERSONAL, "com.qq.QQ")
    link = root / "home/alice/.local/share/flatpak/app" / WECHAT
    link.symlink_to("/var")
    os.lchown(link, ALICE.uid, ALICE.gid)
    found, unseen = everywhere(flatpak, Host(str(root)), {WECHAT, "com.qq.QQ"})
    assert [package.id for package in found] == ["com.qq.QQ"]
    assert "is a link" in unseen


def test_several_unseen_homes_are_reported_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(str(root))
    real = host.list

    def refuse(path: str) -> list[str]:
        if path.startswith("/home/"):
            raise ControlError(f"{path} is odd")
        return real(path)

    monkeypatch.setattr(host, "users", lambda: [ALICE, BOB])
    monkeypatch.setattr(host, "list", refuse)
    _, unseen = everywhere(flatpak, host, {WECHAT})
    assert unseen == "/home/alice/.local/share/flatpak/app is odd (and 1 more)"


def test_a_home_that_vanishes_while_it_is_read_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(root, ALICE.home + PERSONAL)
    host = Host(str(root))
    real = host.list

    def vanish(path: str) -> list[str]:
        names = real(path)
        if names == [WECHAT]:
            (root / path.lstrip("/")).rename(root / "gone")
        return names

    monkeypatch.setattr(host, "list", vanish)
    assert everywhere(flatpak, host, {WECHAT}) == ([], "")


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
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/flatpak").touch(0o755)
    system = Package("flatpak", WECHAT, handles=(f"app/{WECHAT}/x86_64/stable",))
    tools = Tools(("flatpak", DONE))
    actions, refused = flatpak.removal(Host(str(root), tools), [system, system._replace(owner=ALICE)])
    assert ([str(a) for a in actions], refused) == ([f"remove {WECHAT} (system)", f"remove {WECHAT} (user:alice)"], [])
    branch = f"app/{WECHAT}/x86_64/stable"
    assert [action.takes for action in actions] == [
        [Removed("flatpak", WECHAT, "", "system", branch, place="default")],
        [Removed("flatpak", WECHAT, "", "user:alice", branch)],
    ]
    for action in actions:
        action.apply()
    uninstall = ["flatpak", "uninstall", "--assumeyes", "--noninteractive", f"app/{WECHAT}/x86_64/stable"]
    assert tools.ran == [
        ([*uninstall[:2], "--installation=default", *uninstall[2:]], None),
        ([*uninstall[:2], "--user", *uninstall[2:]], ALICE),
    ]


@pytest.mark.parametrize(
    ("deployed", "origin"),
    [
        ({COMMIT: "flathub\0\0more"}, "flathub"),
        ({COMMIT: "flathub"}, ""),
        ({COMMIT: ""}, ""),
        ({COMMIT: "\0"}, ""),
        ({COMMIT: "flathub\0", "b2" * 32: "other\0"}, ""),  # nobody knows which of the two it is
        ({"active": "other\0", COMMIT: "flathub\0"}, "flathub"),
        ({COMMIT: "a\nb\0"}, ""),
        ({}, ""),
    ],
)
def test_the_remote_that_an_app_came_from_is_remembered(root: Path, deployed: dict[str, str], origin: str) -> None:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/flatpak").touch(0o755)
    path = f"/var/lib/flatpak/app/{WECHAT}/x86_64/stable"
    (root / path[1:]).mkdir(parents=True)
    for name, content in deployed.items():
        (root / path[1:] / name).mkdir()
        (root / path[1:] / name / "deploy").write_text(content)
    one = Package("flatpak", WECHAT, handles=(f"app/{WECHAT}/x86_64/stable",), path=path)
    actions, _ = flatpak.removal(Host(str(root), Tools(("flatpak", DONE))), [one])
    assert [gone.source for action in actions for gone in action.takes] == [origin]


def test_apps_without_flatpak_itself_are_refused(root: Path) -> None:
    package = Package("flatpak", WECHAT)
    assert flatpak.removal(Host(str(root)), [package]) == (
        [],
        [(package, "flatpak itself is not installed on this host")],
    )


CONFIG = "/var/lib/flatpak/repo/config"
FILTERS = RemoteFilters((WECHAT,))
FLATHUB = f"{DIRECTORY}/default/flathub.filter"
DENIED = f"deny app/{WECHAT}/*\n"


def remote(root: Path, keys: str = "", name: str = "flathub") -> None:
    put(root, CONFIG, f'[core]\nmode=bare\n\n[remote "{name}"]\nurl=https://example.org/repo\n{keys}')


@pytest.fixture
def modified(root: Path) -> tuple[Host, list[Sequence[str]]]:
    """A host whose flatpak sets the filter that it is asked for."""
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        calls.append(argv)
        path = argv[3].partition("=")[2]
        remote(root, f"xa.filter={path}\n" if path else "")
        return Result(0, "", "")

    return Host(str(root), run), calls


def test_a_remote_is_filtered_and_let_go(root: Path, modified: tuple[Host, list[Sequence[str]]]) -> None:
    host, calls = modified
    remote(root)
    assert (FILTERS.wrong(host, True), FILTERS.wrong(host, False), FILTERS.concerns(host)) == ("missing", "", True)
    FILTERS.enforce(host)
    assert calls == [["flatpak", "remote-modify", "--installation=default", f"--filter={FLATHUB}", "--", "flathub"]]
    assert (FILTERS.wrong(host, True), FILTERS.in_place(host)) == ("", True)
    assert FILTERS.wrong(host, False).startswith("left over")
    RemoteFilters(()).lift(host)
    assert calls[1:] == [["flatpak", "remote-modify", "--installation=default", "--no-filter", "--", "flathub"]]
    assert not FILTERS.in_place(host)
    assert not (root / "etc/proscribe").exists()


def test_the_lines_of_an_administrators_filter_stay(root: Path, modified: tuple[Host, list[Sequence[str]]]) -> None:
    host, calls = modified
    put(root, "/etc/theirs", "# theirs\ndeny *\nallow runtime/*\nallow app/org.*\n")
    remote(root, "xa.filter=/etc/theirs\n")
    FILTERS.enforce(host)
    lines = (root / FLATHUB.lstrip("/")).read_text().splitlines(keepends=True)
    assert lines[1:] == [
        "# Instead of: /etc/theirs\n",
        "# theirs\n",
        "deny *\n",
        "allow runtime/*\n",
        "allow app/org.*\n",
        DENIED,
    ]
    FILTERS.lift(host)
    assert calls[-1][3] == "--filter=/etc/theirs"


def test_a_filter_whose_file_is_gone_still_lets_nothing_in(root: Path) -> None:
    remote(root, "xa.filter=/etc/gone\n")
    assert "deny *\n" in FILTERS.desired(Host(str(root)))


@pytest.mark.parametrize(
    ("line", "undone"),
    [
        ("allow *", True),
        ("allow app/*", True),
        ("  allow app/com.tencent.WeChat  # theirs", True),
        ("allow com.tencent.*/x86_64/stable", True),
        ("allow app/com.tencent.WeChat.Other", False),
        ("allow runtime/*", False),
        ("#allow *", False),
        ("deny *", False),
        ("", False),
    ],
)
def test_a_line_that_allows_what_is_denied_is_reported(
    root: Path, modified: tuple[Host, list[Sequence[str]]], line: str, undone: bool
) -> None:
    host, _ = modified
    put(root, "/etc/theirs", line + "\n")
    remote(root, "xa.filter=/etc/theirs\n")
    if undone:
        with pytest.raises(ControlError, match="has to be changed"):
            FILTERS.enforce(host)
        assert "lets it in" in FILTERS.wrong(host, True)
    else:
        FILTERS.enforce(host)
        assert FILTERS.wrong(host, True) == ""


@pytest.mark.parametrize("name", ["../../../etc/cron.d/x", ".hidden", "two words", "a/b"])
def test_a_remote_with_an_invalid_file_name_is_reported_and_nothing_is_written(
    root: Path, modified: tuple[Host, list[Sequence[str]]], name: str
) -> None:
    host, _ = modified
    remote(root, name=name)
    assert FILTERS.wrong(host, True) == f"{name}: has a name that no file can have"
    with pytest.raises(ControlError, match="has a name that no file can have"):
        FILTERS.enforce(host)
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["passwd"]


def test_the_origin_of_a_bundle_is_no_remote_to_install_from(root: Path) -> None:
    put(root, CONFIG, '[remote "wechat-origin"]\nurl=\nxa.noenumerate=true\n')
    assert not FILTERS.concerns(Host(str(root)))


@given(st.text())
def test_any_configuration_is_read_without_an_error(text: str) -> None:
    assert isinstance(groups(text, "remote"), list)

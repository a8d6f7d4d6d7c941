"""Homebrew and Waydroid on made trees. Neither could be run here: Homebrew's layout is that of its documentation
("Homebrew on Linux", "Formula Cookbook: terminology"), Waydroid's that of its source (tools/services/user_manager.py).
"""

import os
from pathlib import Path

import pytest
from made_users import ALICE, everywhere, put
from proscribe.host.controls.apps.systems import brew, waydroid
from proscribe.host.controls.apps.systems.registry import ON_DEMAND
from proscribe.host.system import Host, Process

ROWS = {system.MANAGER: system for system in ON_DEMAND}
COMMON = "/home/linuxbrew/.linuxbrew"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's directory")


def formula(root: Path, prefix: str, name: str = "rclone", *versions: str, room: str = "Cellar") -> str:
    for version in versions or ("1.70.0",):
        put(root, f"{prefix}/{room}/{name}/{version}/INSTALL_RECEIPT.json", "{}")
    return f"{prefix}/{room}/{name}"


@pytest.mark.parametrize(
    ("system", "room", "prefix"),
    [
        ("brew", "Cellar", "/home/alice/.linuxbrew"),
        ("brew", "Cellar", "/home/alice/homebrew"),
        ("brew_cask", "Caskroom", "/home/alice/.linuxbrew"),
    ],
)
def test_formulae_and_casks_of_a_users_own(root, system, room, prefix):
    path = formula(root, prefix, "rclone", "1.69.0", "1.70.0", room=room)
    formula(root, prefix, "jq", room=room)
    put(root, f"{prefix}/{room}/telegram/.metadata/x")  # of a cask that is gone
    result, unseen = everywhere(ROWS[system], Host(str(root)), {"rclone", "telegram"})
    assert [element.finding()[:6] for element in result] == [
        ("package", "rclone", system, "1.70.0", "user:alice", path)
    ]
    assert unseen == "" and f"{prefix}/{room}" in ROWS[system].owned_directories(Host(str(root)), ALICE)


@root_only
@pytest.mark.parametrize(("uid", "scopes"), [(0, ["system"]), (1000, ["user:alice"]), (1001, ["user:bob"])])
def test_the_common_place_is_the_one_who_installed_it(root, uid, scopes):
    formula(root, COMMON)
    (root / "home/linuxbrew").chmod(0o755)
    os.chown(root / COMMON.lstrip("/"), uid, uid)
    assert [element.scope for element in everywhere(ROWS["brew"], Host(str(root)), {"rclone"})[0]] == scopes


def test_formula_identifies_programs_of_its_owner_alone(root, monkeypatch):
    path = formula(root, "/home/alice/.linuxbrew")
    host = Host(str(root))
    (own,) = brew.FORMULAE.query_of(host, ALICE, {"rclone"})[0]
    monkeypatch.setattr(Host, "shares_root", lambda self, process: process.pid != 9)
    monkeypatch.setattr(Host, "user_of", lambda self, process: 1001 if process.pid == 8 else 1000)
    for package, ids in ((own, ["rclone", "", ""]), (own._replace(owner=None), ["rclone", "rclone", ""])):
        program = brew.FORMULAE.programs(host, {"rclone"}, [package])
        assert [program(Process(pid, f"{path}/1.70.0/bin/rclone")) for pid in (7, 8, 9)] == ids
        assert program(Process(7, f"{path}-extra/1/bin/x")) == ""


def test_an_android_app_is_seen_by_its_data_and_reported_with_who_can_remove_it(root):
    for name in ("com.tencent.mm", "com.android.settings"):
        (root / f"home/alice/.local/share/waydroid/data/data/{name}").mkdir(parents=True)
    host = Host(str(root))
    result, unseen = everywhere(ROWS["waydroid"], host, {"com.tencent.mm", "com.whatsapp"})
    place = "/home/alice/.local/share/waydroid/data/data/com.tencent.mm"
    assert [element.finding()[:6] for element in result] == [
        ("package", "com.tencent.mm", "waydroid", "", "user:alice", place)
    ]
    actions, ((_, why),) = waydroid.removal(host, result)
    assert (unseen, actions) == ("", []) and "waydroid app remove com.tencent.mm" in why
    assert waydroid.owned_directories(host, ALICE) == ["/home/alice/.local/share/waydroid"]

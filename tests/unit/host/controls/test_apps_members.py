"""What is restricted for the members of a group only, on a made tree: their own things go, and all else stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_host import WECHAT, MadeHost, plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.execution import fapolicyd
from proscribe.host.controls.apps.systems import dpkg, flatpak
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.plan_groups import resolved
from proscribe.host.system import Host, Process, User
from proscribe.host.watch.restricted import Restricted
from proscribe.host.watch.restricted import sets as prefiltered

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")

ALICE, BOB = User("alice", 51004, 51004, "/home/alice"), User("bob", 51005, 51005, "/home/bob")
BAN = {**WECHAT, "processes": ["wechat"]}
APPIMAGE = {"WeChatLinux_x86_64.AppImage": made.image("wechat")}


class Shared(MadeHost):
    """A host of two users, of whom alice is a contractor."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "home/bob").mkdir()
        self.has_accounts(User("root", 0, 0, "/root"), ALICE, BOB)
        (root / "etc/group").write_text("contractors:x:60000:alice,root\n")
        for user in (ALICE, BOB):
            os.chown(root / user.home.lstrip("/"), user.uid, user.gid)

    def runs(self, pid: int, exe: str, uid: int) -> None:
        self.program(pid, exe)
        (Path(self.root) / f"proc/{pid}/status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")

    def has(self, user: User, files: dict[str, bytes]) -> None:
        made.put(Path(self.root + user.home), files, user.uid)


@pytest.fixture
def host(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


def only(host: Host, group: str = "contractors", mode: str = "enforce", **more: Any) -> dict[str, Any]:
    """The plan as it is on this host."""
    compiled = plan(mode, wechat={**BAN, "only": {"posix_groups": [group]}, **more})
    return dict(resolved(host, compiled)[0])


def seen(host: Host, of: dict[str, Any]) -> tuple[str, list[str]]:
    verdict = next(one for one in apps.observe(host, of) if one.rule == "apps/wechat")
    return verdict.state, [f"{one.kind} {one.scope}" for one in verdict.findings]


def done(host: Host, of: dict[str, Any]) -> list[str]:
    """What an enforcing run does to what is there."""
    return [str(one) for one in apps.enforce(host, of).actions if one.verb != "write"]


def test_what_is_installed_for_all_stays_and_a_member_who_runs_it_is_stopped(host: Shared) -> None:
    host.packages = {"wechat": "ii"}
    (Path(host.root) / "var/lib/dpkg/info/wechat.list").write_text("/opt/wechat/wechat\n")
    assert seen(host, only(host)) == ("compliant", [])  # it serves the others
    for pid, uid in ((7, ALICE.uid), (8, BOB.uid), (9, 0)):
        host.runs(pid, "/opt/wechat/wechat", uid)
    assert seen(host, only(host)) == ("noncompliant", ["process user:alice"])
    assert done(host, only(host)) == ["end wechat of alice (pid 7)"]
    everybody = plan(wechat=BAN)
    assert "remove wechat" in done(host, everybody), "so it would be for everybody"


def test_ending_spares_another_users_process_that_got_the_number(host: Shared) -> None:
    host.runs(7, "/opt/wechat/wechat", ALICE.uid)
    host.runs(8, "/opt/wechat/wechat", BOB.uid)
    for action in apps.enforce(host, only(host)).actions:
        if action.verb == "end":
            action.apply()
    left = [pid for pid in (7, 8) if (Path(host.root) / f"proc/{pid}/exe").is_symlink()]
    assert left == [8]


def test_a_members_own_copy_goes_into_the_quarantine_and_anothers_stays(host: Shared) -> None:
    for user in (ALICE, BOB):
        host.has(user, APPIMAGE)
    assert seen(host, only(host)) == ("noncompliant", ["file user:alice"])
    for action in apps.enforce(host, only(host)).actions:
        action.apply()
    there = [user.name for user in (ALICE, BOB) if (Path(host.root + user.home) / next(iter(APPIMAGE))).exists()]
    assert there == ["bob"]
    assert seen(host, only(host)) == ("compliant", [])


def test_what_a_member_runs_from_another_users_home_is_ended(host: Shared) -> None:
    host.has(BOB, APPIMAGE)
    for pid, uid in ((7, ALICE.uid), (8, BOB.uid)):
        host.runs(pid, f"/home/bob/{next(iter(APPIMAGE))}", uid)
    assert seen(host, only(host)) == ("noncompliant", ["process user:alice"])
    assert done(host, only(host)) == ["end WeChatLinux_x86_64.AppImage of alice (pid 7)"]


def test_a_members_own_flatpak_is_removed_and_anothers_and_the_systems_stay(
    host: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(user: User | None) -> Package:
        home = f"{user.home}/.local/share" if user else "/var/lib"
        path = f"{home}/flatpak/app/com.tencent.WeChat"
        return Package("flatpak", "com.tencent.WeChat", "", ("app/x",), user, path)

    monkeypatch.setattr(flatpak, "query", lambda host, ids: ([of(None)], ""))
    monkeypatch.setattr(flatpak, "query_of", lambda host, user, ids: ([of(user)] if user.uid else [], ""))
    removed: list[str] = []
    monkeypatch.setattr(
        flatpak, "removal", lambda host, packages: (removed.extend(p.scope for p in packages), []) and ([], [])
    )
    assert seen(host, only(host)) == ("noncompliant", ["package user:alice"])
    apps.enforce(host, only(host))
    assert removed == ["user:alice"]


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_a_group_that_the_host_does_not_have_touches_nobody_and_is_unknown(host: Shared, mode: str) -> None:
    for user, pid in ((ALICE, 7), (BOB, 8)):
        host.has(user, APPIMAGE)
        host.runs(pid, "/opt/wechat/wechat", user.uid)
    assert seen(host, only(host, "nosuch", mode)) == ("unknown", [])
    assert done(host, only(host, "nosuch", mode)) == []


def test_a_waiver_for_a_member_covers_his_own(host: Shared) -> None:
    for user in (ALICE, BOB):
        host.has(user, APPIMAGE)
    exceptions = [{"waiver": "w1", "users": ["alice", "bob"]}]
    assert seen(host, only(host, exceptions=exceptions)) == ("waived", ["file user:alice"])
    assert done(host, only(host, exceptions=exceptions)) == []


def test_what_another_service_bans_for_all_goes_for_all(host: Shared) -> None:
    host.packages = {"wechat": "ii"}
    of = only(host)
    of["controls"]["apps"]["services"]["messengers"] = plan(messengers=BAN)["controls"]["apps"]["services"][
        "messengers"
    ]
    host.runs(8, "/opt/wechat/wechat", BOB.uid)
    assert seen(host, of) == ("compliant", [])
    assert done(host, of) == ["end wechat of bob (pid 8)", "remove wechat"]


def test_the_install_block_is_for_what_nobody_may_have(host: Shared) -> None:
    of = only(host)
    signal = {"packages": {"apt": ["signal"]}, "paths": ["/opt/Signal"]}
    of["controls"]["apps"]["services"].update(plan(signal=signal)["controls"]["apps"]["services"])
    for action in apps.enforce(host, of).actions:
        action.apply()
    assert (Path(host.root) / dpkg.LIST.lstrip("/")).read_text().splitlines()[1:] == ["signal"]
    assert Desired(of["controls"]["apps"]).closed_paths() == ["/opt/Signal"]
    alone = Desired(only(host)["controls"]["apps"])
    assert (alone.restricted("dpkg"), alone.closed_paths()) == (set(), [])


def test_execution_control_denies_it_to_the_members(host: Shared) -> None:
    part = only(host)["controls"]["apps"]
    assert list(fapolicyd.rules(host, Desired(part))) == [
        "deny_syslog perm=execute uid=51004 : path=/opt/wechat",
        "deny_syslog perm=execute uid=51004 : dir=/opt/wechat/",
    ]
    nobody = only(host, "nosuch")["controls"]["apps"]
    assert list(fapolicyd.rules(host, Desired(nobody))) == []


def test_at_its_start_it_is_a_members_that_is_ended(host: Shared) -> None:
    """The watch decides as the observation does; its prefilter, which sees the compiled plan, lets both be verified."""
    for pid, uid in ((7, ALICE.uid), (8, BOB.uid)):
        host.runs(pid, "/opt/wechat/wechat", uid)
    restricted = Restricted(host, only(host)["controls"]["apps"])
    processes = [Process(pid, "/opt/wechat/wechat") for pid in (7, 8)]
    found = [one for part in restricted.verify(processes) for one in part.restricted]
    assert [(one.user, [process.pid for process in one.processes]) for one in found] == [("alice", [7])]
    compiled = plan(wechat={**BAN, "only": {"posix_groups": ["contractors"]}})["controls"]["apps"]
    assert "/opt/wechat" in prefiltered(host, [compiled], restricted)["exact"]

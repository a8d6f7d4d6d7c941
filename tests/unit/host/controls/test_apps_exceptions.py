"""Waivers for a part of a service, and services that are restricted for the members of a group alone."""

import os
from pathlib import Path
from typing import Any
from unittest import mock

import made_apps as fake
import pytest
from made_host import WECHAT, MadeHost, carry_out, plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.execution import fapolicyd
from proscribe.host.controls.apps.systems import flatpak
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.plan_resolution import resolve_groups
from proscribe.host.system import Host, Process, User
from proscribe.host.watch.restricted_programs import RestrictedPrograms, make_prefilter_sets

ALICE, BOB = User("alice", 51004, 51004, "/home/alice"), User("bob", 51005, 51005, "/home/bob")
VERSION = {"waiver": "w1", "versions": ["1.0"]}  # of every package of the fake dpkg
OF_ALICE, OF_BOB = {"waiver": "w3", "users": ["alice"]}, {"waiver": "w4", "users": ["bob"]}
LIST = "etc/proscribe/restricted-packages"
PROGRAM, PATH = "/opt/wechat/wechat", "/var/lib/flatpak/app/com.tencent.WeChat"
IMAGE = "WeChatLinux_x86_64.AppImage"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


def wechat(*exceptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**WECHAT, "exceptions": list(exceptions), **more}


def observe(host: Host, of: dict[str, Any], rule: str = "apps/wechat") -> Any:
    return next(verdict for verdict in apps.observe(host, of) if verdict.rule == rule)


def kinds(verdict: Any) -> str:
    return " ".join(finding.kind for finding in verdict.findings)


def losses(host: Host, of: dict[str, Any]) -> list[str]:
    return [str(action) for action in apps.enforce(host, of).actions if action.verb != "write"]


def install(host: MadeHost, *names: str) -> None:
    for name in names:
        host.packages[name] = "ii"
        (Path(host.root) / f"var/lib/dpkg/info/{name}.list").write_text(f"/opt/{name}/{name}\n")


@pytest.mark.parametrize(
    ("exceptions", "state", "waiver", "counting", "lost"),
    [
        ([VERSION], "waived", "w1", "package process", []),
        ([{**VERSION, "versions": ["2.0"]}], "noncompliant", "", "package process", ["end", "remove"]),
        ([OF_ALICE], "noncompliant", "", "package", ["remove"]),  # a package for everybody belongs to no user
        ([OF_ALICE, VERSION], "waived", "w1", "package process", []),
        ([{**VERSION, "users": ["bob"]}], "noncompliant", "", "package process", ["end", "remove"]),
        ([{"waiver": "w5", "paths": [PROGRAM]}], "noncompliant", "", "package", ["remove"]),
    ],
)
def test_waiver_spares_the_package_or_program_it_names(host, exceptions, state, waiver, counting, lost):
    install(host, "wechat")
    host.program(7, PROGRAM)
    of = plan(wechat=wechat(*exceptions), messengers={**WECHAT, "exceptions": exceptions})
    verdict = observe(host, of)
    assert (verdict.state, verdict.waiver, verdict.drifted) == (state, waiver, state == "noncompliant")
    assert kinds(verdict) == counting and [action.split()[0] for action in losses(host, of)] == lost


@pytest.mark.parametrize(("path", "state"), [(PROGRAM, "waived"), ("/opt/wechat", "noncompliant")])
def test_program_outside_of_packages_is_covered_by_its_very_path(host, path, state):
    host.program(7, PROGRAM)
    assert observe(host, plan(wechat=wechat({"waiver": "w1", "paths": [path]}))).state == state


def test_package_that_one_service_permits_stays(host):
    install(host, "wechat")
    of = plan(wechat=wechat(VERSION), messengers=WECHAT)
    assert (observe(host, of).state, observe(host, of, "apps/messengers").state) == ("waived", "compliant")
    assert losses(host, of) == []


def app(owner: User | None = None, version: str = "") -> Package:
    path = f"{owner.home}/.local/share/flatpak/app/com.tencent.WeChat" if owner else PATH
    return Package("flatpak", "com.tencent.WeChat", version, ("app/x",), owner, path)


@pytest.mark.parametrize(
    ("packages", "exception", "state", "counting"),
    [
        ([app(ALICE)], OF_ALICE, "waived", "package process"),
        ([app(ALICE)], OF_BOB, "noncompliant", "package process"),
        ([app(ALICE), app()], OF_ALICE, "noncompliant", "package"),
        ([app()], {"waiver": "w1", "paths": [PATH]}, "waived", "package process"),
        ([app(), app(ALICE)], {"waiver": "w1", "paths": [PATH]}, "noncompliant", "package process"),
        ([app()], {"waiver": "w1", "versions": [""]}, "noncompliant", "package process"),
        ([app(None, "1.0")], VERSION, "waived", "package process"),
        ([app(ALICE, "1.0")], VERSION, "noncompliant", "package process"),  # a user's home may say any version
    ],
)
def test_waiver_spares_the_installation_it_names(host, monkeypatch, packages, exception, state, counting):
    monkeypatch.setattr(flatpak, "find_packages", lambda host, ids: (packages, ""))
    monkeypatch.setattr(flatpak, "make_program_matcher", lambda *_: lambda process: "com.tencent.WeChat")
    host.program(7, "/app/bin/wechat")
    verdict = observe(host, plan(wechat=wechat(exception)))
    assert (verdict.state, kinds(verdict)) == (state, counting)


class Shared(MadeHost):
    """A host of two users, of whom alice is a contractor."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "home/bob").mkdir()
        self.has_accounts(User("root", 0, 0, "/root"), ALICE, BOB)
        (root / "etc/group").write_text("contractors:x:60000:alice,root\n")
        for user in (ALICE, BOB):
            os.chown(root / user.home[1:], user.uid, user.gid)

    def start(self, exe: str) -> None:
        """Start a program for alice (7), bob (8), and root (9)."""
        for pid, uid in ((7, ALICE.uid), (8, BOB.uid), (9, 0)):
            self.program(pid, exe)
            (Path(self.root) / f"proc/{pid}/status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")

    def copy_to(self, *users: User) -> None:
        for user in users:
            fake.put(Path(self.root + user.home), {IMAGE: fake.image("wechat")}, user.uid)

    def plan(self, group: str = "contractors", mode: str = "enforce", **more: Any) -> dict[str, Any]:
        only = {**WECHAT, "processes": ["wechat"], "only": {"posix_groups": [group]}, **more}
        return dict(resolve_groups(self, plan(mode, wechat=only))[0])


@pytest.fixture
def shared(tmp_path_factory):
    return Shared(tmp_path_factory.mktemp("shared"))


def seen(host: Host, of: dict[str, Any]) -> tuple[str, list[str]]:
    verdict = observe(host, of)
    return verdict.state, [f"{finding.kind} {finding.scope}" for finding in verdict.findings]


@NEEDS_ROOT
def test_package_of_everybody_stays_and_a_members_process_ends(shared):
    install(shared, "wechat")
    assert seen(shared, shared.plan()) == ("compliant", [])
    shared.start(PROGRAM)
    assert seen(shared, shared.plan()) == ("noncompliant", ["process user:alice"])
    of = shared.plan()
    assert losses(shared, of) == ["end wechat of alice (pid 7)"]
    restricted = RestrictedPrograms(shared, of["controls"]["apps"])  # a start is verified as the observation does
    verified = restricted.verify_processes([Process(pid, PROGRAM) for pid in (7, 8)])
    assert [(part.user, part.processes[0].pid) for parts in verified for part in parts.restricted] == [("alice", 7)]
    compiled = plan(wechat={**WECHAT, "only": {"posix_groups": ["contractors"]}})["controls"]["apps"]
    assert "/opt/wechat" in make_prefilter_sets(shared, [compiled], restricted)["exact"]
    carry_out(apps.enforce(shared, of).actions)
    assert [(Path(shared.root) / f"proc/{pid}/exe").is_symlink() for pid in (7, 8, 9)] == [False, True, True]
    other = plan(messengers=WECHAT)["controls"]["apps"]["services"]
    of["controls"]["apps"]["services"].update(other)  # another service bans it for everybody
    assert "remove wechat" in losses(shared, of) and "end wechat of bob (pid 8)" in losses(shared, of)


@NEEDS_ROOT
def test_copy_of_a_member_moves_and_copies_of_others_stay(shared):
    shared.copy_to(ALICE, BOB)
    waived = shared.plan(exceptions=[{"waiver": "w1", "users": ["alice", "bob"]}])
    assert (seen(shared, waived), losses(shared, waived)) == (("waived", ["file user:alice"]), [])
    assert seen(shared, shared.plan()) == ("noncompliant", ["file user:alice"])
    carry_out(apps.enforce(shared, shared.plan()).actions)
    assert [Path(f"{shared.root}{user.home}/{IMAGE}").exists() for user in (ALICE, BOB)] == [False, True]
    shared.start(f"/home/bob/{IMAGE}")
    assert losses(shared, shared.plan()) == [f"end {IMAGE} of alice (pid 7)"]


@NEEDS_ROOT
def test_app_of_a_member_goes_and_apps_of_others_stay(shared, monkeypatch):
    monkeypatch.setattr(flatpak, "find_packages", lambda host, ids: ([app()], ""))
    monkeypatch.setattr(flatpak, "find_user_packages", lambda host, user, ids: ([app(user)] if user.uid else [], ""))
    removal = mock.Mock(return_value=([], []))
    monkeypatch.setattr(flatpak, "plan_removal", removal)
    assert seen(shared, shared.plan()) == ("noncompliant", ["package user:alice"])
    apps.enforce(shared, shared.plan())
    assert [item.scope for item in removal.call_args.args[1]] == ["user:alice"]


@NEEDS_ROOT
@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_missing_group_touches_no_user_and_is_unknown(shared, mode):
    shared.copy_to(ALICE, BOB)
    shared.start(PROGRAM)
    of = shared.plan("nosuch", mode)
    assert (seen(shared, of), losses(shared, of)) == (("unknown", []), [])
    assert list(fapolicyd.make_rules(shared, DesiredApps(of["controls"]["apps"]))) == []


@NEEDS_ROOT
def test_members_are_denied_execution_and_others_may_install(shared):
    of = shared.plan()
    desired = DesiredApps(of["controls"]["apps"])
    assert [line.split()[2] for line in fapolicyd.make_rules(shared, desired)] == ["uid=51004", "uid=51004"]
    assert (desired.find_restricted_packages("dpkg"), desired.find_closed_paths()) == (set(), [])
    signal = plan(signal={"packages": {"apt": ["signal"]}})
    of["controls"]["apps"]["services"].update(signal["controls"]["apps"]["services"])
    carry_out(apps.enforce(shared, of).actions)
    assert (Path(shared.root) / LIST).read_text().splitlines()[1:] == ["signal"]

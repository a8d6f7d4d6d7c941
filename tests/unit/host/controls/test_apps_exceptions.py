"""Waivers for a part of a service, on a made tree: what they cover is neither removed nor ended, all else is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_host import WECHAT, MadeHost, plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.systems import dpkg, flatpak
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, User
from proscribe.model.finding import Finding, exception_for

ALICE = User("alice", os.getuid(), 0, "/home/alice")
V1 = {"waiver": "w1", "versions": ["1.0"]}  # what the made dpkg says of every package
V2 = {"waiver": "w2", "versions": ["2.0"]}
HERS = {"waiver": "w3", "users": ["alice"]}
HIS = {"waiver": "w4", "users": ["bob"]}
ALL = ["end wechat of alice (pid 7)", "remove wechat"]


def wechat(*exceptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**WECHAT, "exceptions": list(exceptions), **more}


def verdict(host: Host, of: dict[str, Any], rule: str = "apps/wechat") -> tuple[str, str, bool, list[str]]:
    seen = next(one for one in apps.observe(host, of) if one.rule == rule)
    return seen.state, seen.waiver, seen.drifted, [finding.kind for finding in seen.findings]


def changes(host: Host, of: dict[str, Any]) -> list[str]:
    return [str(action) for action in apps.enforce(host, of).actions if action.verb in ("end", "remove")]


@pytest.mark.parametrize(
    ("exceptions", "state", "waiver", "counting", "done"),
    [
        # The version covers the package, and the program that runs from it.
        ([V1], "waived", "w1", ["package", "process"], []),
        ([V2, V1], "waived", "w1", ["package", "process"], []),
        ([V2], "noncompliant", "", ["package", "process"], ALL),
        # What is installed for everybody is nobody's own: a user's waiver keeps the program, not the package.
        ([HERS], "noncompliant", "", ["package"], ["remove wechat"]),
        ([HIS], "noncompliant", "", ["package", "process"], ALL),
        ([HERS, V1], "waived", "w1", ["package", "process"], []),
        ([{**V1, "users": ["bob"]}], "noncompliant", "", ["package", "process"], ALL),
        ([{"waiver": "w5", "paths": ["/opt/wechat/wechat"]}], "noncompliant", "", ["package"], ["remove wechat"]),
    ],
)
def test_a_package_and_its_program(host: MadeHost, exceptions, state, waiver, counting, done) -> None:
    host.packages = {"wechat": "ii"}
    (Path(host.root) / "var/lib/dpkg/info/wechat.list").write_text("/opt/wechat/wechat\n")
    host.program(7, "/opt/wechat/wechat")
    here = plan(wechat=wechat(*exceptions))
    assert verdict(host, here) == (state, waiver, state == "noncompliant", counting)
    assert changes(host, here) == done


@pytest.mark.parametrize(
    ("path", "state"), [("/opt/wechat/wechat", "waived"), ("/opt/wechat", "noncompliant"), ("/opt/we", "noncompliant")]
)
def test_a_program_outside_of_packages_is_known_by_its_very_path(host: MadeHost, path: str, state: str) -> None:
    host.program(7, "/opt/wechat/wechat")
    assert verdict(host, plan(wechat=wechat({"waiver": "w1", "paths": [path]})))[0] == state


def test_what_else_was_seen_stays_in_the_record(host: MadeHost) -> None:
    host.packages = {"wechat": "ii", "wechat-beta": "ii"}
    entry = wechat(V1, packages={"apt": ["wechat", "wechat-beta"]})
    seen = apps.observe(host, plan(wechat=entry))[0]
    assert (seen.state, seen.waiver) == ("waived", "w1")
    entry["exceptions"] = [HERS]
    host.program(7, "/opt/wechat/wechat")
    seen = apps.observe(host, plan(wechat=entry))[0]
    assert (seen.state, [finding.id for finding in seen.findings]) == ("noncompliant", ["wechat", "wechat-beta"])
    assert seen.reason == "waiver w3 covers process wechat (alice)"


def test_a_name_that_is_covered_for_one_service_does_not_go_for_another(host: MadeHost) -> None:
    host.packages = {"wechat": "ii"}
    here = plan(wechat=wechat(V1), messengers=WECHAT)
    assert verdict(host, here)[0] == "waived"
    assert verdict(host, here, "apps/messengers")[0] == "compliant"
    assert changes(host, here) == []


def test_a_program_that_turned_into_another_one_is_not_spared(host: MadeHost) -> None:
    host.packages = {"qq": "ii"}
    (Path(host.root) / "var/lib/dpkg/info/qq.list").write_text("/opt/qq/qq\n")
    host.program(7, "/opt/qq/qq")
    qq = {"packages": {"apt": ["qq"]}, "paths": ["/opt/qq"], "exceptions": [HIS]}
    made = apps.enforce(host, plan(wechat=wechat(HERS), qq=qq))
    exe = Path(host.root) / "proc/7/exe"
    exe.unlink()
    exe.symlink_to("/opt/wechat/wechat")  # alice may run this one
    next(action for action in made.actions if action.verb == "end").apply()
    assert exe.is_symlink()
    exe.unlink()
    exe.symlink_to("/opt/qq/other")
    next(action for action in made.actions if action.verb == "end").apply()
    assert not exe.is_symlink()


def test_the_gate_lets_in_the_version_that_a_waiver_names(host: MadeHost) -> None:
    both = {**V1, "waiver": "w9", "users": ["alice"]}  # a gate does not know for whom a package is
    apps.enforce(host, plan(wechat=wechat(V1, V2, both), signal={"packages": {"apt": ["signal"]}}))
    for action in apps.enforce(host, plan(wechat=wechat(V1, V2, both))).actions:
        action.apply()
    lines = (Path(host.root) / dpkg.LIST.lstrip("/")).read_text().splitlines()
    assert lines[1:] == ["wechat", "wechat 1.0", "wechat 2.0"]


def flatpaks(host: MadeHost, monkeypatch: pytest.MonkeyPatch, *packages: Package) -> None:
    """These are installed, and one of them runs."""
    monkeypatch.setattr(flatpak, "query", lambda host, ids: (list(packages), ""))
    monkeypatch.setattr(flatpak, "programs", lambda host, ids, packages: lambda process: "com.tencent.WeChat")
    host.program(7, "/app/bin/wechat")


def installed(owner: User | None = None) -> Package:
    path = f"{owner.home}/.local/share/flatpak" if owner else "/var/lib/flatpak"
    return Package("flatpak", "com.tencent.WeChat", "", ("app/x",), owner, path + "/app/com.tencent.WeChat")


@pytest.mark.parametrize(
    ("packages", "exception", "state"),
    [
        ([installed(ALICE)], HERS, "waived"),
        ([installed(ALICE)], HIS, "noncompliant"),
        ([installed(ALICE), installed()], HERS, "noncompliant"),
        ([installed()], {"waiver": "w1", "paths": ["/var/lib/flatpak/app/com.tencent.WeChat"]}, "waived"),
        ([installed(ALICE)], {"waiver": "w1", "paths": ["/var/lib/flatpak/app/com.tencent.WeChat"]}, "noncompliant"),
        ([installed()], {"waiver": "w1", "versions": [""]}, "noncompliant"),  # flatpak's versions are not known
    ],
)
def test_flatpaks(host: MadeHost, monkeypatch: pytest.MonkeyPatch, packages, exception, state) -> None:
    flatpaks(host, monkeypatch, *packages)
    assert verdict(host, plan(wechat=wechat(exception)))[0] == state


def test_a_program_that_may_run_from_either_of_two_installations_is_covered_by_neithers_path(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    flatpaks(host, monkeypatch, installed(), installed(ALICE))
    here = plan(wechat=wechat({"waiver": "w1", "paths": [installed().path]}))
    seen = next(one for one in apps.observe(host, here) if one.rule == "apps/wechat")
    assert [(finding.kind, finding.scope) for finding in seen.findings] == [
        ("package", "user:alice"),
        ("process", "user:alice"),
    ]


def pip_package(owner: User | None, version: str = "1.0") -> Package:
    home = owner.home + "/.local" if owner else "/usr/local"
    return Package("flatpak", "com.tencent.WeChat", version, ("x",), owner, f"{home}/lib/site-packages")


@pytest.mark.parametrize(
    ("owner", "runs", "state", "counting"),
    [
        (None, True, "waived", ["package", "process"]),  # a program of the host's own package has its version
        (None, False, "waived", ["package"]),
        (ALICE, True, "noncompliant", ["package", "process"]),  # what a user's home says of itself is no version
        (ALICE, False, "noncompliant", ["package"]),
    ],
)
def test_a_version_counts_where_root_can_trust_it(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, owner: User | None, runs: bool, state: str, counting: list[str]
) -> None:
    """The version that a user's own installation claims is reported all the same."""
    package = pip_package(owner)
    flatpaks(host, monkeypatch, *([package] if owner is None else []))
    monkeypatch.setattr(flatpak, "query_of", lambda host, user, ids: ([package] if owner == user else [], ""))
    if not runs:
        (Path(host.root) / "proc/7/exe").unlink()
    seen = next(one for one in apps.observe(host, plan(wechat=wechat(V1))) if one.rule == "apps/wechat")
    assert (seen.state, [finding.kind for finding in seen.findings]) == (state, counting)
    assert seen.findings[0].version == "1.0"


@pytest.mark.parametrize("kind", ["file", "web_app", "autostart"])
def test_no_file_is_covered_by_a_version(kind: str) -> None:
    finding = Finding(kind, "WeChat-1.0.AppImage", "appimage", "1.0", "system", "/opt/WeChat-1.0.AppImage")
    assert exception_for({"exceptions": [V1]}, finding) == ""
    assert exception_for({"exceptions": [V1]}, finding._replace(kind="package")) == "w1"
    assert exception_for({"exceptions": [V1]}, finding._replace(kind="package", scope="user:alice")) == ""
    assert exception_for({"exceptions": [{**V1, "versions": [""]}]}, finding._replace(kind="package", version="")) == ""

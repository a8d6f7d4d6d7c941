"""What is read of a Mac, whole: programs, property lists, applications, names, and the findings that follow."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any

import pytest
from made_mac import BARE, RUNNING, SITES, WECHAT, Mac, plan
from proscribe.host.macos import applications, apps, names, observing, preferences, programs
from proscribe.host.system import ControlError
from proscribe.model.finding import COMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


# -- programs


def test_more_programs_than_are_read_are_no_list(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "MOST", len(RUNNING))
    assert len(programs.listed(mac.host)) == len(RUNNING)
    monkeypatch.setattr(programs, "MOST", len(RUNNING) - 1)
    with pytest.raises(ControlError, match="more than 3 programs run"):
        programs.listed(mac.host)


# -- property lists


# -- names


@pytest.mark.parametrize(
    ("line", "state"),
    [
        *((f"{address} a.example B.Example", COMPLIANT) for address in ("0.0.0.0", "::", "127.0.0.1", "::1")),
        ("0.0.0.0 a.example", UNKNOWN),
        ("0.0.0.0 a.example # b.example", UNKNOWN),
        ("192.0.2.1 a.example b.example", UNKNOWN),
        ("0.0.0.0 a.example b.example\n\n::2 B.example", UNKNOWN),
    ],
)
def test_names_that_lead_nowhere(mac: Mac, line: str, state: str) -> None:
    mac.file("/private/etc/hosts", line.encode())
    services = {
        "a": {**SITES, "domains": ["a.example", "b.example"]},
        "none": {**SITES, "domains": []},
        "open": {**SITES, "mode": "allow"},
    }
    found = names.verdicts(mac.host, {"services": services})  # type: ignore[typeddict-item]
    assert [(one.rule, one.state) for one in found][:2] == [("dns/a", state), ("dns/none", NOT_APPLICABLE)]
    assert found[0].reason == (names.ELSEWHERE if state == UNKNOWN else None) or not found[0].reason
    assert found[2].rule == "dns/open" and found[2].state not in (UNKNOWN, NOT_APPLICABLE)


def test_names_that_cannot_be_seen(mac: Mac) -> None:
    place = mac.root / "private/etc/hosts"
    place.unlink()
    assert [one.reason for one in names.verdicts(mac.host, {"services": {"a": SITES}})] == [names.ELSEWHERE]  # type: ignore[typeddict-item]
    place.mkdir()
    services = {"a": SITES, "none": {**SITES, "domains": []}}
    found = names.verdicts(mac.host, {"services": services})  # type: ignore[typeddict-item]
    assert [one.state for one in found] == [UNKNOWN] * 2
    assert all("/private/etc/hosts" in str(one.reason) for one in found)


# -- applications


def running(user: str, path: str, detail: str) -> Finding:
    return Finding("process", "chat", "macos", "", f"user:{user}", path, detail)


def by_name(path: str, detail: str) -> Finding:
    return Finding("process", "wechat", "macos", "", "user:alice", path, f"{detail}, {apps.BY_NAME}")


def test_all_that_is_installed_and_runs_as_findings(mac: Mac) -> None:
    for path in ("Cellar/chat", "Cellar/other", "Caskroom/wechat"):
        (mac.root / "usr/local" / path).mkdir(parents=True)
    mac.bundle("/Applications/We\nChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0")
    mac.bundle("/Users/alice/Applications/Chat.app", "example.Chat", CFBundleShortVersionString="1")
    mac.bundle("/Applications/Number.app", 5)
    mac.bundle("/Applications/Empty.app", "")
    mac.running = [
        *RUNNING,
        "700 501 /Applications/We\tChat.app/Contents/MacOS/WeChat",
        "701 0 /opt/homebrew/Cellar/chat/1/bin/chat",
        "702 501 /opt/homebrew/Cellar/other/1/bin/wechat",
        "703 501 /Users/alice/Applications/Chat.app/Contents/MacOS/chat",
        "704 0 /Users/alice/Applications/Chat.app/Contents/MacOS/chat",
        "705 501 /Users/alice/Applications/Chat.app/Contents/MacOS/helper",
        "706 501 /opt/wechat",
        "707 501 /opt/wechat",
        "708 501 /usr/local/Caskroomy/wechat/x",
    ]
    chat = {
        **BARE,
        "name": "Chat",
        "mode": "enforce",
        "packages": {"brew": ["chat"]},
        "processes": ["chatter"],
        "bundle_ids": ["EXAMPLE.chat"],
    }
    services: Any = {"wechat": WECHAT, "chat": chat}
    found = applications.find(mac.host)
    verdicts = apps.verdicts(mac.host, {"services": services}, found)  # type: ignore[typeddict-item]
    bundle = "/Users/alice/Applications/Chat.app"
    version = "4.0" if os.geteuid() == 0 else found.applications[0].version
    assert {one.rule: list(one.findings) for one in verdicts} == {
        "apps/wechat": [
            Finding("package", "com.tencent.xinWeChat", "macos", version, "system", "/Applications/We\\x0aChat.app"),
            Finding("package", "wechat", "brew_cask", "", "system", "/usr/local/Caskroom/wechat"),
            by_name("/opt/homebrew/Cellar/other/1/bin/wechat", "pid 702"),
            by_name("/opt/wechat", "pid 706 and 1 more"),
        ],
        "apps/chat": [
            Finding("package", "example.Chat", "macos", "", "user:alice", bundle),
            Finding("package", "chat", "brew", "", "system", "/usr/local/Cellar/chat"),
            running("root", bundle, "pid 704"),
            running("root", "/opt/homebrew/Cellar/chat/1/bin/chat", "pid 701"),
            running("alice", bundle, "pid 703 and 1 more"),
        ],
    }
    assert not any(one.drifted for one in verdicts)


def test_what_an_application_says_of_itself_is_bounded(mac: Mac) -> None:
    mac.bundle("/Applications/x.app", "i" * 300, CFBundleShortVersionString="1" * 300)
    mac.bundle("/Applications/y.app", "y", CFBundleShortVersionString=5)
    one, other = sorted(applications.find(mac.host).applications)
    assert len(one.id) == 200 and len(one.version) in (0, 100)
    assert os.geteuid() or len(one.version) == 100
    assert other == ("y", "/Applications/y.app", "", "")


@pytest.mark.parametrize("part", ["", "/Contents", "/Contents/Info.plist"])
def test_a_version_that_somebody_else_could_write_is_none(mac: Mac, part: str) -> None:
    mac.bundle("/Applications/x.app", "x", CFBundleShortVersionString="1")
    place = mac.root / f"Applications/x.app{part}"
    place.chmod(place.stat().st_mode | 0o002)
    assert [one.version for one in applications.find(mac.host).applications] == [""]


def test_a_mac_without_homes_says_so(mac: Mac) -> None:
    (mac.root / "Users").rename(mac.root / "Homes")
    (mac.root / "Users").mkdir()
    assert applications.find(mac.host) == ([], ["/Users has no homes"])
    (mac.root / "Users").rmdir()
    (mac.root / "Users").write_text("")
    found = applications.find(mac.host)
    assert found.applications == [] and len(found.unseen) == 1


# -- the record


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (plistlib.dumps({"ProductVersion": "15.6.1"}), "15.6.1"),
        (plistlib.dumps({"ProductVersion": "1" * 60}), "1" * 40),
        (plistlib.dumps({"Product": "x"}), ""),
        (b"x", ""),
        (None, ""),
    ],
)
def test_the_release_in_the_record(mac: Mac, content: bytes | None, version: str) -> None:
    place = mac.root / observing.RELEASE[1:]
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    platform = observing.record_of(mac.host, plan(), ["dns"])["platform"]  # type: ignore[arg-type]
    assert (platform["os"], platform["version"]) == ("macos", version)


# -- preferences


@pytest.mark.parametrize(
    ("said", "policies"),
    [
        (None, None),
        ({}, None),
        ({"EnterprisePoliciesEnabled": False, "A": 1}, None),
        ({"EnterprisePoliciesEnabled": "yes", "A": 1}, None),
        ({"EnterprisePoliciesEnabled": 1, "A": 1}, {"A": 1}),
        (
            {"EnterprisePoliciesEnabled": True, "A__B__C": 1, "A__D": 2, "E_F": 3},
            {"A": {"B": {"C": 1}, "D": 2}, "E_F": 3},
        ),
        ({"EnterprisePoliciesEnabled": True, "A": 1, "A__B": 2}, {"A": 1}),
        ({"EnterprisePoliciesEnabled": True, "A": {"B": 1}, "A__C": 2}, {"A": {"B": 1, "C": 2}}),
    ],
)
def test_what_firefox_takes_of_its_preferences(said: Any, policies: Any) -> None:
    firefox, chrome = (
        next(one for one in preferences.PROGRAMS if one.id == id_) for id_ in ("firefox", "google_chrome")
    )
    assert preferences._as_policies(firefox, said) == policies
    assert preferences._as_policies(chrome, said) is said

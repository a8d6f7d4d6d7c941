"""What is read of a Mac, whole: programs, property lists, applications, names, and the findings that follow."""

from __future__ import annotations

import datetime
import os
import plistlib
from pathlib import Path
from typing import Any

import pytest
from made_mac import BARE, RUNNING, SITES, WECHAT, Mac, plan
from proscribe.host.macos import applications, apps, names, observing, preferences, programs, property_list
from proscribe.host.macos.programs import Program
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.model.finding import COMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


# -- programs


def test_the_lines_of_ps(mac: Mac) -> None:
    longest = "/" + "x" * (programs.LONGEST - 1)
    mac.running = [
        "  1 0 /sbin/launchd",
        "601    -2 /usr/libexec/nobodys helper  ",
        "  123456789 1234567890 /x",
        "  1234567890 0 /too many digits",
        "1 12345678901 /too many digits",
        "700 501 relative",
        "x 501 /x",
        f"702 501 {longest}",
        f"703 501 {longest}x",
    ]
    assert programs.listed(mac.host) == [
        (1, 0, "/sbin/launchd"),
        (601, -2, "/usr/libexec/nobodys helper"),
        (123456789, 1234567890, "/x"),
        (702, 501, longest),
    ]


@pytest.mark.parametrize(
    ("path", "bundle"),
    [
        ("/Applications/A.app/Contents/B.app/Contents/MacOS/b", "/Applications/A.app"),
        ("/Applications/A.app", ""),
        ("/Applications/A.application/x", ""),
        ("/usr/bin/x", ""),
    ],
)
def test_the_application_that_a_program_is_of(path: str, bundle: str) -> None:
    assert Program(1, 0, path).bundle == bundle


def test_more_programs_than_are_read_are_no_list(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "MOST", len(RUNNING))
    assert len(programs.listed(mac.host)) == len(RUNNING)
    monkeypatch.setattr(programs, "MOST", len(RUNNING) - 1)
    with pytest.raises(ControlError, match="more than 3 programs run"):
        programs.listed(mac.host)


# -- property lists


def nested(depth: int) -> Any:
    return {"a": [nested(depth - 1)]} if depth else "end"


def ends(value: Any) -> int:
    """How many tables and lists are above the end; of what is cut off, it is None."""
    depth = 0
    while isinstance(value, (dict, list)):
        value, depth = (value["a"] if isinstance(value, dict) else value[0]), depth + 1
    assert value is None
    return depth


@pytest.mark.parametrize("form", [plistlib.FMT_BINARY, plistlib.FMT_XML])
def test_a_property_list_has_the_types_of_json(mac: Mac, form: Any) -> None:
    said = {"s": "x", "i": 5, "f": 2.5, "b": False, "l": [1, b"x", ["y"]], "d": {"k": {"v": True}}}
    others = {"date": datetime.datetime.fromisoformat("2026-01-01"), "data": b"x"}
    mac.file("/x.plist", plistlib.dumps({**said, **others}, fmt=form))
    assert property_list.read(mac.host, "/x.plist") == {
        **said,
        "l": [1, None, ["y"]],
        "date": None,
        "data": None,
    }


def test_what_is_nested_too_deeply_is_left_out(mac: Mac) -> None:
    mac.file("/x.plist", plistlib.dumps({"a": nested(7)}))
    assert (property_list.read(mac.host, "/x.plist") or {})["a"] == nested(7)
    mac.file("/x.plist", plistlib.dumps({"a": nested(9)}))
    assert ends((property_list.read(mac.host, "/x.plist") or {})["a"]) == property_list.DEEPEST


@pytest.mark.parametrize(
    "beginning",
    [
        b"<plist>",
        b'<plist version="1.0">',
        b'<?xml version="1.0"?><plist>',
        b'\xef\xbb\xbf<?xml version="1.0"?><plist>',
        b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://x"><plist>',
    ],
)
def test_a_property_list_as_editors_begin_it(mac: Mac, beginning: bytes) -> None:
    content = beginning + b"<dict><key>a</key><string>b</string></dict></plist>"
    mac.file("/x.plist", content.ljust(property_list.LARGEST))
    assert property_list.read(mac.host, "/x.plist") == {"a": "b"}
    mac.file("/x.plist", content.ljust(property_list.LARGEST + 1))
    with pytest.raises((ControlError, Unseen)):
        property_list.read(mac.host, "/x.plist")
    assert property_list.read(mac.host, "/y.plist") is None


@pytest.mark.parametrize(
    "content",
    [b" <plist><dict/></plist>", b"<plist><!ENTITY><dict/></plist>", b"<plist><string>x</string></plist>", b"<plist>"],
)
def test_what_is_none_names_its_file(mac: Mac, content: bytes) -> None:
    mac.file("/x.plist", content)
    with pytest.raises(ControlError, match=r"^/x\.plist is no "):
        property_list.read(mac.host, "/x.plist")


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


def test_homes_that_are_nobodys_are_left_out(mac: Mac) -> None:
    for name in ("Guest", "Deleted Users", "Shared", ".localized", "bob"):
        mac.bundle(f"/Users/{name}/Applications/x.app", name)
    mac.file("/Users/file", b"")
    unseen: list[str] = []
    assert sorted(applications.homes(mac.host, unseen)) == [("/Users/alice", "alice"), ("/Users/bob", "bob")]
    assert [one.id for one in applications.find(mac.host).applications] == ["bob"] and unseen == []


def test_a_mac_without_homes_says_so(mac: Mac) -> None:
    (mac.root / "Users").rename(mac.root / "Homes")
    (mac.root / "Users").mkdir()
    assert applications.find(mac.host) == ([], ["/Users has no homes"])
    (mac.root / "Users").rmdir()
    (mac.root / "Users").write_text("")
    found = applications.find(mac.host)
    assert found.applications == [] and len(found.unseen) == 1


def test_a_home_may_cost_so_much_and_the_next_one_as_much(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[Any] = []

    def seen(host: Host, folder: str, user: str) -> applications.Found:
        budgets.append((folder, user, host.budget and host.budget.seconds))
        return applications.Found([], [folder])

    monkeypatch.setattr(applications, "_of_folder", seen)
    host = mac.host
    (mac.root / "Users/bob").mkdir()
    found = applications.find(host)
    assert sorted(budgets) == [
        ("/Applications", "", None),
        ("/Users/alice/Applications", "alice", 10.0),
        ("/Users/bob/Applications", "bob", 10.0),
    ]
    assert host.budget is None and len(found.unseen) == 3


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


def test_only_what_is_asked_for_is_read(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    monkeypatch.setattr(applications, "find", lambda _: found.append(1) or applications.Found([], []))
    for only, times in ((["dns"], 0), (["apps"], 1), (["browser"], 2), ([], 3)):
        observing.record_of(mac.host, plan(), only)  # type: ignore[arg-type]
        assert len(found) == times


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

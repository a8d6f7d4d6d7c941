"""The rules of a Mac, in made directories: applications, Homebrew, managed preferences, /etc/hosts, processes."""

from __future__ import annotations

import contextlib
import os
import plistlib
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_mac import BARE, RUNNING, WECHAT, Mac, plan
from proscribe.host.macos import applications, property_list
from proscribe.host.macos.observing import record_of
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN
from proscribe.wire.replies import record as replies

PREFERENCES = "/Library/Managed Preferences"


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


def rules(mac: Mac, compiled: dict[str, Any] | None = None, *only: str) -> dict[str, dict[str, Any]]:
    """The rules that a Mac's record lists, once it has passed the reader of answers."""
    made = record_of(mac.host, compiled or plan(), only)
    return {rule["rule"]: rule for rule in replies.taken(made)["rules"]}


def state(mac: Mac, rule: str = "apps/wechat", compiled: dict[str, Any] | None = None) -> str:
    found = rules(mac, compiled, rule.partition("/")[0])
    return str(found[rule]["state"]) if rule in found else COMPLIANT


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/Applications/WeChat.app", "system"),
        ("/Applications/Chat/Another name.app", "system"),
        ("/Users/alice/Applications/x.app", "user:alice"),
        ("/Users/alice/Applications/Chrome Apps/x.app", "user:alice"),
        ("/Applications/a/b/c/d/e/f/x.app", "system"),
        ("/Users/alice/Applications/no bundle.app/a/x.app", "user:alice"),
    ],
)
def test_an_application_is_known_by_its_identifier(mac: Mac, path: str, scope: str, binary: bool) -> None:
    mac.bundle(path, "COM.tencent.xinwechat", binary)
    found = rules(mac)["apps/wechat"]
    assert found["state"] == NONCOMPLIANT
    [finding] = found["findings"]
    assert (finding["id"], finding["scope"], finding["path"]) == ("COM.tencent.xinwechat", scope, path)


def test_what_is_none_is_compliant(mac: Mac) -> None:
    mac.bundle("/Applications/WeChat.app", "example.other")
    mac.bundle("/Users/Shared/Applications/WeChat.app", "com.tencent.xinWeChat")  # nobody's home
    mac.file("/Applications/file.app", b"")
    assert state(mac) == COMPLIANT


@pytest.mark.parametrize("folder", ["/Applications", "/Users/alice/Applications"])
@pytest.mark.parametrize(
    ("below", "patched", "why"),
    [
        ("a/b/c/d/e/f/g/x.app", {}, "is too deep to be read"),
        ("a/x.app", {"MOST_DIRECTORIES": 1}, "has more than 1 directories"),
        ("x.app", {"MOST": 0}, "has more than 0 applications"),
    ],
)
def test_what_is_deeper_or_more_than_is_read_is_unknown_and_not_absent(
    mac: Mac, monkeypatch: pytest.MonkeyPatch, folder: str, below: str, patched: dict[str, int], why: str
) -> None:
    for name, value in patched.items():
        monkeypatch.setattr(applications, name, value)
    mac.bundle(f"{folder}/{below}", "com.tencent.xinWeChat")
    found = rules(mac)["apps/wechat"]
    assert (found["state"], why in found["reason"]) == (UNKNOWN, True)
    mac.bundle(f"{folder}/there.app", "com.tencent.xinWeChat")
    if not patched:
        assert state(mac) == NONCOMPLIANT


def test_one_directory_that_cannot_be_read_hides_no_other(mac: Mac) -> None:
    class Unreadable(Host):
        def list(self, path: str) -> list[str]:
            if path in ("/Applications/a", "/Applications/z"):
                raise Unseen(f"{path} cannot be read")
            return super().list(path)

    def rule(identifier: str) -> dict[str, Any]:
        host = Unreadable(str(mac.root), mac.host._run)
        made = record_of(host, plan({"chat": {**WECHAT, "bundle_ids": [identifier]}}), ["apps"])
        return dict(replies.taken(made)["rules"][0])

    for name in ("a", "z"):
        (mac.root / "Applications" / name).mkdir()
    mac.bundle("/Applications/m/x.app", "example.chat")
    assert [finding["path"] for finding in rule("example.chat")["findings"]] == ["/Applications/m/x.app"]
    other = rule("example.other")
    assert (other["state"], "cannot be read, and 1 more directories" in other["reason"]) == (UNKNOWN, True)


def test_links_are_followed_nowhere(mac: Mac, tmp_path: Path) -> None:
    """A user's link would show root what it can read: a bundle behind one is found when it runs."""
    mac.bundle("/Users/Shared/real.app", "com.tencent.xinWeChat")
    os.symlink(tmp_path / "Users/Shared/real.app", tmp_path / "Users/alice/Applications/x.app")
    os.symlink(tmp_path / "Users/Shared", tmp_path / "Users/bob")
    assert state(mac) == COMPLIANT
    os.rename(tmp_path / "Users/alice/Applications", tmp_path / "Users/alice/kept")
    os.symlink("/", tmp_path / "Users/alice/Applications")
    found = rules(mac)["apps/wechat"]
    assert (found["state"], "is no directory" in found["reason"]) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("700 501 /Applications/WeChat.app/Contents/MacOS/WeChat", "pid 700"),
        ("700 501 /Volumes/Disk image/WeChat.app/Contents/Frameworks/Helper.app/Contents/MacOS/Helper", "pid 700"),
        ("700 501 /opt/homebrew/Caskroom/wechat/4.0/bin/x", "pid 700"),
        ("700 501 /Users/alice/wechat", "known by its name alone"),
    ],
)
def test_a_program_that_runs_is_known_by_its_application_its_package_or_its_name(
    mac: Mac, line: str, words: str
) -> None:
    mac.bundle("/Volumes/Disk image/WeChat.app", "com.tencent.xinWeChat")
    if "/Applications/" in line:
        mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat")
    mac.running = [*RUNNING, line]
    processes = [finding for finding in rules(mac)["apps/wechat"]["findings"] if finding["kind"] == "process"]
    assert [finding["scope"] for finding in processes] == ["user:alice"]
    assert words in processes[0]["detail"]


def test_helpers_of_one_application_are_one_finding(mac: Mac) -> None:
    mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat")
    paths = ("MacOS/WeChat", "MacOS/WeChatAppEx.app/Contents/MacOS/WeChatAppEx")
    mac.running = [*RUNNING, *(f"70{n} 501 /Applications/WeChat.app/Contents/{path}" for n, path in enumerate(paths))]
    [_, process] = rules(mac)["apps/wechat"]["findings"]
    assert (process["detail"], process["path"]) == ("pid 700 and 1 more", "/Applications/WeChat.app")


@pytest.mark.parametrize("prefix", ["/opt/homebrew", "/usr/local"])
def test_what_homebrew_installed_is_found(mac: Mac, prefix: str) -> None:
    (mac.root / prefix[1:] / "Caskroom/wechat/4.0").mkdir(parents=True)
    [finding] = rules(mac)["apps/wechat"]["findings"]
    assert (finding["manager"], finding["id"]) == ("brew_cask", "wechat")


def test_what_could_not_be_seen_is_unknown(mac: Mac) -> None:
    mac.running = []
    assert "ps lists no program" in rules(mac)["apps/wechat"]["reason"]
    mac.running = RUNNING
    mac.bundle("/Applications/Loose.app", "x")
    (mac.root / "Applications/Loose.app/Contents/Info.plist").write_bytes(b"x" * (property_list.LARGEST + 1))
    assert state(mac) == COMPLIANT  # what is no property list is no application


def test_services_without_anything_on_macos_are_not_compliant(mac: Mac) -> None:
    linux = {**BARE, "name": "x", "mode": "enforce", "packages": {"apt": ["x"]}}
    found = rules(mac, plan({"x": linux}))["apps/x"]
    assert (found["state"], found["reason"].startswith("nothing known to look for")) == (NOT_APPLICABLE, True)


def test_a_version_counts_only_where_root_alone_could_write_it(mac: Mac) -> None:
    waived = {**WECHAT, "exceptions": [{"waiver": "W-1", "versions": ["4.0.1"]}]}
    mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0.1")
    if os.geteuid() == 0:
        assert state(mac, compiled=plan({"wechat": waived})) == "waived"
    (mac.root / "Applications/WeChat.app").chmod(0o777)
    assert state(mac, compiled=plan({"wechat": waived})) == NONCOMPLIANT
    own = Mac(mac.root / "other")
    own.bundle("/Users/alice/Applications/WeChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0.1")
    assert state(own, compiled=plan({"wechat": waived})) == NONCOMPLIANT


def with_browsers(mac: Mac) -> Mac:
    mac.bundle("/Applications/Google Chrome.app", "com.google.Chrome")
    mac.bundle("/Applications/Microsoft Edge.app", "com.microsoft.edgemac")
    mac.bundle("/Users/alice/Applications/Firefox.app", "org.mozilla.firefox")
    return mac


def test_managed_preferences_of_the_plan_are_in_effect(mac: Mac) -> None:
    with_browsers(mac).preferences(plan())
    found = record_of(mac.host, plan(), ["browser"])
    assert found["browsers"] == ["firefox", "google_chrome", "microsoft_edge"]
    states = {rule["rule"]: (rule["state"], rule["reason"]) for rule in found["rules"]}
    assert states == {
        "browser/policy-file": (UNKNOWN, "what Safari opens is not observed"),
        "browser/running": (UNKNOWN, "whether browsers that run go by these policies is not observed on macOS"),
    }


@pytest.mark.parametrize("domain", ["com.google.Chrome", "com.microsoft.Edge", "org.mozilla.firefox"])
def test_a_browser_without_preferences_is_noncompliant_by_its_file(mac: Mac, domain: str) -> None:
    with_browsers(mac).preferences(plan())
    (mac.root / f"{PREFERENCES[1:]}/{domain}.plist").unlink()
    for rule in ("browser/wechat", "browser/dns-over-https"):
        found = rules(mac)[rule]
        assert found["state"] == NONCOMPLIANT
        assert [finding["path"] for finding in found["findings"]] == [f"{PREFERENCES}/{domain}.plist"]


@pytest.mark.parametrize(
    ("domain", "said", "rule"),
    [
        ("com.google.Chrome", {"DnsOverHttpsMode": "automatic"}, "dns-over-https"),
        ("com.google.Chrome", {"BuiltInDnsClientEnabled": True}, "dns-over-https"),
        ("com.google.Chrome", {"URLBlocklist": []}, "wechat"),
        ("com.google.Chrome", {"URLAllowlist": ["work.wechat.example", "wechat.example"]}, "wechat"),
        ("com.microsoft.Edge", {"URLBlocklist": [b"data"]}, "wechat"),
        ("org.mozilla.firefox", {"EnterprisePoliciesEnabled": False}, "wechat"),
        ("org.mozilla.firefox", {"DNSOverHTTPS": {"Enabled": True}}, "dns-over-https"),
    ],
)
@pytest.mark.parametrize("user", ["", "alice"])
def test_what_somebody_changed_is_named(mac: Mac, domain: str, said: dict[str, Any], rule: str, user: str) -> None:
    """What is set for one user comes before what is set for all."""
    with_browsers(mac).preferences(plan())
    path = mac.root / f"{PREFERENCES[1:]}/{domain}.plist"
    before = plistlib.loads(path.read_bytes())
    mac.prefer(domain, {**({} if user else before), **said}, user)
    assert rules(mac, None, "browser")[f"browser/{rule}"]["state"] == NONCOMPLIANT


def test_firefox_takes_names_that_are_joined(mac: Mac) -> None:
    with_browsers(mac).preferences(plan())
    path = mac.root / f"{PREFERENCES[1:]}/org.mozilla.firefox.plist"
    said = plistlib.loads(path.read_bytes())
    block = said.pop("WebsiteFilter")
    mac.prefer("org.mozilla.firefox", {**said, **{f"WebsiteFilter__{key}": value for key, value in block.items()}})
    assert "browser/wechat" not in rules(mac, None, "browser")


def test_preferences_that_others_can_write_are_unknown(mac: Mac) -> None:
    with_browsers(mac).preferences(plan())
    (mac.root / f"{PREFERENCES[1:]}/com.google.Chrome.plist").chmod(0o666)
    found = rules(mac, None, "browser")["browser/wechat"]
    assert (found["state"], "can be changed by others" in found["reason"]) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("0.0.0.0 wechat.example\n", COMPLIANT),
        ("0.0.0.0 other.example WECHAT.example # ours\n", COMPLIANT),
        ("# 0.0.0.0 wechat.example\n", UNKNOWN),
        ("0.0.0.0 wechat.example\n192.0.2.7 wechat.example\n", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_names_are_blocked_where_the_hosts_file_has_them(mac: Mac, hosts: str, expected: str) -> None:
    mac.file("/private/etc/hosts", hosts.encode())
    assert state(mac, "dns/wechat") == expected


def test_the_firewall_is_not_observed_and_the_record_says_what_it_is(mac: Mac) -> None:
    found = record_of(mac.host, plan(), ())
    assert found["platform"]["os"] == "macos" and found["platform"]["version"] == "15.6.1"
    assert {rule["rule"]: rule["reason"] for rule in found["rules"]}["firewall/wechat"] == (
        "firewall is not observed on macOS"
    )
    assert found["state"] == UNKNOWN and not any("drifted" in rule for rule in found["rules"])


def test_hours_are_those_of_the_macs_own_clock(mac: Mac) -> None:
    mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat")
    entry = {**WECHAT, "mode": "waived", "waiver": "W-1", "otherwise": "enforce"}
    whole_week = [[day, 0, 1440] for day in range(7)]
    assert state(mac, compiled=plan({"wechat": {**entry, "hours": whole_week}})) == "waived"
    assert state(mac, compiled=plan({"wechat": {**entry, "hours": []}})) == NONCOMPLIANT


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    b"<plist><dict><key>a</key><string>&b;</string></dict></plist>"
)
DEEP = b"<plist><dict><key>a</key>" + b"<array>" * 20_000 + b"</array>" * 20_000 + b"</dict></plist>"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bplist00",
        b"bplist00" + bytes(40),
        BOMB,
        BOMB.decode().encode("utf-16"),
        b"<plist>",
        b"{}",
        b"<plist><array/></plist>",
    ],
)
def test_what_is_no_property_list_is_refused(mac: Mac, content: bytes) -> None:
    mac.file("/x.plist", content)
    with pytest.raises(ControlError):
        property_list.read(mac.host, "/x.plist")


def test_a_deep_property_list_costs_nothing(mac: Mac) -> None:
    mac.file("/x.plist", DEEP)
    began = time.process_time()
    with contextlib.suppress(ControlError):
        property_list.read(mac.host, "/x.plist")
    assert time.process_time() - began < 5


@given(st.binary(max_size=300), st.integers(0, 10_000))
def test_no_bytes_of_a_property_list_raise_anything_else(tmp_path_factory: Any, noise: bytes, place: int) -> None:
    whole = plistlib.dumps({"CFBundleIdentifier": "com.example", "a": [1, {"b": 2.5}]}, fmt=plistlib.FMT_BINARY)
    root = tmp_path_factory.mktemp("plist")
    for content in (noise, b"bplist00" + noise, whole[: place % len(whole)] + noise + whole[place % len(whole) :]):
        (root / "x").write_bytes(content)
        try:
            said = property_list.read(Host(str(root)), "/x")
        except ControlError:
            continue
        assert said is None or all(isinstance(key, str) for key in said)

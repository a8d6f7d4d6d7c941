"""The rules of a Mac, in made directories: applications, Homebrew, managed preferences, /etc/hosts, processes."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_mac import BARE, RUNNING, Mac, plan
from proscribe.host.macos import applications, property_list
from proscribe.host.macos.observing import record_of
from proscribe.host.system import ControlError, Host
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


def test_helpers_of_one_application_are_one_finding(mac: Mac) -> None:
    mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat")
    paths = ("MacOS/WeChat", "MacOS/WeChatAppEx.app/Contents/MacOS/WeChatAppEx")
    mac.running = [*RUNNING, *(f"70{n} 501 /Applications/WeChat.app/Contents/{path}" for n, path in enumerate(paths))]
    [_, process] = rules(mac)["apps/wechat"]["findings"]
    assert (process["detail"], process["path"]) == ("pid 700 and 1 more", "/Applications/WeChat.app")


def test_services_without_anything_on_macos_are_not_compliant(mac: Mac) -> None:
    linux = {**BARE, "name": "x", "mode": "enforce", "packages": {"apt": ["x"]}}
    found = rules(mac, plan({"x": linux}))["apps/x"]
    assert (found["state"], found["reason"].startswith("nothing known to look for")) == (NOT_APPLICABLE, True)


def with_browsers(mac: Mac) -> Mac:
    mac.bundle("/Applications/Google Chrome.app", "com.google.Chrome")
    mac.bundle("/Applications/Microsoft Edge.app", "com.microsoft.edgemac")
    mac.bundle("/Users/alice/Applications/Firefox.app", "org.mozilla.firefox")
    return mac


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

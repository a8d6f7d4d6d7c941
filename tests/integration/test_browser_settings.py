"""Every row of settings.SETTINGS in real browsers: each policy that we write is one that they know, take and have.

Left out is what only Brave or Edge have (`BraveVPNDisabled`, `TorDisabled`, `InPrivateModeAvailability`): neither is
in a distribution.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from browser_setup import HERE, enforce, in_place_of_etc, real_plan
from conftest import require_tool
from proscribe.host.controls.browser import chromium, firefox
from proscribe.host.controls.browser.observed import MARK
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import rules
from proscribe.host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS, SETTINGS

SCRIPT = HERE / "browser_policies.py"
CHROMIUM = Place("chromium", "chromium", "/etc/chromium/policies/managed/proscribe.json", browsers=("chromium",))
FIREFOX = Place("firefox", "firefox", "/etc/firefox/policies/policies.json", browsers=("firefox", "firefox_esr"))
# What would keep a browser from being asked about its policies is tried by itself.
MUTE = ("remote_debugging", "developer_tools")
ALL = {id_: BLOCKED for id_ in SETTINGS if id_ not in MUTE}
TENANTS = {"google": ["corp.example", "corp.test"], "microsoft": ["11111111-2222-3333-4444-555555555555"]}
UBLOCK = {"chrome": "cjpalhdlnbpafiamejdnhcphjbkeiagm", "firefox": "uBlock0@raymondhill.net"}
PRIVATE = "resource://gre/modules/PrivateBrowsingUtils.sys.mjs"
PLANS: Mapping[str, Mapping[str, Any]] = {
    "everything closed": {"browser_settings": ALL},
    "tenants, and extensions by allow list": {
        "browser_settings": {**ALL, EXTENSIONS: ALLOW_LIST},
        "browser_extensions_allowed": list(UBLOCK.values()),
        "tenants": TENANTS,
    },
}


@pytest.mark.parametrize("restrictions", PLANS.values(), ids=PLANS)
def test_chromium_has_each_policy_with_its_value_and_without_an_error(restrictions, tree):
    require_tool("chromium")
    plan = real_plan(**restrictions)
    enforce(tree, plan)
    desired = rules(plan["controls"]["browser"])
    said = chromium.policies(desired, CHROMIUM)
    rows = [id_ for id_ in ALL if chromium.closing(desired, CHROMIUM).get(id_)]
    assert rows == [id_ for id_ in ALL if id_ not in ("browser_vpn", "tor_windows", "about_config")]
    policies = in_place_of_etc(tree, SCRIPT, "--browser", "chromium")["policies"]
    assert {name: policy["value"] for name, policy in policies.items()} == said
    assert {name: policy["error"] for name, policy in policies.items() if "error" in policy} == {
        MARK: "Unknown policy."  # the notice of who wrote the file, which is no policy
    }
    assert {policy["level"] for policy in policies.values()} == {"mandatory"}


@pytest.mark.parametrize("restrictions", PLANS.values(), ids=PLANS)
def test_firefox_has_each_policy_with_its_value_and_effect(restrictions, tree):
    require_tool("firefox-esr")
    plan = real_plan(**restrictions)
    enforce(tree, plan)
    desired = rules(plan["controls"]["browser"])
    assert [id_ for id_ in ALL if firefox.closing(desired, FIREFOX).get(id_)] == [
        id_ for id_ in ALL if id_ not in ("tor_windows", "guest_windows", "web_apps", "unpacked_extensions")
    ]
    refused = desired.firefox_extensions[0]
    effects: dict[str, Any] = {
        'Services.prefs.getIntPref("network.trr.mode")': 5,  # off by choice
        'Services.prefs.prefIsLocked("network.trr.mode")': True,
        'Services.prefs.prefIsLocked("network.proxy.type")': True,
        'Services.prefs.getBoolPref("network.http.http3.enable")': False,
        'Services.prefs.prefIsLocked("network.http.http3.enable")': True,
        'Services.prefs.prefIsLocked("identity.fxaccounts.enabled")': True,
        'Services.prefs.getIntPref("network.http.speculative-parallel-limit")': 0,
        'Services.prefs.prefIsLocked("network.http.speculative-parallel-limit")': True,
        f'ChromeUtils.importESModule("{PRIVATE}").PrivateBrowsingUtils.enabled': False,
        f'Services.policies.getExtensionSettings("{refused}").installation_mode': "blocked",
    }
    if desired.firefox_allowed:
        effects[f'Services.policies.getExtensionSettings("{UBLOCK["firefox"]}").installation_mode'] = "allowed"
        effects['Services.policies.getExtensionSettings("other@example").installation_mode'] = "blocked"
    questions = [word for question in effects for word in ("--ask", question)]
    answer = in_place_of_etc(tree, SCRIPT, "--browser", "firefox", *questions)
    assert answer["status"] == "active"
    assert answer["policies"] == firefox.policies(desired, FIREFOX, firefox.lists(desired))
    assert dict(zip(effects, answer["answers"])) == effects


@pytest.mark.parametrize(
    ("name", "tool", "answer"),
    [("chromium", "chromium", "Chromium gives no answer|Not allowed"), ("firefox", "firefox-esr", "no remote control")],
)
def test_without_developer_tools_a_browser_cannot_be_driven_any_more(name, tool, answer, tree):
    require_tool(tool)
    enforce(tree, real_plan(browser_settings={"developer_tools": BLOCKED}))
    with pytest.raises(AssertionError, match=answer):
        in_place_of_etc(tree, SCRIPT, "--browser", name, "--seconds", "6")

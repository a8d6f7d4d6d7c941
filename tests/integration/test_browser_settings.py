"""Every row of settings.SETTINGS in real browsers, but for Brave's and Edge's own; tenants, Thunderbird, a relative."""

import json
import os
from pathlib import Path

import pytest
from browser_setup import HERE, enforce, in_place_of_etc, lift, put, read_policies, real_plan, unmet, visits
from conftest import missing, require_tool
from proscribe.host.controls.browser import browser_probe, chromium, firefox
from proscribe.host.controls.browser.browser_settings import ALLOW_LIST, BLOCKED, EXTENSIONS, SETTINGS
from proscribe.host.controls.browser.policy_observation import POLICY_MARK
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import make_rules
from proscribe.host.system import Host

CHROMIUM = PolicyPlace("chromium", "chromium", "/etc/chromium/policies/managed/proscribe.json", browsers=("chromium",))
FIREFOX = PolicyPlace("firefox", "firefox", "/etc/firefox/policies/policies.json", browsers=("firefox", "firefox_esr"))
# What would keep a browser from being asked about its policies is tried by itself.
MUTE = ("remote_debugging", "developer_tools")
ALL = {id_: BLOCKED for id_ in SETTINGS if id_ not in MUTE}
TENANTS = {"google": ["corp.example", "corp.test"], "microsoft": ["11111111-2222-3333-4444-555555555555"]}
UBLOCK = {"chrome": "cjpalhdlnbpafiamejdnhcphjbkeiagm", "firefox": "uBlock0@raymondhill.net"}
PRIVATE = "resource://gre/modules/PrivateBrowsingUtils.sys.mjs"
BY_LIST = {"browser_settings": {**ALL, EXTENSIONS: ALLOW_LIST}, "browser_extensions_allowed": list(UBLOCK.values())}
PLANS = {
    "everything closed": {"browser_settings": ALL},
    "tenants, and extensions by allow list": {**BY_LIST, "tenants": TENANTS},
}


@pytest.mark.parametrize("restrictions", PLANS.values(), ids=PLANS)
def test_chromium_has_each_policy_with_its_value_and_without_an_error(restrictions, tree):
    require_tool("chromium")
    plan = real_plan(**restrictions)
    enforce(tree, plan)
    desired = make_rules(plan["controls"]["browser"])
    expected = chromium.make_policies(desired, CHROMIUM)
    rows = [id_ for id_ in ALL if chromium.list_closing_policies(desired, CHROMIUM).get(id_)]
    assert rows == [id_ for id_ in ALL if id_ not in ("browser_vpn", "tor_windows", "about_config")]
    policies = read_policies(tree)["policies"]
    assert {name: policy["value"] for name, policy in policies.items()} == expected
    errors = {name: policy["error"] for name, policy in policies.items() if "error" in policy}
    assert errors == {POLICY_MARK: "Unknown policy."}  # the notice of who wrote the file, which is no policy
    assert {policy["level"] for policy in policies.values()} == {"mandatory"}


@pytest.mark.parametrize("restrictions", PLANS.values(), ids=PLANS)
def test_firefox_has_each_policy_with_its_value_and_effect(restrictions, tree):
    require_tool("firefox-esr")
    plan = real_plan(**restrictions)
    enforce(tree, plan)
    desired = make_rules(plan["controls"]["browser"])
    rows = [id_ for id_ in ALL if firefox.list_closing_policies(desired, FIREFOX).get(id_)]
    without = ("tor_windows", "guest_windows", "web_apps", "unpacked_extensions")
    assert rows == [id_ for id_ in ALL if id_ not in without]
    refused = desired.firefox_extensions[0]
    effects = {
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
    answer = read_policies(tree, "firefox", *questions)
    assert answer["status"] == "active"
    assert answer["policies"] == firefox.make_policies(desired, FIREFOX, firefox.make_filter_lists(desired))
    assert dict(zip(effects, answer["answers"])) == effects


@pytest.mark.parametrize(
    ("name", "tool", "answer"),
    [("chromium", "chromium", "Chromium gives no answer|Not allowed"), ("firefox", "firefox-esr", "no remote control")],
)
def test_without_developer_tools_a_browser_cannot_be_driven_any_more(name, tool, answer, tree):
    require_tool(tool)
    enforce(tree, real_plan(browser_settings={"developer_tools": BLOCKED}))
    with pytest.raises(AssertionError, match=answer):
        read_policies(tree, name, "--seconds", "6")


DOMAINS, MICROSOFT = ["corp.example", "corp.test"], ["11111111-2222-3333-4444-555555555555", "tenant.example"]
GOOGLE = {"x-googapps-allowed-domains": ",".join(DOMAINS)}
WORK = {"restrict-access-to-tenants": ",".join(MICROSOFT), "restrict-access-context": MICROSOFT[0]}
PERSONAL = {"sec-restrict-tenant-access-policy": "restrict-msa"}
HEADERS = (*GOOGLE, *WORK, *PERSONAL)
# What of these headers comes to a site, in (Chromium, Firefox); None: the browser is not there.
SITES = {
    "https://accounts.google.com/": (GOOGLE, GOOGLE),
    "https://mail.google.com/mail/": (GOOGLE, GOOGLE),  # which is blocked without tenants
    "https://drive.google.com/": (GOOGLE, GOOGLE),
    "https://google.com/": (GOOGLE, {}),
    "https://google.com.example/": ({}, {}),
    "https://login.microsoftonline.com/common/": (WORK, {}),
    "https://login.live.com/": (PERSONAL, None),
    "https://www.microsoft.com/": ({}, {}),
    "https://web.whatsapp.com/": (None, None),
}


def test_only_the_sites_of_google_and_microsoft_get_the_tenants(browser, tree):
    require_tool("openssl")
    enforce(tree, real_plan(tenants={"google": DOMAINS, "microsoft": MICROSOFT}))
    sent = in_place_of_etc(tree, HERE / "browser_headers.py", "--browser", browser, *SITES)
    expected = {url: cases[browser == "firefox"] for url, cases in SITES.items()}
    ours = {url: headers and {key: headers[key] for key in HEADERS if key in headers} for url, headers in sent.items()}
    assert ours == expected


FILE = "/etc/thunderbird/policies/policies.json"
OWN = {"policies": {"DisableAppUpdate": True}}
LOCKED = 'Services.prefs.prefIsLocked("network.trr.mode")'


def test_thunderbird_takes_our_part_beside_the_organisations_until_the_lift(tree):
    require_tool("thunderbird")
    put(tree, {FILE: OWN})
    plan = real_plan(browser_settings=dict.fromkeys(SETTINGS, BLOCKED))
    enforce(tree, plan)
    assert unmet(tree, plan) == []
    answer = read_policies(tree, "thunderbird", "--ask", LOCKED)
    ours = {name: value for row in SETTINGS.values() if row.is_for_thunderbird for name, value in row.firefox.items()}
    assert (answer["status"], answer["policies"], answer["answers"]) == ("active", {**ours, **OWN["policies"]}, [True])
    lift(tree, plan)
    assert json.loads((tree / FILE[1:]).read_text()) == OWN
    answer = read_policies(tree, "thunderbird", "--ask", LOCKED)
    assert (answer["policies"], answer["answers"]) == (OWN["policies"], [False])


DEBIANS = Path("/usr/lib/chromium")
ITS, OURS = b"/etc/chromium/policies\0", b"/etc/nightowl/policies\0"  # of one length
ENTRY = "[Desktop Entry]\nType=Application\nName=Nightowl\nExec=/usr/bin/nightowl %U\n"
ENTRY += "MimeType=text/html;x-scheme-handler/http;x-scheme-handler/https;\n"
URLS = ["https://mail.google.com/", "https://www.example.org/"]


def install_nightowl(tree):
    """Install a relative of Chromium with a policy folder of its own, which no table has; return its binary."""
    folder = tree / "usr/lib/nightowl"
    folder.mkdir(parents=True)
    for file in DEBIANS.iterdir():
        if file.name not in ("chromium", "extensions"):
            (folder / file.name).symlink_to(file)
    content = (DEBIANS / "chromium").read_bytes()
    assert content.count(ITS) == 1
    binary = folder / "nightowl"
    binary.write_bytes(content.replace(ITS, OURS))
    binary.chmod(0o755)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/nightowl").symlink_to("../lib/nightowl/nightowl")
    (tree / "usr/share/applications").mkdir(parents=True)
    (tree / "usr/share/applications/nightowl.desktop").write_text(ENTRY)
    return binary


def test_an_unknown_relative_of_chromium_gets_its_policy_and_obeys_it(tree):
    require_tool("chromium")
    if not os.path.exists(DEBIANS / "chromium"):
        missing("needs Debian's chromium, with its binary in /usr/lib/chromium")
    binary = install_nightowl(tree)
    plan = real_plan()
    file = tree / "etc/nightowl/policies/managed/proscribe.json"
    enforce(tree, plan)
    assert file.is_file() and unmet(tree, plan) == []
    assert "/usr/lib/nightowl/nightowl" in [
        program.binary for program in browser_probe.list_candidates(Host(str(tree)), plan)
    ]
    # Chromium's own folder is taken away, so that it is the found one that counts.
    (tree / "etc/chromium/policies/managed/proscribe.json").unlink()
    opened = visits(tree, "chromium", URLS, "--executable", str(binary))
    assert [hits > 0 for hits, _ in opened.values()] == [False, True]
    assert opened[URLS[0]][1] == "net::ERR_BLOCKED_BY_ADMINISTRATOR"
    lift(tree, plan)
    assert not (tree / "etc/nightowl").exists()
    assert visits(tree, "chromium", URLS, "--executable", str(binary))[URLS[0]][0] > 0
